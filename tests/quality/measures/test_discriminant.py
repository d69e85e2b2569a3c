from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pytest_batcheval.matrix.axes import Persona, Question
from pytest_batcheval.quality import discriminant
from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.word_scores import DIMENSIONS
from pytest_batcheval.recordings.answer_table import Answers

Build = Callable[..., Answers]


def by_effects(answers: Answers, effects: np.ndarray) -> dict[str, Any]:
    """Scores that are 3 + effects @ levels, by dimension."""
    levels = np.array([[r.cell["persona"].levels[code] for code in DIMENSIONS] for r in answers.rows])
    return {code: 3 + levels @ effects[d] for d, code in enumerate(DIMENSIONS)}


def test_the_matrix_recovers_effects_exactly(respondent: Build) -> None:
    answers = respondent("blind")
    effects = (np.random.default_rng(0).normal(size=(7, 7)) + 3 * np.eye(7)) / 10
    result = discriminant(answers, scores=by_effects(answers, effects))
    np.testing.assert_allclose(result.matrix, effects, atol=1e-9)
    off = effects[~np.eye(7, dtype=bool)]
    assert result.leak == pytest.approx(np.sqrt((off**2).mean()) / np.trace(effects) * 7)
    assert result.p_value == 1e-4


def test_a_row_whose_own_effect_is_not_far_above_the_others_is_mixed(respondent: Build) -> None:
    answers = respondent("blind")
    effects = np.eye(7) / 2
    assert discriminant(answers, scores=by_effects(answers, effects)).mixed == ()
    effects[1, 2] = 0.24
    assert discriminant(answers, scores=by_effects(answers, effects)).mixed == ()
    effects[1, 2] = -0.26
    one = discriminant(answers, scores=by_effects(answers, effects))
    assert (one.mixed, one.discriminates) == (("HA",), True)
    effects[3, 0] = 0.3
    two = discriminant(answers, scores=by_effects(answers, effects))
    assert (two.mixed, two.discriminates) == (("HA", "P"), False)
    assert two.leak is not None
    assert two.leak < 0.5
    assert "moved by other traits more than by half of their own: HA, P" in two.explain()


def test_half_the_difference_of_means_is_meant(respondent: Build) -> None:
    """The design is orthogonal: the matrix is half the difference of the means of high and low."""
    answers = respondent("faithful")
    scores = {code: np.random.default_rng(d).uniform(1, 5, len(answers)) for d, code in enumerate(DIMENSIONS)}
    result = discriminant(answers, scores=scores)
    aimed = [n for n, r in enumerate(answers.rows) if "SD" in r.cell["question"].targets]
    values = {
        pole: [scores["SD"][n] for n in aimed if answers.rows[n].cell["persona"].levels["HA"] == pole]
        for pole in (-1, 1)
    }
    row, column = result.dimensions.index("SD"), result.dimensions.index("HA")
    assert result.matrix[row][column] == pytest.approx((np.mean(values[1]) - np.mean(values[-1])) / 2)


def test_faithful_leaks_little_and_says_what(respondent: Build) -> None:
    result = discriminant(respondent("faithful"))
    assert result.leak is not None
    assert result.leak < 0.15
    assert result.interval is not None
    assert result.interval[0] <= result.leak <= result.interval[1]
    first = result.explain().splitlines()[0]
    assert "strongest: " in first
    assert " moves " in first


def test_where_nothing_is_reflected_there_is_no_leak(respondent: Build) -> None:
    result = discriminant(respondent("inverted"))
    assert (result.leak, result.interval) == (None, None)
    assert result.p_value > 0.99
    assert "prompted traits do not raise their own scores" in result.explain()


def people(profiles: list[dict[str, str]]) -> Answers:
    """Personas with these profiles and four questions that aim at NS and HA."""
    persons = [Persona(f"p{i:02}", {"description": "x", "profile": profile}) for i, profile in enumerate(profiles)]
    asked = [Question(f"q{j}", {"text": "?", "targets": ["NS", "HA"]}) for j in range(4)]
    return Answers.from_records({"persona": p, "question": q, "text": "x"} for p in persons for q in asked)


def test_traits_that_always_go_together_cannot_be_told_apart() -> None:
    answers = people([{"NS": pole, "HA": pole} for pole in ("low", "high")] * 4)
    with pytest.raises(TableError, match="8 personas cannot tell NS, HA apart"):
        discriminant(answers)


def test_one_dimension_cannot_leak() -> None:
    answers = people([{"NS": pole, "HA": "average"} for pole in ("low", "high")] * 4)
    with pytest.raises(TableError, match="needs at least two dimensions; there is only NS"):
        discriminant(answers)


def test_levels_and_targets_may_be_declared() -> None:
    answers = Answers.from_records(
        {"persona": f"p{i}", "question": f"q{j}", "text": "x"} for i in range(8) for j in range(4)
    )
    levels = {f"p{i}": {"warm": 1 if i % 2 else -1, "loud": 1 if i // 2 % 2 else -1} for i in range(8)}
    targets = {f"q{j}": ("warm", "loud") for j in range(4)}
    persona = [int(r.id("persona")[1:]) for r in answers.rows]
    scores = {"warm": [2.0 + i % 2 for i in persona], "loud": [3.0 + (i // 2 % 2) for i in persona]}
    result = discriminant(answers, scores=scores, levels=levels, targets=targets)
    assert result.dimensions == ("loud", "warm")
    np.testing.assert_allclose(result.matrix, np.eye(2) / 2, atol=1e-12)
    assert result.leak == pytest.approx(0)
    with pytest.raises(TableError, match="p7"):
        discriminant(answers, scores=scores, levels={k: v for k, v in levels.items() if k != "p7"}, targets=targets)
    with pytest.raises(TableError, match="levels must be -1, 0 or 1"):
        discriminant(answers, scores=scores, levels={**levels, "p0": {"warm": 2}}, targets=targets)


@pytest.mark.parametrize("coding", ["three against the rest", "contrasts against the fourth"])
def test_a_factor_of_several_levels_leaks_nothing_by_its_coding(coding: str) -> None:
    """Four diagnoses, each with a score of its own that only its personas have."""
    names = ["anxious", "low", "manic", "none"]
    held = {f"p{i:02}": names[i % 4] for i in range(24)}
    codes = names[:3]

    def level(name: str, code: str) -> int:
        if name == code:
            return 1
        return -1 if name == "none" or not coding.startswith("contrasts") else 0

    levels = {p: {code: level(name, code) for code in codes} for p, name in held.items()}
    answers = Answers.from_records({"persona": p, "question": f"q{j}", "text": "x"} for p in held for j in range(4))
    rng = np.random.default_rng(0)
    scores: dict[str, Any] = {
        code: [2.0 + 2 * (held[r.id("persona")] == code) + rng.normal(0, 0.2) for r in answers.rows] for code in codes
    }
    found = discriminant(answers, scores=scores, levels=levels, targets={f"q{j}": codes for j in range(4)})
    assert found.leak == pytest.approx(0, abs=0.05)
    assert found.discriminates
    assert [found.matrix[n][n] for n in range(len(codes))] == pytest.approx([1.0] * len(codes), abs=0.1)
