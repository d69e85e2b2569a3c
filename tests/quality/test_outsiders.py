"""Tables that are none of ours: what a stranger writes into them is measured, or refused in words."""

from __future__ import annotations

import json
import math
import random
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from pytest_batcheval.quality import (
    CellValues,
    alignment,
    cell_values,
    compare,
    consistency,
    differentiation,
    discriminant,
    format_checks,
    judge_agreement,
    persona_echo,
    power,
    quality_gate,
    regression,
    trait_reflection,
)
from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.recordings.answer_table import Answers

QUESTIONS = {f"q{j}": ["age", "symptom"] for j in range(4)}
WORDS = ["river", "stone", "cloud", "morning", "winter", "paper", "window", "garden", "bread", "silver", "lamp"]

Call = Callable[..., Any]


def levels(personas: int = 12) -> dict[str, dict[str, int]]:
    """Age and symptom, crossed."""
    return {f"p{i}": {"age": (-1, 1)[i % 2], "symptom": (-1, 1)[i // 2 % 2]} for i in range(personas)}


def table(personas: int = 12, samples: int = 1, **more: Any) -> Answers:
    """Each persona has words of its own; `p3` and the like are all that is known of it."""
    rng = random.Random(0)
    own = [rng.sample(WORDS, 4) for _ in range(personas)]
    return Answers.from_records(
        {"persona": f"p{i}", "question": q, "sample": s, "text": " ".join(rng.choices([*own[i], *WORDS], k=8)), **more}
        for i in range(personas)
        for q in QUESTIONS
        for s in range(samples)
    )


def scores(answers: Answers, effect: float = 1.0) -> dict[str, list[float | None]]:
    """3 and `effect` points to the prompted pole."""
    prompted = levels()
    return {code: [3 + effect * prompted[r.id("persona")][code] for r in answers.rows] for code in ("age", "symptom")}


ANSWERS = table()
SCORES = scores(ANSWERS)
DECLARED: dict[str, Any] = {"levels": levels(), "targets": QUESTIONS}


def changed(value: Any) -> dict[str, Any]:
    return {**SCORES, "age": [SCORES["age"][0], value, *SCORES["age"][2:]]}


@pytest.fixture(autouse=True)
def no_warning() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


each_of_scores = pytest.mark.parametrize("measure", [trait_reflection, discriminant, alignment, quality_gate])


@each_of_scores
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (changed(1e308), "scores of age: that of answer 1 is not a number: 1e[+]308"),
        (changed("4"), "scores of age: that of answer 1 is not a number: '4'; give a finite number, or NaN or None"),
        (changed(True), "that of answer 1 is not a number: True"),
        (changed([4, 5]), r"that of answer 1 is not a number: \[4, 5\]"),
        (changed(math.inf), "that of answer 1 is not a number: inf"),
        ([3] * 48, "scores must be given by dimension"),
    ],
)
def test_what_is_no_score_is_named(measure: Call, given: Any, message: str) -> None:
    with pytest.raises(TableError, match=message):
        measure(ANSWERS, scores=given, **DECLARED)


def test_scores_of_any_number_type_count() -> None:
    expected = trait_reflection(ANSWERS, scores=SCORES, permutations=99, **DECLARED)
    for kind in (np.float32, np.int64, int):
        same = {code: [kind(s) for s in column] for code, column in SCORES.items()}
        assert trait_reflection(ANSWERS, scores=same, permutations=99, **DECLARED) == expected
    assert trait_reflection(ANSWERS, scores={c: (s for s in v) for c, v in SCORES.items()}, **DECLARED).prompted


@pytest.mark.parametrize("code", ["age", "symptom"])
def test_a_trait_without_any_score_says_so(code: str) -> None:
    result = trait_reflection(ANSWERS, scores={**SCORES, code: [None] * 48}, permutations=99, **DECLARED)
    assert (result[code].scored, result[code].delta, result[code].p_value, result.shows) == (0, 0.0, 1.0, False)
    assert "4 questions, 99 permutations; no answer to them has a score" in str(result[code])
    other = "age" if code == "symptom" else "symptom"
    assert result[other].scored == 48
    assert "no answer" not in str(result[other])


@each_of_scores
@pytest.mark.parametrize(
    ("prompted", "message"),
    [
        ({"levels": dict.fromkeys(levels(), 1)}, "persona p0: levels must be -1, 0 or 1 by dimension, not 1"),
        ({"levels": {p: {"age": [1]} for p in levels()}}, r"persona p0: .*, not \{'age': \[1\]\}"),
        ({"levels": [1, -1]}, r"levels must be declared by id: levels=\{'id': …\}, not \[1, -1\]"),
        ({"targets": dict.fromkeys(QUESTIONS, "age")}, "question q0: targets must be a list of dimensions, not 'age'"),
        ({"targets": ["age"]}, "targets must be declared by id"),
    ],
)
def test_a_wrong_declaration_is_named(measure: Call, prompted: dict[str, Any], message: str) -> None:
    with pytest.raises(TableError, match=message):
        measure(
            ANSWERS,
            scores=SCORES,
            **{**DECLARED, **prompted},
            **({"leave_out": ["own_words"]} if measure is quality_gate else {}),
        )


def test_ids_may_be_numbers() -> None:
    prompted = levels()
    numbered = Answers.from_records(
        {"persona": int(r.id("persona")[1:]), "question": int(r.id("question")[1:]), "text": a.text}
        for r, a in zip(ANSWERS.rows, ANSWERS, strict=True)
    )
    by_number = {
        "levels": {i: prompted[f"p{i}"] for i in range(12)},
        "targets": {j: ["age", "symptom"] for j in range(4)},
    }
    result = trait_reflection(numbered, scores=SCORES, permutations=999, **by_number)
    assert [t.delta for t in result.traits] == [1.0, 1.0]


@pytest.mark.parametrize("prompted", [2, 3, 4, 7])
def test_of_few_dimensions_none_may_miss(prompted: int) -> None:
    """Half of what was prompted is too much to let go; of four or more, one may miss its p."""
    rng = np.random.default_rng(prompted)
    codes = [f"d{n}" for n in range(prompted)]
    people = {f"p{i}": {code: int(rng.permuted([-1, 1])[0]) for code in codes} for i in range(24)}
    answers = Answers.from_records({"persona": p, "question": q, "text": "x"} for p in people for q in QUESTIONS)
    full = {c: [3.0 + people[r.id("persona")][c] for r in answers.rows] for c in codes}
    # the first dimension shows in one persona only: delta above 0, p far above 0.01
    first = next(p for p, known in people.items() if known["d0"] == 1)
    full["d0"] = [4.0 if r.id("persona") == first else 3.0 for r in answers.rows]
    result = trait_reflection(
        answers, scores=full, permutations=999, levels=people, targets=dict.fromkeys(QUESTIONS, codes)
    )
    assert result["d0"].delta > 0
    assert result["d0"].p_value > 0.01
    assert all(result[code].p_value <= 0.01 for code in codes[1:])
    assert result.shows == (prompted >= 4)


def test_a_misspelt_unprompted_dimension_is_no_control() -> None:
    with pytest.raises(TableError, match=r"cannot test Age: .*; possible: age, symptom"):
        trait_reflection(ANSWERS, scores=SCORES, unprompted=["Age"], **DECLARED)
    one, same = (
        trait_reflection(ANSWERS, scores=SCORES, unprompted=u, permutations=99, **DECLARED) for u in (["age"], "age")
    )
    assert one == same
    assert [t.dimension for t in one.prompted] == ["symptom"]


def test_a_single_name_may_be_given_as_text() -> None:
    """Its letters are no names: p1 is none of the personas that are left out with p11."""
    assert differentiation(ANSWERS, permutations=99, without="p11").personas == 11
    gate = quality_gate(ANSWERS, scores=SCORES, leave_out="own_words", permutations=99, **DECLARED)
    assert gate.left_out == ("own_words", "samples")


@pytest.mark.parametrize("permutations", [98, 9, 0, -1, 1.5])
@pytest.mark.parametrize("measure", [differentiation, trait_reflection, discriminant])
def test_too_few_permutations_are_no_finding(measure: Call, permutations: float) -> None:
    """With nine of them p is never below 0.1, and a perfect respondent would be "not shown"."""
    prompted = {} if measure is differentiation else {"scores": SCORES, **DECLARED}
    with pytest.raises(
        TableError, match=rf"permutations must be an integer, at least 99, to give a p of 0.01, not {permutations}"
    ):
        measure(ANSWERS, permutations=permutations, **prompted)


@pytest.mark.parametrize("seed", [-1, 1.5, "x", None])
def test_a_seed_is_an_integer(seed: Any) -> None:
    for call in (
        lambda: differentiation(ANSWERS, seed=seed),
        lambda: trait_reflection(ANSWERS, scores=SCORES, seed=seed, **DECLARED),
        lambda: power(ANSWERS, seed=seed),
        lambda: judge_agreement(ANSWERS, SCORES, SCORES, least=8, seed=seed),
    ):
        with pytest.raises(TableError, match="seed must be an integer, at least 0, not"):
            call()


def test_the_same_row_twice_or_two_models_in_one_table_are_named() -> None:
    rows = [{**r.cell, "text": r.answer.text} for r in ANSWERS.rows]
    with pytest.raises(
        TableError, match="sample number 0; give each its own `sample`, or use one table per model or run"
    ):
        differentiation(Answers.from_records([*rows, rows[3]]))
    with pytest.raises(TableError, match=r"one value of each other axis \(model_name\) with answers.where"):
        differentiation(Answers.from_records({**row, "model_name": m} for row in rows for m in "ab"))


@dataclass(frozen=True)
class Named:
    id: str
    description: str = "누군가"


NAMES = ["가나다라마", "바사아자차", "카타파하거", "너더러머버", "서어저처커", "터퍼허고노", "도로모보소", "오조초코토"]


def naming(says: Callable[[str, int], str]) -> Answers:
    """Eight personas whose answers are the same words in another order, and what `says` adds."""
    rng = random.Random(3)
    parts = ["오늘은", "아마도", "그렇게", "나중에", "조용히", "다시금", "천천히"]
    return Answers.from_records(
        {"persona": Named(name), "question": f"q{j}", "text": says(" ".join(rng.sample(parts, 4)), i)}
        for i, name in enumerate(NAMES)
        for j in range(6)
    )


def test_who_says_its_own_id_is_told_apart_by_that_alone() -> None:
    telling = naming(lambda text, i: f"{NAMES[i]}: {text}")
    result = differentiation(telling, permutations=999)
    assert result.verdict == "different"
    assert result.controls["masked"].p_value > 0.01
    assert persona_echo(telling, permutations=999).lift == pytest.approx(1.0)
    gate = quality_gate(telling, leave_out=["traits", "discriminant"], permutations=999)
    assert gate.failed == ("own_words",)
    assert "without the words of the descriptions and ids no longer told apart" in gate["different"].reason


def test_the_ids_of_others_are_no_echo() -> None:
    assert persona_echo(naming(lambda text, i: text), permutations=999).lift == 0.0
    assert persona_echo(naming(lambda text, i: f"{text} {NAMES[i - 1]}"), permutations=999).lift < 0


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("fr", "Je dors mal depuis l'été."),
        ("de", "Ich schlafe schlecht."),
        ("ru", "Я плохо сплю."),
        ("ar", "لا أنام جيدا."),
        ("hi", "मुझे नींद नहीं आती।"),
    ],
)
def test_answers_in_other_languages_have_a_script(language: str, text: str) -> None:
    answers = Answers.from_records({"persona": "p", "question": f"q{n}", "text": text} for n in range(100))
    assert format_checks(answers, language=language).failing == ()
    assert format_checks(answers, language="ko").failing == ("other_script",)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a"] * 48, "values: that of answer 0 is not a number: 'a'"),
        ([True] * 48, "not a number: True"),
        ([[1, 2]] * 48, r"not a number: \[1, 2\]"),
        ([1e308] * 48, "not a number: 1e"),
        ([math.nan] * 48, "no x/1 to compare: all values are missing"),
    ],
)
def test_what_is_no_value_is_named(values: list[Any], message: str) -> None:
    with pytest.raises(TableError, match=message):
        cell_values(ANSWERS, values, metric="x/1")


@pytest.mark.sampled
def test_the_power_of_declared_traits() -> None:
    """Of two traits both have to show, which is harder than one."""
    both, one = (
        power(ANSWERS, levels=levels(), targets=dict.fromkeys(QUESTIONS, codes), effects=(0.5, 1.0), runs=100)
        for codes in (["age", "symptom"], ["age"])
    )
    assert both.traits[0.5] < one.traits[0.5]
    assert both.traits[1.0] > both.traits[0.5]
    with pytest.raises(TableError, match="targets must be a list of dimensions"):
        power(ANSWERS, levels=levels(), targets=dict.fromkeys(QUESTIONS, "age"))


@pytest.mark.parametrize(
    "measure", [differentiation, trait_reflection, discriminant, persona_echo, consistency, quality_gate, alignment]
)
def test_rows_are_no_table_of_answers(measure: Call) -> None:
    rows = [{**r.cell, "text": r.answer.text} for r in ANSWERS.rows]
    with pytest.raises(TableError, match=r"expected a table of answers, .*; Answers.from_records\(rows\) makes one"):
        measure(rows)
    with pytest.raises(TableError, match="expected a table of answers"):
        compare([0.1] * 48, ANSWERS)  # type: ignore[arg-type]


def test_values_may_come_one_by_one() -> None:
    lengths = [float(len(a.text)) for a in ANSWERS]
    whole = cell_values(ANSWERS, lengths, metric="x/1")
    assert cell_values(ANSWERS, (n for n in lengths), metric="x/1") == whole  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["values"][0].__setitem__(0, math.inf),
        lambda d: d["values"][0].__setitem__(0, math.nan),
        lambda d: d["values"][0].__setitem__(0, 1e308),
        lambda d: d.__setitem__("noise", -1.0),
        lambda d: d.__setitem__("noise", math.nan),
        lambda d: d["samples"][0].__setitem__(0, -1),
    ],
)
def test_a_baseline_that_somebody_changed_is_refused(change: Callable[[dict[str, Any]], None]) -> None:
    data = json.loads(json.dumps(cell_values(ANSWERS, [float(len(a.text)) for a in ANSWERS], metric="x/1").to_dict()))
    change(data)
    with pytest.raises(TableError, match="not cell values of `to_dict`: "):
        regression(CellValues.from_dict(data), CellValues.from_dict(data))


def test_a_margin_is_finite() -> None:
    values = cell_values(ANSWERS, [1.0] * 48, metric="x/1")
    for wrong in (math.inf, math.nan, -1, "0.1", None):
        with pytest.raises(TableError, match=f"margin must be a positive number, not {wrong!r}"):
            compare(values, values, margin=wrong)  # type: ignore[arg-type]
        with pytest.raises(TableError, match=f"tolerated must be a number, at least 0, not {wrong!r}"):
            regression(values, values, tolerated=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"runs": 0}, "at least 1, not 1 and 0"),
        ({"samples": 1.5}, "samples and runs must be integers"),
        ({"variances": (0.1, -1.0)}, "variances and effects must be numbers, at least 0, not -1.0"),
        ({"effects": (math.nan,)}, "not nan"),
        ({"effects": "0.5"}, "not '0'"),
    ],
)
def test_what_cannot_be_simulated_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(TableError, match=message):
        power(ANSWERS, **arguments)


@pytest.mark.parametrize(
    ("least", "bootstraps", "message"),
    [(1, 99, "too few answers .*: 1; at least 2"), (0, 0, "bootstraps must be at least 40")],
)
def test_agreement_of_next_to_nothing_is_refused(least: int, bootstraps: int, message: str) -> None:
    few = Answers(ANSWERS.rows[:1] if least else ANSWERS.rows)
    same = {"age": [3] * len(few)}
    with pytest.raises(TableError, match=message):
        judge_agreement(few, same, same, least=least, bootstraps=bootstraps)
    with pytest.raises(TableError, match="must be given by dimension"):
        judge_agreement(ANSWERS, [3] * 48, [3] * 48, least=8)  # type: ignore[arg-type]


def test_a_copy_with_other_punctuation_is_a_copy() -> None:
    """Vowel signs are no punctuation: of two Hindi words neither is a copy."""
    rows = [(r.cell, r.answer.text) for r in ANSWERS.rows]

    def samples(second: Callable[[str], str], first: Callable[[str], str] = str) -> float:
        both = [{**cell, "sample": s, "text": f(t)} for cell, t in rows for s, f in enumerate((first, second))]
        return consistency(Answers.from_records(both)).duplicate

    assert samples(lambda text: f"{text.upper()}…!") == 0.5
    assert samples(lambda text: "…!", lambda text: " …! ") == 0.5
    assert samples(lambda text: "के", lambda text: "की") == 0.0
    assert samples(lambda text: "😀", lambda text: "😭") == 0.0


def test_samples_without_scores_are_judged_by_wording_only() -> None:
    twice = table(samples=2)
    prompted: dict[str, Any] = {"age": [4.0] * 96, "symptom": [None] * 96}
    scored = consistency(twice, scores=prompted, targets=QUESTIONS)
    assert scored.scored_pairs == 48
    assert "wording only" not in scored.explain()
    assert "contradictions = 0.0% of 48 pairs of samples" in scored.explain()
    none = consistency(twice, scores=dict.fromkeys(prompted, [None] * 96), targets=QUESTIONS)
    assert none.scored_pairs == 0
    assert "; by wording only, because no two samples of a cell have scores" in none.explain().splitlines()[0]


def test_only_the_factors_that_go_together_are_named() -> None:
    """Three symptoms of which everybody has one: any two of them say what the third is; age has no part in it."""
    symptoms = ["fear", "pain", "sleep"]
    prompted = {
        f"p{i}": {"age": i // 3 % 3 - 1, **{s: 1 if i % 3 == n else -1 for n, s in enumerate(symptoms)}}
        for i in range(18)
    }
    answers = Answers.from_records({"persona": p, "question": q, "text": "x"} for p in prompted for q in QUESTIONS)
    given = {code: [3.0 + prompted[r.id("persona")][code] for r in answers.rows] for code in ("age", *symptoms)}
    asked = {q: ["age", *symptoms] for q in QUESTIONS}
    with pytest.raises(TableError, match=r"18 personas cannot tell fear, pain, sleep apart: .*declare one fewer"):
        discriminant(answers, scores=given, levels=prompted, targets=asked)
    fewer = {p: {code: known[code] for code in ("age", "fear", "pain")} for p, known in prompted.items()}
    assert discriminant(answers, scores=given, levels=fewer, targets=asked).leak == pytest.approx(0, abs=1e-9)


def test_scores_that_are_lacking_are_asked_for() -> None:
    with pytest.raises(TableError, match=r"no scores of symptom, only of age; pass scores=\{'symptom': \[…\]"):
        trait_reflection(ANSWERS, scores={"age": SCORES["age"]}, **DECLARED)
    with pytest.raises(TableError, match="no scores of age, only of NS, HA, RD, P, SD, CO, ST"):
        trait_reflection(ANSWERS, **DECLARED)


def test_consistency_and_alignment_are_held_to_the_scale_whose_2_and_4_they_know() -> None:
    """On a scale to 100 no two scores would ever be at most 2 and at least 4."""
    twice = table(samples=2)
    wrong = (
        r"scores of age must be from 1 \(low pole\) to 5 \(high pole\): that of answer 0 is 20; 96 of 96 are outside"
    )
    with pytest.raises(TableError, match=wrong):
        consistency(twice, scores={"age": [20.0, 80.0] * 48}, targets=QUESTIONS)
    with pytest.raises(TableError, match=wrong):
        alignment(twice, scores=dict.fromkeys(SCORES, [20.0, 80.0] * 48), **DECLARED)


def test_noise_that_was_not_cut_to_the_scale_is_none_of_an_error() -> None:
    scores = {code: np.random.default_rng(0).normal(column, 0.8) for code, column in SCORES.items()}
    assert alignment(ANSWERS, scores=scores, **DECLARED).mean() > 0


@pytest.mark.parametrize(("low", "high"), [(0, 10), (0, 100), (-1, 1)])
def test_traits_may_be_scored_on_any_scale(low: float, high: float) -> None:
    usual = trait_reflection(ANSWERS, scores=SCORES, permutations=99, **DECLARED)
    scores = {code: [low + (s - 1) / 4 * (high - low) for s in column] for code, column in SCORES.items()}
    found = trait_reflection(ANSWERS, scores=scores, permutations=99, **DECLARED)
    assert [(t.delta, t.p_value) for t in found.prompted] == [(t.delta, t.p_value) for t in usual.prompted]
    leaks = [discriminant(ANSWERS, scores=given, **DECLARED).leak for given in (SCORES, scores)]
    assert leaks[0] == pytest.approx(leaks[1], abs=1e-9)
