"""How many signs of a trait's high and low pole a text shows: a word list, no judge.

The signs are short stems, Korean and English, drawn from the signs and example utterances of each
pole (`data/cues.json`). It is free and deterministic. It cannot see a trait told in other words, a
negated or quoted sign, irony, tone, length, or who is spoken of; on a model's free text a low score
says little. For that, give `trait_reflection` the scores of a judge.
"""

from __future__ import annotations

import json
import re
import unicodedata
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from pytest_batcheval.wire.answers import Answers

DIMENSIONS = ("NS", "HA", "RD", "P", "SD", "CO", "ST")
"""The TCI codes: four of temperament, three of character."""

Scores = dict[str, npt.NDArray[np.float64]]
"""By TCI code, one score per answer, shape (n,); NaN where there is none."""


def sign_scores(answers: Answers) -> Scores:
    """Signs of the high pole less signs of the low pole in each answer; 0 without any, NaN for a failed answer."""
    rows = [_text_scores(r.answer.text) if r.answer.error is None else [np.nan] * len(DIMENSIONS) for r in answers.rows]
    table = np.array(rows, dtype=np.float64).reshape(len(rows), len(DIMENSIONS))
    return {code: table[:, column] for column, code in enumerate(DIMENSIONS)}


def _text_scores(text: str) -> list[float]:
    plain = unicodedata.normalize("NFC", text).casefold()
    poles = _signs()
    return [float(_found(plain, poles[code, "high"]) - _found(plain, poles[code, "low"])) for code in DIMENSIONS]


def _found(text: str, signs: tuple[re.Pattern[str], ...]) -> int:
    return sum(1 for sign in signs if sign.search(text))


@cache
def _signs() -> dict[tuple[str, str], tuple[re.Pattern[str], ...]]:
    """Patterns by (code, pole); an English stem begins a word."""
    cues = json.loads((files("pytest_batcheval.quality") / "data" / "cues.json").read_text(encoding="utf-8"))
    return {
        (code, pole): tuple(re.compile(r"(?<![a-z])" + re.escape(stem)) for stem in stems)
        for code, poles in cues.items()
        for pole, stems in poles.items()
    }
