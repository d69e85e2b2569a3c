"""Axes from files: a YAML or JSON list, or a CSV file, whose entries have an `id`."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_batcheval.errors import MatrixError
from pytest_batcheval.matrix.axes import AxisValue, Persona, Question
from pytest_batcheval.matrix.check import check_name, id_problem
from pytest_batcheval.text.document import field_of, first_schema_error, read_document, read_text, reason_of
from pytest_batcheval.text.format import counted

if TYPE_CHECKING:
    pass

SUFFIXES = (".yaml", ".yml", ".json", ".csv")

_CLASSES: Mapping[str, type[AxisValue]] = {"persona": Persona, "question": Question}


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


def load_axis(name: str, path: Path) -> list[AxisValue]:
    """The values of an axis: `Persona` for `persona`, `Question` for `question`, else `AxisValue`.

    Raises:
        MatrixError: the file is missing, unreadable, or does not match the schema of its axis; the message
            names file, entry, field and the allowed values.
    """
    entries, lines = _read(path)
    _check_schema(name, path, entries, lines)
    seen: dict[str, int] = {}
    for number, entry in enumerate(entries, 1):
        identifier = entry["id"]
        if problem := id_problem(identifier):
            raise MatrixError(f"{_place(path, number, lines)}, field id: {problem}")
        if identifier in seen:
            first = _place(path, seen[identifier], lines)
            raise MatrixError(f"{_place(path, number, lines)}, field id: {identifier!r} is already the id of {first}")
        seen[identifier] = number
    make = _CLASSES.get(name, AxisValue)
    return [make(e["id"], {str(k): v for k, v in e.items() if k != "id"}) for e in entries]


def _read(path: Path) -> tuple[list[Any], list[int]]:
    """The entries of a file, and for a CSV file the line on which each one ends."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise MatrixError(f"{path}: the name of an axis file must end in {', '.join(SUFFIXES)}")
    if suffix == ".csv":
        return _read_csv(path, read_text(path, "axis file", MatrixError))
    entries = read_document(path, "axis file", MatrixError)
    if not isinstance(entries, list):
        raise MatrixError(
            f"{path}: expected a list of entries with an `id` each, but the file contains a {type(entries).__name__}"
        )
    return entries, []


def _read_csv(path: Path, text: str) -> tuple[list[Any], list[int]]:
    import csv

    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    entries: list[Any] = []
    lines: list[int] = []
    try:
        columns = [column.strip() for column in next(reader, [])]
        _check_columns(path, columns)
        for cells in filter(None, reader):
            if len(cells) > len(columns):
                raise MatrixError(
                    f"{path}, line {reader.line_num}: {counted(len(cells), 'cell')} for "
                    f"{counted(len(columns), 'column')} ({', '.join(columns)}); put cells with a comma in quotes"
                )
            # missing cells at the end of a row count as empty
            entries.append({column: cell for column, cell in zip(columns, cells, strict=False) if cell})
            lines.append(reader.line_num)
    except csv.Error as error:
        raise MatrixError(f"{path}, line {reader.line_num}: not valid CSV: {error}") from None
    return entries, lines


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    if "id" not in columns:
        raise MatrixError(f"{path}, line 1: column 'id' is missing; the columns are: {', '.join(columns) or 'none'}")
    for column in columns:
        if not column or columns.count(column) > 1:
            raise MatrixError(f"{path}, line 1: column {column!r} is empty or given twice: {', '.join(columns)}")


def _check_schema(name: str, path: Path, entries: list[Any], lines: Sequence[int]) -> None:
    resource = files("pytest_batcheval.matrix") / "schemas" / f"{name if name in _CLASSES else 'axis'}.schema.json"
    error = first_schema_error(entries, json.loads(resource.read_text(encoding="utf-8")))
    if error is None:
        return
    if not error.absolute_path:
        raise MatrixError(f"{path}: the axis has no entries; give it at least one")
    place = _place(path, int(error.absolute_path[0]) + 1, lines)
    raise MatrixError(f"{place}{field_of(error)}: {reason_of(error)}")


def _place(path: Path, number: int, lines: Sequence[int]) -> str:
    line = f" (line {lines[number - 1]})" if lines else ""
    return f"{path}, entry {number}{line}"
