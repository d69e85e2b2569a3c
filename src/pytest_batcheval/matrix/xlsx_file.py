"""Sheets of Excel workbooks, whose cells become the texts that they show."""

from __future__ import annotations

import datetime
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from pytest_batcheval.errors import MatrixError, what_to_install
from pytest_batcheval.matrix.table_rows import Rows, column_letter
from pytest_batcheval.text.bounds import shortened
from pytest_batcheval.text.document import read_bytes, with_lf

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

MAX_SIZE = 500_000_000
"""Bytes that the parts of a workbook may have unpacked."""

_DAMAGE = (LookupError, ValueError, RuntimeError, EOFError, ElementTree.ParseError, zipfile.BadZipFile, zlib.error)
"""What the standard library raises for a damaged archive or part; NotImplementedError is a RuntimeError."""

_OLE = b"\xd0\xcf\x11\xe0"
_AGAIN = "open it in the spreadsheet and save it as an Excel workbook (.xlsx)"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


def xlsx_rows(path: Path, sheet: str) -> Rows:
    """The rows of a sheet, of the first visible one if no name is given.

    Raises:
        MatrixError: the file cannot be read, has a password or no such sheet, or a cell has no text of its own: it is
            merged with others, a date, an error, or a formula that was never calculated.
    """
    data = read_bytes(path, "axis file", MatrixError)
    if data.startswith(_OLE):
        locked = "EncryptedPackage".encode("utf-16-le") in data
        what = "is protected by a password; take the password out" if locked else f"is an old .xls file; {_AGAIN}"
        raise MatrixError(f"{path}: the workbook {what}")
    _check_zip(path, data)
    book = _opened(path, data)
    found = _sheet(path, book, sheet)
    place = book.sheet_names.index(found.name)
    _check_formulas(path, data, place)
    for (top, left), (bottom, right) in found.merged_cell_ranges or ():
        raise MatrixError(
            f"{path}, row {top + 1}, column {column_letter(left)}: the cells {column_letter(left)}{top + 1} to "
            f"{column_letter(right)}{bottom + 1} are merged; unmerge them and fill each one"
        )
    grid = found.to_python(skip_empty_area=False)
    if not any(cell != "" for cells in grid for cell in cells):
        raise MatrixError(f"{path}: the sheet {found.name!r} is empty; {_others(path, book)}")
    return [
        (number, [_text(f"{path}, row {number}, column {column_letter(i)}", cell) for i, cell in enumerate(cells)])
        for number, cells in enumerate(grid, 1)
    ]


def _damaged(path: Path, error: Exception) -> MatrixError:
    return MatrixError(f"{path}: this is no Excel workbook, or a damaged one ({shortened(str(error))}); {_AGAIN}")


def _check_zip(path: Path, data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            size = sum(part.file_size for part in parts.infolist())
    except _DAMAGE as error:
        raise _damaged(path, error) from None
    if size > MAX_SIZE:
        raise MatrixError(f"{path}: the workbook has {size:,} bytes unpacked, more than {MAX_SIZE:,}")


def _opened(path: Path, data: bytes) -> CalamineWorkbook:
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError as error:
        raise MatrixError(f"{path}: {what_to_install(error)}") from None
    try:
        return CalamineWorkbook.from_filelike(io.BytesIO(data))
    except CalamineError as error:
        raise _damaged(path, error) from None


def _sheet(path: Path, book: CalamineWorkbook, name: str) -> CalamineSheet:
    from python_calamine import CalamineError, SheetTypeEnum, SheetVisibleEnum

    tables = [sheet for sheet in book.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
    visible = [sheet.name for sheet in tables if sheet.visible == SheetVisibleEnum.Visible]
    wanted = name or next(iter(visible), "")
    if wanted not in [sheet.name for sheet in tables]:
        raise MatrixError(f"{path}: the workbook has no sheet {name!r}; {_others(path, book)}")
    try:
        return book.get_sheet_by_name(wanted)
    except CalamineError as error:
        raise MatrixError(f"{path}: the sheet {wanted!r} cannot be read ({error}); {_AGAIN}") from None


def _others(path: Path, book: CalamineWorkbook) -> str:
    return f"name one as {path.name}#SHEET; it has: {', '.join(book.sheet_names)}"


def _text(where: str, cell: Any) -> str:
    """The text of a cell: a number without needless digits, as a CSV export would have it."""
    if isinstance(cell, (datetime.date, datetime.time, datetime.timedelta)):
        raise MatrixError(
            f"{where}: the cell is a date or time ({cell}), which has no text of its own; format the column as text "
            "and write it as it is to be read, or take the column out"
        )
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return with_lf(str(cell)).strip()


def _check_formulas(path: Path, data: bytes, place: int) -> None:
    """Refuse formulas without a value, and errors such as #N/A: calamine gives both as empty cells."""
    try:
        cells = list(_special_cells(data, place))
    except _DAMAGE as error:
        raise _damaged(path, error) from None
    for cell in cells:
        column, row = re.findall("[A-Z]+|[0-9]+", cell.get("r", ""))[:2] or ("?", "?")
        value = cell.findtext("{*}v") or ""
        where = f"{path}, row {row}, column {column}"
        if cell.get("t") == "e":
            raise MatrixError(f"{where}: the cell shows the error {value}; correct it, or empty the cell")
        raise MatrixError(f"{where}: the cell has a formula that was never calculated; {_AGAIN}")


def _special_cells(data: bytes, place: int) -> Iterator[ElementTree.Element]:
    """The cells of a sheet, by its place in the workbook, that show an error or a formula without a value."""
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        book = ElementTree.fromstring(parts.read("xl/workbook.xml"))
        wanted = book.findall("{*}sheets/{*}sheet")[place].get(_RELATION)
        relations = ElementTree.fromstring(parts.read("xl/_rels/workbook.xml.rels"))
        target = next((found.get("Target", "") for found in relations if found.get("Id") == wanted), "")
        name = target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
        with parts.open(name) as stream:
            for _, cell in ElementTree.iterparse(stream):
                if cell.tag.endswith("}row"):
                    cell.clear()
                elif cell.tag.endswith("}c") and (cell.get("t") == "e" or _is_uncalculated(cell)):
                    yield cell


def _is_uncalculated(cell: ElementTree.Element) -> bool:
    """Whether a cell has a formula and no value; an empty text is one."""
    return cell.find("{*}f") is not None and cell.get("t") != "str" and not cell.findtext("{*}v")
