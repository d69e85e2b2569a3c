"""Where scores of answers come from: given, from a judge's JSON, or from the word list.

A judge's verdict is JSON: `{"scores": {"NS": 4, "HA": null, …}}`, or with each score in an object,
`{"scores": {"NS": {"evidence": "…", "score": 4}}}`. Whole numbers from 1 to 5, null for "cannot tell".
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.signs import Scores, word_scores
from pytest_batcheval.quality.table import TableError
from pytest_batcheval.wire.answers import Answers, Row
from pytest_batcheval.wire.objects import Answer

Floats = npt.NDArray[np.float64]
Given = Mapping[str, Sequence[float | None] | Floats]
"""One score per answer by dimension; `None` or NaN for none."""


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
        return spoken(answers), {code: checked(code, values, len(answers)) for code, values in scores.items()}
    verdicts = _verdicts(answers)
    if verdicts is None:
        return answers, word_scores(answers)
    codes = dict.fromkeys(code for verdict in verdicts if verdict for code in verdict)
    columns = {code: [(verdict or {}).get(code) for verdict in verdicts] for code in codes}
    return spoken(answers), {code: checked(code, values, len(answers)) for code, values in columns.items()}


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
    if code not in scores or len(scores[code]) != answers:
        size = len(scores[code]) if code in scores else 0
        raise TableError(f"{size} scores of {code} for {answers} answers; give one per answer, NaN for none")
    return scores[code]


def checked(code: str, values: Sequence[float | None] | Floats, answers: int) -> Floats:
    """A column of scores, NaN for none.

    Raises:
        TableError: not one per answer, or a score that is no finite number.
    """
    if len(values) != answers:
        raise TableError(f"{len(values)} scores of {code} for {answers} answers; give one per answer, NaN for none")
    try:
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        column = np.array([math.inf])
    if np.isinf(column).any():
        raise TableError(f"a score of {code} is no number; a score is a finite number, NaN or None for none")
    return column


def _verdicts(answers: Answers) -> list[dict[str, Any] | None] | None:
    """The scores of each verdict, `None` for a failed answer; `None` where no answer is a verdict."""
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
