"""The fixtures test authors name: `answer`, `answers`, `persona_matrix`, `batch_server`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from pytest_batcheval.outcomes import RequestFailed, Unrecorded
from pytest_batcheval.planning import ItemPlan, item_plan
from pytest_batcheval.session import BatchSession, batch_session
from pytest_batcheval.wire.errors import BatchEvalError
from pytest_batcheval.wire.objects import Answer, Request

if TYPE_CHECKING:
    from pytest_batcheval.matrix.axes import PersonaMatrix
    from pytest_batcheval.simulator.server import SimulatorServer
    from pytest_batcheval.wire.answers import Answers


@pytest.fixture
def answer(request: pytest.FixtureRequest) -> Answer:
    """The answer to this test's request; of a generator prompt the last turn's, with all in `.turns`."""
    plan = _plan_of(request, "answer")
    return _answers_of(request, plan)[0]


@pytest.fixture
def answers(request: pytest.FixtureRequest) -> Answers:
    """The table of answers of this test's cells, in the order of the matrix."""
    from pytest_batcheval.wire.answers import Answers, Row

    plan = _plan_of(request, "answers")
    found = _answers_of(request, plan, keep=True)
    return Answers(Row(p.cell, p.call.sample, a) for p, a in zip(plan.cells, found, strict=True))


@pytest.fixture
def persona_matrix(request: pytest.FixtureRequest) -> PersonaMatrix:
    """The axes this test's folder sees, such as the 25 personas and 11 questions."""
    from pytest_batcheval.matrix.axes import PersonaMatrix

    return PersonaMatrix(batch_session(request.config).axes.of(request.node))


@pytest.fixture(scope="session")
def _batch_server_of_session() -> Iterator[SimulatorServer]:
    from pytest_batcheval.simulator.server import SimulatorServer

    with SimulatorServer() as server:
        yield server


@pytest.fixture
def batch_server(_batch_server_of_session: SimulatorServer) -> SimulatorServer:
    """A running simulator of the Batch API, empty at the start of each test: `.base_url`, `.ledger`, `.faults`."""
    _batch_server_of_session.reset()
    return _batch_server_of_session


def _plan_of(request: pytest.FixtureRequest, name: str) -> ItemPlan:
    plan = item_plan(request.node)
    if plan is None or (not plan.cells and plan.error is None):
        pytest.fail(
            f"{name!r} needs @pytest.mark.batch(prompt=…) on the test, and must be named among the arguments of the "
            f"test or its fixtures: requests are gathered before any test runs",
            pytrace=False,
        )
    if plan.error is not None:
        pytest.fail(str(plan.error), pytrace=False)
    return plan


def _answers_of(request: pytest.FixtureRequest, plan: ItemPlan, keep: bool = False) -> list[Answer]:
    """The answers of a test's cells; raises for the first that is missing or (unless kept) failed."""
    session = batch_session(request.config)
    try:
        found, missing = session.resolve(plan)
    except BatchEvalError as error:
        pytest.fail(str(error), pytrace=False)
    if missing:
        _missing(session, request.node.nodeid, missing)
    failed = [a for a in found if a.error is not None]
    if failed and not keep and plan.errors == "raise":
        raise RequestFailed(failed[0])
    return found


def _missing(session: BatchSession, nodeid: str, missing: list[Request]) -> None:
    session.tally.unrecorded(nodeid, missing)
    if session.settings.missing == "skip":
        pytest.skip(f"unrecorded: no answer for {len(missing)} of its requests; record with --batch=record")
    raise Unrecorded(missing)
