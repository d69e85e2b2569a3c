"""The pass rate of a run: by item, since the samples of one item say less than as many items would."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist, fmean, stdev
from typing import ClassVar

from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.result import Result, shown
from pytest_batcheval.quality.stats.student_t import score_interval, t_quantile
from pytest_batcheval.text.phrase import Phrase

NULL = "none; Wilson's interval with the effective number of items, by t with items - 1 degrees of freedom"


@dataclass(frozen=True)
class Tally:
    """The samples of one item (a test, apart from its number of the sample): how many passed, how many failed."""

    item: str
    passed: int
    failed: int

    @property
    def n(self) -> int:
        """The number of its samples."""
        return self.passed + self.failed

    @property
    def share(self) -> float:
        """The share that passed."""
        return self.passed / self.n

    @property
    def exact_share(self) -> Fraction:
        """The share that passed, without rounding."""
        return Fraction(self.passed, self.n)


@dataclass(frozen=True, kw_only=True, repr=False)
class PassRate(Result):
    """The pass rate of a run; each item weighs the same.

    Attributes:
        effect: the mean of the items' pass rates; `interval` is clustered by item.
        n: the number of samples.
        items: the number of items.
        samples: the fewest samples of an item: k of the next two.
        at_least_one: pass@k, the chance that any of k samples passes (Chen et al. 2021), mean over items.
        every_one: pass^k, the chance that all k pass (Yao et al. 2024), mean over items.
    """

    effect: float
    interval: tuple[float, float]
    items: int
    samples: int
    at_least_one: float
    every_one: float

    COMPARE: ClassVar[str] = "assert result.interval[0] > 0.9, result.explain()"

    def _words(self) -> Phrase:
        """The rate in words, with pass@k and pass^k where there are several samples."""
        numbers = [Phrase.counted(self.items, "item")]
        if self.n != self.items:
            numbers.append(Phrase.counted(self.n, "sample"))
        rate = Phrase(
            "{it.effect:.1%} passed ({interval}, {numbers})",
            it=self,
            interval=shown(self.interval),
            numbers=Phrase.joined(", ", numbers),
        )
        if self.samples == 1:
            return rate
        several = Phrase("pass@{it.samples} {it.at_least_one:.3f}, pass^{it.samples} {it.every_one:.3f}", it=self)
        return Phrase.joined("\n", [rate, several])

    def _summary(self) -> Phrase:
        items = Phrase.counted(self.items, "item")
        return Phrase(
            "rate={it.effect:.3f} ({interval}) of {items}", it=self, interval=shown(self.interval), items=items
        )


def pass_rate(tallies: Sequence[Tally]) -> PassRate:
    """The pass rate of these items with an interval that is clustered by item.

    Raises:
        TableError: no item has a sample.
    """
    kept = [tally for tally in tallies if tally.n]
    if not kept:
        raise TableError("no test of an answer has passed or failed, so there is no pass rate")
    shares = [tally.share for tally in kept]
    k = min(tally.n for tally in kept)
    return PassRate(
        effect=fmean(shares),
        interval=clustered_interval(shares, sum(tally.n for tally in kept)),
        p_value=None,
        null=NULL,
        n=sum(tally.n for tally in kept),
        seed=None,
        items=len(kept),
        samples=k,
        at_least_one=fmean(at_least_one(tally.n, tally.passed, k) for tally in kept),
        every_one=fmean(every_one(tally.n, tally.passed, k) for tally in kept),
    )


def at_least_one(n: int, passed: int, k: int) -> float:
    """pass@k from n samples without bias: 1 - C(n - c, k) / C(n, k) (Chen et al. 2021, arXiv:2107.03374)."""
    return 1 - math.comb(n - passed, k) / math.comb(n, k)


def every_one(n: int, passed: int, k: int) -> float:
    """pass^k from n samples without bias: C(c, k) / C(n, k) (Yao et al. 2024, arXiv:2406.12045)."""
    return math.comb(passed, k) / math.comb(n, k)


def clustered_interval(shares: Sequence[float], n: int, level: float = 0.95) -> tuple[float, float]:
    """The interval of the mean of the items' pass rates; `n` is the number of samples of all items.

    Wilson's with p (1 - p) / SE² instead of n, for the error between items (Korn & Graubard 1998), at most n, and t
    instead of z. Where all passed or all failed, the error is not known and each item counts once.
    """
    items, rate = len(shares), fmean(shares)
    normal = NormalDist().inv_cdf(0.5 + level / 2)
    if items == 1 or n == items:
        return score_interval(rate, n, normal)
    error = stdev(shares) ** 2 / items
    known = min(n, rate * (1 - rate) / error) if error else n
    effective = items if rate in (0.0, 1.0) else known
    return score_interval(rate, effective, t_quantile(0.5 + level / 2, items - 1))
