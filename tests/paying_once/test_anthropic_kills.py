"""The kill table at a provider without metadata and input files: nothing is paid twice, nothing is lost."""

import pytest
from kill_table import SOME, THEN, strike

from pytest_batcheval.simulator.server import SimulatorServer

pytestmark = pytest.mark.timeout(0)

CALLS = ("batches.create", "batches.list", "batches.results")
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
