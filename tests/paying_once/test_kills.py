"""Real processes, real HTTP, real SIGKILL: at every call of the conversation, before and after it is applied."""

import random
import shutil
import signal

import kill_client
import pytest
from checker import broken_rules
from forked import context

from pytest_batcheval.exit_status import ExitStatus

pytestmark = pytest.mark.timeout(0)  # a full proof takes hours

CALLS = ("files.create", "batches.create", "batches.list", "batches.retrieve", "files.content")
ONCE = ("batches.retrieve",)  # several batches are looked at by one list
POINTS = [
    (fault, call, nth)
    for call in CALLS
    for fault in ("kill_client", "kill_client_after")
    for nth in ((1,) if call in ONCE else (1, 2))
]
THEN = ("the same requests", "other requests", "the journal is deleted")
QUICK = [
    ("kill_client_after", "batches.create", 1),
    ("kill_client", "batches.create", 2),
    ("kill_client_after", "files.create", 1),
    ("kill_client", "files.content", 1),
    ("kill_client", "batches.list", 2),
]
STARTS = 12
DOUBLE = {"quick": 1, "ci": 30, "full": 300}
ALL = 10
SOME = 6


@pytest.fixture
def until_done(batch_server, tmp_path):
    """Start clients until one comes to its end; returns how many were killed."""

    def go(count):
        for killed in range(STARTS):
            client = context().Process(target=kill_client.run, args=(batch_server.base_url, str(tmp_path), count))
            client.start()
            client.join()
            if client.exitcode == 0:
                return killed
            # what strikes before a client has registered kills nobody: it finds no server
            assert client.exitcode in (-signal.SIGKILL, ExitStatus.PROVIDER)
        raise AssertionError(f"no client of {STARTS} came to its end")

    return go


def killed_once(batch_server, folder, count):
    client = context().Process(target=kill_client.run, args=(batch_server.base_url, str(folder), count))
    client.start()
    client.join()
    return client.exitcode == -signal.SIGKILL


def points(config):
    return QUICK if config.getoption("--proof") == "quick" else POINTS


def pytest_generate_tests(metafunc):
    if "point" in metafunc.fixturenames:
        chosen = points(metafunc.config)
        metafunc.parametrize("point", chosen, ids=["-".join(map(str, point)) for point in chosen])
        quick = metafunc.config.getoption("--proof") == "quick"
        metafunc.parametrize("then", THEN[:1] if quick else THEN)


@pytest.mark.sampled(18)
def test_a_client_killed_at_this_point_is_taken_up(batch_server, until_done, tmp_path, point, then):
    fault, call, nth = point
    batch_server.reset()  # with the usual times, so that batches are polled
    plan = batch_server.misbehave({"fault": fault, "call": call, "nth": nth})
    killed = killed_once(batch_server, tmp_path, SOME)
    assert plan.struck.total() == killed
    assert killed, f"a conversation of {SOME} requests has no call {nth} of {call}"
    if then == THEN[2]:
        batch_server.forward(6 * 3600)
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()
    until_done(ALL if then == THEN[1] else SOME)
    batch_server.forward(3 * 86_400)
    assert len(batch_server.ledger.billed()) == (ALL if then == THEN[1] else SOME)
    assert not broken_rules(batch_server.ledger.billed(), tmp_path / "journal.sqlite", batch_server.origin)


@pytest.mark.sampled
def test_clients_killed_twice_at_random_are_taken_up(batch_server, until_done, tmp_path, proof):
    for seed in range(DOUBLE[proof]):
        batch_server.reset()
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()
        dice = random.Random(seed)
        faults = [
            {"fault": dice.choice(("kill_client", "kill_client_after")), "call": "*", "nth": dice.randrange(1, 30)}
            for _ in range(2)
        ]
        plan = batch_server.misbehave(*faults)
        killed = until_done(SOME) + until_done(ALL)
        assert killed == plan.struck.total(), f"seed {seed}"
        batch_server.forward(3 * 86_400)
        wrong = broken_rules(batch_server.ledger.billed(), tmp_path / "journal.sqlite", batch_server.origin)
        assert not wrong, f"seed {seed}: {faults}"
        assert len(batch_server.ledger.billed()) == ALL
