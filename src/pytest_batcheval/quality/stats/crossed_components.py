"""Variance components of scores by persona, question and judge, all crossed, and the trust that they leave."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Facets = tuple[int, ...]
"""Some of the axes of a table: 0 persona, 1 question, 2 judge."""

EVERY: tuple[Facets, ...] = tuple(facets for size in range(4) for facets in combinations(range(3), size))
PAIRED = EVERY[:-1]
"""The facets that two scores may share; two that share all three are one."""

FACETS = ("persona", "question", "judge", "persona x question", "persona x judge", "question x judge", "rest")
"""The names of the components."""

NOTHING = 1e-12
"""Variances below it are rounding errors."""


@dataclass(frozen=True)
class CrossedComponents:
    """Variances in squared score points; unbiased, so that one that is nearly nothing may be below 0.

    Attributes:
        persona, question, judge: of each, over all of the others.
        persona_question, persona_judge, question_judge: of two together, over all of the third.
        rest: of the three together, and whatever else varies.
    """

    persona: float
    question: float
    judge: float
    persona_question: float
    persona_judge: float
    question_judge: float
    rest: float

    @property
    def shares(self) -> dict[str, float]:
        """Each as a share of their sum, by the names of `FACETS`; those below 0 count as 0."""
        whole = self.whole or 1.0
        return {name: max(0.0, value) / whole for name, value in zip(FACETS, vars(self).values(), strict=True)}

    def relative_error(self, questions: float, judges: float) -> float:
        """Return the variance that reorders personas' means over so many questions and judges."""
        pairs = self.persona_question / questions + self.persona_judge / judges
        return max(0.0, pairs + self.rest / (questions * judges))

    def absolute_error(self, questions: float, judges: float) -> float:
        """Return the same with what moves all personas: other questions, or a stricter judge."""
        own = self.question / questions + self.judge / judges + self.question_judge / (questions * judges)
        return max(0.0, own + self.relative_error(questions, judges))

    @property
    def whole(self) -> float:
        """The sum, without those below 0."""
        return math.fsum(max(0.0, value) for value in vars(self).values())

    def generalizability(self, questions: float, judges: float) -> float:
        """Return how far personas' order holds with other questions and judges, 0 to 1."""
        return _trust(self.persona, self.relative_error(questions, judges))

    def dependability(self, questions: float, judges: float) -> float:
        """Return how far personas' scores themselves hold, 0 to 1: Phi (Brennan 2001)."""
        return _trust(self.persona, self.absolute_error(questions, judges))


def _trust(persona: float, error: float) -> float:
    whole = persona + error
    return max(0.0, persona / whole) if whole > NOTHING else 0.0


def crossed_components(values: Floats) -> CrossedComponents | None:
    """Return the components of scores of the shape (P, J, R), NaN for none; `None` where some of them cannot be known.

    By the mean squared differences of pairs of scores that share some facets (Koch 1968, Technometrics 10): with every
    score there, these are the estimates from the mean squares of an analysis of variance.
    """
    there = ~np.isnan(values)
    if not there.any():
        return None
    filled = np.where(there, values - np.nanmean(values), 0.0)
    sums = {facets: _pairs(filled, there, facets) for facets in EVERY}
    apart: dict[Facets, float] = {}
    for facets in PAIRED:
        above = [(more, (-1) ** (len(more) - len(facets))) for more in EVERY if set(facets) <= set(more)]
        pairs = sum(sign * sums[more][1] for more, sign in above)
        if pairs < 0.5:
            return None
        apart[facets] = sum(sign * sums[more][0] for more, sign in above) / pairs / 2
    found: dict[Facets, float] = {}
    for facets in PAIRED[1:]:
        inner = sum(value for less, value in found.items() if set(less) < set(facets))
        found[facets] = apart[()] - apart[facets] - inner
    found[EVERY[-1]] = apart[()] - sum(found.values())
    return CrossedComponents(*found.values())


def _pairs(filled: Floats, there: npt.NDArray[np.bool_], facets: Facets) -> tuple[float, float]:
    """Return the sum of the squared differences of all pairs of scores that share these facets, and their number."""
    others = tuple(axis for axis in range(3) if axis not in facets)
    number = there.sum(axis=others).astype(np.float64)
    squares = number * (filled**2).sum(axis=others) - filled.sum(axis=others) ** 2
    return float(squares.sum()), float((number * (number - 1)).sum() / 2)
