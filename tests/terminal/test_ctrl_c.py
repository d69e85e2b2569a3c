"""Ctrl-C once and twice: what it says, and that nothing is lost or paid twice either way."""

import asyncio
import re
import signal

import pytest

XDIST = ("-p", "xdist", "-n", "2")
STOPPING = "batch: stopping; another Ctrl-C ends this at once, and nothing is lost either way"
HELD = "1/1  in_progress  0/6"
HANGING = """
import threading

def hang(*arguments):
    print("cleaning up", flush=True)
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()

def pytest_sessionfinish(session):
    if {session} and not hasattr(session.config, "workerinput"):
        hang()

if not {session}:
    from {module} import {name}
    {name}.{method} = hang
"""


def executed(server):
    return sorted(server.ledger.executed(key) for key in {done.custom_id for done in server.ledger.executions})


def paid_once(send, server):
    """The same command again, once the provider goes on, finds its batch and pays for nothing twice."""
    server.faults.release()
    again = send()
    assert again.rest() == 0
    assert "6 passed" in again.text
    assert executed(server) == [1] * 6


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("width", "arguments"), [(80, ()), (40, ()), (200, ()), (80, XDIST)], ids=["80", "40", "200", "-n 2"]
)
def test_once_says_what_goes_on_and_how_to_come_back(send, batch_server, width, arguments):
    batch_server.faults.hold_batches()
    run = send(*arguments, width=width)
    run.until(HELD)
    run.ctrl_c()
    assert run.rest() == 2
    begin = run.printed.index(STOPPING)
    assert re.match(r"(batch )?1/1  in_progress  0/6", run.printed[begin + 1])
    name = re.match(r"batch: (batch_\w+) continues", run.printed[begin + 2])[1]
    assert run.printed[begin + 2 : begin + 7] == [
        f"batch: {name} continues at the provider (in_progress), 0 of 6 done",
        "batch: nothing is lost: run the same command again to collect the answers, or",
        f"batch:     batcheval resume --backend {batch_server.base_url}",
        "batch: to stop a batch (finished requests are still paid, the rest costs nothing):",
        f"batch:     batcheval cancel {name} --backend {batch_server.base_url}",
    ]
    assert "! KeyboardInterrupt !" in run.text
    assert "Traceback" not in run.text
    if width == 80:
        paid_once(send, batch_server)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        ((), "pytest_batcheval.journal.lock JournalLock.release"),
        ((), "pytest_batcheval.backends.openai_batch OpenAIBatch.close"),
        (XDIST, "session"),
    ],
    ids=["lock", "connection", "pytest -n 2"],
)
def test_twice_ends_at_once_wherever_the_first_one_is(send, batch_server, suite, arguments, place):
    """Each clean-up waits for ever here, so that the second Ctrl-C comes while it goes on."""
    module, _, name = place.partition(" ")
    owner, _, method = name.partition(".")
    hanging = HANGING.format(session=place == "session", module=module, name=owner or "_", method=method or "_")
    (suite / "conftest.py").write_text(hanging)
    batch_server.faults.hold_batches()
    run = send(*arguments)
    run.until(HELD)
    run.ctrl_c()
    run.until("cleaning up")
    run.until("^batch: stopping")
    run.ctrl_c()
    assert run.rest() == -signal.SIGINT
    assert "Traceback" not in run.text
    (suite / "conftest.py").unlink()
    if arguments:
        paid_once(send, batch_server)


@pytest.mark.sampled
def test_a_simulator_of_the_run_itself_ends_with_it(terminal, suite):
    (suite / "conftest.py").write_text("""
from pytest_batcheval.simulator.server import SimulatorServer
start = SimulatorServer.start

def start_held(self):
    start(self).faults.hold_batches()
    return self

SimulatorServer.start = start_held
""")
    run = terminal("--batch=send", "--batch-backend=simulator")
    run.until(HELD)
    run.ctrl_c()
    assert run.rest() == 2
    assert "batch: interrupted; the simulator and its batches end with this run" in run.printed


@pytest.mark.sampled
def test_individual_calls_under_way_are_waited_for_a_while(terminal, stepped):
    async def never_answer(exchange):
        if exchange.call == "chat":
            await asyncio.Event().wait()
        await exchange.answer()

    stepped.intercept(never_answer)
    run = terminal("--batch=send", f"--batch-backend={stepped.base_url}", "--batch-calls=individual", width=120)
    run.until(r"^calls  in_progress  0/6 done  \w+  6 under way")
    run.ctrl_c()
    run.until("^batch: stopping when the calls under way are answered; another Ctrl-C ends this at once")
    run.until("KeyboardInterrupt", step=lambda: stepped.pass_time(5))
    assert run.rest() == 2
    (line,) = [line for line in run.printed if line.startswith("batch: interrupted")]
    assert line.startswith("batch: interrupted; at most 6 calls of unknown outcome may be paid twice; answers are in")


@pytest.mark.sampled
def test_resume_says_that_the_batches_go_on(send, batch_server, terminal):
    batch_server.faults.hold_batches()
    run = send()
    run.until(HELD)
    run.ctrl_c()
    assert run.rest() == 2
    resume = terminal("resume", "--backend", batch_server.base_url, command=("-m", "pytest_batcheval.cli"))
    resume.until("in_progress, 0/6 done")
    resume.ctrl_c()
    assert resume.rest() == 130
    text = "interrupted; the batches continue at the provider and nothing is lost: the same command collects them"
    assert resume.printed[-1].endswith(text)
