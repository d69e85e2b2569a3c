"""Scores from a word list, without a judge: the signs of a trait's high and low pole in a text.

The signs are short stems, Korean and English, drawn from the signs and example utterances of each
pole (`data/cues.json`). It is free and deterministic. It cannot see a trait in other words, a
negated or quoted sign, irony, tone, length, or whom the text is about; on a model's free text a low score
says little. For that, let a judge score the answers (see `scores`).
"""

from __future__ import annotations

import json
import re
import unicodedata
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from pytest_batcheval.recordings.answer_table import Answers

DIMENSIONS = ("NS", "HA", "RD", "P", "SD", "CO", "ST")
"""The TCI codes: four of temperament, three of character."""

Scores = dict[str, npt.NDArray[np.float64]]
"""By TCI code, one score per answer, shape (n,); NaN where there is none."""


def word_scores(answers: Answers) -> Scores:
    """Return scores from 1 to 5: 3, plus one for each sign of the high pole, less one for each of the low pole.

    NaN for an answer without any sign, as for a failed one.
    """
    found = _counts(answers)
    score = 3 + np.clip(found[:, :, 0] - found[:, :, 1], -2, 2)
    score[found.sum(axis=2) == 0] = np.nan
    return {code: score[:, column] for column, code in enumerate(DIMENSIONS)}


def _counts(answers: Answers) -> npt.NDArray[np.float64]:
    """Return the number of signs of the high and of the low pole in each answer, shape (n, 7, 2)."""
    none = [(np.nan, np.nan)] * len(DIMENSIONS)
    rows = [_text_counts(r.answer.text) if r.answer.error is None else none for r in answers.rows]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(DIMENSIONS), 2)


def _text_counts(text: str) -> list[tuple[float, float]]:
    plain = unicodedata.normalize("NFC", text).casefold()
    poles = _signs()
    return [(_found(plain, poles[code, "high"]), _found(plain, poles[code, "low"])) for code in DIMENSIONS]


def _found(text: str, signs: tuple[tuple[str, re.Pattern[str]], ...]) -> float:
    # plain search first: it is ten times as fast, and most signs do not occur
    return float(sum(1 for stem, sign in signs if stem in text and sign.search(text)))


@cache
def _signs() -> dict[tuple[str, str], tuple[tuple[str, re.Pattern[str]], ...]]:
    """Return the stems and their patterns by (code, pole); an English stem begins a word."""
    cues = json.loads((files("pytest_batcheval.quality") / "data" / "cues.json").read_text(encoding="utf-8"))
    return {
        (code, pole): tuple((stem, re.compile(r"(?<![a-z])" + re.escape(stem))) for stem in stems)
        for code, poles in cues.items()
        for pole, stems in poles.items()
    }
