"""The trend of a figure over runs: points with intervals, and the runs at which its level has changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_batcheval.journal.outcomes import Outcomes
from pytest_batcheval.quality.stats.student_t import wilson_interval
from pytest_batcheval.report.language import ENGLISH, Language
from pytest_batcheval.wire import real_time

ALPHA = 0.01
"""Largest p-value of a change that is marked: of a hundred trends without any, one has a mark."""

FEWEST = 8
"""Runs that a stretch must have to be searched for a change: with fewer no p-value can be that small."""

NEWEST = 200
"""Runs that are drawn."""

FAILING = "failing"
"""The figure that every suite has: the share of its tests that fail."""


@dataclass(frozen=True)
class TrendPoint:
    """A figure of one run, which started at `started` Unix seconds; `low` and `high` are its 95 % interval."""

    run: str
    started: float
    value: float
    low: float
    high: float
    changed: bool = False

    @property
    def when(self) -> str:
        """The start in this machine's time zone."""
        return real_time.local("%Y-%m-%d %H:%M", self.started)


def figures(outcomes: Outcomes, words: Language = ENGLISH) -> list[tuple[str, str]]:
    """(name in an address, text) of each figure that has a trend.

    Raises:
        JournalError: the outcomes cannot be read.
    """
    measured = [
        (f"{number}:{kind}:{test}", words("{kind} of {test}", kind=words(kind), test=test))
        for test, kind, number in outcomes.measured()
    ]
    return [(FAILING, words("share of failing tests")), *measured]


def trend(outcomes: Outcomes, figure: str) -> list[TrendPoint]:
    """The figure in each of the newest runs, the oldest first; empty for an unknown one.

    Raises:
        JournalError: the outcomes cannot be read.
    """
    points = _failing(outcomes) if figure == FAILING else _effects(outcomes, figure)
    places = set(change_points([point.value for point in points]))
    return [
        TrendPoint(point.run, point.started, point.value, point.low, point.high, place in places)
        for place, point in enumerate(points)
    ]


def _failing(outcomes: Outcomes) -> list[TrendPoint]:
    found = []
    for run in reversed(outcomes.page(0, NEWEST)):
        low, high = wilson_interval(run.failing, run.tests)
        found.append(TrendPoint(run.id, run.started, run.failing / max(run.tests, 1), low, high))
    return found


def _effects(outcomes: Outcomes, figure: str) -> list[TrendPoint]:
    number, _, rest = figure.partition(":")
    kind, _, test = rest.partition(":")
    if not (number.isascii() and number.isdigit()):
        return []
    found = []
    for run, started, data in outcomes.results(test, kind, int(number))[-NEWEST:]:
        effect, interval = data.get("effect"), data.get("interval")
        if effect is not None:
            low, high = interval or (effect, effect)
            found.append(TrendPoint(run, started, effect, low, high))
    return found


def change_points(values: Sequence[float], first: int = 0) -> list[int]:
    """Places at which the level of a series changes: its first value of a new level.

    Pettitt's rank test (1979, Applied Statistics 28), with its p-value of 2 exp(-6 K^2 / (n^3 + n^2)), on the whole
    and then on each side of a change, which makes no assumption on how the values spread.
    """
    n = len(values)
    if n < FEWEST:
        return []
    sums = [0]
    for value in values[:-1]:
        sums.append(sums[-1] + sum((value > other) - (value < other) for other in values))
    place = max(range(n), key=lambda at: abs(sums[at]))
    p_value = 2 * math.exp(-6 * sums[place] ** 2 / (n**3 + n**2))
    if p_value > ALPHA:
        return []
    before, after = values[:place], values[place:]
    return [*change_points(before, first), first + place, *change_points(after, first + place)]
