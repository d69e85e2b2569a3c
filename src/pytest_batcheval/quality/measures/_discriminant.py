"""Discriminant validity: whether a prompted trait raises its own score only, or all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.axes import TableError, arranged
from pytest_batcheval.quality.design import Design, Levels, Targets, design_of, persona_scores
from pytest_batcheval.quality.measures._scored_answers import ScoredAnswers, scored_answers
from pytest_batcheval.quality.result import NONE, TableResult, shown
from pytest_batcheval.quality.scores import Given, score_column, scored
from pytest_batcheval.quality.stats.resampling import jackknife_interval, permutation_p, shuffles
from pytest_batcheval.quality.table import table_of
from pytest_batcheval.recordings.answer_table import Answers, AxisNames
from pytest_batcheval.text.phrase import Phrase

Floats = npt.NDArray[np.float64]

LEAK = 0.5
"""A faithful caricature leaks 0.07, one that is all good or all bad 1.1; measured in docs/statistics.md."""

NULL = "prompted levels do not affect their own scores; whole personas permuted, one-sided mean of the diagonal"


@dataclass(frozen=True, kw_only=True, repr=False)
class Discriminant(TableResult):
    """The effect of every prompted dimension on every scored one.

    Attributes:
        effect: the leak: root mean square of the effects on other dimensions, over the mean effect on the
            own one. `None` if that mean is not positive: nothing is reflected that could leak.
        interval: 95 %, by leaving out one persona at a time.
        p_value: one-sided, of the mean effect on the own dimension.
        dimensions: rows and columns of the matrix.
        matrix: row: scored dimension, column: prompted dimension; half the difference between high and low,
            in score points.
        scored: the answers with a score of a dimension that their question aims at, of those asked.
    """

    p_value: float
    seed: int
    dimensions: tuple[str, ...]
    matrix: tuple[tuple[float, ...], ...]
    scored: ScoredAnswers

    COMPARE: ClassVar[str] = "assert result.leak is not None and result.leak <= 0.5, result.explain()"
    FIGURES: ClassVar[tuple[str, ...]] = ("leak",)

    @property
    def leak(self) -> float | None:
        """The effect."""
        return self.effect

    def _words(self) -> Phrase:
        """The matrix, and the strongest leaks by name."""
        undefined = Phrase("undefined: prompted traits do not raise their own scores")
        found = Phrase(
            "leak = {leak} ({interval}), p = {it.p_value:.4g} (seed {it.seed}), {answers}; strongest: {strongest}",
            it=self,
            leak=undefined if self.leak is None else f"{self.leak:.2f}",
            interval=shown(self.interval, 2),
            answers=Phrase.counted(self.n, "answer"),
            strongest=self._strongest() or NONE,
        )
        head = Phrase("score of  {codes}   (prompted)", codes="".join(f"{code:>7}" for code in self.dimensions))
        rows = [
            f"{code:<10}" + "".join(f"{value:7.2f}" for value in row)
            for code, row in zip(self.dimensions, self.matrix, strict=True)
        ]
        return Phrase.joined("\n", [found, self.scored.__str__(), head, *rows])

    def _strongest(self) -> Phrase:
        """The traits that move another score most."""
        codes, size = self.dimensions, range(len(self.dimensions))
        pairs = [(abs(self.matrix[d][e]), d, e) for d in size for e in size if d != e]
        moves = [
            Phrase("{trait} moves {score} by {by:+.2f}", trait=codes[e], score=codes[d], by=self.matrix[d][e])
            for _, d, e in sorted(pairs, reverse=True)[:3]
        ]
        return Phrase.joined("; ", moves)

    def _summary(self) -> Phrase:
        if self.leak is None:
            return Phrase("leak=None p={p:.2g}: prompted traits do not raise their own scores", p=self.p_value)
        finding = "traits raise their own scores" if self.leak <= LEAK else "traits raise other scores too"
        return Phrase("leak={leak:.2f} p={p:.2g}: {finding}", leak=self.leak, p=self.p_value, finding=Phrase(finding))


def discriminant(
    answers: Answers,
    *,
    permutations: int = 9999,
    seed: int = 0,
    scores: Given | None = None,
    levels: Levels | None = None,
    targets: Targets | None = None,
    rows: AxisNames = None,
    columns: AxisNames = None,
) -> Discriminant:
    """Compute the matrix of effects and the leak; the arguments are those of `trait_reflection`.

    Raises:
        TableError: as `trait_reflection`; fewer than two dimensions; or dimensions that the personas
            cannot tell apart.
    """
    answers = arranged(answers, rows, columns)
    judged, given = scored(answers, scores)
    table = table_of(judged)
    design = design_of(table, levels, targets)
    codes = design.chosen(None)
    if len(codes) < 2:
        raise TableError(f"a leak needs at least two dimensions; there is only {codes[0]}")
    means = np.column_stack(
        [persona_scores(table, score_column(given, code, len(answers)), design.aimed[code]) for code in codes]
    )
    places = [design.factors.index(code) for code in codes]
    matrix = design.effects(means)[0][places].T
    leak = _leak(matrix)
    p_value, _ = permutation_p(
        lambda rng, n: _null(design, places, means, rng, n), float(np.trace(matrix)), permutations, seed
    )
    return Discriminant(
        effect=leak,
        interval=None if leak is None else _interval(leak, design, places, means),
        p_value=p_value,
        null=NULL,
        n=len(table.texts),
        seed=seed,
        rows=table.axes.row,
        columns=table.axes.column,
        dimensions=codes,
        matrix=tuple(tuple(map(float, row)) for row in matrix),
        scored=scored_answers(table, given, design),
    )


def _leak(matrix: Floats) -> float | None:
    own = float(np.trace(matrix)) / len(matrix)
    if own <= 1e-9:
        return None
    others = matrix[~np.eye(len(matrix), dtype=bool)]
    return float(np.sqrt(np.mean(others**2))) / own


def _null(design: Design, places: list[int], means: Floats, rng: np.random.Generator, count: int) -> Floats:
    """Return the trace of the matrix for permuted personas."""
    inverse = np.linalg.pinv(np.column_stack([np.ones(len(design.levels)), design.levels]))[1:][places]
    order = shuffles(rng, count, len(means))
    traces = np.zeros(count)
    for row, column in zip(inverse, means.T, strict=True):
        traces += column[order] @ row
    return traces


def _interval(leak: float, design: Design, places: list[int], means: Floats) -> tuple[float, float] | None:
    left_out = []
    for i in range(len(means)):
        rest = Design(design.factors, np.delete(design.levels, i, axis=0), design.aimed)
        try:
            value = _leak(rest.effects(np.delete(means, i, axis=0))[0][places].T)
        except TableError:
            return None
        if value is None:
            return None
        left_out.append(value)
    low, high = jackknife_interval(leak, left_out)
    return max(0.0, low), high
