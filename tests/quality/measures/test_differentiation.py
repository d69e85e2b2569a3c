from __future__ import annotations

import json
import math
import random
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pytest_batcheval.matrix.axes import Persona
from pytest_batcheval.quality import differentiation
from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.recordings.answer_table import Answers

Build = Callable[..., Answers]


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [n for v in value.values() for n in numbers(v)]
    if isinstance(value, (list, tuple)):
        return [n for v in value for n in numbers(v)]
    return [value] if isinstance(value, (int, float)) else []


def same_texts(text: Callable[[int, int], str]) -> Answers:
    rows = [{"persona": f"p{i}", "question": f"q{j}", "text": text(i, j)} for i in range(8) for j in range(4)]
    return Answers.from_records(rows)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("kind", ["faithful", "inverted"])
def test_personas_with_traits_are_told_apart(respondent: Build, kind: str) -> None:
    result = differentiation(respondent(kind))
    assert (result.p_value, result.verdict) == (1e-4, "different")
    assert result.accuracy > result.null_accuracy_99 > result.null_accuracy
    assert result.top3 > 1.5 * 3 / 24
    assert 0 < result.icc_interval[0] < result.icc < result.icc_interval[1]
    assert (result.personas, result.questions, result.answers) == (24, 11, 264)


@pytest.mark.parametrize("seed", range(3))
def test_random_traits_are_not_told_apart(respondent: Build, seed: int) -> None:
    result = differentiation(respondent("blind", seed=seed), permutations=999)
    assert result.verdict == "not shown"
    assert result.p_value > 0.01
    assert result.null_accuracy == pytest.approx(1 / 24, abs=0.005)


def test_samples_add_power(respondent: Build) -> None:
    one, three = (differentiation(respondent("faithful", samples=k), permutations=99) for k in (1, 3))
    assert three.accuracy > one.accuracy
    assert three.answers == 3 * one.answers


@pytest.mark.sampled
def test_p_is_uniform_on_random_texts(words: Build) -> None:
    p_values = [differentiation(words(seed=seed), permutations=99).p_value for seed in range(40)]
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


@pytest.mark.parametrize("text", [lambda i, j: "같은 대답입니다", lambda i, j: f"질문 {j}의 대답", lambda i, j: ""])
def test_the_same_answer_from_everyone_is_collapsed(text: Callable[[int, int], str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = differentiation(same_texts(text))
    assert (result.p_value, result.accuracy, result.icc, result.verdict) == (1.0, 0.0, 0.0, "collapsed")
    assert all(math.isfinite(n) for n in numbers(result.to_dict()))
    assert "all personas give the same answer" in result.explain()


def test_one_odd_answer_gives_finite_figures() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = differentiation(same_texts(lambda i, j: "다른 대답" if (i, j) == (3, 2) else "같은 대답입니다"))
    assert all(math.isfinite(n) for n in numbers(result.to_dict()))
    assert result.verdict == "not shown"


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(32)))
def test_the_order_of_answers_changes_nothing(words: Build, order: list[int]) -> None:
    answers = words()
    shuffled = Answers(answers.rows[n] for n in order)
    assert differentiation(shuffled, permutations=99) == differentiation(answers, permutations=99)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_names_of_personas_change_only_chance(words: Build, seed: int) -> None:
    answers = words(seed=5)
    names = random.Random(seed).sample(range(8), 8)
    records = [
        {"persona": f"n{names[int(r.id('persona')[1:])]}", "question": r.id("question"), "text": r.answer.text}
        for r in answers.rows
    ]
    a, b = differentiation(answers, permutations=999), differentiation(Answers.from_records(records), permutations=999)
    assert b.icc == pytest.approx(a.icc)
    assert b.icc_interval == pytest.approx(a.icc_interval)
    assert b.accuracy == a.accuracy
    assert b.p_value == pytest.approx(a.p_value, abs=0.08)


def test_one_missing_cell_is_borne(respondent: Build) -> None:
    answers = respondent("faithful")
    result = differentiation(Answers(answers.rows[1:]), permutations=999)
    assert result.answers == 263
    assert result.verdict == "different"


def test_a_persona_that_only_writes_shorter_is_left_out(respondent: Build) -> None:
    rows = [
        {"persona": r.cell["persona"], "question": r.cell["question"], "text": r.answer.text[: 12 if short else None]}
        for r in respondent("blind", seed=1).rows
        for short in [r.id("persona") == "average"]
    ]
    answers = Answers.from_records(rows)
    assert differentiation(answers, permutations=999).verdict == "not shown"
    assert differentiation(answers, permutations=999, without=()).personas == 25


def test_one_odd_persona_makes_no_set_of_different_ones(words: Build) -> None:
    odd = [
        {"persona": r.id("persona"), "question": r.id("question")}
        | {"text": f"어쩌면 그럴지도 {r.id('question')}" if r.id("persona") == "p5" else r.answer.text}
        for r in words(24, 11, seed=1).rows
    ]
    result = differentiation(Answers.from_records(odd), permutations=999)
    control = result.controls["without the most influential persona"]
    assert (result.verdict, result.p_value) == ("one persona", 0.001)
    assert control.p_value > 0.01
    assert control.detail.startswith("p5 left out, the others are not told apart")
    assert control.detail in result.explain()


def test_a_persona_that_only_talks_more_is_reported_as_such(words: Build) -> None:
    longer = [
        {"persona": r.id("persona"), "question": r.id("question")}
        | {"text": " ".join([r.answer.text] * (1 + 3 * (r.id("persona") == "p2")))}
        for r in words(8, 6).rows
    ]
    even, uneven = (differentiation(a, permutations=999) for a in (words(8, 6), Answers.from_records(longer)))
    assert even.controls["length alone"].p_value > 0.01
    assert uneven.controls["length alone"].p_value == 0.001
    assert "p2 writes longest" in uneven.explain()


def test_what_the_descriptions_words_alone_tell_apart_is_masked(words: Build) -> None:
    names = ["무심하고", "차분하고", "고립되고", "조심스럽고", "대담하고", "열정적이고", "거침없이", "예민하고"]
    people = [Persona(f"p{i}", {"description": name}) for i, name in enumerate(names)]
    reciting = Answers.from_records(
        {"persona": people[i], "question": r.id("question"), "text": f"{names[i]} {r.answer.text}"}
        for r in words(8, 6).rows
        for i in [int(r.id("persona")[1:])]
    )
    result = differentiation(reciting, permutations=999)
    assert result.p_value == 0.001
    assert result.controls["masked"].p_value > 0.01
    assert "masked: without the words of the descriptions and ids no longer told apart" in result.explain()
    assert "masked" not in differentiation(words(), permutations=99).controls


def test_too_few_personas_are_named_with_what_was_left_out(words: Build) -> None:
    with pytest.raises(TableError, match=r"7 personas \(without p0\)"):
        differentiation(words(), without=("p0",))


def test_a_result_is_neither_true_nor_false(words: Build) -> None:
    with pytest.raises(TypeError, match=r"assert result\.p_value < 0\.01 and result\.accuracy > 0\.08"):
        assert differentiation(words(), permutations=99)


def test_explain_names_the_least_distinguishable(respondent: Build) -> None:
    result = differentiation(respondent("faithful"), permutations=99)
    least = next(iter(result.hits))
    text = result.explain()
    assert f"least distinguishable: {least} {result.hits[least]:.0%}" in text
    persona, taken_for, times = result.confusions[0]
    assert f"{persona} taken for {taken_for} ({times} times)" in text


def test_the_figures_are_json_and_repeat(words: Build) -> None:
    one, two = (differentiation(words(), permutations=99, seed=3) for _ in range(2))
    assert one == two
    assert json.loads(json.dumps(one.to_dict())) == one.to_dict()
