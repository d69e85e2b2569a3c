"""Whether a grouping of personas changes what they say: by texts, whole personas permuted."""

from __future__ import annotations

import numpy as np
import pytest
from free_text import Speaker, spoken

from pytest_batcheval.quality import group_difference
from pytest_batcheval.quality.axes import NotMeasurable, TableError
from pytest_batcheval.recordings.answer_table import Answers

WORDS = [
    "river",
    "stone",
    "cloud",
    "morning",
    "winter",
    "paper",
    "window",
    "garden",
    "bread",
    "silver",
    "lamp",
    "harbour",
]


def told(seed: int, shared: int = 0, own: int = 0) -> Answers:
    """20 patients of two ages; of 8 words so many are of their age, and so many their own."""
    rng = np.random.default_rng(seed)
    habits = [rng.choice(WORDS, 3) for _ in range(20)]
    ages = [WORDS[:4], WORDS[4:8]]
    return Answers.from_records(
        {
            "persona": f"p{i:02}",
            "question": f"q{j}",
            "text": " ".join(
                [*rng.choice(ages[i % 2], shared), *rng.choice(habits[i], own), *rng.choice(WORDS, 8 - shared - own)]
            ),
        }
        for i in range(20)
        for j in range(5)
    )


AGE = {f"p{i:02}": ("young", "old")[i % 2] for i in range(20)}


def test_groups_that_speak_differently_are_told_apart() -> None:
    found = group_difference(told(0, shared=3), AGE, permutations=999)
    assert (found.verdict, found.groups) == ("different", {"old": 10, "young": 10})
    assert found.effect > 2 * found.expected == pytest.approx(2 / 19)
    assert "different: groups old (10), young (10) hold " in found.explain()


def test_personas_that_differ_are_no_groups(proof: str) -> None:
    """As a test of answers would find them: each has words of its own."""
    runs = {"quick": 40, "ci": 200, "full": 1000}[proof]
    p_values = np.array([group_difference(told(20_000 + n, own=4), AGE, permutations=99).p_value for n in range(runs)])
    assert (p_values <= 0.05).mean() < 0.05 + 4 * (0.05 * 0.95 / runs) ** 0.5


def test_the_group_may_be_a_field() -> None:
    class Patient(str):
        age = ""

    rows = []
    for row in told(0, shared=3).rows:
        patient = Patient(row.id("persona"))
        patient.age = AGE[patient]
        rows.append({"persona": patient, "question": row.id("question"), "text": row.answer.text})
    answers = Answers.from_records(rows)
    assert group_difference(answers, "age", permutations=99) == group_difference(answers, AGE, permutations=99)
    with pytest.raises(NotMeasurable, match="personas without a group: p00, "):
        group_difference(answers, "diagnosis")


def test_odd_groups_are_refused() -> None:
    answers = told(0)
    with pytest.raises(TableError, match="personas without a group: p19"):
        group_difference(answers, {k: v for k, v in AGE.items() if k != "p19"})
    for wrong in (dict.fromkeys(AGE, "one"), {**dict.fromkeys(AGE, "one"), "p00": "alone"}):
        with pytest.raises(TableError, match="at least two groups of 2 personas are needed"):
            group_difference(answers, wrong)
    same = Answers.from_records({**row.cell, "text": "the same"} for row in answers.rows)
    assert (group_difference(same, AGE).p_value, group_difference(same, AGE).effect) == (1.0, 0.0)


def test_a_trait_is_a_group_too() -> None:
    said = spoken(Speaker("ko", samples=2), 20_000).answers
    levels = {p.id: p.levels["RD"] for p in said.axis("persona") if p.levels["RD"]}
    kept = Answers(row for row in said.rows if row.id("persona") in levels)
    assert group_difference(kept, levels, permutations=999).verdict == "different"
