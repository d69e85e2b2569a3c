"""Axes from files: lists in YAML, JSON or JSON lines, and tables in CSV or Excel."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_batcheval.errors import MatrixError
from pytest_batcheval.matrix.axes import AxisValue, Persona, Question
from pytest_batcheval.matrix.check import check_name, id_problem, same_id
from pytest_batcheval.matrix.entry import Entry, read_entry
from pytest_batcheval.matrix.fields import ID_FIELDS, NAMES, REQUIRED, fields_of, known_names
from pytest_batcheval.matrix.profile import TCI
from pytest_batcheval.matrix.table_rows import entries_of
from pytest_batcheval.text.bounds import shown
from pytest_batcheval.text.document import first_schema_error, read_document, read_json_lines, reason_of

if TYPE_CHECKING:
    from pytest_batcheval.matrix.profile import Factors
    from pytest_batcheval.matrix.table_rows import Rows

TEXT_TABLES = (".csv", ".tsv", ".txt")
SUFFIXES = (".yaml", ".yml", ".json", ".jsonl", *TEXT_TABLES, ".xlsx")

_CLASSES: Mapping[str, type[AxisValue]] = {"persona": Persona, "question": Question}
_SHEET = re.compile(r"(.+\.xlsx)#(.+)", re.IGNORECASE)


def parse_axes_option(lines: Sequence[str], base: Path) -> dict[str, Path]:
    """Axis files by name from lines such as `persona=fixtures/personas.yaml`, relative to `base`.

    Raises:
        MatrixError: a line has no `=` or path, or a bad or repeated name; the message quotes the line.
    """
    axes: dict[str, Path] = {}
    for line in filter(None, map(str.strip, lines)):
        name, equals, path = (part.strip() for part in line.partition("="))
        if not (equals and name and path):
            raise MatrixError(
                f"batch_axes: {line!r} must have the form `<axis>=<file>`, such as persona=fixtures/personas.yaml"
            )
        check_name(name)
        if name in axes:
            raise MatrixError(f"batch_axes: axis {name!r} is given twice: {axes[name]} and {path}")
        axes[name] = base / path
    return axes


def load_axis(name: str, path: Path, factors: Factors = TCI) -> list[AxisValue]:
    """The values of an axis: `Persona` for `persona`, `Question` for `question`, else `AxisValue`.

    Args:
        name: the axis.
        path: its file; of a workbook the first sheet, or `book.xlsx#Sheet2`.
        factors: what a persona's profile can have.

    Raises:
        MatrixError: the file is missing, unreadable, or does not match the schema of its axis; the message
            names file, entry or row, field or column, and what is allowed.
    """
    path, sheet = _split(path)
    table = path.suffix.lower() in (*TEXT_TABLES, ".xlsx")
    found = _table(name, path, sheet, factors) if table else _list(path)
    entries = [read_entry(name, one, place, table, factors) for place, one in found]
    if not entries:
        raise MatrixError(f"{path}: the axis has no entries; give it at least one")
    _check_required(name, path, entries)
    _give_ids(entries)
    _check_schema(name, entries)
    make = _CLASSES.get(name, AxisValue)
    return [make(e.fields["id"], {k: v for k, v in e.fields.items() if k != "id"}) for e in entries]


def _split(path: Path) -> tuple[Path, str]:
    """The file, and the sheet that is named behind it; empty for none.

    Raises:
        MatrixError: files with this ending cannot be read.
    """
    book, sheet = found.groups() if (found := _SHEET.fullmatch(path.name)) else (path.name, "")
    if Path(book).suffix.lower() not in SUFFIXES:
        raise MatrixError(
            f"{path}: the name of an axis file must end in {', '.join(SUFFIXES)}; save the sheet of another "
            "spreadsheet as .xlsx"
        )
    return path.with_name(book), sheet


def _table(name: str, path: Path, sheet: str, factors: Factors) -> Iterable[tuple[str, Any]]:
    """The rows of a table, each with its place."""
    return entries_of(path, _rows(name, path, sheet, factors), partial(fields_of, name, factors=factors))


def _list(path: Path) -> Iterable[tuple[str, Any]]:
    """The entries of a list, each with its place."""
    if path.suffix.lower() == ".jsonl":
        return read_json_lines(path, "axis file", MatrixError)
    entries = read_document(path, "axis file", MatrixError)
    if not isinstance(entries, list):
        raise MatrixError(f"{path}: expected a list of entries, but the file contains a {type(entries).__name__}")
    return [(f"{path}, entry {number}", entry) for number, entry in enumerate(entries, 1)]


def _rows(name: str, path: Path, sheet: str, factors: Factors) -> Rows:
    if path.suffix.lower() == ".xlsx":
        from pytest_batcheval.matrix.xlsx_file import xlsx_rows

        return xlsx_rows(path, sheet)
    from pytest_batcheval.matrix.csv_file import csv_rows

    return csv_rows(path, partial(known_names, name, factors=factors))


def _check_required(axis: str, path: Path, entries: Sequence[Entry]) -> None:
    if (field := REQUIRED.get(axis)) is None:
        return
    if not any(field in entry.written for entry in entries):
        there = ", ".join(dict.fromkeys(name for entry in entries for name in entry.written.values()))
        raise MatrixError(
            f"{path}: nothing gives the {field} of each {axis}; call a column or field one of "
            f"{', '.join(NAMES[axis][field])}; there are: {there or 'none'}"
        )
    for entry in entries:
        if field not in entry.fields:
            raise MatrixError(
                f"{entry.field(field)}: the {field} of the {axis} is missing; write it, or take the entry out"
            )


def _give_ids(entries: Sequence[Entry]) -> None:
    """Give each entry its id: from the first of `ID_FIELDS` that the file has, else its number in the file."""
    source = next((field for field in ID_FIELDS if any(field in entry.fields for entry in entries)), None)
    owners: dict[str, Entry] = {}
    for number, entry in enumerate(entries, 1):
        if source and source not in entry.fields:
            raise MatrixError(f"{entry.field(source)}: the id is missing; write one, or take the entry out")
        identifier = _id_text(entry.fields[source] if source else number)
        where = entry.field(source or "id")
        if problem := id_problem(identifier):
            raise MatrixError(f"{where}: {problem}")
        entry.fields["id"] = identifier = str(identifier)
        first = owners.setdefault(same_id(identifier), entry)
        if first is not entry:
            case = "" if first.fields["id"] == identifier else ", but for its case"
            raise MatrixError(
                f"{where}: {shown(identifier)} is already the id of {first.place}{case}; give each an id of its own"
            )


def _id_text(value: object) -> object:
    """A value as an id: a whole number as it is written, as JSON and YAML have it for 1, 2, 3."""
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole or type(value) is int else value  # type: ignore[call-overload]


def _check_schema(axis: str, entries: Sequence[Entry]) -> None:
    if axis not in _CLASSES:
        return
    resource = files("pytest_batcheval.matrix") / "schemas" / f"{axis}.schema.json"
    schema = json.loads(resource.read_text(encoding="utf-8"))
    if error := first_schema_error([entry.fields for entry in entries], schema):
        number, *steps = error.absolute_path
        field = ".".join(map(str, steps))
        raise MatrixError(f"{entries[int(number)].field(field)}: {reason_of(error)}")
