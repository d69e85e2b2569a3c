"""The verdict on the samples of one test: a count that must pass, or a rate that must be shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Protocol

from pytest_batcheval.quality.stats.student_t import wilson_interval
from pytest_batcheval.text.format import counted

PASSED, FAILED, UNDECIDED = "passed", "failed", "undecided"

LEVEL = 0.95
"""Of the interval that decides about a rate, two-sided; the usual one."""

MOST_MORE = 10_000
"""Samples of one test beyond which no number is proposed."""

_COUNT = re.compile(r"(\d+) of (\d+)")


@dataclass(frozen=True)
class PassVerdict:
    """The verdict on the samples of one test.

    Attributes:
        outcome: `passed`, `failed` or `undecided`.
        passed, failed: numbers of samples; those without an answer are in neither.
        interval: of the pass rate (Wilson 1927), 95 %.
        wanted: the rule in words.
        more: samples to add until it is decided, if the rate stays as it is; `None` where it is decided, or where no
            number would decide it.
    """

    outcome: str
    passed: int
    failed: int
    interval: tuple[float, float]
    wanted: str
    more: int | None = None

    def explain(self) -> str:
        """The verdict on one line, with its interval and what would decide it."""
        n = self.passed + self.failed
        low, high = self.interval
        text = f"{self.passed} of {counted(n, 'sample')} passed (95 %: {low:.0%} to {high:.0%}), wanted {self.wanted}"
        if self.outcome != UNDECIDED:
            return f"{self.outcome}: {text}"
        return f"{UNDECIDED}: {text}" + (f"; {counted(self.more, 'more sample')} would decide it" if self.more else "")


@dataclass(frozen=True)
class CountRule:
    """`passes="4 of 5"`: at least `needed` of `of` samples must pass."""

    needed: int
    of: int

    keyword: ClassVar[str] = "passes"

    def __str__(self) -> str:
        return f"{self.needed} of {self.of}"

    def verdict(self, passed: int, failed: int) -> PassVerdict:
        """Decided as soon as the samples that are left cannot change it."""
        interval = wilson_interval(passed, passed + failed, LEVEL)
        left = self.of - passed - failed
        if passed >= self.needed:
            return PassVerdict(PASSED, passed, failed, interval, str(self))
        if passed + left < self.needed:
            return PassVerdict(FAILED, passed, failed, interval, str(self))
        more = min(self.needed - passed, self.of - self.needed - failed + 1)
        return PassVerdict(UNDECIDED, passed, failed, interval, str(self), more)


@dataclass(frozen=True)
class RateRule:
    """`min_pass=0.9`: the interval of the pass rate must lie above this rate."""

    rate: float

    keyword: ClassVar[str] = "min_pass"

    def __str__(self) -> str:
        return f"at least {self.rate:.0%}" if round(self.rate, 2) == self.rate else f"at least {self.rate}"

    def verdict(self, passed: int, failed: int) -> PassVerdict:
        """Passed if the interval is not below the rate, failed if it is not above, undecided if the rate is in it."""
        n = passed + failed
        interval = wilson_interval(passed, n, LEVEL)
        outcome = self._outcome(interval)
        more = self._more(passed / n, n) if n and outcome == UNDECIDED else None
        return PassVerdict(outcome, passed, failed, interval, str(self), more)

    def _outcome(self, interval: tuple[float, float]) -> str:
        if interval[0] >= self.rate:
            return PASSED
        return FAILED if interval[1] < self.rate else UNDECIDED

    def _more(self, share: float, n: int) -> int | None:
        """The fewest samples to add that decide it at this share."""
        if self._outcome(_interval(share, n + MOST_MORE)) == UNDECIDED:
            return None
        low, high = 0, MOST_MORE  # the interval shrinks with every sample
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._outcome(_interval(share, n + middle)) == UNDECIDED else (low, middle)
        return high


class Rule(Protocol):
    """Judges the samples of one test."""

    def verdict(self, passed: int, failed: int) -> PassVerdict:
        """The verdict on so many samples; those without an answer are in neither number."""


def _interval(share: float, n: int) -> tuple[float, float]:
    return wilson_interval(round(share * n), n, LEVEL)


def pass_rule(passes: object, min_pass: object, samples: int | None) -> tuple[CountRule | RateRule | None, int]:
    """The rule that a marker names, and the number of samples.

    Raises:
        ValueError: the rule is no rule, or does not fit the number of samples; the text says what to write.
    """
    if passes is not None and min_pass is not None:
        raise ValueError("passes=… and min_pass=… are two rules; write one of them")
    if passes is not None:
        rule = _count_rule(passes)
        if samples not in (None, rule.of):
            raise ValueError(
                f"passes={passes!r} is about {rule.of} samples, and samples={samples}; write samples={rule.of}"
            )
        return rule, rule.of
    if min_pass is None:
        return None, 1 if samples is None else samples
    if isinstance(min_pass, bool) or not isinstance(min_pass, (int, float)) or not 0 < min_pass < 1:
        raise ValueError(f"min_pass={min_pass!r}: must be a number between 0 and 1, such as 0.9")
    if samples is None or samples < 2:
        raise ValueError(f"min_pass={min_pass!r} needs samples: one answer has no rate; write samples=20 or so")
    return RateRule(float(min_pass)), samples


def _count_rule(passes: object) -> CountRule:
    found = _COUNT.fullmatch(passes) if isinstance(passes, str) else None
    if found is None:
        raise ValueError(f'passes={passes!r}: must be a text such as "4 of 5"')
    needed, of = int(found[1]), int(found[2])
    if not 1 <= needed <= of or of < 2:
        raise ValueError(f"passes={passes!r}: at least 1 of at least 2 samples, and not more than there are")
    return CountRule(needed, of)
