"""Entries from the rows of a table, be it a CSV file or a sheet: the first row that is not empty names the columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pytest_batcheval.errors import MatrixError
from pytest_batcheval.text.format import counted

Rows = Sequence[tuple[int, Sequence[str]]]
"""The cells of each row without white space around them, with its number from 1, as a spreadsheet counts."""


def entries_of(
    path: Path, rows: Rows, check: Callable[[Sequence[str]], object]
) -> list[tuple[str, dict[str, str]]]:
    """The entries, each with its place; empty rows, cells and columns are left out.

    Args:
        path: the file.
        rows: what is in it.
        check: is called with the names of the columns, and raises `MatrixError` if they cannot be used.

    Raises:
        MatrixError: there is no row, a column has no name or that of another one, or a row is longer than the first.
    """
    filled = [(number, _without_end(cells)) for number, cells in rows if any(cells)]
    if not filled:
        raise MatrixError(f"{path}: the table is empty; its first row must name the columns")
    (head, columns), *below = filled
    _check_columns(f"{path}, row {head}", columns, below)
    try:
        check([column for column in columns if column])
    except MatrixError as error:
        raise MatrixError(f"{path}, row {head}: {error}") from None
    places = [f"{path}, row {number}" for number, _ in below]
    return [(place, dict(_cells(place, columns, cells))) for place, (_, cells) in zip(places, below, strict=True)]


def column_letter(place: int) -> str:
    """The name that a spreadsheet gives the column at a place, from 0: `A` … `Z`, `AA` …."""
    letters = ""
    place += 1
    while place:
        place, letter = divmod(place - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return letters


def _check_columns(where: str, columns: Sequence[str], below: Rows) -> None:
    for place, column in enumerate(columns):
        if column and columns.index(column) != place:
            raise MatrixError(f"{where}: the column {column!r} is given twice; rename one of them or take it out")
        lost = next((number for number, cells in below if place < len(cells) and cells[place]), None)
        if not column and lost:
            raise MatrixError(
                f"{where}, column {column_letter(place)}: the column has no name, and row {lost} has something in it; "
                f"write its name (the other columns are: {', '.join(filter(None, columns))})"
            )


def _cells(where: str, columns: Sequence[str], cells: Sequence[str]) -> Iterator[tuple[str, str]]:
    if len(cells) > len(columns):
        raise MatrixError(
            f"{where}: {counted(len(cells), 'cell')} for {counted(len(columns), 'column')} ({', '.join(columns)}); "
            "put cells that contain the separator in quotes"
        )
    # missing cells at the end of a row count as empty
    return ((column, cell) for column, cell in zip(columns, cells, strict=False) if cell)


def _without_end(cells: Sequence[str]) -> Sequence[str]:
    last = max(place for place, cell in enumerate(cells) if cell)
    return cells[: last + 1]
