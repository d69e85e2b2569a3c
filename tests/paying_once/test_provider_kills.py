"""The kill table at other providers: nothing is paid twice, nothing is lost, whatever they know of our batches."""

import shutil
import signal
from contextlib import ExitStack

import pytest
from checker import broken_rules
from kill_table import ALL, SOME, THEN, billed_keys, client, strike, until_done

from pytest_batcheval.simulator.server import SimulatorServer

pytestmark = pytest.mark.timeout(0)

EVERY = [
    (fault, call, 1) for call in ("files.create", "batches.retrieve") for fault in ("kill_client", "kill_client_after")
]
CALLS = ("batches.create", "batches.list", "files.content")
POINTS = [(fault, call, nth) for call in CALLS for fault in ("kill_client", "kill_client_after") for nth in (1, 2)]
UPLOADS = [(fault, "files.create", 1) for fault in ("kill_client", "kill_client_after")]
OTHERS = [(fault, call, 1) for call in ("files.announce", "batches.retrieve") for fault, _, _ in UPLOADS]
CASES = [
    *(("mistral", point, then) for point in [*EVERY, *POINTS] for then in THEN),
    *(("anthropic", point, then) for point in POINTS for then in THEN),
    # without a mark in its batches only the journal knows them
    *(("together", point, then) for point in [*UPLOADS, *POINTS] for then in THEN[:2]),
    *(("gemini", point, then) for point in [*OTHERS, *UPLOADS, *POINTS] for then in THEN),
    *((name, point, THEN[2]) for name in ("azure", "groq") for point in [*UPLOADS, *POINTS[:4]]),
]


@pytest.fixture(scope="module")
def servers():
    with ExitStack() as stack:
        running: dict[str, SimulatorServer] = {}

        def of(name):
            if name not in running:
                running[name] = stack.enter_context(SimulatorServer(dialect=name))
            return running[name]

        yield of


@pytest.fixture(params=["anthropic", pytest.param("gemini", marks=pytest.mark.sampled)])
def server(servers, request):
    return servers(request.param)


@pytest.mark.sampled(30)
@pytest.mark.parametrize(
    ("name", "point", "then"), CASES, ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else value
)
def test_a_client_killed_at_this_point_is_taken_up(servers, tmp_path, name, point, then):
    killed = strike(servers(name), tmp_path, point, then)
    assert killed.kills == 1, f"a conversation of {SOME} requests has no call {point[2]} of {point[1]}"
    assert (len(killed.billed), killed.wrong) == (killed.wanted, [])


@pytest.mark.sampled(2)
@pytest.mark.parametrize("fault", ["reset_after", "status_after", "late", "garbage"])
def test_a_create_without_a_clear_answer_is_found_when_its_batch_has_ended(server, tmp_path, fault):
    server.reset()
    plan = server.misbehave({"fault": fault, "call": "batches.create", "nth": 1})
    until_done(server, tmp_path, SOME)
    assert plan.struck.total() == 1
    server.forward(3 * 86_400)
    billed = billed_keys(server)
    assert (len(billed), broken_rules(billed, tmp_path / "journal.sqlite", server.origin)) == (SOME, [])


def test_a_lost_journal_waits_for_the_batches_that_run(server, tmp_path):
    """They say whose they are when they have ended; nothing is sent before."""
    server.reset()
    server.misbehave({"fault": "kill_client_after", "call": "batches.create", "nth": 2})
    assert client(server, tmp_path, SOME).exitcode == -signal.SIGKILL
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    until_done(server, tmp_path, ALL)
    server.forward(3 * 86_400)
    billed = billed_keys(server)
    assert (len(billed), broken_rules(billed, tmp_path / "journal.sqlite", server.origin)) == (ALL, [])
