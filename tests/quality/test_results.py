"""What all statistics share: figures that are JSON, no truth value, no NaN and no warning on whatever texts."""

from __future__ import annotations

import json
import math
import random
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_batcheval import quality
from pytest_batcheval.matrix.axes import Persona, Question
from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.measures._scored_answers import TooFewScores
from pytest_batcheval.quality.result import Result
from pytest_batcheval.recordings.answer_table import Answers

Build = Callable[..., Answers]


def halves(answers: Answers) -> dict[str, str]:
    """Personas in two groups."""
    return {i: "ab"[n % 2] for n, i in enumerate(sorted({row.id("persona") for row in answers.rows}))}


STATISTICS: dict[str, Callable[[Answers], Result]] = {
    "differentiation": lambda a: quality.differentiation(a, permutations=99),
    "trait_reflection": lambda a: quality.trait_reflection(a, permutations=99),
    "discriminant": lambda a: quality.discriminant(a, permutations=99),
    "consistency": quality.consistency,
    "coverage": lambda a: quality.coverage(a, permutations=99),
    "diversity": quality.diversity,
    "format_checks": quality.format_checks,
    "persona_echo": lambda a: quality.persona_echo(a, permutations=99),
    "group_difference": lambda a: quality.group_difference(a, halves(a), permutations=99),
    "drift": lambda a: quality.drift(a, permutations=99),
    "relevance": lambda a: quality.relevance(a, permutations=99),
    "judge_agreement": lambda a: quality.judge_agreement(a, *[{"NS": [3] * len(a)}] * 2, least=8),
    "judge_variance": lambda a: quality.judge_variance(
        a, {n: {"NS": [3 + (i * m) % 3 for i in range(len(a))]} for m, n in enumerate("ab", 1)}, targets={}
    ),
    "compare": lambda a: quality.compare(a, a),
    "regression": lambda a: quality.regression(a, a),
    "quality_gate": lambda a: quality.quality_gate(a, permutations=99),
    "power": lambda a: quality.power(a, runs=5),
}

TEXTS: dict[str, Callable[[int], str]] = {
    "equal": lambda n: "같은 대답입니다",
    "empty": lambda n: "",
    "one empty": lambda n: "" if n == 7 else f"대답 {n} 번",
    "one letter": lambda n: "가나다라마바사"[n % 7],
    "one word": lambda n: f"단어{n % 9}",
    "emoji": lambda n: "😀😭🙏🏽👨‍👩‍👧"[n % 6 :] * 2,
    "lone surrogate": lambda n: f"\ud800 {n}",
    "control characters": lambda n: f"\x00\u2028\ufeff{n}",
    "two texts": lambda n: ("이것", "저것")[n % 2],
}

CODES = ["NS", "HA", "RD", "P"]

COMPARED = ("compare", "regression", "drift")
"""What needs scores of most answers."""

each_statistic = pytest.mark.parametrize("name", STATISTICS)


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [n for v in value.values() for n in numbers(v)]
    if isinstance(value, (list, tuple)):
        return [n for v in value for n in numbers(v)]
    return [value] if isinstance(value, (int, float)) else []


def test_every_statistic_is_looked_at_here() -> None:
    of_numbers, of_verdicts = (
        {"alignment", "cell_values"},
        {"rubric_request", "read_verdict", "scores_of", "verdicts_of", "at_turn"},
    )
    functions = {name for name in quality.__all__ if name[0].islower()} - of_numbers - of_verdicts
    assert functions == set(STATISTICS)


@pytest.mark.sampled(24)
@pytest.mark.parametrize("name", sorted(set(STATISTICS) - {"power"}))
@pytest.mark.parametrize("kind", TEXTS)
def test_whatever_the_texts_figures_are_finite_and_nothing_warns(with_texts: Any, name: str, kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if name in COMPARED:
            with pytest.raises(TooFewScores, match=r"scores in [0-9]+ of [0-9]+ answers, less than 50%"):
                STATISTICS[name](with_texts(TEXTS[kind]))
            return
        result = STATISTICS[name](with_texts(TEXTS[kind]))
        figures = result.to_dict()
        text = result.explain()
    assert all(math.isfinite(n) for n in numbers(figures))
    assert text.strip()
    assert not re.search(r"\b(nan|inf)\b", text)


@pytest.mark.sampled(16)
@pytest.mark.parametrize("name", sorted(set(STATISTICS) - {"power", *COMPARED}))
def test_long_answers_are_borne(with_texts: Any, name: str) -> None:
    rng = np.random.default_rng(0)
    long = ["".join(map(chr, rng.integers(0xAC00, 0xAC00 + 500, 100_000 if n == 3 else 30))) for n in range(550)]
    result = STATISTICS[name](with_texts(lambda n: long[n]))
    assert all(math.isfinite(n) for n in numbers(result.to_dict()))


@pytest.mark.sampled(7)
@each_statistic
def test_figures_are_json_and_repeat(respondent: Build, name: str) -> None:
    one, two = (STATISTICS[name](respondent("faithful", samples=2)) for _ in range(2))
    assert one == two
    assert json.loads(json.dumps(one.to_dict())) == one.to_dict()
    assert {"effect", "interval", "p_value", "null", "n", "seed"} <= set(one.to_dict())
    assert one.null


@pytest.mark.sampled(10)
@each_statistic
def test_no_result_has_a_truth_value(respondent: Build, name: str) -> None:
    result = STATISTICS[name](respondent("faithful", samples=2))
    with pytest.raises(TypeError, match="is neither true nor false; compare its figures: assert "):
        bool(result)


@pytest.mark.sampled(4)
@each_statistic
def test_no_result_can_be_changed(respondent: Build, name: str) -> None:
    result = STATISTICS[name](respondent("faithful", samples=2))
    with pytest.raises(AttributeError):
        result.n = 3  # type: ignore[misc]


@pytest.mark.parametrize("name", sorted(set(STATISTICS) - {"format_checks", "judge_agreement"}))
def test_one_persona_is_too_few(respondent: Build, name: str) -> None:
    answers = respondent("faithful", samples=2).where(persona="methodical-downcast")
    needed = {"diversity": "at least 2", "persona_echo": "at least 3"}.get(name, "are too few.* 8 personas.*")
    with pytest.raises(TableError, match=rf"1 persona.* {needed} are needed"):
        STATISTICS[name](answers)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", sorted(set(STATISTICS) - {"format_checks", "judge_agreement", "power"}))
def test_a_persona_without_answers_is_named(respondent: Build, name: str) -> None:
    rows = [
        {"persona": r.cell["persona"], "question": r.cell["question"], "sample": r.sample}
        | ({"error": "expired"} if r.id("persona") == "methodical-downcast" else {"text": r.answer.text})
        for r in respondent("faithful", samples=2).rows
    ]
    with pytest.raises(TableError, match="methodical-downcast"):
        STATISTICS[name](Answers.from_records(rows))


@pytest.mark.sampled(6)
@pytest.mark.parametrize("name", sorted(set(STATISTICS) - {"power"}))
def test_one_missing_cell_is_borne(respondent: Build, name: str) -> None:
    rows = respondent("faithful", samples=2).rows
    cell = (rows[5].id("persona"), rows[5].id("question"))
    kept = Answers(r for r in rows if (r.id("persona"), r.id("question")) != cell)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures = STATISTICS[name](kept).to_dict()
    assert all(math.isfinite(n) for n in numbers(figures))


def random_table(seed: int) -> Answers:
    """Odd texts of 8 to 12 personas with some traits, some cells failed or with fewer samples."""
    rng = random.Random(seed)
    codes = rng.sample(CODES, rng.randint(1, 4))
    people = [
        Persona(
            f"p{i:02}", {"description": rng.choice(["겁이 많은 사람", "calm and carefree", "x"]), "profile": levels}
        )
        for i in range(rng.randint(8, 12))
        for levels in [{code: rng.choice(["low", "high", "average"]) for code in codes}]
    ]
    asked = [
        Question(
            f"q{j}",
            {"text": rng.choice(["", "왜 오셨나요?"]), "targets": rng.sample(codes, rng.randint(0, len(codes)))},
        )
        for j in range(rng.randint(4, 7))
    ]
    letters, samples = rng.choice(["a", "ab", "가나다 ", "😀 \n", "무서워요 괜찮 "]), rng.choice([1, 2, 3])
    return Answers.from_records(
        {"persona": p, "question": q, "sample": s}
        | (
            {"error": "x"}
            if rng.random() < 0.01
            else {"text": "".join(rng.choices(letters, k=rng.choice([0, 1, 5, 30])))}
        )
        for p in people
        for q in asked
        for s in range(rng.choice([samples, samples, samples, 1]))
    )


@pytest.mark.sampled(5)
@pytest.mark.parametrize("name", sorted(set(STATISTICS) - {"power"}))
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_any_table_gives_finite_figures_or_our_own_error(name: str, seed: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            result = STATISTICS[name](random_table(seed))
        except TableError:
            return
        json.dumps(result.to_dict(), allow_nan=False)
        assert result.explain()


def test_importing_the_package_costs_no_numpy() -> None:
    code = "import sys, pytest_batcheval.quality; sys.exit('numpy' in sys.modules or 'scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_using_every_statistic_imports_numpy_and_nothing_heavier() -> None:
    code = (
        "import sys, pytest_batcheval.quality as q; [getattr(q, name) for name in q.__all__];"
        "sys.exit(bool({'scipy', 'openai', 'vcr', 'yaml', 'pytest', 'jsonschema'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_module_hides_a_function() -> None:
    from importlib import import_module
    from pkgutil import iter_modules

    for module in iter_modules(quality.__path__):
        import_module(f"pytest_batcheval.quality.{module.name}")
    assert all(callable(getattr(quality, name)) for name in quality.__all__)


ONE_LINE = {
    "differentiation": r"p=0\.001 accuracy=0\.\d\d: (personas differ|only (one persona differs|few personas differ)|too few samples to tell|no difference shown)",
    "trait_reflection": r"median_delta=[\d.]+ p=0\.001: \d of 7 traits reflected",
    "discriminant": r"leak=[\d.]+ p=0\.001: traits raise their own scores",
    "consistency": r"cell_icc=-?[\d.]+ duplicate=[\d.]+% G=[\d.]+: (consistent|inconsistent|not measurable)",
    "coverage": r"scores in [\d,]+ of [\d,]+ answers \(\d+% of what was asked\): even",
    "diversity": r"vendi=0\.\d\d near_duplicates=[\d.]+%: diverse",
    "format_checks": r"[\d.]+% of [\d,]+ answers fail a check: all checks within their limits",
    "persona_echo": r"lift=-?0\.\d+ p=[\d.]+: in their own words",
    "group_difference": r"r2=0\.\d+ p=[\d.]+: (different|not shown)",
    "relevance": r"nearest=\d\.\d+ p=[\d.]+: (relevant|not shown)",
    "drift": r"change=[+-]0\.\d\d p=[\d.]+: not shown",
    "judge_agreement": r"least kappa=undefined n=[\d]+: not agreed on NS",
    "judge_variance": r"least dependability=\d\.\d\d n=[\d]+: not dependable NS",
    "compare": r"alignment/2 difference=\+0\.000 p=1: equivalent",
    "regression": r"alignment/2 change=\+0\.000 p=1: PASS",
    "quality_gate": r"[\d,]+ answers, 10 parts: (passed|failed [\w, ]+)",
    "power": r"25 x 11 x 1 sample: .+ points, differences from 0\.\d+ sd",
}


@pytest.mark.sampled(4)
@each_statistic
def test_a_result_reads_in_one_short_line(respondent: Build, name: str) -> None:
    result = STATISTICS[name](respondent("faithful", samples=2))
    assert repr(result) == str(result)
    assert re.fullmatch(rf"<{type(result).__name__} {ONE_LINE[name]}>", repr(result)), repr(result)
    assert len(repr(result)) <= 120


def test_no_figures_however_long_make_it_longer(respondent: Build) -> None:
    answers = respondent("faithful")
    values = quality.cell_values(answers, [1.0] * len(answers), metric="m\n " * 200)
    for found in (values, quality.compare(values, values), quality.regression(values, values)):
        assert "\n" not in repr(found)
        assert len(repr(found)) < 200
    assert repr(quality.cell_values(answers)).startswith(
        "<CellValues alignment/2: 25 x 11, 264 cells with a value, mean "
    )


def test_every_public_result_has_the_line_of_its_base() -> None:
    classes = [value for name in quality.__all__ if isinstance(value := getattr(quality, name), type)]
    results = [cls for cls in classes if issubclass(cls, Result)]
    assert len(results) == 18
    assert all(cls.__repr__ is Result.__repr__ for cls in results)
