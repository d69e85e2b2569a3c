"""Regression: whether a run has become worse than its baseline.

"New below old" would fail half of all unchanged runs, so a failure needs a significant drop of a size
that matters; anything between is a warning that says how many more samples would decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.comparing._clustered_difference import Difference, axes_words, difference, named_cells
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

MOST = 20
"""The most samples per cell that are proposed, a convention: they cost as much as 20 runs."""

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
        undecided: a warning where the drop may or may not be larger than tolerated.
        more_samples: samples per cell to add until it is decided, if the drop stays the same;
            `None` if it is decided, or if 20 per cell would not be enough.
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
    undecided: bool
    more_samples: int | None
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
        """The number of samples that would decide a drop that does not fail."""
        if self.undecided and self.more_samples:
            more = Phrase.counted(self.more_samples, "more sample")
            return [Phrase("undecided: {more} per cell would decide if the drop stays", more=more)]
        if self.undecided:
            return [
                Phrase("undecided: even {most} more samples per cell would not decide a drop of this size", most=MOST)
            ]
        return [Phrase("there is a drop, but not one that fails")] if self.verdict == "WARN" else []

    def _summary(self) -> Phrase:
        template = "{it.metric} change={it.effect:+.3f} p={it.p_value:.2g}: {verdict}"
        return Phrase(template, it=self, verdict=Phrase.known(self.verdict, "verdict"))


def regression(
    baseline: Answers | CellValues,
    run: Answers | CellValues,
    *,
    tolerated: float = TOLERATED,
    rows: AxisNames = None,
    columns: AxisNames = None,
) -> Regression:
    """Compare a run with its baseline, by alignment or by the number that both cell values have.

    A drop up to `tolerated`, in the unit of that number, never fails.

    Raises:
        TableError: the two do not match, are too small, or the tolerated drop is negative.
    """
    if (drop := real(tolerated)) is None or not drop >= 0:
        raise TableError(f"tolerated must be a number, at least 0, not {tolerated!r}")
    old, new = (values_of(given, rows, columns) for given in (baseline, run))
    found = difference(new, old)
    verdict = _verdict(found.mean, found.below(0), tolerated)
    undecided = verdict == "WARN" and found.above(-tolerated) > WARNED
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
        undecided=undecided,
        more_samples=_more_samples(found, new, tolerated) if undecided else None,
        fallen=named_cells(new, found.cells, LISTED),
        clustered=dict(found.clustered),
        fixed=dict(found.fixed),
        scored=(new.scored, old.scored),
    )


def _verdict(mean: float, p_value: float, tolerated: float) -> str:
    if p_value < ALPHA and mean < -tolerated:
        return "FAIL"
    return "WARN" if p_value < WARNED else "PASS"


def _more_samples(found: Difference, new: CellValues, tolerated: float) -> int | None:
    """Return the fewest samples per cell to add so that the same drop fails or is shown to be tolerable."""
    noise = new.noise if new.noise is not None else _all_noise(found)
    cells = found.n
    samples = np.array(new.samples, dtype=np.float64)
    present = float(samples[samples > 0].mean())
    # what more samples cannot reduce: the baseline's own noise and the differences between cells
    rest = max(0.0, found.error**2 - noise / present / cells)
    strict, lenient = (t_quantile(1 - alpha, found.freedom) for alpha in (ALPHA, WARNED))
    drop = -found.mean
    for more in range(1, MOST + 1):
        error = (rest + noise / (present + more) / cells) ** 0.5
        if drop > strict * error and drop > tolerated:
            return more
        if drop + lenient * error < tolerated:
            return more
    return None


def _all_noise(found: Difference) -> float:
    """Return the run's noise with one sample per cell: half of the cells' scatter; the other half is the baseline's."""
    return float(np.nanvar(found.cells, ddof=1)) / 2
