"""Discriminant validity: whether a prompted trait raises its own score only, or all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.axes import TableError, arranged
from pytest_batcheval.quality.categories import against_the_rest
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
"""A faithful caricature leaks 0.02, one that is all good or all bad 1.1; measured in docs/statistics.md."""

ROW, SURE, FIRM = 0.5, 0.84, 3.0
"""A row is mixed if another trait moves its score by more than half of what its own trait does (Campbell & Fiske 1959:
the highest of a row should be its own), by 0.84 standard errors more: with 80 % confidence. A row whose own effect is
below 3 of its standard errors is too faint to be judged.

Chosen on seeds 10,000 on among 0.6 to 1.28 and 2 to 4: two rows or more are mixed in 0.95 (Korean) and 1.00 (English)
of runs of a judge that scores by liking, in 0.00 of an honest one's, and in 0.00, 0.01 and 0.00 of weak honest scores
(0.3, 0.45 and 0.6 points, one sample).
"""

SPARED = 4
"""Fewest dimensions of which one may be mixed, as in `trait_reflection`."""

NULL = "prompted levels do not affect their own scores; whole personas permuted, one-sided mean of the diagonal"


@dataclass(frozen=True, kw_only=True, repr=False)
class Discriminant(TableResult):
    """The effect of every prompted dimension on every scored one.

    Attributes:
        effect: the leak: root mean square of the effects on other dimensions, over the mean effect on the
            own one. Each square is less that of its standard error, so that noise is no leak; 0 if less than nothing is
            left. `None` if the mean effect is not positive: nothing is reflected that could leak.
        interval: 95 %, of the square, by leaving out one persona at a time; its ends' roots.
        p_value: one-sided, of the mean effect on the own dimension.
        dimensions: rows and columns of the matrix.
        matrix: row: scored dimension, column: prompted dimension; half the difference between high and low,
            in score points.
        mixed: the scored dimensions that another trait moves by more than half of what their own does; see `ROW`.
        scored: the answers with a score of a dimension that their question aims at, of those asked.
    """

    p_value: float
    seed: int
    dimensions: tuple[str, ...]
    matrix: tuple[tuple[float, ...], ...]
    mixed: tuple[str, ...]
    scored: ScoredAnswers

    COMPARE: ClassVar[str] = "assert result.discriminates, result.explain()"
    FIGURES: ClassVar[tuple[str, ...]] = ("leak", "discriminates")

    @property
    def leak(self) -> float | None:
        """The effect."""
        return self.effect

    @property
    def discriminates(self) -> bool:
        """A leak of at most 0.5, and at most one dimension mixed; of fewer than four none."""
        return self.within(LEAK)

    def within(self, leak: float) -> bool:
        """The same with a limit of the leak of one's own."""
        enough = len(self.mixed) <= (len(self.dimensions) >= SPARED)
        return self.leak is not None and self.leak <= leak and enough

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
        mixed = Phrase(
            "moved by other traits more than by half of their own: {codes}", codes=", ".join(self.mixed) or NONE
        )
        return Phrase.joined("\n", [found, mixed, self.scored.__str__(), head, *rows])

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
        finding = "traits raise their own scores" if self.discriminates else "traits raise other scores too"
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
    design = against_the_rest(design_of(table, levels, targets))
    codes = design.chosen(None)
    if len(codes) < 2:
        raise TableError(f"a leak needs at least two dimensions; there is only {codes[0]}")
    means = np.column_stack(
        [persona_scores(table, score_column(given, code, len(answers)), design.aimed[code]) for code in codes]
    )
    places = [design.factors.index(code) for code in codes]
    matrix, errors = _effects(design, places, means)
    squared = _squared_leak(matrix, errors)
    p_value, _ = permutation_p(
        lambda rng, n: _null(design, places, means, rng, n), float(np.trace(matrix)), permutations, seed
    )
    return Discriminant(
        effect=None if squared is None else _root(squared),
        interval=None if squared is None else _interval(squared, design, places, means),
        p_value=p_value,
        null=NULL,
        n=len(table.texts),
        seed=seed,
        rows=table.axes.row,
        columns=table.axes.column,
        dimensions=codes,
        matrix=tuple(tuple(map(float, row)) for row in matrix),
        mixed=() if squared is None else _mixed(codes, matrix, errors),
        scored=scored_answers(table, given, design),
    )


def _effects(design: Design, places: list[int], means: Floats) -> tuple[Floats, Floats]:
    """Return the effects on each score (rows) of each level (columns), and their standard errors; 0 if unknown."""
    effects, errors = design.effects(means)
    matrix: Floats = effects[places].T
    return matrix, np.zeros_like(matrix) if errors is None else errors[places].T


def _squared_leak(matrix: Floats, errors: Floats) -> float | None:
    """Return the square of the leak less that of its noise, an unbiased estimate that may be negative."""
    own = float(np.trace(matrix)) / len(matrix)
    if own <= 1e-9:
        return None
    others = ~np.eye(len(matrix), dtype=bool)
    return float(np.mean(matrix[others] ** 2 - errors[others] ** 2)) / own**2


def _root(squared: float) -> float:
    return float(np.sqrt(max(0.0, squared)))


def _mixed(codes: Sequence[str], matrix: Floats, errors: Floats) -> tuple[str, ...]:
    """Return the dimensions of mixed rows."""
    found = []
    for n, code in enumerate(codes):
        others = np.abs(matrix[n])
        others[n] = -1.0
        most = int(others.argmax())
        beyond = others[most] - ROW * matrix[n, n]
        firm = matrix[n, n] >= FIRM * errors[n, n]
        if firm and beyond > SURE * float(np.hypot(errors[n, most], ROW * errors[n, n])):
            found.append(code)
    return tuple(found)


def _null(design: Design, places: list[int], means: Floats, rng: np.random.Generator, count: int) -> Floats:
    """Return the trace of the matrix for permuted personas."""
    inverse = np.linalg.pinv(np.column_stack([np.ones(len(design.levels)), design.levels]))[1:][places]
    order = shuffles(rng, count, len(means))
    traces = np.zeros(count)
    for row, column in zip(inverse, means.T, strict=True):
        traces += column[order] @ row
    return traces


def _interval(squared: float, design: Design, places: list[int], means: Floats) -> tuple[float, float] | None:
    left_out = []
    for i in range(len(means)):
        rest = Design(design.factors, np.delete(design.levels, i, axis=0), design.aimed)
        try:
            value = _squared_leak(*_effects(rest, places, np.delete(means, i, axis=0)))
        except TableError:
            return None
        if value is None:
            return None
        left_out.append(value)
    low, high = jackknife_interval(squared, left_out)
    return _root(low), _root(high)
