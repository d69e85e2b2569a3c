"""The suite's own data: 25 personas and 11 questions."""

from __future__ import annotations

import importlib.util
import re
from itertools import combinations
from math import prod
from pathlib import Path
from types import ModuleType

import pytest

from pytest_batcheval.matrix.axes import Persona, Question
from pytest_batcheval.matrix.check import check_axes
from pytest_batcheval.matrix.load import load_axis

CODES = ["NS", "HA", "RD", "P", "SD", "CO", "ST"]


@pytest.fixture(scope="module")
def personas(data: Path) -> list[Persona]:
    return [p for p in load_axis("persona", data / "personas.yaml") if isinstance(p, Persona)]


@pytest.fixture(scope="module")
def questions(data: Path) -> list[Question]:
    return [q for q in load_axis("question", data / "questions.yaml") if isinstance(q, Question)]


@pytest.fixture(scope="module")
def script(data: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_personas", data / "make_personas.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_axes_pass_their_own_check(personas: list[Persona], questions: list[Question]) -> None:
    assert (len(personas), len(questions)) == (25, 11)
    check_axes({"persona": personas, "question": questions})


def test_the_file_is_what_the_catalogue_says(data: Path, script: ModuleType) -> None:
    assert (data / "personas.yaml").read_text(encoding="utf-8") == script.personas_yaml()


def test_every_triple_of_dimensions_is_balanced(personas: list[Persona]) -> None:
    corners = [p.levels for p in personas if p.id != "average"]
    assert len(corners) == 24
    for codes in combinations(CODES, 3):
        shown = [tuple(levels[code] for code in codes) for levels in corners]
        assert {shown.count(corner) for corner in set(shown)} == {3}
        assert sum(prod(corner) for corner in shown) == 0


def test_the_average_persona_is_average_everywhere(personas: list[Persona]) -> None:
    assert personas[-1].id == "average"
    assert personas[-1].levels == dict.fromkeys(CODES, 0)


def test_both_pairs_of_the_first_request_file_are_there(personas: list[Persona]) -> None:
    phrases = {p.describe("ko", "short") for p in personas}
    assert {"고립되고 겁이 많은, 미성숙한", "폭발적인, 비논리적인"} <= phrases


def test_every_persona_is_described_in_both_languages(personas: list[Persona]) -> None:
    for persona in personas:
        assert persona.description == persona.describe("ko", "full")
        assert re.search("[가-힣]", persona.description)
        assert persona.describe("en", "full").isascii()


def test_the_first_question_and_the_coverage(questions: list[Question]) -> None:
    assert questions[0].text == "어디가 불편해서 방문하게 되셨나요?"
    assert all(q.text == q.in_language("ko") for q in questions)
    targets = [code for q in questions for code in q.targets]
    assert {code: targets.count(code) for code in CODES} == dict(zip(CODES, (4, 4, 4, 4, 6, 5, 3), strict=True))
