"""Scores of answers: given, from a judge's JSON, or from the word list.

A judge's verdict is JSON: `{"scores": {"NS": 4, "HA": null, …}}`, or with each score in an object,
`{"scores": {"NS": {"evidence": "…", "score": 4}}}`. Whole numbers from 1 to 5, null for "cannot tell".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.verdicts import gathered, is_verdict, usable_scores, verdict_in
from pytest_batcheval.quality.word_scores import Scores, word_scores
from pytest_batcheval.recordings.answer_table import Answers, Row
from pytest_batcheval.text.format import counted

Floats = npt.NDArray[np.float64]
Given = Mapping[str, Sequence[float | None] | Floats]
"""One score per answer by dimension; `None` or NaN for none."""

LOWEST, HIGHEST = 1, 5
"""The scale of scores: its low and its high pole."""

LARGEST = 1e100
"""Numbers beyond it may overflow when squared and summed."""


def scored(answers: Answers, scores: Given | None = None) -> tuple[Answers, Scores]:
    """Return the answers that texts are read from (see `spoken`), and their scores.

    Given scores are used as they are. Otherwise, if the answers are a judge's verdicts (the last turn of a
    generator prompt), the scores are read from them. Otherwise the word list of `word_scores` scores the answers.

    Raises:
        TableError: a score is not a finite number, there is not one per answer, or some answers are verdicts
            and others are not.
    """
    if scores is not None:
        if not isinstance(scores, Mapping):
            raise TableError("scores must be given by dimension: {'NS': [4, None, …], …}, one per answer")
        return spoken(answers), {
            code: numbers(f"scores of {code}", values, len(answers)) for code, values in scores.items()
        }
    if not _are_verdicts(answers):
        return answers, word_scores(answers)
    columns = usable_scores(gathered(answers, [verdict_in(answer) for answer in answers]))
    return spoken(answers), {
        code: numbers(f"scores of {code}", values, len(answers)) for code, values in columns.items()
    }


def spoken(answers: Answers) -> Answers:
    """Return the answers that texts are read from: in place of a judge's verdicts, the turns before them.

    Raises:
        TableError: some answers are verdicts and others are not.
    """
    if not _are_verdicts(answers):
        return answers
    return answers.with_rows(
        Row(row.cell, row.sample, row.answer.turns[-2] if row.answer.error is None else row.answer)
        for row in answers.rows
    )


def score_column(scores: Scores, code: str, answers: int) -> Floats:
    """Return the scores of one dimension, shape (answers,).

    Raises:
        TableError: there are none, or not one per answer.
    """
    if code not in scores:
        raise TableError(
            f"there are no scores of {code}, only of {', '.join(scores) or 'nothing'}; "
            f"pass scores={{{code!r}: […], …}}, one per answer"
        )
    if len(scores[code]) != answers:
        raise TableError(
            f"{counted(len(scores[code]), f'score of {code}', f'scores of {code}')} for {counted(answers, 'answer')}; "
            "give one per answer, NaN for none"
        )
    return scores[code]


def on_scale(code: str, column: Floats) -> Floats:
    """Return the column, for measures to which 2 is low and 4 is high.

    Raises:
        TableError: a score is further outside 1 to 5 than unclipped noise could be.
    """
    width = HIGHEST - LOWEST
    beyond = np.flatnonzero((column < LOWEST - width) | (column > HIGHEST + width))
    if len(beyond):
        raise TableError(
            f"scores of {code} must be from {LOWEST} (low pole) to {HIGHEST} (high pole): that of answer {beyond[0]} "
            f"is {column[beyond[0]]:g}; {len(beyond)} of {len(column)} are outside"
        )
    return column


def numbers(what: str, values: Iterable[float | None] | Floats, answers: int) -> Floats:
    """Return one number per answer, NaN for none; `what` names them in errors.

    Raises:
        TableError: not one per answer, or one that is not a finite number: text, a bool, a list.
    """
    given = list(values)
    if len(given) != answers:
        raise TableError(f"{what}: {len(given)} for {counted(answers, 'answer')}; give one per answer, NaN for none")
    column = np.full(answers, np.nan)
    for position, value in enumerate(given):
        number = math.nan if value is None else real(value)
        if number is None:
            raise TableError(
                f"{what}: that of answer {position} is not a number: {value!r:.80}; "
                "give a finite number, or NaN or None for none"
            )
        column[position] = number
    return column


def real(value: object) -> float | None:
    """Return a number as a float, also NaN; `None` for text, a bool, a list, infinity and anything near it."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return None if abs(found) > LARGEST else found


def _are_verdicts(answers: Answers) -> bool:
    """Whether the answers are verdicts; a failed request may be either."""
    verdicts = [is_verdict(row.answer) for row in answers.rows]
    if not any(verdicts):
        return False
    for position, (verdict, row) in enumerate(zip(verdicts, answers.rows, strict=True)):
        if not verdict and row.answer.error is None:
            raise TableError(f"answer {position} is not a judge's verdict, but others are: {row.answer.text[:80]!r}")
    return True
