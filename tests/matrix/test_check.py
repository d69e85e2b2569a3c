from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        ({"age": [Town("a b")]}, "'age', value 1: id 'a b' is not allowed"),
        ({"age": [Town("-a")]}, "id '-a' is not allowed"),
        ({"age": [Town("a" * 41)]}, "at most 40"),
        ({"age": ["노인"]}, "id '' is not allowed"),
        ({"age": [Town(3)]}, "id 3 must be a string"),  # type: ignore[arg-type]
        ({"age": ["old", ["young"]]}, "value 2: a list has no `id`"),
        ({"age": ["old", "old"]}, "-k old would select both"),
        ({"age": ["old", "Old"]}, "id 'old' of axis 'age' is part of id 'Old' of axis 'age'"),
        ({"age": ["older", "OLD"]}, "id 'OLD' of axis 'age' is part of id 'older'"),
        ({"age": [2, 20]}, "id '2' of axis 'age' is part of id '20'"),
        ({"age": ["old"], "town": ["oldtown"]}, "id 'old' of axis 'age' is part of id 'oldtown' of axis 'town'"),
    ],
)
def test_an_axis_that_breaks_a_rule_is_named(axes: dict[str, list[object]], message: str) -> None:
    with pytest.raises(MatrixError, match=message):
        check_axes(axes)


@given(st.lists(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,3}", fullmatch=True), min_size=1, max_size=8))
def test_the_substring_rule_equals_its_definition(ids: list[str]) -> None:
    lowered = [i.lower() for i in ids]
    clash = any(a in b for i, a in enumerate(lowered) for j, b in enumerate(lowered) if i != j)
    if clash:
        with pytest.raises(MatrixError, match="is part of id"):
            check_axes({"x": [Town(i) for i in ids]})
    else:
        check_axes({"x": [Town(i) for i in ids]})


def test_plain_values_get_a_safe_id() -> None:
    values = as_axis_values("x", ["plain", "two words!", 3, True, 0.5])
    assert [v.id for v in values] == ["plain", "two-words", "3", "True", "0.5"]
    assert [v.value for v in values] == ["plain", "two words!", 3, True, 0.5]


def test_values_with_an_id_stay_themselves() -> None:
    seoul = Town("Seoul")
    assert as_axis_values("town", [seoul])[0] is seoul
