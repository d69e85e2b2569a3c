"""Each case of `batcheval certify`, asked of a simulator that checks what it sends."""

from __future__ import annotations

import pytest

from pytest_batcheval.backends.certify.case import PASSED, Case
from pytest_batcheval.backends.certify.run import CASES, certify
from pytest_batcheval.backends.certify.server import Server
from pytest_batcheval.simulator.server import SimulatorServer

_large = [pytest.mark.sampled]


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.name, marks=_large if case.large else []) for case in CASES]
)
def test_the_simulator_passes(simulator: SimulatorServer, case: Case) -> None:
    server = Server(simulator.base_url, "key-one", "gpt-6-luna", "text-embedding-3-small")
    (result,) = certify(server, [case]).results
    assert (result.outcome, result.seen) == (PASSED, "")
