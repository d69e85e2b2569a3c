"""The answers of a test's cells, or the outcome of a test that has none."""

from __future__ import annotations

import pytest

from pytest_batcheval.backends.connect import expected_origin
from pytest_batcheval.errors import BatchEvalError
from pytest_batcheval.plugin._pytest_compat import failing_despite_xfail, skip_test, will_run
from pytest_batcheval.plugin.destinations import backend_of
from pytest_batcheval.plugin.marker import ordered_marks
from pytest_batcheval.plugin.plan import ItemPlan, item_plan
from pytest_batcheval.plugin.reports import RequestFailed
from pytest_batcheval.plugin.samples import keep_samples
from pytest_batcheval.plugin.session import BatchSession
from pytest_batcheval.plugin.simulated import respondents_asked
from pytest_batcheval.plugin.stash import batch_session, item_stats
from pytest_batcheval.plugin.unrecorded import end_unrecorded
from pytest_batcheval.recordings.answer_table import Answers, Row
from pytest_batcheval.report.commands import show_command
from pytest_batcheval.wire.objects import Answer


def answer_of(request: pytest.FixtureRequest) -> Answer:
    """The answer of a test with one cell.

    Raises:
        Unrecorded, RequestFailed: there is none.
    """
    with failing_despite_xfail(request.node):
        plan = _plan_of(request, "answer")
        found = _answers_of(request, plan, keep=plan.errors == "keep")
        if plan.rule is not None:
            keep_samples(request.node, found)
        return found[0]


def answers_of(request: pytest.FixtureRequest) -> Answers:
    """The table of a test's cells, in the order of the matrix; failed requests are answers with an error.

    Raises:
        Unrecorded: a cell has neither answer nor failure.
    """
    with failing_despite_xfail(request.node):
        plan = _plan_of(request, "answers")
        found = _answers_of(request, plan, keep=True)
    return Answers(Row(p.cell, p.call.sample, a) for p, a in zip(plan.cells, found, strict=True))


def _plan_of(request: pytest.FixtureRequest, name: str) -> ItemPlan:
    plan = item_plan(request.node)
    if plan is None and not will_run(request.node):  # `unittest.skip` skips a function when it is called
        skip_test(str(getattr(request.node.obj, "__unittest_skip_why__", "")))
    if plan is None:
        pytest.fail(
            f"{name!r} needs @pytest.mark.batch(prompt=…) on the test, and must be named among the arguments of the "
            f"test or its fixtures: requests are gathered before any test runs",
            pytrace=False,
        )
    if plan.error is not None:
        pytest.fail(str(plan.error), pytrace=False)
    if len(ordered_marks(request.node, "batch")) != plan.marks:
        pytest.fail("a batch marker was added when this test was set up; requests are built before that", pytrace=False)
    return plan


def _respondents_asked(session: BatchSession, plan: ItemPlan) -> list[str]:
    """As `respondents_asked`; a worker elsewhere has no connection, so that origins are as expected."""
    if session.stored.origins:
        return respondents_asked(plan, session.stored.origin_of, connected=True)
    settings = session.settings
    return respondents_asked(plan, lambda asked: expected_origin(backend_of(settings, asked.backend)), connected=False)


def _answers_of(request: pytest.FixtureRequest, plan: ItemPlan, keep: bool) -> list[Answer]:
    """The answers of a test's cells; ends the test for those that are missing or (unless kept) failed."""
    session = batch_session(request.config)
    if session.settings.sends and (names := _respondents_asked(session, plan)):
        skip_test(f"{', '.join(names)}: only the simulator has this model")
    try:
        found, missing = session.stored.resolve(plan)
    except BatchEvalError as error:
        pytest.fail(str(error), pytrace=False)
    stats = item_stats(request.node)
    for answer in found:
        for turn in answer.turns:
            stats.use(turn)
        stats.cells[answer.custom_id] = dict(answer.cell)
    stats.cells |= {request.custom_id: dict(planned.ids) for planned, request in missing}
    if missing:
        if not session.settings.sends:
            stats.unrecorded(plan.nodeid, plan.module, [request for _, request in missing], missing[0][0].ids)
        end_unrecorded([request for _, request in missing], session.settings, session.stored.elsewhere)
    failed = [a for a in found if a.error is not None]
    if keep or not failed:
        return found
    answered = [a for a in found if a.error is None]
    if plan.rule is None or not answered:  # samples without an answer say nothing
        settings = session.settings
        raise RequestFailed(failed[0], show_command(failed[0].custom_id, settings.journal, settings.cassettes))
    return answered
