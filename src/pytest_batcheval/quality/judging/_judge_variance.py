"""Judges as a facet: how much of a score is the persona's, the question's, and the judge's."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.axes import TableError, arranged
from pytest_batcheval.quality.design import Targets, aims_of
from pytest_batcheval.quality.needs import LEAST_ROWS
from pytest_batcheval.quality.result import NONE, TableResult, shown
from pytest_batcheval.quality.scores import Given, numbers, on_scale, spoken
from pytest_batcheval.quality.stats.cell_means import cell_means
from pytest_batcheval.quality.stats.crossed_components import NOTHING, CrossedComponents, crossed_components
from pytest_batcheval.quality.stats.resampling import jackknife_interval
from pytest_batcheval.quality.stats.variance_components import TRUSTED
from pytest_batcheval.quality.table import Table, table_of
from pytest_batcheval.recordings.answer_table import Answers, AxisNames
from pytest_batcheval.text.phrase import Phrase

Floats = npt.NDArray[np.float64]

LEAST_ERROR = 1e-9
"""Share of the variance below which error counts as none, so that its logarithm is finite."""

NULL = "none: shares of variance; intervals leave out one persona at a time, with these questions and judges"


@dataclass(frozen=True)
class DimensionVariance:
    """One dimension's scores by several judges.

    Attributes:
        components: variances in squared points; `None` with scores of fewer than 8 personas, or where no two judges
            or no two questions can be compared.
        judges: their number.
        questions: scores of a persona by one judge, harmonic mean over personas.
        dependability: with these judges and questions, 0 to 1: how far a persona's score is its own.
        interval: 95 %, of the dependability.
        generalizability: the same for the order of personas only, which a stricter judge does not change.
        one_judge, one_more_judge, twice_the_questions: the dependability that is to be expected with these.
        leanings: by judge, in points, how far its scores are above the mean of all judges, where all have one.
        same_nulls: share of cells that all judges scored, or none.
    """

    components: CrossedComponents | None
    judges: int
    questions: float
    dependability: float | None
    interval: tuple[float, float] | None
    generalizability: float | None
    one_judge: float | None
    one_more_judge: float | None
    twice_the_questions: float | None
    leanings: dict[str, float]
    same_nulls: float

    def expected(self, *, questions: float, judges: float) -> float | None:
        """Return the dependability with other numbers of questions and judges (a D study); `None` if unknown."""
        return None if self.components is None else self.components.dependability(questions, judges)

    def __str__(self) -> Phrase:
        if self.components is None:
            return Phrase("unknown: at least {least} personas need scores, by two judges or more", least=LEAST_ROWS)
        if self.dependability is None:
            return Phrase("undefined: all scores are equal")
        shares = [
            Phrase("{facet} {share:.0%}", facet=Phrase.known(facet, "facet"), share=share)
            for facet, share in self.components.shares.items()
        ]
        return Phrase(
            "dependability {it.dependability:.2f} ({interval}) with {judges} and {it.questions:.1f} questions, "
            "{it.one_judge:.2f} with one judge, {it.one_more_judge:.2f} with one more, {it.twice_the_questions:.2f} "
            "with twice the questions; of the order of personas {it.generalizability:.2f}; variance: {shares}; "
            "leanings in points: {leanings}; {it.same_nulls:.0%} agree on whether there is a score",
            it=self,
            interval=shown(self.interval, 2),
            judges=Phrase.counted(self.judges, "judge"),
            shares=Phrase.joined(", ", shares),
            leanings=", ".join(f"{name} {points:+.2f}" for name, points in self.leanings.items()) or NONE,
        )


@dataclass(frozen=True, kw_only=True, repr=False)
class JudgeVariance(TableResult):
    """Dependability and variance components by dimension.

    Attributes:
        effect: the smallest dependability of all dimensions, with its `interval`; `None` if one is unknown.
        dimensions: by code.
        judges: their names.
    """

    dimensions: dict[str, DimensionVariance]
    judges: tuple[str, ...]

    COMPARE: ClassVar[str] = "assert not result.undependable, result.explain()"
    FIGURES: ClassVar[tuple[str, ...]] = ("undependable",)

    def __getitem__(self, code: str) -> DimensionVariance:
        return self.dimensions[code]

    @property
    def undependable(self) -> tuple[str, ...]:
        """The dimensions whose dependability is below 0.7, or unknown."""
        return tuple(code for code, one in self.dimensions.items() if (one.dependability or 0.0) < TRUSTED)

    def _words(self) -> Phrase:
        """One line per dimension after a summary."""
        head = Phrase(
            "{answers} scored by {judges}; not dependable (below {wanted}): {codes}",
            answers=Phrase.counted(self.n, "answer"),
            judges=", ".join(self.judges),
            wanted=TRUSTED,
            codes=", ".join(self.undependable) or NONE,
        )
        dimensions = [Phrase("{}: {}", code, one.__str__()) for code, one in self.dimensions.items()]
        return Phrase.joined("\n", [head, *dimensions])

    def _summary(self) -> Phrase:
        least = Phrase("undefined") if self.effect is None else f"{self.effect:.2f}"
        codes = ", ".join(self.undependable) or NONE
        return Phrase("least dependability={least} n={n}: not dependable {codes}", least=least, n=self.n, codes=codes)


def judge_variance(
    answers: Answers,
    judges: Mapping[str, Given],
    *,
    targets: Targets | None = None,
    rows: AxisNames = None,
    columns: AxisNames = None,
) -> JudgeVariance:
    """Return how much of the scores' variance is persona, question and judge, crossed (a G study, p x q x j).

    `judges` has the scores of each by name, from 1 to 5 by dimension, `None` or NaN for none. Only questions that aim
    at a dimension count, all where none has targets; samples of a cell count by their mean.

    Raises:
        TableError: fewer than two judges, dimensions that one of them lacks, scores that are not one per answer or
            beyond the scale, no dimension that a question aims at, or a table as `trait_reflection` refuses.
    """
    answers = arranged(answers, rows, columns)
    given = scores_by_name(answers, judges, "judge")
    table = table_of(spoken(answers))
    found = {}
    for code, questions in aimed_at_by(table, next(iter(given.values())), targets).items():
        values = [cell_means(table, on_scale(code, own[code])[table.places])[questions] for own in given.values()]
        found[code] = _dimension(np.stack(values, axis=-1).transpose(1, 0, 2), tuple(given))
    ranked = sorted(found.values(), key=lambda one: one.dependability if one.dependability is not None else -1.0)
    return JudgeVariance(
        effect=ranked[0].dependability,
        interval=ranked[0].interval,
        p_value=None,
        null=NULL,
        n=len(table.texts),
        seed=None,
        rows=table.axes.row,
        columns=table.axes.column,
        dimensions=found,
        judges=tuple(given),
    )


def scores_by_name(answers: Answers, given: Mapping[str, Given], what: str) -> dict[str, dict[str, Floats]]:
    """Return the scores of each judge or method (`what` of them), by name and dimension, one per answer.

    Raises:
        TableError: fewer than two, dimensions that one lacks, or scores that are not one number per answer.
    """
    if not isinstance(given, Mapping) or len(given) < 2 or not all(isinstance(own, Mapping) for own in given.values()):
        raise TableError(
            f"at least two {what}s are needed, each with its scores by dimension: {{'one': {{'NS': [4, None, …]}}, …}}"
        )
    codes = dict.fromkeys(code for own in given.values() for code in own)
    if lacking := [f"{name} of {code}" for name, own in given.items() for code in codes if code not in own]:
        raise TableError(f"every {what} needs scores of the same dimensions; there are none by {', '.join(lacking)}")
    if not codes:
        raise TableError(f"no {what} has scores of any dimension")
    return {
        name: {code: numbers(f"scores of {code} by {name}", own[code], len(answers)) for code in codes}
        for name, own in given.items()
    }


def aimed_at_by(table: Table, codes: Collection[str], targets: Targets | None) -> dict[str, list[int]]:
    """Return by dimension the numbers of the questions that aim at it, all of them where no question has targets.

    Raises:
        TableError: no question aims at any of them.
    """
    aims = aims_of(table, targets)
    if not aims:
        return {code: list(range(len(table.columns))) for code in codes}
    found = {code: list(questions) for code, questions in aims.items() if code in codes}
    if not found:
        raise TableError(f"no question aims at {', '.join(codes)}; they aim at {', '.join(aims)}")
    return found


def _dimension(values: Floats, names: Sequence[str]) -> DimensionVariance:
    """Return the figures of scores of the shape (P, J, R)."""
    there = ~np.isnan(values)
    own, judges = there.sum(axis=(1, 2)), len(names)
    scored = np.flatnonzero(own)
    found = crossed_components(values) if len(scored) >= LEAST_ROWS else None
    questions = len(scored) / float((judges / own[scored]).sum()) if len(scored) else 0.0
    known = found if found is not None and found.whole > NOTHING else None

    def expected(questions: float, judges: float) -> float | None:
        return None if known is None else known.dependability(questions, judges)

    return DimensionVariance(
        components=found,
        judges=judges,
        questions=questions,
        dependability=expected(questions, judges),
        interval=None if known is None else _interval(values[scored], questions, known),
        generalizability=None if known is None else known.generalizability(questions, judges),
        one_judge=expected(questions, 1),
        one_more_judge=expected(questions, judges + 1),
        twice_the_questions=expected(2 * questions, judges),
        leanings=_leanings(values, names),
        same_nulls=float((there.all(axis=2) | ~there.any(axis=2)).mean()),
    )


def _interval(values: Floats, questions: float, whole: CrossedComponents) -> tuple[float, float] | None:
    """Return the interval of the dependability; the logarithm of error's share is nearly normal (Feldt 1965)."""
    judges = values.shape[2]

    def log_error(found: CrossedComponents) -> float:
        error = max(found.absolute_error(questions, judges), LEAST_ERROR)
        return float(np.log(error / max(found.persona + error, LEAST_ERROR)))

    left_out = [crossed_components(np.delete(values, n, axis=0)) for n in range(len(values))]
    known = [log_error(one) for one in left_out if one is not None]
    if len(known) < len(left_out):
        return None
    low, high = (1 - float(np.exp(end)) for end in jackknife_interval(log_error(whole), known)[::-1])
    return max(0.0, low), max(0.0, high)


def _leanings(values: Floats, names: Sequence[str]) -> dict[str, float]:
    """Return by judge the mean of its score less that of all judges, over the cells that all have scored."""
    full = values[~np.isnan(values).any(axis=2)]
    if not len(full):
        return {}
    points = (full - full.mean(axis=1, keepdims=True)).mean(axis=0)
    return {name: float(by) for name, by in zip(names, points, strict=True)}
