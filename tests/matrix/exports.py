"""The same 40 patients as eight programs export them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from xlsxwriter import Workbook

HEAD = ("번호", "이름", "설명", "나이", "NS", "위험회피")
NUMBERS = ("번호", "나이")
LEVELS = ("낮음", "보통", "높음")
ROWS = [
    (str(i), f"환자 {i}", f"차분한 사람, {i}번째;\n둘째 줄 “인용”", str(20 + i), LEVELS[i % 3], LEVELS[i % 2])
    for i in range(1, 41)
]
"""Ids from 1, of which some are parts of others; line breaks, separators and quotes within a cell."""

Table = Sequence[Sequence[str]]


def text_table(separator: str = ",", line_end: str = "\r\n") -> Callable[[Path, Table, str], None]:
    """A writer of text tables, as spreadsheets do it: CR LF after each row, LF within cells, empty ends."""

    def write(path: Path, table: Table, encoding: str) -> None:
        stream = io.StringIO(newline="")
        csv.writer(stream, delimiter=separator, lineterminator=line_end).writerows(table)
        path.write_bytes(stream.getvalue().encode(encoding))

    return write


def as_xlsx(path: Path, table: Table, _: str = "") -> None:
    """A workbook, in which texts of digits are numbers, as if somebody had typed them."""
    with Workbook(path) as book:
        sheet = book.add_worksheet("환자")
        for row, cells in enumerate(table):
            for column, cell in enumerate(cells):
                write = sheet.write_number if cell.isascii() and cell.isdigit() else sheet.write_string
                write(row, column, int(cell) if write == sheet.write_number else cell)


def records(table: Table) -> list[Mapping[str, Any]]:
    """The rows by the names of the columns, with numbers as numbers."""
    head, *rows = table
    found = [dict(zip(head, row, strict=True)) for row in rows]
    return [{name: int(cell) if name in NUMBERS else cell for name, cell in one.items()} for one in found]


def as_json(path: Path, table: Table, _: str = "") -> None:
    path.write_text(json.dumps(records(table), ensure_ascii=False), encoding="utf-8")


def as_jsonl(path: Path, table: Table, _: str = "") -> None:
    path.write_text("".join(f"{json.dumps(one)}\n" for one in records(table)), encoding="utf-8")


def as_yaml(path: Path, table: Table, _: str = "") -> None:
    path.write_text(yaml.safe_dump(records(table), allow_unicode=True), encoding="utf-8")


EXPORTS: Mapping[str, tuple[Callable[[Path, Table, str], None], str]] = {
    "utf-8.csv": (text_table(), "utf-8"),
    "excel-utf-8.csv": (text_table(), "utf-8-sig"),
    "korean-excel.csv": (text_table(), "cp949"),
    "german-excel.csv": (text_table(";"), "utf-8-sig"),
    "unicode-text.txt": (text_table("\t"), "utf-16"),
    "book.xlsx": (as_xlsx, ""),
    "records.json": (as_json, ""),
    "records.yaml": (as_yaml, ""),
    "records.jsonl": (as_jsonl, ""),
}
"""Writers and encodings by file name."""


def write(name: str, folder: Path, table: Table) -> Path:
    """Write a table as one of the exports."""
    writer, encoding = EXPORTS[name]
    writer(folder / name, table, encoding)
    return folder / name
