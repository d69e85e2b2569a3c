"""Pass rates of stored outcomes: by test, model or axis, and of two runs or two models over the same items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pytest_batcheval.journal.outcomes import Outcome
from pytest_batcheval.quality.passing.rate import Tally

TEST, MODEL = "test", "model"
"""What a rate can be taken by, besides an axis."""

_SAYS = {"passed": True, "xpassed": True, "failed": False, "xfailed": False}
"""Outcomes that say something about the answer."""


def tallies(outcomes: Iterable[Outcome], items: Mapping[str, str] | None = None) -> list[Tally]:
    """The samples of each item together, in the order of the outcomes.

    Args:
        outcomes: a run's; one that says nothing about an answer (an error, a skipped test) is left out.
        items: other names of the items, by test.
    """
    counts: dict[str, list[int]] = {}
    for one in outcomes:
        passed, failed = _counts(one)
        if passed or failed:
            name = (items or {}).get(one.test) or one.item or one.test
            known = counts.setdefault(name, [0, 0])
            known[0] += passed
            known[1] += failed
    return [Tally(item, passed, failed) for item, (passed, failed) in counts.items()]


def groups(outcomes: Sequence[Outcome], by: str) -> dict[str, list[Outcome]]:
    """Outcomes by the name of the test without parameters, the model, or the id on an axis.

    A test whose answers have several ids on the axis, or none, is in no group.
    """
    found: dict[str, list[Outcome]] = {}
    for one in outcomes:
        if by == TEST:
            names = {one.test.partition("[")[0]}
        elif by == MODEL and one.model:
            names = {one.model}
        else:
            names = {cell[by] for cell in one.cells.values() if by in cell}
        if len(names) == 1:
            found.setdefault(names.pop(), []).append(one)
    return found


def axes_of(outcomes: Iterable[Outcome]) -> list[str]:
    """The axes of the answers of these tests."""
    return list(dict.fromkeys(axis for one in outcomes for cell in one.cells.values() for axis in cell))


def items_of_models(outcomes: Iterable[Outcome]) -> dict[str, str]:
    """By test a name of its item that does not name the model, so that the tests of two models pair."""
    return {one.test: _without_model(one) for one in outcomes}


def _without_model(one: Outcome) -> str:
    name = one.test.partition("[")[0]
    cells = {
        tuple(sorted((axis, value) for axis, value in cell.items() if value != one.model))
        for cell in one.cells.values()
    }
    if len(cells) != 1:
        return one.item or one.test
    return f"{name}[{', '.join(value for _, value in cells.pop())}]"


def _counts(one: Outcome) -> tuple[int, int]:
    if one.samples is not None:
        return one.samples.passed, one.samples.failed
    says = _SAYS.get(one.outcome)
    return (0, 0) if says is None else (int(says), int(not says))
