from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from pytest_batcheval.errors import MatrixError
from pytest_batcheval.matrix.axes import AxisValue, Persona, Question
from pytest_batcheval.matrix.load import load_axis, parse_axes_option

PEOPLE = [{"id": "calm", "description": "a calm one"}, {"id": "wild", "description": "a wild one"}]


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def csv_text() -> str:
    return "id,description,town\ncalm,a calm one,Seoul\nwild,a wild one,\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("people.yaml", yaml.safe_dump(PEOPLE)),
        ("people.yml", yaml.safe_dump(PEOPLE)),
        ("people.json", json.dumps(PEOPLE)),
        ("people.csv", "id,description\ncalm,a calm one\nwild,a wild one\n"),
        ("bom.csv", "\ufeffid,description\r\ncalm,a calm one\r\nwild,a wild one\r\n"),
    ],
)
def test_every_format_gives_the_same_personas(tmp_path: Path, name: str, text: str) -> None:
    personas = load_axis("persona", write(tmp_path, name, text))
    assert personas == [Persona(p["id"], {"description": p["description"]}) for p in PEOPLE]
    assert all(type(p) is Persona for p in personas)


CELL = 'id,text\nq1,"one\ntwo\n\nthree"\nq2,why?\n'


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_line_breaks_in_cells_of_any_column_do_not_depend_on_the_checkout(tmp_path, end):
    lines = ["id,description,memo", 'a,"one', 'two","mine', 'too"', ""]
    path = write(tmp_path, "p.csv", end.join(lines))
    assert load_axis("persona", path) == [Persona("a", {"description": "one\ntwo", "memo": "mine\ntoo"})]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize(
    ("name", "text"),
    [("q.csv", CELL), ("q.yaml", '- id: q1\n  text: "one\n\n    two"\n- id: q2\n  text: |\n    why?\n    how?\n')],
)
def test_a_text_does_not_depend_on_the_line_ends_of_a_checkout(tmp_path: Path, name: str, text: str, end: str) -> None:
    plain, checked_out = tmp_path / name, tmp_path / f"checked-out-{name}"
    plain.write_bytes(text.encode())
    checked_out.write_bytes(text.replace("\n", end).encode())
    assert load_axis("question", checked_out) == load_axis("question", plain)
    assert "\r" not in str(load_axis("question", plain))


def test_the_axis_decides_the_class(tmp_path: Path) -> None:
    path = write(tmp_path, "q.json", '[{"id": "q1", "text": "why?", "targets": ["HA"]}]')
    assert type(load_axis("question", path)[0]) is Question
    assert type(load_axis("age", path)[0]) is AxisValue


def test_an_empty_csv_cell_is_a_missing_field(tmp_path: Path) -> None:
    calm, wild = load_axis("persona", write(tmp_path, "p.csv", csv_text()))
    assert calm.town == "Seoul"
    assert dict(wild.fields) == {"description": "a wild one"}


def test_nothing_in_a_field_of_ones_own_is_a_value_in_yaml(tmp_path: Path) -> None:
    (calm,) = load_axis("persona", write(tmp_path, "p.yaml", "- {id: a, name: , description: x, note: , mood: ''}\n"))
    assert dict(calm.fields) == {"description": "x", "note": None, "mood": ""}


def test_texts_of_a_list_are_as_a_table_has_them_and_those_of_ones_own_fields_as_written(tmp_path: Path) -> None:
    path = write(tmp_path, "p.json", json.dumps([{"id": " a ", "description": " x\r\ny\r", "joint": ", \r\n"}]))
    assert load_axis("persona", path) == [Persona("a", {"description": "x\ny", "joint": ", \r\n"})]


def test_targets_of_a_csv_stand_between_spaces(tmp_path: Path) -> None:
    path = write(tmp_path, "q.csv", 'id,text,targets\nq1,why?,HA RD\nq2,why?,"HA, RD"\n')
    assert [question.targets for question in load_axis("question", path)] == [("HA", "RD")] * 2


@pytest.mark.parametrize(
    ("name", "text", "parts"),
    [
        ("p.yaml", "- id: calm\n  description: [unclosed\n", ["p.yaml, line 2", "not valid YAML"]),
        ("p.yaml", "- id: calm\n  description: 2024-13-45\n", ["p.yaml", "not valid YAML", "month"]),
        ("p.json", '[{"id": "calm",\n "description": }]', ["p.json, line 2", "not valid JSON"]),
        ("p.yaml", "id: calm\n", ["p.yaml", "expected a list", "contains a dict"]),
        ("p.yaml", "", ["p.yaml", "expected a list", "contains a NoneType"]),
        ("p.yaml", "[]", ["p.yaml", "no entries"]),
        ("p.yaml", "- calm\n", ["entry 1", "'calm' is no entry"]),
        ("p.yaml", "- {id: calm, description: x}\n- {id: wild}\n", ["entry 2, field description", "is missing"]),
        ("p.yaml", "- {id: 1.5, description: x}\n", ["entry 1, field id", "1.5 must be a string", "in quotes"]),
        ("p.yaml", "- {id: no, description: x}\n", ["entry 1, field id", "False must be a string"]),
        ("p.yaml", f"- {{id: {'a' * 201}, description: x}}\n", ["entry 1, field id", "201 characters"]),
        ("p.yaml", "- {id: a, description: x}\n- {description: y}\n", ["entry 2, field id", "the id is missing"]),
        ("p.yaml", "- {id: a, description: x}\n- {id: a, description: y}\n", ["entry 2", "'a' is already", "entry 1"]),
        (
            "p.yaml",
            "- {id: a, description: x, profile: {HA: hi}}\n",
            ["field profile.HA: 'hi' is no level", "low, average or high"],
        ),
        (
            "p.yaml",
            "- {id: a, description: x, profile: {XX: low}}\n",
            ["field profile.XX", "NS, HA, RD", "batch_factors = XX"],
        ),
        ("p.csv", "", ["p.csv: the table is empty"]),
        ("p.csv", "id,id\n", ["p.csv, row 1", "'id' is given twice"]),
        ("p.csv", "id,description\n", ["p.csv", "no entries"]),
        ("p.csv", "id,description\na,x,y\n", ["p.csv, row 2, column C: 'y' is in a column without a name"]),
        ("p.csv", "id\na,x\n", ["p.csv, row 2, column B: 'x' is in", "(the others are: id)"]),
        ("p.csv", 'id,description\na,"x\ny"\n\nb,\n', ["p.csv, row 4, column description", "is missing"]),
        ("p.csv", 'id,description\na,"x\n', ["p.csv", "not valid CSV"]),
        ("p.csv", "id,description\na,x\na,y\n", ["p.csv, row 3, column id: 'a' is already", "p.csv, row 2"]),
        ("p.ods", "a", ["p.ods", ".yaml, .yml, .json, .jsonl, .csv", "as .xlsx"]),
    ],
)
def test_an_error_names_place_and_rule(tmp_path: Path, name: str, text: str, parts: list[str]) -> None:
    path = write(tmp_path, name, text)
    with pytest.raises(MatrixError) as caught:
        load_axis("persona", path)
    message = str(caught.value)
    assert str(path) in message
    assert [part for part in parts if part not in message] == [], message


def test_the_first_wrong_entry_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "q.yaml", "- {id: a, text: x}\n- {id: b, text: 1}\n- {id: c, text: 2}\n")
    with pytest.raises(MatrixError, match="entry 2, field text: 1 is not of type 'string'"):
        load_axis("question", path)


@pytest.mark.parametrize("targets", ["[XX]", "'HA XX'", "1", "[[HA]]"])
def test_a_target_is_a_tci_code(tmp_path: Path, targets: str) -> None:
    path = write(tmp_path, "q.yaml", f"- {{id: a, text: x, targets: {targets}}}\n")
    with pytest.raises(MatrixError, match=r"entry 1, field targets: .*NS, HA, RD, P, SD, CO, ST"):
        load_axis("question", path)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(MatrixError, match=r"gone\.yaml: the axis file cannot be read"):
        load_axis("persona", tmp_path / "gone.yaml")
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(MatrixError, match=r"folder\.yaml: the axis file cannot be read"):
        load_axis("persona", tmp_path / "folder.yaml")


def test_the_option_gives_paths_below_the_base(tmp_path: Path) -> None:
    lines = ["", " persona = data/p.yaml ", "age=/else/a.csv"]
    assert parse_axes_option(lines, tmp_path) == {"persona": tmp_path / "data/p.yaml", "age": Path("/else/a.csv")}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["persona"], "'persona' must have the form `<axis>=<file>`"),
        (["=p.yaml"], "'=p.yaml' must have the form"),
        (["persona="], "'persona=' must have the form"),
        (["a-b=p.yaml"], "'a-b' must be a Python identifier"),
        (["answer=p.yaml"], "'answer' is reserved"),
        (["a=p.yaml", "a=q.yaml"], "'a' is given twice"),
    ],
)
def test_a_wrong_option_line_is_quoted(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(MatrixError, match=message):
        parse_axes_option(lines, tmp_path)
