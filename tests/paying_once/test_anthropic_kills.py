"""The kill table at a provider without metadata and input files: nothing is paid twice, nothing is lost."""

import shutil
import signal

import pytest
from checker import broken_rules
from kill_table import ALL, SOME, THEN, billed_keys, client, strike, until_done

from pytest_batcheval.simulator.server import SimulatorServer

pytestmark = pytest.mark.timeout(0)

CALLS = ("batches.create", "batches.list", "files.content")
POINTS = [(fault, call, nth) for call in CALLS for fault in ("kill_client", "kill_client_after") for nth in (1, 2)]


@pytest.fixture(scope="module")
def server():
    with SimulatorServer(dialect="anthropic") as running:
        yield running


@pytest.mark.sampled(4)
@pytest.mark.parametrize("then", THEN)
@pytest.mark.parametrize("point", POINTS, ids=lambda point: "-".join(map(str, point)))
def test_a_client_killed_at_this_point_is_taken_up(server, tmp_path, point, then):
    killed = strike(server, tmp_path, point, then)
    assert killed.kills == 1, f"a conversation of {SOME} requests has no call {point[2]} of {point[1]}"
    assert (len(killed.billed), killed.wrong) == (killed.wanted, [])


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
