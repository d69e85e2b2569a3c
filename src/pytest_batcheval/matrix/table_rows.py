"""Entries from the rows of a table, be it a CSV file or a sheet: the first row that is not empty names the columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pytest_batcheval.errors import MatrixError
from pytest_batcheval.text.bounds import shown

Rows = Sequence[tuple[int, Sequence[str]]]
"""The cells of each row without white space around them, with its number from 1, as a spreadsheet counts."""


def entries_of(path: Path, rows: Rows, check: Callable[[Sequence[str]], object]) -> list[tuple[str, dict[str, str]]]:
    """The entries, each with its place; empty rows and columns are left out, and empty cells are empty texts.

    Args:
        path: the file.
        rows: what is in it.
        check: is called with the names of the columns, and raises `MatrixError` if they cannot be used.

    Raises:
        MatrixError: there is no row, or a column has no name, or that of another one.
    """
    filled = [(number, cells) for number, cells in rows if any(cells)]
    if not filled:
        raise MatrixError(f"{path}: the table is empty; its first row must name the columns")
    (head, columns), *below = filled
    named = {place: column for place, column in enumerate(columns) if column}
    try:
        _check_distinct(list(named.values()))
        check(list(named.values()))
    except MatrixError as error:
        raise MatrixError(f"{path}, row {head}: {error}") from None
    for number, cells in below:
        lost = next((place for place, cell in enumerate(cells) if cell and place not in named), None)
        if lost is not None:
            raise MatrixError(
                f"{path}, row {number}, column {column_letter(lost)}: {shown(cells[lost])} is in a column "
                f"without a name; name it in row {head} (the others are: {', '.join(named.values())}), or put a cell "
                "that contains the separator in quotes"
            )
    return [
        (f"{path}, row {number}", {column: _cell(cells, place) for place, column in named.items()})
        for number, cells in below
    ]


def column_letter(place: int) -> str:
    """The name that a spreadsheet gives the column at a place, from 0: `A` … `Z`, `AA` …."""
    letters = ""
    place += 1
    while place:
        place, letter = divmod(place - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return letters


def _check_distinct(columns: Sequence[str]) -> None:
    for place, column in enumerate(columns):
        if columns.index(column) != place:
            raise MatrixError(f"the column {column!r} is given twice; rename one of them or take it out")


def _cell(cells: Sequence[str], place: int) -> str:
    """A cell of a row, which may end before its last columns."""
    return cells[place] if place < len(cells) else ""
