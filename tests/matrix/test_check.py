from __future__ import annotations

from dataclasses import dataclass

import pytest

from pytest_batcheval.errors import MatrixError
from pytest_batcheval.matrix.axes import AxisValue
from pytest_batcheval.matrix.check import RESERVED, as_axis_values, check_axes


@dataclass
class Town:
    id: str


def test_good_axes_pass() -> None:
    check_axes({"persona": [AxisValue("calm"), AxisValue("wild")], "age": [20, 70], "town": [Town("Seoul")]})


@pytest.mark.parametrize("name", [*RESERVED, "a-b", "1a", "class", ""])
def test_a_name_that_means_something_else_is_refused(name: str) -> None:
    with pytest.raises(MatrixError) as caught:
        check_axes({name: ["x"]})
    assert repr(name) in str(caught.value)
    if name in RESERVED:
        assert all(reserved in str(caught.value) for reserved in RESERVED)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"age": []}, "axis 'age' is empty"),
        ({"age": [Town("")]}, "'age', value 1: id '' has 0 characters; allowed are 1 to 200"),
        ({"age": [Town("a" * 201)]}, "has 201 characters"),
        ({"age": [Town("\ud800")]}, "half a character"),
        ({"age": [Town(3)]}, "id 3 must be a string"),  # type: ignore[arg-type]
        ({"age": ["old", ["young"]]}, "value 2: a list has no `id`"),
        ({"age": ["old", "old"]}, "axis 'age' has two values with the id 'old'"),
        ({"age": ["old", "Old"]}, "two values with the id 'Old' .the other is written 'old'; case does not count"),
        ({"age": ["\u00e9", "e\u0301"]}, "two values with the id"),
    ],
)
def test_an_axis_that_breaks_a_rule_is_named(axes: dict[str, list[object]], message: str) -> None:
    with pytest.raises(MatrixError, match=message):
        check_axes(axes)


@pytest.mark.parametrize(
    "ids", [range(1, 41), [f"P{i}" for i in range(1, 41)], ["환자01", "a b/[c]::d", "two\nlines"]], ids=str
)
def test_an_id_is_any_text_and_may_be_part_of_another(ids: list[object]) -> None:
    check_axes({"persona": [Town(str(i)) for i in ids], "question": [Town(str(i)) for i in ids]})


def test_the_id_of_a_plain_value_is_its_text() -> None:
    values = as_axis_values("x", ["plain", "two words!", "노인", 3, True, 0.5])
    assert [v.id for v in values] == ["plain", "two words!", "노인", "3", "True", "0.5"]
    assert [v.value for v in values] == ["plain", "two words!", "노인", 3, True, 0.5]


def test_values_with_an_id_stay_themselves() -> None:
    seoul = Town("Seoul")
    assert as_axis_values("town", [seoul])[0] is seoul
