"""Agreement of two judges, of a judge and a human, or of a judge and itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.axes import TableError, axes_of, place_of
from pytest_batcheval.quality.needs import LEAST_JUDGED, LEAST_ROWS
from pytest_batcheval.quality.result import NONE, Result, listed, shown
from pytest_batcheval.quality.scores import Given, numbers
from pytest_batcheval.quality.stats import kappa
from pytest_batcheval.quality.stats.resampling import generator
from pytest_batcheval.quality.stats.student_t import t_quantile
from pytest_batcheval.recordings.answer_table import Answers
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.phrase import Phrase
from pytest_batcheval.wire.key import KEY_SHOWN

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

LEAST = LEAST_JUDGED
"""Least number of cells for which agreement is reported: samples of a cell are not independent."""

AGREED, AGREED_LOW = 0.6, 0.4
"""Least weighted kappa of two judges of different families, and least lower bound of its interval.

Convention: above 0.4 agreement is called moderate, above 0.6 substantial (Landis & Koch 1977).
"""

BOOTSTRAPS = 2000
"""Number of bootstraps; 50 of them are below the 2.5 % point."""

LEAST_BOOTSTRAPS = 40
"""With 40, one is below the 2.5 % point."""

DRAWS = ("cells", "personas")

SCALE = np.arange(1.0, 6.0)

NULL = "none: agreement is an interval; cells, with all their samples, drawn again with replacement within each persona"
PERSONAS_NULL = "none: agreement is an interval; whole personas drawn again with replacement"


@dataclass(frozen=True)
class DimensionAgreement:
    """Agreement on one dimension.

    Attributes:
        kappa: quadratically weighted; `None` if it is undefined: all scores equal, or no pairs.
        kappa_interval: 95 % bootstrap interval.
        alpha, alpha_interval: Krippendorff's, ordinal.
        ac2: Gwet's AC2; far above the others means that nearly all scores are the same.
        pairs: answers that both scored.
        same_nulls: share of answers that both scored or neither scored.
        table: 5 rows (first judge's score 1 to 5) of 5 columns (second's).
    """

    kappa: float | None
    kappa_interval: tuple[float, float] | None
    alpha: float | None
    alpha_interval: tuple[float, float] | None
    ac2: float | None
    pairs: int
    same_nulls: float
    table: tuple[tuple[int, ...], ...]

    @property
    def agrees(self) -> bool:
        """Weighted kappa at least 0.6, its lower bound at least 0.4."""
        enough = self.kappa is not None and self.kappa >= AGREED
        return enough and self.kappa_interval is not None and self.kappa_interval[0] >= AGREED_LOW

    def __str__(self) -> Phrase:
        pairs = Phrase.counted(self.pairs, "pair")
        if self.kappa is None or self.alpha is None:
            return Phrase("undefined on {pairs}: all scores are equal, or there are none", pairs=pairs)
        return Phrase(
            "kappa = {it.kappa:.2f} ({kappa}), alpha = {it.alpha:.2f} ({alpha}), AC2 = {ac2}, {pairs}, "
            "{it.same_nulls:.0%} agree on whether there is a score",
            it=self,
            kappa=shown(self.kappa_interval, 2),
            alpha=shown(self.alpha_interval, 2),
            ac2=Phrase("undefined") if self.ac2 is None else f"{self.ac2:.2f}",
            pairs=pairs,
        )


@dataclass(frozen=True, kw_only=True, repr=False)
class JudgeAgreement(Result):
    """Agreement by dimension.

    Attributes:
        effect: the smallest weighted kappa of all dimensions, with its `interval`; `None` if one is undefined.
        dimensions: by code.
        role_kappa: Cohen's kappa of the role labels; `None` without labels or if undefined.
        opposed: the answers on which the two are three points or more apart, at most ten.
        cells: the number of cells that were judged.
        drawn: what the intervals are about: `cells` (other questions and samples to these personas) or `personas`
            (other personas like these).
    """

    seed: int
    dimensions: dict[str, DimensionAgreement]
    role_kappa: float | None
    opposed: tuple[str, ...]
    cells: int
    drawn: str

    COMPARE: ClassVar[str] = "assert not result.disagreeing, result.explain()"
    FIGURES: ClassVar[tuple[str, ...]] = ("disagreeing",)

    def __getitem__(self, code: str) -> DimensionAgreement:
        return self.dimensions[code]

    @property
    def disagreeing(self) -> tuple[str, ...]:
        """The dimensions whose weighted kappa is below 0.6, or its lower bound below 0.4, or undefined."""
        return tuple(code for code, found in self.dimensions.items() if not found.agrees)

    def _words(self) -> Phrase:
        """One line per dimension, and the answers on which the two are furthest apart."""
        about = Phrase("other cells of these personas")
        if self.drawn == "personas":
            about = Phrase("other personas like these")
        head = Phrase(
            "{answers} in {cells} judged twice (seed {seed}), intervals for {about}; not agreed on: {codes}",
            answers=Phrase.counted(self.n, "answer"),
            cells=Phrase.counted(self.cells, "cell"),
            about=about,
            seed=self.seed,
            codes=", ".join(self.disagreeing) or NONE,
        )
        dimensions = [Phrase("{}: {}", code, str(found)) for code, found in self.dimensions.items()]
        role = [] if self.role_kappa is None else [Phrase("role: kappa = {kappa:.2f}", kappa=self.role_kappa)]
        apart = Phrase("three points apart or more: {names}", names=listed(self.opposed) or NONE)
        return Phrase.joined("\n", [head, *dimensions, *role, apart])

    def _summary(self) -> Phrase:
        kappa = Phrase("undefined") if self.effect is None else f"{self.effect:.2f}"
        if not self.disagreeing:
            return Phrase("least kappa={kappa} n={n}: agreed", kappa=kappa, n=self.n)
        codes = listed(self.disagreeing)
        return Phrase("least kappa={kappa} n={n}: not agreed on {codes}", kappa=kappa, n=self.n, codes=codes)


def _check_sizes(persona: Ints, answers: int, least: int, draw: str, bootstraps: int) -> None:
    """Refuse too few cells, an unknown way to draw, too few personas for it, or too few bootstraps."""
    if len(persona) < max(least, 2):
        single = len(persona) == answers
        of_cells = "" if single else f" cells of {counted(answers, 'answer')}, whose samples count once"
        raise TableError(
            f"too few answers for the agreement of two judges: {len(persona)}{of_cells}; at least {max(least, 2)} are "
            "needed, 200 to trust a judge"
        )
    if draw not in DRAWS or (draw == "personas" and persona.max() + 1 < LEAST_ROWS):
        raise TableError(
            f"draw must be one of {', '.join(DRAWS)}, and personas at least {LEAST_ROWS}, not {draw!r} of "
            f"{counted(int(persona.max()) + 1, 'persona')}"
        )
    if bootstraps < LEAST_BOOTSTRAPS:
        raise TableError(f"bootstraps must be at least {LEAST_BOOTSTRAPS} for a 95 % interval, not {bootstraps}")


def _check_dimensions(first: Given, second: Given) -> None:
    """Refuse scores that are not by dimension, or that have other dimensions than the other judge's."""
    if not isinstance(first, Mapping) or not isinstance(second, Mapping):
        raise TableError("each judge's scores must be given by dimension: {'NS': [4, None, …], …}, one per answer")
    if set(first) != set(second) or not first:
        raise TableError(f"both judges need the same dimensions: {', '.join(first)} and {', '.join(second)}")


def judge_agreement(
    answers: Answers,
    first: Given,
    second: Given,
    *,
    roles: tuple[Sequence[str], Sequence[str]] | None = None,
    least: int = LEAST,
    draw: str = "cells",
    bootstraps: int = BOOTSTRAPS,
    seed: int = 0,
) -> JudgeAgreement:
    """Compare two sets of scores of the same answers, integers from 1 to 5, `None` or NaN for none.

    `roles` are both judges' labels of each answer. Intervals are bootstrapped: with `draw="cells"` whole cells are
    drawn within each persona (row), which tells of other answers of these personas; with `draw="personas"` whole
    personas are, at least eight, which also tells of other personas where judges err by persona.

    Raises:
        TableError: fewer than `least` cells or than two; an unknown `draw`; fewer than 40 bootstraps; scores or roles
            that are not one per answer; a score that is not an integer from 1 to 5; dimensions that only one judge
            has; or a table of which it is not plain which axis is the rows (see `Answers.arranged`).
    """
    cells, persona = _cells(answers)
    _check_sizes(persona, len(answers), least, draw, bootstraps)
    _check_dimensions(first, second)
    one, other = ({code: _marks(code, given[code], len(answers)) for code in first} for given in (first, second))
    rng = generator(seed)
    drawn = _drawn_weights(persona, draw, bootstraps, rng)
    widened = _widened(persona, draw)
    found = {code: _dimension(one[code], other[code], cells, drawn, widened) for code in one}
    kappas = [(d.kappa, d.kappa_interval) for d in found.values()]
    least_one = min((k for k in kappas if k[0] is not None), key=lambda k: k[0] or 0.0, default=(None, None))
    smallest = least_one if all(k[0] is not None for k in kappas) else (None, None)
    return JudgeAgreement(
        effect=smallest[0],
        interval=smallest[1],
        p_value=None,
        null=PERSONAS_NULL if draw == "personas" else NULL,
        n=len(answers),
        seed=seed,
        dimensions=found,
        role_kappa=None if roles is None else _role_kappa(roles, len(answers)),
        opposed=_opposed(answers, one, other),
        cells=len(persona),
        drawn=draw,
    )


def _marks(code: str, values: Sequence[float | None] | Floats, answers: int) -> Floats:
    column = numbers(f"scores of {code}", values, answers)
    if not np.isin(column[~np.isnan(column)], SCALE).all():
        raise TableError(f"scores of {code} must be integers from 1 to 5")
    return column


def _cells(answers: Answers) -> tuple[Ints, Ints]:
    """Return the number of each answer's cell, shape (n,), and of each cell's persona (row), shape (cells,).

    With under two cells of each persona on average, all are one persona's.
    """
    axes = axes_of(answers).rows
    places: dict[tuple[str, ...], int] = {}
    cell = [places.setdefault(tuple(f"{a}={row.id(a)}" for a in sorted(row.cell)), len(places)) for row in answers.rows]
    of_cell = dict(zip(cell, (place_of(row, axes)[0] for row in answers.rows), strict=True))
    persona = np.unique([of_cell[n] for n in range(len(places))], return_inverse=True)[1].astype(np.intp)
    few = len(persona) < 2 * (int(persona.max(initial=-1)) + 1)
    return np.array(cell, dtype=np.intp), np.zeros(len(persona), np.intp) if few else persona


def _drawn_weights(persona: Ints, draw: str, bootstraps: int, rng: np.random.Generator) -> Floats:
    """Return how often each cell is drawn, shape (bootstraps, cells)."""
    count = int(persona.max()) + 1
    if draw == "personas":
        often = rng.multinomial(count, np.full(count, 1 / count), size=bootstraps)
        return often[:, persona].astype(np.float64)
    weights = np.zeros((bootstraps, len(persona)))
    for number in range(count):
        members = np.flatnonzero(persona == number)
        weights[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=bootstraps)
    return weights


def _widened(persona: Ints, draw: str) -> float:
    """Return the factor by which a drawn spread is too small.

    Drawing n of n cells in each of S strata loses S of n degrees of freedom (Rao & Wu 1988); of few personas, one, and
    the normal distribution gives way to Student's.
    """
    cells, personas = len(persona), int(persona.max()) + 1
    if draw == "personas":
        return float(np.sqrt(personas / (personas - 1)) * t_quantile(0.975, personas - 1) / NormalDist().inv_cdf(0.975))
    return float(np.sqrt(cells / (cells - personas)))


def _dimension(first: Floats, second: Floats, cells: Ints, drawn: Floats, widened: float) -> DimensionAgreement:
    table = kappa.pair_table(first, second, SCALE)
    weights = kappa.quadratic(SCALE)
    value = float(kappa.weighted_kappa(table, weights))
    tables = _drawn_tables(first, second, cells, drawn)
    alpha = float(kappa.krippendorff_alpha(table))
    return DimensionAgreement(
        kappa=_known(value),
        kappa_interval=_interval(value, kappa.weighted_kappa(tables, weights), widened),
        alpha=_known(alpha),
        alpha_interval=_interval(alpha, kappa.krippendorff_alpha(tables), widened),
        ac2=_known(float(kappa.gwet_ac2(table, weights))),
        pairs=int(table.sum()),
        same_nulls=float((np.isnan(first) == np.isnan(second)).mean()),
        table=tuple(tuple(map(int, row)) for row in table),
    )


def _drawn_tables(first: Floats, second: Floats, cells: Ints, drawn: Floats) -> Floats:
    """Return the tables of cells drawn again, shape (bootstraps, 5, 5)."""
    size = len(SCALE)
    both = ~(np.isnan(first) | np.isnan(second))
    pair = np.searchsorted(SCALE, first[both]) * size + np.searchsorted(SCALE, second[both])
    counts = np.zeros((drawn.shape[1], size * size))
    np.add.at(counts, (cells[both], pair), 1)
    return (drawn @ counts).reshape(len(drawn), size, size)


def _interval(estimate: float, drawn: Floats, widened: float) -> tuple[float, float] | None:
    """Return percentiles of the drawn values, their distance from the estimate widened; `None` if undefined."""
    defined = drawn[~np.isnan(drawn)]
    if np.isnan(estimate) or not len(defined):
        return None
    low, high = estimate + widened * (np.quantile(defined, [0.025, 0.975]) - estimate)
    return max(-1.0, float(low)), min(1.0, float(high))


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def _role_kappa(roles: tuple[Sequence[str], Sequence[str]], answers: int) -> float | None:
    if any(len(labels) != answers for labels in roles):
        raise TableError(
            f"{len(roles[0])} and {len(roles[1])} roles for {counted(answers, 'answer')}; give one per answer"
        )
    labels, place = np.unique([*roles[0], *roles[1]], return_inverse=True)
    one, other = place[:answers].astype(float), place[answers:].astype(float)
    table = kappa.pair_table(one, other, np.arange(float(len(labels))))
    return _known(float(kappa.weighted_kappa(table, kappa.nominal(len(labels)))))


def _opposed(answers: Answers, one: dict[str, Floats], other: dict[str, Floats]) -> tuple[str, ...]:
    found = []
    for code, column in one.items():
        for n in np.flatnonzero(np.abs(column - other[code]) >= 3):
            row = answers.rows[int(n)]
            cell = " x ".join(row.id(axis) for axis in row.cell)
            marks = float(column[n]), float(other[code][n])
            template = "{cell}: {code} {marks[0]:.0f} and {marks[1]:.0f} ({key})"
            found.append(Phrase(template, cell=cell, code=code, marks=marks, key=row.answer.custom_id[:KEY_SHOWN]))
    return tuple(found[:10])
