from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from pytest_batcheval.matrix.axes import Persona
from pytest_batcheval.quality import persona_echo
from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.recordings.answer_table import Answers

WORDS = ["무심하고", "차분하고", "고립되고", "조심스럽고", "대담하고", "열정적이고", "거침없이", "예민하고"]
PEOPLE = [Persona(f"p{i}", {"description": f"공통의 말, {word} 그런 사람"}) for i, word in enumerate(WORDS)]


def said(text: Callable[[int, int], str]) -> Answers:
    return Answers.from_records(
        {"persona": person, "question": f"q{j}", "text": text(i, j)}
        for i, person in enumerate(PEOPLE)
        for j in range(4)
    )


def test_reading_ones_own_description_aloud_is_found() -> None:
    result = persona_echo(said(lambda i, j: f"저는 {WORDS[i]}…"))
    assert result.lift == pytest.approx(1.0)
    assert result.p_value == 1e-4
    assert re.fullmatch(r"p3 x q0 \([0-9a-f]{12}\): 조심스럽고", result.quotes[0])
    assert "echo lift = 1.000" in result.explain()


def test_words_that_all_descriptions_share_are_no_echo() -> None:
    result = persona_echo(said(lambda i, j: "공통의 말을 하는 그런 사람이에요."))
    assert (result.lift, result.p_value) == (0.0, 1.0)


def test_the_words_of_others_are_the_opposite_of_an_echo() -> None:
    result = persona_echo(said(lambda i, j: f"저는 {WORDS[(i + 1) % 8]}"))
    assert result.lift == pytest.approx(-1 / 7)


def test_the_lift_by_hand() -> None:
    """One answer in 32 holds its own word; against each of the others that is one more."""
    result = persona_echo(said(lambda i, j: WORDS[0] if (i, j) == (0, 0) else "아무 말"))
    assert result.lift == pytest.approx(1 / 32)
    assert result.interval[0] < 1 / 32 < result.interval[1]


def test_words_said_at_random_have_no_lift() -> None:
    rng = np.random.default_rng(4)
    p_values = []
    for seed in range(40):
        spoken = rng.integers(0, 8, (8, 4))
        p_values.append(persona_echo(said(lambda i, j, s=spoken: WORDS[s[i, j]]), permutations=99, seed=seed).p_value)
    assert 0.35 < np.mean(p_values) < 0.75
    assert min(p_values) >= 0.01


def test_a_persona_without_description_is_named() -> None:
    rows = [{"persona": f"p{i}", "question": f"q{j}", "text": "x"} for i in range(8) for j in range(4)]
    with pytest.raises(TableError, match="personas without a `description` that they could repeat: p0, p1"):
        persona_echo(Answers.from_records(rows))
