"""Regression: whether a run has become worse than its baseline.

"New below old" would fail half of all unchanged runs, so a failure needs a significant drop of a size
that matters; anything between is a warning that says how many more samples would decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.comparing._clustered_difference import EXACT, Blocks, axes_words, difference, named_cells
from pytest_batcheval.quality.comparing._more_samples import CHANCE, MOST, Floats, more_samples
from pytest_batcheval.quality.measures._cell_values import CellValues, values_of
from pytest_batcheval.quality.measures._scored_answers import ScoredAnswers, scored_words
from pytest_batcheval.quality.result import NONE, Result, listed
from pytest_batcheval.quality.scores import real
from pytest_batcheval.quality.stats.levels import ALPHA
from pytest_batcheval.quality.stats.student_t import t_quantile
from pytest_batcheval.recordings.answer_table import Answers, AxisNames
from pytest_batcheval.text.phrase import Phrase

TOLERATED = 0.1
"""A drop that is tolerated even if it is certain, in the unit of what is compared.

Simulated with one sample of cells that vary by 0.8: unchanged runs fail in 0.2 %, a drop of 0.3 in 91 %.
"""

WARNED = 0.05
"""One-sided p-value below which a drop is a warning, a convention: 2 % of unchanged runs have one, simulated."""

BEYOND = 0.2
"""By how much more than is tolerated a drop may be that the interval of a pass does not exclude: a convention.

Simulated with 25 x 11 cells that vary by 0.8, 4 % of unchanged runs reach further, at 1.1 27 %, of 12 x 4 cells 88 %.
"""

NULL = "the run is not below the baseline; one-sided t with the fewest values of an axis - 1 degrees of freedom"

LISTED = 5


@dataclass(frozen=True, kw_only=True, repr=False)
class Regression(Result):
    """A run's drop below its baseline.

    Attributes:
        effect: mean of the run less the baseline (a drop is negative); `interval` is its 95 % interval.
        p_value: one-sided, of no drop.
        n: cells with a value in both.
        verdict: `PASS`, `WARN` (p below 0.05), or `FAIL` (p below 0.01 and a drop of more than `tolerated`).
        not_excluded: the largest drop inside the interval, 0 for none: a pass does not say that there is no such drop.
        undecided: a warning where the drop may or may not be larger than tolerated, or a pass that does not exclude a
            drop of more than `beyond` above it.
        beyond: as asked for.
        more_samples: samples per cell of the run to add so that it is decided with a chance of 80 %; `None` if it is
            decided, or if 20 per cell would not be enough.
        more_of_both: the same of the run and the baseline, whose noise is half of it; `None` also where the run's are
            enough.
        fallen: the cells that fell most.
        clustered, fixed: by axis, the number of its values: axes by which the error is clustered, and those with so few
            values that the result is about these only.
        scored: of the run and of the baseline, the answers with a score of those asked; `None` where all have a value.
    """

    effect: float
    interval: tuple[float, float]
    p_value: float
    metric: str
    error: float
    freedom: int
    verdict: str
    tolerated: float
    not_excluded: float
    undecided: bool
    beyond: float
    more_samples: int | None
    more_of_both: int | None
    fallen: tuple[str, ...]
    clustered: dict[str, int]
    fixed: dict[str, int]
    scored: tuple[ScoredAnswers | None, ScoredAnswers | None] = (None, None)

    COMPARE: ClassVar[str] = "assert result.verdict != 'FAIL', result.explain()"

    def _words(self) -> Phrase:
        """The verdict in words, with the cells that fell most and what would decide."""
        change = Phrase(
            "{verdict}: {it.metric} changed by {it.effect:+.3f} (95 %: {it.interval[0]:+.3f} to "
            "{it.interval[1]:+.3f}), one-sided p = {it.p_value:.4g} ({cells}, t with {it.freedom} degrees of freedom); "
            "a failure is p < {alpha} and a drop above {it.tolerated}",
            it=self,
            verdict=Phrase.known(self.verdict, "verdict"),
            cells=Phrase.counted(self.n, "cell"),
            alpha=ALPHA,
        )
        fallen = Phrase("fell most: {cells}", cells=listed(self.fallen, LISTED) or NONE)
        about = (*scored_words(*self.scored), *axes_words(self.clustered, self.fixed))
        return Phrase.joined("\n", [change, *self._decide(), fallen, *about])

    def _decide(self) -> list[Phrase]:
        """The drop that is not excluded, and the number of samples that would decide it."""
        open_ = Phrase("a drop of {drop:.3f} is not excluded", drop=self.not_excluded)
        found = [open_] if self.verdict != "FAIL" and self.not_excluded > 0 else []
        if self.undecided and self.more_samples:
            more = Phrase.counted(self.more_samples, "more sample")
            template = "undecided: {more} per cell would decide with a chance of {chance:.0%}"
            return [*found, Phrase(template, more=more, chance=CHANCE)]
        if self.undecided and self.more_of_both:
            more = Phrase.counted(self.more_of_both, "more sample")
            template = "undecided: {more} per cell of run and baseline would decide with a chance of {chance:.0%}"
            return [*found, Phrase(template, more=more, chance=CHANCE)]
        if self.undecided:
            template = "undecided: even {most} more samples per cell would not decide with a chance of {chance:.0%}"
            return [*found, Phrase(template, most=MOST, chance=CHANCE)]
        return [*found, Phrase("there is a drop, but not one that fails")] if self.verdict == "WARN" else found

    def _summary(self) -> Phrase:
        template = "{it.metric} change={it.effect:+.3f} p={it.p_value:.2g}: {verdict}"
        if self.undecided:
            template = "{it.metric} change={it.effect:+.3f} p={it.p_value:.2g}: {verdict}, undecided"
        return Phrase(template, it=self, verdict=Phrase.known(self.verdict, "verdict"))


def regression(
    baseline: Answers | CellValues,
    run: Answers | CellValues,
    *,
    tolerated: float = TOLERATED,
    beyond: float = BEYOND,
    blocks: Blocks | None = None,
    rows: AxisNames = None,
    columns: AxisNames = None,
) -> Regression:
    """Compare a run with its baseline, by alignment or by the number that both cell values have.

    A drop up to `tolerated`, in the unit of that number, never fails. A pass that does not exclude a drop of `beyond`
    more is `undecided`. `blocks` are those of `compare`.

    Raises:
        TableError: the two do not match, are too small, or a limit is negative.
    """
    for name, limit in (("tolerated", tolerated), ("beyond", beyond)):
        if (drop := real(limit)) is None or not drop >= 0:
            raise TableError(f"{name} must be a number, at least 0, not {limit!r}")
    old, new = (values_of(given, rows, columns) for given in (baseline, run))
    found = difference(new, old, blocks)
    verdict = _verdict(found.mean, found.below(0), tolerated)
    decided = partial(_decided, found.freedom, tolerated, beyond)
    undecided = not decided(np.array([found.mean]), max(found.error, EXACT))[0]
    more = more_samples(found, [new], decided) if undecided else None
    return Regression(
        effect=found.mean,
        interval=found.interval(0.95),
        p_value=found.below(0),
        null=NULL,
        n=found.n,
        seed=None,
        metric=new.metric,
        error=found.error,
        freedom=found.freedom,
        verdict=verdict,
        tolerated=tolerated,
        not_excluded=max(0.0, -found.interval(0.95)[0]),
        undecided=undecided,
        beyond=beyond,
        more_samples=more,
        more_of_both=more_samples(found, [new, old], decided) if undecided and more is None else None,
        fallen=named_cells(new, found.cells, LISTED),
        clustered=dict(found.clustered),
        fixed=dict(found.fixed),
        scored=(new.scored, old.scored),
    )


def _verdict(mean: float, p_value: float, tolerated: float) -> str:
    if p_value < ALPHA and mean < -tolerated:
        return "FAIL"
    return "WARN" if p_value < WARNED else "PASS"


def _decided(freedom: int, tolerated: float, beyond: float, means: Floats, error: float) -> npt.NDArray[np.bool_]:
    """Whether these mean changes, with this error, fail, are shown to be tolerable, or pass with enough excluded."""
    strict, lenient, two_sided = (t_quantile(1 - alpha, freedom) for alpha in (ALPHA, WARNED, 0.025))
    fails = (means < -strict * error) & (means < -tolerated)
    warned = ~fails & (means < -lenient * error)
    tolerable = means - lenient * error >= -tolerated
    excluded = means - two_sided * error >= -tolerated - beyond
    found: npt.NDArray[np.bool_] = fails | np.where(warned, tolerable, excluded)
    return found
