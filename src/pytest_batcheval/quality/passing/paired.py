"""Two runs or two models over the same items: whether one passes more often, or both alike."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist
from typing import ClassVar

from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.passing.rate import Tally
from pytest_batcheval.quality.result import NONE, Result, listed
from pytest_batcheval.quality.stats.levels import ALPHA, EQUIVALENCE, verdict_of
from pytest_batcheval.quality.stats.student_t import t_quantile
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.phrase import Phrase

MARGIN = 0.1
"""Of the pass rate, for `equivalent`: a convention; state your own before the run."""

POWER = 0.8
"""Of the least difference that would probably be found, the usual one."""

FINEST = 10_000
"""The largest denominator of a difference."""

MOST_STEPS = 5_000_000
"""Additions for the exact distribution, about a second."""

DRAWS, SEED = 9_999, 0

MCNEMAR = "as many items changed one way as the other; McNemar's exact test"
SIGNS = "each item's difference is as likely to have the other sign; permutation of signs"


@dataclass(frozen=True, kw_only=True, repr=False)
class PassComparison(Result):
    """The difference of two pass rates, b minus a, over the items that both have.

    Attributes:
        effect: the mean of the items' differences; `interval` is its 95 % interval (Bonett & Price 2012).
        p_value: two-sided, of no difference.
        n: the number of items that both have.
        before, after: the pass rates of a and b over these items.
        worse, better: items that pass less often in b, and more often.
        narrow: the 90 % interval, which is compared with `margin`.
        detectable: the difference that this number of items would find with a chance of 80 %.
        verdict: `better`, `worse` (p at most 0.01), `equivalent`, or `not decided`.
    """

    effect: float
    interval: tuple[float, float]
    p_value: float
    before: float
    after: float
    worse: tuple[str, ...]
    better: tuple[str, ...]
    narrow: tuple[float, float]
    margin: float
    detectable: float
    verdict: str

    COMPARE: ClassVar[str] = "assert result.verdict != 'worse', result.explain()"
    FIGURES: ClassVar[tuple[str, ...]] = ("equivalent",)

    @property
    def equivalent(self) -> bool:
        """Whether the 90 % interval lies inside the margin."""
        return _inside(self.narrow, self.margin)

    def _words(self) -> Phrase:
        """The verdict in words, with the items that pass less often."""
        change = Phrase(
            "{verdict}: {it.after:.1%} passed, against {it.before:.1%}: {it.effect:+.3f} (95 %: "
            "{it.interval[0]:+.3f} to {it.interval[1]:+.3f}), p = {it.p_value:.4g} ({items}; "
            "{worse} worse, {better} better)",
            it=self,
            verdict=Phrase.known(self.verdict, "verdict"),
            items=Phrase.counted(self.n, "item"),
            worse=len(self.worse),
            better=len(self.better),
        )
        within = Phrase(
            "90 %: {it.narrow[0]:+.3f} to {it.narrow[1]:+.3f} is {inside} +-{it.margin}; a difference of "
            "{it.detectable:.3f} would be found with a chance of {power:.0%}",
            it=self,
            inside=Phrase("inside" if self.equivalent else "not inside"),
            power=POWER,
        )
        worse = Phrase("worse: {items}", items=listed(self.worse) or NONE)
        return Phrase.joined("\n", [change, within, worse])

    def _summary(self) -> Phrase:
        template = "{it.before:.3f} -> {it.after:.3f} p={it.p_value:.2g}: {verdict}"
        return Phrase(template, it=self, verdict=Phrase.known(self.verdict, "verdict"))


def compare_passes(a: Sequence[Tally], b: Sequence[Tally], *, margin: float = MARGIN) -> PassComparison:
    """Compare two runs, or two models, item by item; items that only one of them has are left out.

    Raises:
        TableError: fewer than two items are in both, or the margin is not between 0 and 1.
    """
    if not 0 < margin < 1:
        raise TableError(f"margin must be a number between 0 and 1, not {margin!r}")
    first, second = ({tally.item: tally for tally in run if tally.n} for run in (a, b))
    both = [item for item in first if item in second]
    if len(both) < 2:
        raise TableError(f"the two have {counted(len(both), 'item')} in common; at least 2 are needed")
    changed = {item: second[item].exact_share - first[item].exact_share for item in both}
    differences = [float(change) for change in changed.values()]
    single = all(run[item].n == 1 for item in both for run in (first, second))
    p_value = sign_flip_p(list(changed.values()))
    mean, error = _adjusted(differences)
    narrow = _interval(mean, error, len(both), 1 - 2 * EQUIVALENCE)
    normal = NormalDist()
    return PassComparison(
        effect=float(sum(changed.values(), Fraction()) / len(both)),
        interval=_interval(mean, error, len(both), 0.95),
        p_value=p_value,
        null=MCNEMAR if single else SIGNS,
        n=len(both),
        seed=None if _is_quick(_whole(list(changed.values()))) else SEED,
        before=math.fsum(first[item].share for item in both) / len(both),
        after=math.fsum(second[item].share for item in both) / len(both),
        worse=_sorted(changed, -1),
        better=_sorted(changed, 1),
        narrow=narrow,
        margin=margin,
        detectable=min(1.0, (normal.inv_cdf(1 - ALPHA / 2) + normal.inv_cdf(POWER)) * error),
        verdict=verdict_of(mean, p_value, _inside(narrow, margin)),
    )


def sign_flip_p(differences: Sequence[float | Fraction]) -> float:
    """The two-sided p-value of a mean of zero, when each difference could as well have the other sign.

    Exact: the distribution of the sum is made difference by difference; with differences of one size it is McNemar's
    exact test. Only where that would take too long, (1 + hits) / (1 + draws) of 9,999 random signs (Phipson & Smyth
    2010).
    """
    sizes = _whole(differences)
    return _exact_p(sizes) if _is_quick(sizes) else _drawn_p(sizes)


def _whole(differences: Sequence[float | Fraction]) -> list[int]:
    """The differences that are not zero, as multiples of one unit."""
    found = [Fraction(difference).limit_denominator(FINEST) for difference in differences if difference]
    unit = math.lcm(*(size.denominator for size in found))
    return [int(size * unit) for size in found]


def _is_quick(sizes: Sequence[int]) -> bool:
    """Whether the exact distribution does not take too long."""
    return len(sizes) * sum(map(abs, sizes)) <= MOST_STEPS


def _exact_p(sizes: Sequence[int]) -> float:
    reached, most = abs(sum(sizes)), sum(map(abs, sizes))
    chances = [1.0]  # of each sum from -most to most
    for size in map(abs, sizes):
        gap = [0.0] * (2 * size)
        chances = [(above + below) / 2 for above, below in zip(chances + gap, gap + chances, strict=True)]
    return min(1.0, math.fsum(chance for at, chance in enumerate(chances, -most) if abs(at) >= reached))


def _drawn_p(sizes: Sequence[int]) -> float:
    reached, draw, alike = abs(sum(sizes)), random.Random(SEED), Counter(map(abs, sizes))

    def drawn() -> int:
        """A sum with random signs: of `count` of a size, one bit each says which are positive."""
        return sum(size * (2 * draw.getrandbits(count).bit_count() - count) for size, count in alike.items())

    return (1 + sum(abs(drawn()) >= reached for _ in range(DRAWS))) / (1 + DRAWS)


def _adjusted(differences: Sequence[float]) -> tuple[float, float]:
    """Mean and standard error with one more difference of +1 and one of -1 (Bonett & Price 2012).

    So that the error is not zero where no item differs; with one sample per item it is their interval.
    """
    n = len(differences) + 2
    mean = math.fsum(differences) / n
    spread = (math.fsum(difference**2 for difference in differences) + 2) / n - mean**2
    return mean, math.sqrt(spread / n)


def _interval(mean: float, error: float, items: int, level: float) -> tuple[float, float]:
    half = t_quantile(0.5 + level / 2, items - 1) * error
    return max(-1.0, mean - half), min(1.0, mean + half)


def _sorted(changed: dict[str, Fraction], sign: int) -> tuple[str, ...]:
    """The items that changed this way, the most changed first."""
    return tuple(sorted((item for item in changed if changed[item] * sign > 0), key=lambda item: -changed[item] * sign))


def _inside(interval: tuple[float, float], margin: float) -> bool:
    return -margin < interval[0] and interval[1] < margin
