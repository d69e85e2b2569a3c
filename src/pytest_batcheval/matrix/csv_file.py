"""CSV files as spreadsheets write them: their encoding and their separator are found out."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from pytest_batcheval.errors import MatrixError
from pytest_batcheval.matrix.table_rows import Rows
from pytest_batcheval.text.document import read_bytes, with_lf
from pytest_batcheval.text.file_head import HEAD, form_by_head

SEPARATORS = ",;\t"

_SAVE = "save it in the spreadsheet as CSV UTF-8"
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


def csv_rows(path: Path, known: Callable[[Sequence[str]], int]) -> Rows:
    r"""The rows of a CSV file in UTF-8, UTF-16 with a byte order mark, or cp949, with commas, semicolons or tabs.

    Lines end with `\n`, also within a cell, whatever the spreadsheet or the checkout has made of them.

    Args:
        path: the file.
        known: the number of names among some cells that mean something as a column's.

    Raises:
        MatrixError: the file cannot be read, has another encoding, or is not valid CSV.
    """
    text = with_lf(_decoded(path, read_bytes(path, "axis file", MatrixError)))

    def promise(separator: str) -> tuple[int, int]:
        head = _head(text, separator)
        return known(head), len(head)

    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=max(SEPARATORS, key=promise))
    try:
        return [(number, [cell.strip() for cell in cells]) for number, cells in enumerate(reader, 1)]
    except csv.Error as error:
        raise MatrixError(f"{path}, line {reader.line_num}: not valid CSV: {error}") from None


def _head(text: str, separator: str) -> list[str]:
    """The first row that is not empty, if this is the separator; no cells if it cannot be."""
    with suppress(csv.Error):
        for cells in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            if any(cell.strip(f"{SEPARATORS} ") for cell in cells):
                return [cell.strip() for cell in cells]
    return []


def _decoded(path: Path, data: bytes) -> str:
    if data.startswith(_WORKBOOKS):
        raise MatrixError(f"{path}: this is an Excel workbook, not CSV; give its name the ending .xlsx, or {_SAVE}")
    try:
        if data.startswith(_UTF_16) and not data.startswith(codecs.BOM_UTF32_LE):
            return data.decode("utf-16")
        if form := form_by_head(data[:HEAD], may_have_nul=True):
            raise MatrixError(f"{path}: the axis file is {form}")
        if b"\x00" in data[:2]:
            raise MatrixError(f"{path}: the file looks like UTF-16 without a byte order mark; {_SAVE}")
        return data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as failure:
        if failure.encoding != "utf-8" or not _is_korean(data):
            line = failure.object.count(b"\n", 0, failure.start) + 1
            raise MatrixError(
                f"{path}, line {line}: the file is neither UTF-8 nor UTF-16 nor Korean cp949 "
                f"({failure.reason}); {_SAVE}"
            ) from None
        return data.decode("cp949")


def _is_korean(data: bytes) -> bool:
    """Whether bytes are cp949, and most of it the usual syllables of KS X 1001.

    Text in Western and Japanese code pages that happens to be cp949 consists of the others, and damaged UTF-8 is
    mostly UTF-8.
    """
    as_utf_8 = data.decode("utf-8", "replace")
    lost = as_utf_8.count("\ufffd")
    if sum(character > "\x7f" for character in as_utf_8) > 2 * lost:
        return False
    try:
        data.decode("cp949")
    except UnicodeDecodeError:
        return False
    pairs: list[bytes] = re.findall(rb"[\x81-\xfe].", data)
    usual = sum(min(pair) >= 0xA1 for pair in pairs)
    return 2 * usual > len(pairs)
