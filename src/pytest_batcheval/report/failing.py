"""The tests that fail, counted by the ids of their cells and by what they say: where to look first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pytest_batcheval.journal.outcomes import Outcome
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.table import columns, cut, one_line

MOST_MESSAGES = 3
"""Messages that are listed, of those that several tests have."""

FAILING = ("failed", "error")


def failing_lines(outcomes: Iterable[Outcome], width: int) -> list[str]:
    """Lines of at most `width` columns on the failing tests of one answer each; none for less than two failures.

    Each axis of several ids has a line: the ids whose tests fail, the largest shares first.
    """
    single = [one for one in outcomes if len(one.cells) == 1]
    failing = [one for one in single if one.outcome in FAILING]
    if len(failing) < 2:
        return []
    lines = [f"{len(failing):,} of {counted(len(single), 'test')} of one answer {_verb(len(failing))}"]
    axes = dict.fromkeys(axis for one in failing for axis in _cell(one))
    by_axis = [(axis, _shares(axis, single, failing)) for axis in axes]
    wide = max((columns(axis) for axis, shares in by_axis if shares), default=0)
    lines += [_fitting(f"by {axis:<{wide}}  ", shares, width) for axis, shares in by_axis if shares]
    said = Counter(one.message for one in failing if one.message)
    lines += [
        cut(f"{number:,} x {one_line(message)}", width)
        for message, number in said.most_common(MOST_MESSAGES)
        if number > 1
    ]
    return lines


def _verb(number: int) -> str:
    return "fails" if number == 1 else "fail"


def _cell(one: Outcome) -> Mapping[str, str]:
    return next(iter(one.cells.values()))


def _shares(axis: str, single: Sequence[Outcome], failing: Sequence[Outcome]) -> list[str]:
    """`anxious 4/4` for each id of an axis that has failures; empty for an axis of one id."""
    every, bad = (Counter(_ids(axis, tests)) for tests in (single, failing))
    if len(every) < 2:
        return []
    order = sorted(bad, key=lambda name: (-bad[name] / every[name], -bad[name], name))
    return [f"{one_line(name)} {bad[name]:,}/{every[name]:,}" for name in order]


def _ids(axis: str, tests: Iterable[Outcome]) -> Iterator[str]:
    return (_cell(one)[axis] for one in tests if axis in _cell(one))


def _fitting(label: str, parts: Sequence[str], width: int) -> str:
    """The label and as many parts as fit, and the number of the others."""
    for kept in range(len(parts), 0, -1):
        more = f" … {len(parts) - kept} more" if kept < len(parts) else ""
        line = f"{label}{', '.join(parts[:kept])}{more}"
        if columns(line) <= width:
            return line
    return cut(f"{label}{parts[0]}", width)
