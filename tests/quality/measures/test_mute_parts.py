"""Personas and questions that show nothing are named, and fail a part of the gate if there are two of them."""

from __future__ import annotations

from typing import Any

import pytest
from free_text import Speaker, honest, spoken

from pytest_batcheval.quality import quality_gate, trait_reflection
from pytest_batcheval.quality.gate import QualityGate
from pytest_batcheval.quality.measures._trait_outliers import mute_personas, mute_questions


def gate_of(seed: int = 20_000, **speaker: Any) -> QualityGate:
    said = spoken(Speaker("ko", **speaker), seed)
    parts = ["form", "diverse", "different", "own_words", "copies", "discriminant", "samples"]
    return quality_gate(said.answers, scores=honest(said, seed), leave_out=parts, permutations=99)


@pytest.mark.parametrize(
    ("speaker", "personas", "questions"),
    [({}, 0, 0), ({"mute": 2}, 2, 0), ({"mute": 11}, 11, 0), ({"late": 5}, 0, 6), ({"late": 9}, 0, 2)],
)
def test_mute_ones_are_named(speaker: dict[str, int], personas: int, questions: int) -> None:
    gate = gate_of(**speaker)
    assert ("each_persona" in gate.failed, "each_question" in gate.failed) == (personas > 1, questions > 1)
    assert gate["each_persona"].reason.startswith(f"{personas} of 24 show next to nothing (at most 1): ")
    assert gate["each_question"].reason.startswith(f"{questions} of 11 show next to nothing (at most 1): ")


def test_an_exchanged_pair_and_a_mute_respondent_fail() -> None:
    said = spoken(Speaker("ko"), 20_000)
    people = said.answers.axis("persona")
    levels = {p.id: p.levels for p in people}
    ids = [p.id for p in people if p.id != "average"]
    other = next(i for i in ids if levels[i] == {c: -v for c, v in levels[ids[0]].items()})
    levels[ids[0]], levels[other] = levels[other], levels[ids[0]]
    found = trait_reflection(said.answers, scores=honest(said, 1), levels=levels, permutations=99)
    assert set(mute_personas(found.leanings)) == {ids[0], other}
    assert ids[0] in found.explain().partition("show next to nothing: personas ")[2]
    nothing = trait_reflection(said.answers, permutations=99)
    assert len(mute_personas(nothing.leanings)) == 24
    assert len(mute_questions(nothing.question_leanings)) == 11


def test_leanings_by_hand() -> None:
    said = spoken(Speaker("ko"), 1)
    scores = honest(said, 1)
    for column in scores.values():
        column[:] = float("nan")
    rows = said.answers.rows
    at = [n for n, row in enumerate(rows) if row.id("question") == "sudden_change" and row.id("persona") != "average"]
    for n in at:  # two traits are aimed at; one of them has scores
        scores["NS"][n] = 3 + rows[n].cell["persona"].levels["NS"]
    found = trait_reflection(said.answers, scores=scores, permutations=99)
    assert found.question_leanings["sudden_change"] == pytest.approx(0.5)
    assert found.question_leanings["meaning"] == 0.0
    assert found.leanings == pytest.approx(dict.fromkeys(found.leanings, 1 / 36), abs=0.02)
