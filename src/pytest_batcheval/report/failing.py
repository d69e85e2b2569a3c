"""The tests that fail, counted by the ids of their cells and by what they say: where to look first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_batcheval.journal.outcomes import Outcome
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.table import GAP, columns, cut, one_line, table

MOST_MESSAGES = 3
"""Messages that are listed on lines, of those that several tests have."""

MOST_ROWS, LONGEST_NAME = 10, 10
"""Rows of a grid, and columns of the terminal that its names take."""

_EXPLAINED = " assert "
"""Between the author's words and pytest's explanation, once they are on one line."""

_KEY = re.compile(r"\b[0-9a-f]{12,}\b")
_VALUE = re.compile(r"""(?<!\w)(?:'(?:[^'\\]|\\.)*(?:'|$)|"(?:[^"\\]|\\.)*(?:"|$))|\b\d+(?:\.\d+)?\b""")
"""Texts, perhaps cut off, and numbers in an explanation: each test has its own."""


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
        messages: (message, number) of what several failing tests say, the most frequent first. Tests that differ in
            the values of an `assert`, the ids of their own cells or in keys only say the same, with `…` for these.
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
    return FailingTests(len(single), len(failing), shares, _messages(failing))


def cell_of(one: Outcome) -> Mapping[str, str]:
    """The cell of a test of one answer; of another one the first, or an empty one."""
    return next(iter(one.cells.values()), {})


def failing_lines(outcomes: Iterable[Outcome], width: int) -> list[str]:
    """Lines of at most `width` columns on the failing tests of one answer each; none for less than two failures."""
    found = failing_tests(outcomes)
    if found.failing < 2:
        return []
    wide = max(map(columns, found.shares), default=0)
    by_axis = [_fitting(f"by {axis:<{wide}}  ", _parts(shares), width) for axis, shares in found.shares.items()]
    return [_verdict(found), *by_axis, *_message_lines(found, width)]


def failing_summary(outcomes: Iterable[Outcome], width: int) -> tuple[list[str], list[str]]:
    """The end of a run with two failing tests of one answer or more: the shares of each axis, and what explains them.

    Returns:
        Lines of at most `width` columns that begin with `failing by persona: `; and a verdict, a grid of two axes and
        the messages.
    """
    every = list(outcomes)
    found = failing_tests(every)
    if found.failing < 2:
        return [], []
    heads = ("failing", *[" " * len("failing")] * len(found.shares))
    by_axis = [
        _fitting(f"{head} by {axis}: ", _parts(shares), width)
        for head, (axis, shares) in zip(heads, found.shares.items(), strict=False)
    ]
    return by_axis, [_verdict(found), *failing_grid(every, found, width), *_message_lines(found, width)]


def failing_grid(outcomes: Iterable[Outcome], found: FailingTests, width: int) -> list[str]:
    """The ids with failures of the first two axes: `F` where all tests of a cell fail, `.` where none does, else `1/2`.

    At most `width` columns and `MOST_ROWS` rows, the largest shares first; empty where it says no more than the shares.
    """
    if len(found.shares) < 2 or found.failing == found.tests:
        return []
    (down, rows), (across, names) = list(found.shares.items())[:2]
    cells = Counter[tuple[str, str, bool]]()
    for one in outcomes:
        if len(one.cells) == 1 and {down, across} <= cell_of(one).keys():
            cells[cell_of(one)[down], cell_of(one)[across], one.failing] += 1
    label = max(columns(_name(share)) for share in rows[:MOST_ROWS])
    room, kept = width - label - len(GAP) - len("… 99 more"), 0
    while kept < len(names) and (room := room - max(columns(_name(names[kept])), 3) - len(GAP)) >= 0:
        kept += 1
    more = [_more(len(names) - kept)] if kept < len(names) else []
    grid = [["", *map(_name, names[:kept]), *more]]
    for row in rows[:MOST_ROWS]:
        marks = (_mark(cells[row.name, each.name, True], cells[row.name, each.name, False]) for each in names[:kept])
        grid.append([_name(row), *marks, *[""] * len(more)])
    rest = [_more(len(rows) - MOST_ROWS)] if len(rows) > MOST_ROWS else []
    return [*table(grid, width, left=range(len(grid[0])), give_way=()), *rest] if kept else []


def _verdict(found: FailingTests) -> str:
    return f"{found.failing:,} of {counted(found.tests, 'test')} of one answer fail"


def _parts(shares: Iterable[Share]) -> list[str]:
    return [f"{one_line(share.name)} {share.failing:,}/{share.tests:,}" for share in shares]


def _message_lines(found: FailingTests, width: int) -> list[str]:
    return [cut(f"{number:,} x {one_line(text)}", width) for text, number in found.messages[:MOST_MESSAGES]]


def _name(share: Share) -> str:
    return cut(one_line(share.name), LONGEST_NAME)


def _mark(failing: int, passing: int) -> str:
    if not failing:
        return "." if passing else ""
    return f"{failing}/{failing + passing}" if passing else "F"


def _more(number: int) -> str:
    return f"… {number:,} more"


def _messages(failing: Iterable[Outcome]) -> list[tuple[str, int]]:
    """The messages of several tests: as they say it, or where they differ as far as they agree."""
    said: dict[str, Counter[str]] = {}
    for one in failing:
        if one.message:
            text = _own_words(one.message)
            said.setdefault(_common(text, cell_of(one).values()), Counter())[text] += 1
    found = [(next(iter(texts)) if len(texts) == 1 else common, texts.total()) for common, texts in said.items()]
    return sorted((each for each in found if each[1] > 1), key=lambda each: -each[1])


def _own_words(message: str) -> str:
    """A message without pytest's explanation of the `assert` that has it."""
    words, explained, _ = message.partition(_EXPLAINED)
    return words if explained and words != "AssertionError:" else message


def _common(text: str, ids: Iterable[str]) -> str:
    text = _KEY.sub("…", text)
    for identifier in filter(lambda each: len(each) > 1, ids):
        text = re.sub(rf"\b{re.escape(identifier)}\b", "…", text)
    return _VALUE.sub("…", text) if text.removeprefix("AssertionError: ").startswith(_EXPLAINED.lstrip()) else text


def _shares(axis: str, single: Iterable[Outcome], failing: Iterable[Outcome]) -> list[Share]:
    every, bad = (Counter(cell_of(one)[axis] for one in tests if axis in cell_of(one)) for tests in (single, failing))
    if len(every) < 2:
        return []
    order = sorted(bad, key=lambda name: (-bad[name] / every[name], -bad[name], name))
    return [Share(name, bad[name], every[name]) for name in order]


def _fitting(label: str, parts: Sequence[str], width: int) -> str:
    """The label and as many parts as fit, and the number of the others."""
    for kept in range(len(parts), 0, -1):
        more = f" {_more(len(parts) - kept)}" if kept < len(parts) else ""
        line = f"{label}{', '.join(parts[:kept])}{more}"
        if columns(line) <= width:
            return line
    return cut(f"{label}{parts[0]}", width)
