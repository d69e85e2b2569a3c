"""Comparison of two models, prompts or runs: whether one is better, or both are equally good.

"Not significant" never means "as good": that needs an interval inside a margin that was stated before.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.comparing._clustered_difference import Blocks, axes_words, difference, named_cells
from pytest_batcheval.quality.comparing._more_samples import CHANCE, MOST, Floats, more_samples
from pytest_batcheval.quality.measures._cell_values import CellValues, values_of
from pytest_batcheval.quality.measures._scored_answers import ScoredAnswers, scored_words
from pytest_batcheval.quality.result import NONE, Result, listed
from pytest_batcheval.quality.scores import real
from pytest_batcheval.quality.stats.levels import ALPHA, EQUIVALENCE, verdict_of
from pytest_batcheval.quality.stats.student_t import t_quantile
from pytest_batcheval.recordings.answer_table import Answers, AxisNames
from pytest_batcheval.text.phrase import Phrase

MARGIN = 0.15
"""In units of alignment, equal to 0.3 of a score point: a convention; state your own before the run."""

NULL = "no mean difference; error clustered by axis; t with the fewest values of an axis - 1 degrees of freedom"

LISTED = 5


@dataclass(frozen=True, kw_only=True, repr=False)
class Comparison(Result):
    """The mean difference of a per-answer number, a minus b, over the same cells.

    Attributes:
        effect: the mean difference; `interval` is its 95 % interval.
        p_value: two-sided, of no difference.
        n: cells with a value in both runs.
        error, freedom: the standard error and its degrees of freedom.
        standardised: d_z; `None` if all cells differ by the same amount.
        narrow: the 90 % interval, which is compared with `margin`.
        p_equivalence: of the two one-sided tests against the margin.
        verdict: `better`, `worse` (p at most 0.01), `equivalent`, or `not decided`.
        more_samples: samples to add to each cell of both runs so that it is decided with a chance of 80 %; `None` if it
            is decided, or if 20 per cell would not be enough.
        lowest: the cells where a is furthest below b.
        clustered, fixed: by axis, the number of its values: axes by which the error is clustered, and those with so few
            values that the result is about these only.
        scored: of a and of b, the answers with a score of those asked; `None` where all have a value.
    """

    effect: float
    interval: tuple[float, float]
    p_value: float
    metric: str
    error: float
    freedom: int
    standardised: float | None
    narrow: tuple[float, float]
    margin: float
    p_equivalence: float
    verdict: str
    more_samples: int | None
    lowest: tuple[str, ...]
    clustered: dict[str, int]
    fixed: dict[str, int]
    scored: tuple[ScoredAnswers | None, ScoredAnswers | None] = (None, None)

    COMPARE: ClassVar[str] = "assert result.equivalent, result.explain()"
    FIGURES: ClassVar[tuple[str, ...]] = ("equivalent",)

    @property
    def equivalent(self) -> bool:
        """Whether the 90 % interval lies inside the margin. A difference can be both significant and small."""
        return self.p_equivalence <= EQUIVALENCE

    def _words(self) -> Phrase:
        """The result in words, with the cells that are furthest behind."""
        difference = Phrase(
            "{verdict}: {it.metric} differs by {it.effect:+.3f} (95 %: {it.interval[0]:+.3f} to "
            "{it.interval[1]:+.3f}), d_z {size}, p = {it.p_value:.4g} ({cells}, "
            "t with {it.freedom} degrees of freedom)",
            it=self,
            verdict=Phrase.known(self.verdict, "verdict"),
            size=Phrase("undefined") if self.standardised is None else f"{self.standardised:+.2f}",
            cells=Phrase.counted(self.n, "cell"),
        )
        within = Phrase(
            "90 %: {it.narrow[0]:+.3f} to {it.narrow[1]:+.3f} is {inside} +-{it.margin}, p = {it.p_equivalence:.4g}",
            it=self,
            inside=Phrase("inside" if self.equivalent else "not inside"),
        )
        lowest = Phrase("furthest behind: {cells}", cells=listed(self.lowest, LISTED) or NONE)
        about = (*self._decide(), *scored_words(*self.scored), *axes_words(self.clustered, self.fixed))
        return Phrase.joined("\n", [difference, within, lowest, *about])

    def _decide(self) -> list[Phrase]:
        """The samples that would decide, and whether the margin can be decided at all."""
        if self.verdict != "not decided":
            return []
        half = (self.narrow[1] - self.narrow[0]) / 2
        found = []
        if half >= self.margin:
            template = "the interval alone is +-{half:.3f}, wider than the margin: no runs could be equivalent"
            found.append(Phrase(template, half=half))
        if self.more_samples:
            more = Phrase.counted(self.more_samples, "more sample")
            template = "{more} per cell of both would decide with a chance of {chance:.0%}"
            return [*found, Phrase(template, more=more, chance=CHANCE)]
        template = "even {most} more samples per cell of both would not decide with a chance of {chance:.0%}"
        return [*found, Phrase(template, most=MOST, chance=CHANCE)]

    def _summary(self) -> Phrase:
        template = "{it.metric} difference={it.effect:+.3f} p={it.p_value:.2g}: {verdict}"
        return Phrase(template, it=self, verdict=Phrase.known(self.verdict, "verdict"))


def compare(
    a: Answers | CellValues,
    b: Answers | CellValues,
    *,
    margin: float = MARGIN,
    blocks: Blocks | None = None,
    rows: AxisNames = None,
    columns: AxisNames = None,
) -> Comparison:
    """Compare two runs over the same cells: the same personas and questions, or values of any other axes.

    Answers are compared by their alignment; use `cell_values` for your own number, and choose its margin before
    you see the answers. Questions count as independent: where some build on each other, as in one conversation, give
    the block of each, `blocks={"q1": "opening", …}`; four blocks at least stand for others.

    Raises:
        TableError: the runs do not match, are too small, or the margin is not positive.
    """
    if not (real(margin) or 0) > 0:
        raise TableError(f"margin must be a positive number, not {margin!r}")
    one, other = (values_of(run, rows, columns) for run in (a, b))
    found = difference(one, other, blocks)
    lower, upper = found.above(-margin), found.below(margin)
    p_value = min(1.0, 2 * min(found.below(0), found.above(0)))
    p_equivalence = max(lower, upper)
    verdict = verdict_of(found.mean, p_value, p_equivalence <= EQUIVALENCE)
    decided = partial(_decided, found.freedom, margin)
    return Comparison(
        effect=found.mean,
        interval=found.interval(0.95),
        p_value=p_value,
        null=NULL,
        n=found.n,
        seed=None,
        metric=one.metric,
        error=found.error,
        freedom=found.freedom,
        standardised=found.standardised,
        narrow=found.interval(1 - 2 * EQUIVALENCE),
        margin=margin,
        p_equivalence=p_equivalence,
        verdict=verdict,
        more_samples=more_samples(found, [one, other], decided) if verdict == "not decided" else None,
        lowest=named_cells(one, found.cells, LISTED),
        clustered=dict(found.clustered),
        fixed=dict(found.fixed),
        scored=(one.scored, other.scored),
    )


def _decided(freedom: int, margin: float, means: Floats, error: float) -> npt.NDArray[np.bool_]:
    """Whether these mean differences, with this error, are equivalent or significant."""
    different, inside = (t_quantile(1 - alpha, freedom) * error for alpha in (ALPHA / 2, EQUIVALENCE))
    found: npt.NDArray[np.bool_] = (np.abs(means) >= different) | (np.abs(means) + inside < margin)
    return found
