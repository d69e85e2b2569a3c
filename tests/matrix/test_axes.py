from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import pytest

from pytest_batcheval.errors import MatrixError
from pytest_batcheval.matrix.axes import AxisValue, Persona, PersonaMatrix, Question

CALM = Persona(
    "calm",
    {
        "description": "차분한",
        "profile": {"NS": "low", "HA": "average", "P": "high"},
        "descriptions": {"ko": {"short": "차분한", "full": "차분한 사람"}, "en": {"full": "a calm one"}},
    },
)


def test_a_field_is_an_attribute_and_an_item() -> None:
    age = AxisValue("old", {"years": 70})
    assert (age.id, age.years, age["years"], age["id"]) == ("old", 70, 70, "old")


def test_an_unknown_field_names_the_known_ones() -> None:
    age = AxisValue("old", {"years": 70})
    with pytest.raises(AttributeError, match="has no field 'month'; it has: id, years"):
        _ = age.month
    with pytest.raises(KeyError, match="has no field 'month'; it has: id, years"):
        age["month"]


def test_equality_is_by_id_and_fields() -> None:
    a, b = AxisValue("x", {"list": [1]}), AxisValue("x", {"list": [1]})
    assert a == b
    assert hash(a) == hash(b)
    assert a != AxisValue("x", {"list": [2]})
    assert a != AxisValue("y", {"list": [1]})
    assert a != "x"


@pytest.mark.parametrize("value", [CALM, AxisValue("x", {"a": [1]})])
def test_a_value_survives_copy_and_pickle(value: AxisValue) -> None:
    assert copy.deepcopy(value) == value
    assert pickle.loads(pickle.dumps(value)) == value


def test_repr_is_short() -> None:
    assert repr(CALM) == "Persona('calm')"


def test_a_persona_has_profile_and_levels() -> None:
    assert CALM.description == "차분한"
    assert CALM.levels == {"NS": -1, "HA": 0, "P": 1}
    assert Persona("x", {"description": "y"}).levels == {}


def test_a_persona_without_description_says_so() -> None:
    with pytest.raises(MatrixError, match="Persona 'x' requires a field 'description'; it has: id, town"):
        _ = Persona("x", {"town": "y"}).description


def test_describe_gives_the_style_asked_for() -> None:
    assert CALM.describe() == "차분한 사람"
    assert CALM.describe("ko", "short") == "차분한"
    with pytest.raises(MatrixError, match="no description en/short; its file has: ko/short, ko/full, en/full"):
        CALM.describe("en", "short")
    with pytest.raises(MatrixError, match="its file has: none"):
        Persona("x", {"description": "y"}).describe()


def test_a_question_in_languages() -> None:
    question = Question("q", {"text": "왜?", "texts": {"ko": "왜?", "en": "why?"}, "targets": ["HA", "RD"]})
    assert (question.text, question.targets, question.in_language("en")) == ("왜?", ("HA", "RD"), "why?")
    with pytest.raises(MatrixError, match="no text in 'fr'; its file has: ko, en"):
        question.in_language("fr")
    assert Question("q", {"text": "why?"}).targets == ()


def test_the_matrix_is_the_product_in_order() -> None:
    questions = [Question(f"q{i}", {"text": "?"}) for i in range(3)]
    matrix = PersonaMatrix({"persona": [CALM, Persona("wild", {"description": "w"})], "question": questions})
    assert len(matrix) == 6
    ids = [(c["persona"].id, c["question"].id) for c in matrix.cells()]
    assert ids == [(p, f"q{i}") for p in ("calm", "wild") for i in range(3)]
    assert [c["question"] for c in matrix.cells("question")] == questions


def test_an_axis_the_matrix_lacks_is_named() -> None:
    matrix = PersonaMatrix({"age": [AxisValue("old")]})
    with pytest.raises(MatrixError, match="no axis 'persona'; it has: age"):
        len(matrix)
    with pytest.raises(MatrixError, match="no axis 'town'; it has: age"):
        matrix.cells("age", "town")


def test_axes_import_nothing_heavy() -> None:
    code = (
        "import sys, pytest_batcheval.matrix.check, pytest_batcheval.matrix.load; "
        "print(sorted({'yaml', 'csv', 'jsonschema', 'msgspec', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
