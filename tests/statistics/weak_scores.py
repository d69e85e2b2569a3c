"""Honest scores that show little, and scores in which traits move each other by a known share."""

from __future__ import annotations

from functools import cache

import numpy as np
from respondent_tables import CODES, personas, questions

from pytest_batcheval.recordings.answer_table import Answers

Floats = np.ndarray


@cache
def one_table() -> Answers:
    """The whole matrix, with texts that say nothing."""
    return Answers.from_records({"persona": p, "question": q, "text": "x"} for p in personas() for q in questions())


@cache
def told() -> tuple[Floats, Floats]:
    """The levels of each answer's persona, shape (275, 7), and the persona's number."""
    rows = one_table().rows
    ids = sorted({row.id("persona") for row in rows})
    levels = np.array([[row.cell["persona"].levels[code] for code in CODES] for row in rows], dtype=float)
    return levels, np.array([ids.index(row.id("persona")) for row in rows])


def weak_scores(
    seed: int, effect: float, leak: float = 0.0, persona: float = 0.4, noise: float = 0.8
) -> dict[str, Floats]:
    """Scores of 3 + effect x (own level + leak x every other) + persona + noise; a quarter has none."""
    rng = np.random.default_rng(seed)
    levels, place = told()
    moved = levels @ (effect * (np.eye(7) * (1 - leak) + leak))
    scores = 3 + moved + rng.normal(0, persona, (25, 7))[place] + rng.normal(0, noise, levels.shape)
    scores[rng.random(scores.shape) < 0.25] = np.nan
    return {code: scores[:, n] for n, code in enumerate(CODES)}
