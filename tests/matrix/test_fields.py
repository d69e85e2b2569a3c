"""The names of columns that are told are those that are known."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_batcheval.errors import MatrixError
from pytest_batcheval.matrix.fields import NAMES, factors_named, fields_of

PAGE = Path(__file__).parents[2] / "docs/own-data.md"


def test_the_page_has_the_table() -> None:
    rows = re.findall(r"^\| (\w+) \| `(\w+)` \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [
        (axis, field, ", ".join(names)) for axis, fields in NAMES.items() for field, names in fields.items()
    ]


@pytest.mark.parametrize(
    ("axis", "field", "name"),
    [(axis, field, name) for axis, fields in NAMES.items() for field, names in fields.items() for name in names],
)
def test_a_name_means_its_field_however_it_is_written(axis: str, field: str, name: str) -> None:
    for written in (name, name.upper(), name.replace(" ", "_"), f"{name}.", name.replace(" ", "")):
        assert fields_of(axis, [written], []) == {written: field}


def test_other_names_are_fields_of_ones_own() -> None:
    assert fields_of("persona", ["나이", "질문", "Age"], []) == {"나이": "나이", "질문": "질문", "Age": "Age"}


def test_two_names_of_one_field_are_both_named() -> None:
    with pytest.raises(MatrixError, match=r"'번호' and 'No\.' both mean the field 'number'"):
        fields_of("age", ["번호", "No."], [])


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("NS HA", ["NS", "HA"]),
        ("위험회피", ["HA"]),
        ("자극추구 위험회피", ["NS", "HA"]),
        ("사회적 민감성, NS", ["RD", "NS"]),
        ("Harm avoidance; 자극추구/SD", ["HA", "NS", "SD"]),
        (["위험회피", "NS"], ["HA", "NS"]),
        ("", []),
        ("위험회피 불안", None),
        (["x"], None),
        (3, None),
        ([1], None),
    ],
)
def test_targets_are_named_as_columns_are(written, found):
    assert factors_named(written, ("NS", "HA", "RD", "SD")) == found
