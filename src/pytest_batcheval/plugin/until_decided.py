"""Samples in waves: after each the tests that judge samples are run, and only the undecided ones get more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from pytest_batcheval.plugin._pytest_compat import run_silently
from pytest_batcheval.plugin.plan import ItemPlan, Plan, item_plan, plan_again
from pytest_batcheval.quality.passing.rule import UNDECIDED, CountRule, RateRule
from pytest_batcheval.quality.passing.sequential import SequentialRule
from pytest_batcheval.text.format import counted

MOST_WAVES = 10
"""Of `samples=` each, for one test."""


def begin_waves(session: pytest.Session, plan: Plan) -> None:
    """Plan the first wave: of `passes="4 of 5"` the four samples that can decide it."""
    plan_again(plan, {item: _first(planned) for item, planned in _judges(session.items)})


def until_decided(
    session: pytest.Session, plan: Plan, answer: Callable[[Sequence[pytest.Item]], bool], say: Callable[[str], None]
) -> None:
    """Run the tests that judge samples, and plan and get more samples of those that are undecided.

    Args:
        session: with the selected tests.
        plan: the plan; its first wave is answered.
        answer: gets the answers that the plan of these tests has in addition; `False` if it can't.
        say: writes a line for the user.
    """
    sizes = {item: _wave_size(planned) for item, planned in _judges(session.items)}
    left = list(sizes)
    for wave in range(2, MOST_WAVES + 1):
        left = [item for item, then in zip(left, [*left[1:], session.items[0]], strict=True) if _undecided(item, then)]
        if not left:
            return
        say(f"samples, wave {wave}: {counted(len(left), 'test')} undecided")
        before = dict(_judges(left))
        plan_again(plan, {item: _with_more(planned, sizes[item]) for item, planned in before.items()})
        if not answer(left):
            plan_again(plan, before)
            return


def _first(planned: ItemPlan) -> ItemPlan:
    """The plan for the first wave."""
    if isinstance(planned.rule, CountRule):
        return replace(planned, cells=planned.cells[: planned.rule.needed])
    return replace(planned, rule=SequentialRule(planned.rule)) if isinstance(planned.rule, RateRule) else planned


def _judges(items: Sequence[pytest.Item]) -> list[tuple[pytest.Item, ItemPlan]]:
    plans = ((item, item_plan(item)) for item in items)
    return [(item, plan) for item, plan in plans if plan is not None and plan.rule is not None and plan.error is None]


def _wave_size(planned: ItemPlan) -> int:
    return 1 if isinstance(planned.rule, CountRule) else len(planned.cells)


def _undecided(item: pytest.Item, following: pytest.Item) -> bool:
    """Whether the verdict of a run of the test, which nobody sees, is `undecided`."""
    reports = run_silently(item, None if following is item else following)
    verdicts = [report.batcheval_samples[2] for report in reports if hasattr(report, "batcheval_samples")]
    return verdicts == [UNDECIDED]


def _with_more(planned: ItemPlan, number: int) -> ItemPlan:
    """The plan with so many more samples; of a count not more than it is about."""
    have = len(planned.cells)
    most = planned.rule.of if isinstance(planned.rule, CountRule) else have + number
    first = planned.cells[0]
    added = (
        replace(first, call=replace(first.call, sample=sample)) for sample in range(have, min(most, have + number))
    )
    return replace(planned, cells=(*planned.cells, *added))
