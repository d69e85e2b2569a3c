"""Lists of answers as a table, CSV, JSON lines, Markdown, Excel or Parquet; what a model wrote runs nowhere."""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pytest_batcheval.errors import UsageError
from pytest_batcheval.text.sanitize import no_formula
from pytest_batcheval.text.streams import encodable
from pytest_batcheval.text.table import table

Records = Sequence[Mapping[str, Any]]

SHOWN = ("answer", "outcome")
"""Columns of a table on a terminal, besides the axes."""

LONGEST_CELL = 32_767
"""Characters that a cell of Excel holds: https://support.microsoft.com/office/1672b34d-7043-467e-8e27-269d656771c3"""


def columns_of(records: Records) -> list[str]:
    """The names of all columns, in order of first appearance."""
    return list(dict.fromkeys(name for record in records for name in record))


def as_table(records: Records, axes: Sequence[str], width: int) -> list[str]:
    """Lines of at most `width` columns: a row each with the ids of the cell, the answer and the outcome."""
    names = [*axes, *(name for name in ("model", "sample") if _differs(records, name)), *SHOWN]
    rows = [names, *([_text(record.get(name)) for name in names] for record in records)]
    return table(rows, width, left=range(len(names)), give_way=[names.index("answer"), *range(len(axes))])


def as_csv(records: Records) -> bytes:
    """CSV that a spreadsheet opens by itself: UTF-8 with a byte order mark, and no text of it is a formula."""
    stream, names = io.StringIO(newline=""), columns_of(records)
    writer = csv.writer(stream)
    writer.writerow(map(no_formula, names))
    writer.writerows([no_formula(_text(record.get(name))) for name in names] for record in records)
    return stream.getvalue().encode("utf-8-sig", "replace")


def as_jsonl(records: Records) -> bytes:
    """One JSON object a line."""
    return "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records).encode("utf-8", "replace")


def as_markdown(records: Records) -> bytes:
    """A table in GitHub's Markdown, with every text as it is."""
    names = columns_of(records)
    lines = [names, ["---"] * len(names), *([_text(record.get(name)) for name in names] for record in records)]
    cells = ([cell if cell == "---" else _markdown(cell) for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells).encode("utf-8", "replace")


def as_xlsx(records: Records) -> bytes:
    """An Excel file: one sheet, a fixed and filtered head, all texts as texts.

    Raises:
        UsageError: XlsxWriter is not installed.
    """
    try:
        from xlsxwriter import Workbook
    except ImportError:
        raise UsageError("--format xlsx needs XlsxWriter: pip install 'pytest-batcheval[sheets]'") from None
    stream, names = io.BytesIO(), columns_of(records)
    book = Workbook(stream, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    sheet, head, wrapped = book.add_worksheet("answers"), book.add_format({"bold": True}), book.add_format()
    wrapped.set_text_wrap()
    wrapped.set_align("top")
    for column, name in enumerate(names):
        sheet.write_string(0, column, name[:LONGEST_CELL], head)
        for row, record in enumerate(records, 1):
            sheet.write_string(row, column, _text(record.get(name))[:LONGEST_CELL], wrapped)
        sheet.set_column(column, column, 60 if name in ("answer", "request") else 16)
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, max(len(records), 1), max(len(names) - 1, 0))
    book.close()
    return stream.getvalue()


def too_long(records: Records) -> int:
    """The number of texts that a cell of Excel cuts."""
    return sum(len(_text(value)) > LONGEST_CELL for record in records for value in record.values())


def as_parquet(records: Records) -> bytes:
    """A Parquet file: texts, but `sample` a 64-bit integer and `asked_at` a float, whatever the answers have.

    Raises:
        UsageError: pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UsageError("--format parquet needs pyarrow: pip install 'pytest-batcheval[parquet]'") from None
    numbers = {"sample": pyarrow.int64(), "asked_at": pyarrow.float64()}
    columns = {
        name: pyarrow.array([_storable(record.get(name)) for record in records], numbers.get(name, pyarrow.string()))
        for name in columns_of(records)
    }
    stream = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), stream)
    return stream.getvalue()


FORMATS: Mapping[str, Callable[[Records], bytes]] = {
    "csv": as_csv,
    "jsonl": as_jsonl,
    "markdown": as_markdown,
    "parquet": as_parquet,
    "xlsx": as_xlsx,
}
"""Writers of files by name; `table` is for a terminal."""

BINARY = ("parquet", "xlsx")
"""Those that are no text."""


def _differs(records: Records, name: str) -> bool:
    return len({record.get(name) for record in records}) > 1


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _storable(value: object) -> str | int | float | None:
    """A text without lone surrogates, which no Parquet file has; a number and nothing as they are."""
    return value if value is None or isinstance(value, (int, float)) else encodable(str(value), "utf-8")


def _markdown(text: str) -> str:
    """A text for a cell of a table: neither Markdown nor HTML, on one line."""
    plain = html.escape(text, quote=False)
    for character in "\\`*_{}[]#!|~$@":
        plain = plain.replace(character, f"\\{character}")
    return plain.replace("\r\n", "\n").replace("\n", "<br>")
