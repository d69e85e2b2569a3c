from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pytest_batcheval.quality import judge_agreement
from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.recordings.answer_table import Answers

Build = Callable[..., Answers]


def answered(count: int = 200) -> Answers:
    return Answers.from_records(
        {"persona": f"p{n % 20}", "question": f"q{n // 20}", "text": f"{n}"} for n in range(count)
    )


def two(noise: float, count: int = 200, nulls: float = 0.0, seed: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(1, 6, count)
    found = []
    for _ in range(2):
        marks = np.clip(np.rint(truth + rng.normal(0, noise, count)), 1, 5)
        marks[rng.random(count) < nulls] = np.nan
        found.append({"NS": marks.tolist(), "HA": marks[::-1].tolist()})
    return found[0], found[1]


def test_a_judge_agrees_with_itself() -> None:
    first, _ = two(0)
    result = judge_agreement(answered(), first, first)
    assert (result.effect, result.disagreeing, result.opposed) == (1.0, (), ())
    assert result["NS"].alpha == result["NS"].ac2 == 1.0
    assert result["NS"].kappa_interval == (1.0, 1.0)


def test_judges_that_guess_do_not_agree() -> None:
    rng = np.random.default_rng(1)
    first, second = ({"NS": rng.integers(1, 6, 200).tolist()} for _ in range(2))
    result = judge_agreement(answered(), first, second)
    low, high = result["NS"].kappa_interval or (0, 0)
    assert low < 0 < high
    assert result.disagreeing == ("NS",)
    assert "not agreed on: NS" in result.explain()
    assert "NS 1 and 5" in result.explain() or "NS 5 and 1" in result.explain()


def test_the_interval_narrows_with_the_number_of_answers() -> None:
    widths = []
    for count in (100, 400):
        low, high = judge_agreement(answered(count), *two(1.0, count))["NS"].kappa_interval or (0, 0)
        widths.append(high - low)
    assert widths[1] < 0.7 * widths[0]
    assert 0.05 < widths[1] < 0.15  # four standard errors of 0.026


def test_nulls_are_reported_apart() -> None:
    result = judge_agreement(answered(), *two(0.3, nulls=0.4))
    assert result["NS"].pairs == pytest.approx(200 * 0.36, abs=20)
    assert result["NS"].same_nulls == pytest.approx(0.52, abs=0.1)
    assert (result["NS"].kappa or 0) > 0.9


def test_equal_scores_leave_agreement_undefined() -> None:
    same = {"NS": [3] * 200}
    result = judge_agreement(answered(), same, same)
    assert (result.effect, result.interval, result["NS"].kappa, result["NS"].alpha_interval) == (None,) * 4
    assert result.disagreeing == ("NS",)
    assert "all scores are equal" in result.explain()


def test_role_labels_have_cohens_kappa() -> None:
    first, _ = two(0)
    roles = ["in_role", "refusal"] * 100
    assert judge_agreement(answered(), first, first, roles=(roles, roles)).role_kappa == 1.0
    turned = judge_agreement(answered(), first, first, roles=(roles, roles[::-1]))
    assert turned.role_kappa == pytest.approx(-1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda a, f, s: judge_agreement(Answers(a.rows[:99]), f, s),
            "too few answers .*: 99; at least 100.*200",
        ),
        (lambda a, f, s: judge_agreement(a, f, {"NS": s["NS"]}), "the same dimensions: NS, HA and NS"),
        (lambda a, f, s: judge_agreement(a, f, {**s, "HA": [3.5] * 200}), "scores of HA must be integers from 1 to 5"),
        (lambda a, f, s: judge_agreement(a, f, {**s, "HA": [3]}), "scores of HA: 1 for 200 answers"),
        (lambda a, f, s: judge_agreement(a, f, s, roles=(["x"], ["y"])), "1 and 1 roles for 200 answers"),
        (
            lambda a, f, s: judge_agreement(Answers.from_records([{"text": ""}] * 200), f, s),
            "the answers have no axis",
        ),
    ],
)
def test_what_cannot_be_compared_is_named(call: Any, message: str) -> None:
    first, second = two(0.5)
    with pytest.raises(TableError, match=message):
        call(answered(), first, second)


def test_samples_of_a_cell_count_once_and_are_drawn_together() -> None:
    rows = [
        {"persona": f"p{n % 20}", "question": f"q{n // 20}", "sample": k, "text": "x"}
        for n in range(100)
        for k in range(3)
    ]
    three = Answers.from_records(rows)
    one, other = ({code: np.repeat(marks, 3) for code, marks in found.items()} for found in two(1.0, 100))
    tripled, single = judge_agreement(three, one, other), judge_agreement(answered(100), *two(1.0, 100))
    assert (tripled.n, tripled.cells) == (300, 100)
    assert tripled["NS"].kappa_interval == pytest.approx(single["NS"].kappa_interval, abs=1e-12)
    assert (
        "300 answers in 100 cells judged twice (seed 0), intervals for other cells of these personas"
        in tripled.explain()
    )
    with pytest.raises(TableError, match=r"too few answers .*: 99 cells of 297 answers, .*; at least 100"):
        judge_agreement(Answers(three.rows[:297]), *({c: m[:297] for c, m in f.items()} for f in (one, other)))


def test_personas_are_drawn_where_it_is_asked_for() -> None:
    rng = np.random.default_rng(0)
    truth, shared = rng.integers(1, 6, 200), rng.normal(0, 1.2, 20)[np.arange(200) % 20]
    second = np.clip(np.rint(truth + shared), 1, 5)
    by_cell, by_persona = (
        judge_agreement(answered(), {"NS": truth}, {"NS": second}, draw=d) for d in ("cells", "personas")
    )
    widths = [high - low for low, high in (one["NS"].kappa_interval or (0, 0) for one in (by_cell, by_persona))]
    assert widths[1] > 1.3 * widths[0]
    assert "intervals for other personas like these" in by_persona.explain()
    assert "whole personas" in by_persona.null
    with pytest.raises(TableError, match=r"draw must be one of cells, personas, .* not 'answers' of 20 personas"):
        judge_agreement(answered(), {"NS": truth}, {"NS": second}, draw="answers")
