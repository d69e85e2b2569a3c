"""The design of a table: the traits that prompts gave the personas, and the questions that aim at them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.axes import NotMeasurable, TableError
from pytest_batcheval.quality.result import listed
from pytest_batcheval.quality.stats.cell_means import cell_means
from pytest_batcheval.quality.table import NAMED, Table, named
from pytest_batcheval.quality.word_scores import DIMENSIONS
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.phrase import Phrase
from pytest_batcheval.wire.value_id import value_id

S = TypeVar("S")
T = TypeVar("T")

Floats = npt.NDArray[np.float64]
Levels = Mapping[str, Mapping[str, int]]
"""By persona id: -1, 0 or 1 by dimension."""
Targets = Mapping[str, Sequence[str]]
"""By question id: the dimensions whose signs an answer can show."""


@dataclass(frozen=True)
class Design:
    """Levels and targets of a table.

    Attributes:
        factors: the dimensions that have personas at both levels, those of the TCI first.
        levels: shape (P, factors), -1, 0 or 1.
        aimed: by dimension, the numbers of the questions that aim at it.
    """

    factors: tuple[str, ...]
    levels: npt.NDArray[np.int_]
    aimed: Mapping[str, tuple[int, ...]]

    @property
    def testable(self) -> tuple[str, ...]:
        """The factors that some question aims at."""
        return tuple(code for code in self.factors if self.aimed.get(code))

    def level(self, code: str) -> npt.NDArray[np.int_]:
        """Return each persona's level of one factor, shape (P,)."""
        return self.levels[:, self.factors.index(code)]

    def chosen(self, asked: Sequence[str] | None) -> tuple[str, ...]:
        """Return the dimensions to test: those asked for, else all testable ones.

        Raises:
            TableError: one of them cannot be tested, or there is none.
        """
        chosen = self.testable if asked is None else tuple(dict.fromkeys(named(asked)))
        wrong = [code for code in chosen if code not in self.testable]
        if not self.testable and asked is None:
            template = "no dimension has personas prompted high and low and a question that aims at it"
            raise NotMeasurable(Phrase(template))
        if wrong or not chosen:
            raise TableError(
                f"cannot test {', '.join(wrong) or 'any dimension'}: a dimension needs personas prompted high and low "
                f"and a question that aims at it; possible: {', '.join(self.testable) or 'none'}"
            )
        return chosen

    def effects(self, means: Floats) -> tuple[Floats, Floats | None]:
        """Return half the difference between high and low of every factor, and its standard error.

        Least squares with all factors at once; `means` has the shape (P, scores), the results
        (factors, scores). In an orthogonal design that is half the difference of the two means.
        The error is `None` where no degrees of freedom are left.

        Raises:
            TableError: factors cannot be told apart in these personas.
        """
        design = np.column_stack([np.ones(len(self.levels)), self.levels])
        inverse = np.linalg.pinv(design)
        if (rank := np.linalg.matrix_rank(design)) < design.shape[1]:
            tied = [
                code
                for column, code in enumerate(self.factors, 1)
                if np.linalg.matrix_rank(np.delete(design, column, axis=1)) == rank
            ]
            raise TableError(
                f"{counted(len(self.levels), 'persona')} cannot tell {', '.join(tied)} apart: each is determined by "
                "the others; vary them independently, or declare one fewer"
            )
        found = (inverse @ means)[1:]
        if self.freedom < 1:
            return found, None
        residual = means - design @ (inverse @ means)
        variance = (residual**2).sum(axis=0) / self.freedom
        return found, np.sqrt(np.outer((inverse**2).sum(axis=1)[1:], variance))

    @property
    def freedom(self) -> int:
        """Degrees of freedom that the factors leave."""
        return len(self.levels) - len(self.factors) - 1


def design_of(table: Table, levels: Levels | None = None, targets: Targets | None = None) -> Design:
    """Return the design of a table: declared, else read from the personas' `levels` and the questions' `targets`.

    Raises:
        TableError: a persona has no levels, a question no targets, a level is not -1, 0 or 1, or targets
            are not a list.
    """
    prompted, aims = _both(lambda: _levels(table, levels), lambda: _targets(table, targets))
    known = {code: {levels.get(code, 0) for levels in prompted} for levels in prompted for code in levels}
    both = [code for code, found in known.items() if {-1, 1} <= found]
    factors = tuple(sorted(both, key=lambda code: (_place(code), code)))
    matrix = np.array([[levels.get(code, 0) for code in factors] for levels in prompted], dtype=int)
    return Design(factors, matrix.reshape(len(prompted), len(factors)), _by_code(aims))


def _both(first: Callable[[], S], second: Callable[[], T]) -> tuple[S, T]:
    """Return both; where neither can be had, the error names both reasons.

    Raises:
        TableError: as either.
    """
    try:
        found = first()
    except TableError as error:
        try:
            second()
        except TableError as other:
            kind = (
                NotMeasurable if isinstance(error, NotMeasurable) and isinstance(other, NotMeasurable) else TableError
            )
            raise kind(Phrase("{}; {}", error.args[0], other.args[0])) from None
        raise
    return found, second()


def aims_of(table: Table, targets: Targets | None = None) -> dict[str, tuple[int, ...]]:
    """Return the numbers of the questions that aim at each dimension; one without targets aims at nothing."""
    if targets is None and not any(hasattr(question, "targets") for question in table.columns):
        return {}
    return _by_code(_targets(table, targets))


def _by_code(aims: Sequence[Sequence[str]]) -> dict[str, tuple[int, ...]]:
    every = dict.fromkeys(code for codes in aims for code in codes)
    ordered = sorted(every, key=lambda code: (_place(code), code))
    return {code: tuple(j for j, codes in enumerate(aims) if code in codes) for code in ordered}


def persona_scores(table: Table, scores: Floats, questions: Sequence[int]) -> Floats:
    """Return each persona's mean over these questions of its cell's mean less the question's mean, shape (P,).

    `scores` has one entry per row of the answers, NaN for none; a persona without any score gets 0.
    """
    centred = question_centred(table, scores, questions)
    scored = ~np.isnan(centred)
    mean: Floats = np.where(scored, centred, 0.0).sum(axis=0) / np.maximum(scored.sum(axis=0), 1)
    # rounding errors must not become differences of rank
    return np.round(mean, 12)


def question_centred(table: Table, scores: Floats, questions: Sequence[int]) -> Floats:
    """Return the cells' mean scores less their question's mean over personas, shape (questions, P), NaN for none."""
    cell = cell_means(table, scores[table.places])[list(questions)]
    scored = ~np.isnan(cell)
    total = np.where(scored, cell, 0.0).sum(axis=1, keepdims=True)
    centred: Floats = cell - total / np.maximum(scored.sum(axis=1, keepdims=True), 1)
    return centred


def _place(code: str) -> int:
    return DIMENSIONS.index(code) if code in DIMENSIONS else len(DIMENSIONS)


def _levels(table: Table, declared: Levels | None) -> list[Mapping[str, int]]:
    if declared is None:
        found = [getattr(persona, "levels", None) for persona in table.rows]
    else:
        by_id = declared_by_id("levels", declared)
        found = [by_id.get(identifier) for identifier in table.row_ids]
    lacking = [i for i, known in zip(table.row_ids, found, strict=True) if not known]
    if lacking:
        kind = NotMeasurable if len(lacking) == len(found) else TableError
        template = "personas without levels (declare a `profile` in their file, or pass `levels=`): {names}"
        raise kind(Phrase(template, names=listed(lacking, NAMED)))
    known = [levels for levels in found if levels]
    for identifier, levels in zip(table.row_ids, known, strict=True):
        if not isinstance(levels, Mapping) or not all(level in (-1, 0, 1) for level in levels.values()):
            raise TableError(f"persona {identifier}: levels must be -1, 0 or 1 by dimension, not {levels!r:.80}")
    return known


def _targets(table: Table, declared: Targets | None) -> list[tuple[str, ...]]:
    ids = table.column_ids
    if declared is not None:
        by_id = declared_by_id("targets", declared)
        return [aimed_at(identifier, by_id.get(identifier, ())) for identifier in ids]
    lacking = [i for i, question in zip(ids, table.columns, strict=True) if not hasattr(question, "targets")]
    if lacking:
        kind = NotMeasurable if len(lacking) == len(ids) else TableError
        template = "questions without `targets` (the dimensions that they aim at): {names}"
        raise kind(Phrase(template, names=listed(lacking, NAMED)))
    return [aimed_at(identifier, question.targets) for identifier, question in zip(ids, table.columns, strict=True)]


def declared_by_id(name: str, declared: Mapping[Any, T]) -> dict[str, T]:
    """Return a declaration with ids as text: an id may be a number, or the persona or question itself.

    Raises:
        TableError: it is not a mapping.
    """
    if not isinstance(declared, Mapping):
        raise TableError(f"{name} must be declared by id: {name}={{'id': …}}, not {declared!r:.80}")
    return {value_id(key): value for key, value in declared.items()}


def aimed_at(identifier: str, targets: Sequence[str]) -> tuple[str, ...]:
    """Return the dimensions that one question aims at.

    Raises:
        TableError: they are not a list.
    """
    if isinstance(targets, str) or not isinstance(targets, Sequence):
        raise TableError(f"question {identifier}: targets must be a list of dimensions, not {targets!r:.80}")
    return tuple(targets)
