"""The tests that fail, counted by the ids of their cells and by what they say: where to look first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_batcheval.journal.outcomes import Outcome
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.table import columns, cut, one_line

MOST_MESSAGES = 3
"""Messages that are listed on lines, of those that several tests have."""


@dataclass(frozen=True)
class Share:
    """The failing tests of one id of an axis, and all of its tests."""

    name: str
    failing: int
    tests: int


@dataclass(frozen=True)
class FailingTests:
    """The tests of one answer each, of which some fail; tables are left out, since all their cells fail as one.

    Attributes:
        tests: their number.
        failing: those that fail.
        shares: by axis of several ids those with failures, the largest shares first; empty below two failures.
        messages: (message, number) of what several failing tests say, the most frequent first.
    """

    tests: int
    failing: int
    shares: Mapping[str, Sequence[Share]]
    messages: Sequence[tuple[str, int]]


def failing_tests(outcomes: Iterable[Outcome]) -> FailingTests:
    """Count the failing tests by the ids of their cells, and by their messages."""
    single = [one for one in outcomes if len(one.cells) == 1]
    failing = [one for one in single if one.failing]
    axes = dict.fromkeys(axis for one in failing for axis in cell_of(one)) if len(failing) > 1 else {}
    shares = {axis: found for axis in axes if (found := _shares(axis, single, failing))}
    said = Counter(one.message for one in failing if one.message)
    several = [(message, number) for message, number in said.most_common() if number > 1]
    return FailingTests(len(single), len(failing), shares, several)


def cell_of(one: Outcome) -> Mapping[str, str]:
    """The cell of a test of one answer; of another one the first, or an empty one."""
    return next(iter(one.cells.values()), {})


def failing_lines(outcomes: Iterable[Outcome], width: int) -> list[str]:
    """Lines of at most `width` columns on the failing tests of one answer each; none for less than two failures."""
    found = failing_tests(outcomes)
    if found.failing < 2:
        return []
    wide = max(map(columns, found.shares), default=0)
    lines = [f"{found.failing:,} of {counted(found.tests, 'test')} of one answer fail"]
    for axis, shares in found.shares.items():
        parts = [f"{one_line(share.name)} {share.failing:,}/{share.tests:,}" for share in shares]
        lines.append(_fitting(f"by {axis:<{wide}}  ", parts, width))
    lines += [cut(f"{number:,} x {one_line(text)}", width) for text, number in found.messages[:MOST_MESSAGES]]
    return lines


def _shares(axis: str, single: Iterable[Outcome], failing: Iterable[Outcome]) -> list[Share]:
    every, bad = (Counter(cell_of(one)[axis] for one in tests if axis in cell_of(one)) for tests in (single, failing))
    if len(every) < 2:
        return []
    order = sorted(bad, key=lambda name: (-bad[name] / every[name], -bad[name], name))
    return [Share(name, bad[name], every[name]) for name in order]


def _fitting(label: str, parts: Sequence[str], width: int) -> str:
    """The label and as many parts as fit, and the number of the others."""
    for kept in range(len(parts), 0, -1):
        more = f" … {len(parts) - kept} more" if kept < len(parts) else ""
        line = f"{label}{', '.join(parts[:kept])}{more}"
        if columns(line) <= width:
            return line
    return cut(f"{label}{parts[0]}", width)
