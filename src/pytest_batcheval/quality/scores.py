"""Where scores of answers come from: given, from a judge's JSON, or from the word list.

A judge's verdict is JSON: `{"scores": {"NS": 4, "HA": null, …}}`, or with each score in an object,
`{"scores": {"NS": {"evidence": "…", "score": 4}}}`. Whole numbers from 1 to 5, null for "cannot tell".
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.table import TableError
from pytest_batcheval.quality.word_scores import Scores, word_scores
from pytest_batcheval.wire.answers import Answers, Row
from pytest_batcheval.wire.objects import Answer

Floats = npt.NDArray[np.float64]
Given = Mapping[str, Sequence[float | None] | Floats]
"""One score per answer by dimension; `None` or NaN for none."""

LOWEST, HIGHEST = 1, 5
"""The scale of scores: its low and its high pole."""

LARGEST = 1e100
"""A number beyond it, squared and summed, may be none any more."""


def scored(answers: Answers, scores: Given | None = None) -> tuple[Answers, Scores]:
    """The answers that texts are read from (see `spoken`), and their scores.

    Given scores are used as they are. Else, where the answers are a judge's verdicts (a prompt that
    is a generator, its last turn the judge's), the scores are read from them. Else the word list of
    `signs` scores the answers.

    Raises:
        TableError: a score is no finite number, their number is not that of the answers, or some
            answers are verdicts and others are not.
    """
    if scores is not None:
        if not isinstance(scores, Mapping):
            raise TableError("scores are given by dimension: {'NS': [4, None, …], …}, one per answer")
        return spoken(answers), {
            code: numbers(f"scores of {code}", values, len(answers)) for code, values in scores.items()
        }
    verdicts = _verdicts(answers)
    if verdicts is None:
        return answers, word_scores(answers)
    codes = dict.fromkeys(code for verdict in verdicts if verdict for code in verdict)
    columns = {code: [(verdict or {}).get(code) for verdict in verdicts] for code in codes}
    return spoken(answers), {
        code: numbers(f"scores of {code}", values, len(answers)) for code, values in columns.items()
    }


def spoken(answers: Answers) -> Answers:
    """The answers that texts are read from: a judge's verdicts give way to the turns before them.

    Raises:
        TableError: some answers are verdicts and others are not.
    """
    if _verdicts(answers) is None:
        return answers
    return Answers(
        Row(row.cell, row.sample, row.answer.turns[-2] if row.answer.error is None else row.answer)
        for row in answers.rows
    )


def score_column(scores: Scores, code: str, answers: int) -> Floats:
    """The scores of one dimension, shape (answers,).

    Raises:
        TableError: there are none, or not one per answer.
    """
    if code not in scores:
        raise TableError(
            f"there are no scores of {code}, only of {', '.join(scores) or 'nothing'}; "
            f"give them: scores={{{code!r}: […], …}}, one per answer"
        )
    if len(scores[code]) != answers:
        raise TableError(
            f"{len(scores[code])} scores of {code} for {answers} answers; give one per answer, NaN for none"
        )
    return scores[code]


def on_scale(code: str, column: Floats) -> Floats:
    """The column, for measures to which 2 is low and 4 is high.

    Raises:
        TableError: a score is further from 1 to 5 than noise, left uncut, would carry it.
    """
    width = HIGHEST - LOWEST
    beyond = np.flatnonzero((column < LOWEST - width) | (column > HIGHEST + width))
    if len(beyond):
        raise TableError(
            f"scores of {code}: that of answer {beyond[0]} is {column[beyond[0]]:g}, which is none of {LOWEST} "
            f"(low pole) to {HIGHEST} (high pole); so are {len(beyond)} of {len(column)}"
        )
    return column


def numbers(what: str, values: Iterable[float | None] | Floats, answers: int) -> Floats:
    """One number per answer, NaN for none; `what` says in errors what they are.

    Raises:
        TableError: not one per answer, or one that is no finite number: text, a truth value, a list.
    """
    given = list(values)
    if len(given) != answers:
        raise TableError(f"{len(given)} {what} for {answers} answers; give one per answer, NaN for none")
    column = np.full(answers, np.nan)
    for position, value in enumerate(given):
        number = math.nan if value is None else real(value)
        if number is None:
            raise TableError(
                f"{what}: that of answer {position} is no number: {value!r:.80}; "
                "give a finite number, NaN or None for none"
            )
        column[position] = number
    return column


def real(value: object) -> float | None:
    """A number as a float, also NaN; `None` for what is none: text, a truth value, a list, infinity or next to it."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return None if abs(found) > LARGEST else found


def _verdicts(answers: Answers) -> list[dict[str, Any] | None] | None:
    """The scores of each verdict, `None` for a failed answer; `None` where no answer is a verdict."""
    if not isinstance(answers, Answers):
        raise TableError(f"a table of answers is needed, not {answers!r:.80}: Answers.from_records(rows) makes one")
    verdicts = [_verdict(row.answer) for row in answers.rows]
    if all(verdict is None for verdict in verdicts):
        return None
    for position, (verdict, row) in enumerate(zip(verdicts, answers.rows, strict=True)):
        if verdict is None and row.answer.error is None:
            raise TableError(f"answer {position} is no verdict of a judge, others are: {row.answer.text[:80]!r}")
    return verdicts


def _verdict(answer: Answer) -> dict[str, Any] | None:
    """The scores of a verdict; `None` for an answer that is none."""
    if answer.error is not None or len(answer.turns) < 2 or not answer.text.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(answer.text)
    except (ValueError, RecursionError):
        return None
    scores = found.get("scores") if isinstance(found, dict) else None
    if not isinstance(scores, dict):
        return None
    return {code: mark.get("score") if isinstance(mark, dict) else mark for code, mark in scores.items()}
