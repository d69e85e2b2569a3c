"""A table that cannot be read says where, what was found and what to write."""

from __future__ import annotations

import datetime
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xlsxwriter import Workbook

from pytest_batcheval.errors import MatrixError
from pytest_batcheval.matrix.load import load_axis
from pytest_batcheval.matrix.profile import parse_factors_option

HEAD = ["번호", "설명", "NS"]
Sheet = Any


def message(path: Path, axis: str = "persona") -> str:
    with pytest.raises(MatrixError) as caught:
        load_axis(axis, path)
    return str(caught.value).replace(f"{path.parent}/", "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("번호,설명\n1,가\n 1,나\n", "p.csv, row 3, column 번호: '1' is already the id of p.csv, row 2; give each an id"),
        ("id,설명\na,가\nA ,나\n", "row 3, column id: 'A' is already the id of p.csv, row 2, but for its case; give"),
        ("이름,설명\n김,가\n,나\n", "row 3, column 이름: the id is missing; write one, or take the entry out"),
        ("번호,설명\n1,가\n2,\n", "row 3, column 설명: the description of the persona is missing; write it, or take"),
        ("번호,설명,묘사,description\n1,가,나,다\n", "row 1: '설명' and 'description' both mean the field 'description'"),
        ("번호,설명,No.\n1,가,\n", "row 1: '번호' and 'No.' both mean the field 'number'; rename one of them or take it"),
        ("번호,설명,NS,profile.NS\n1,가,,\n", "row 1: 'NS' and 'profile.NS' both mean the field 'profile.NS'; rename"),
        ("번호,설명,설명\n1,가,나\n", "row 1: the column '설명' is given twice; rename one of them or take it out"),
        ("번호,설명,\n1,가,나\n", "p.csv, row 2, column C: '나' is in a column without a name; name it in row 1 (the others "
         "are: 번호, 설명), or put a cell that contains the separator in quotes"),
        ("번호,묘사\n1,가\n", "nothing gives the description of each persona; call a column or field one of description, "
         "설명, 환자 설명, persona description; there are: 번호, 묘사"),
        ("번호,설명,NS\n1,가,high\n2,나,매우 높음\n", "row 3, column NS: '매우 높음' is no level; write low, average or high"),
        ("번호,설명,NS\n1,가,63\n", "row 2, column NS: '63' is a score, and nothing says which scores are low and which "
         "high; write in pytest's configuration, for instance: batch_factors = NS = 45 55"),
        ("번호,설명,profile.개방성\n1,가,높음\n", "column profile.개방성: '개방성' is no factor; the factors are: NS, HA, RD, P, "
         "SD, CO, ST. To declare it, write in pytest's configuration: batch_factors = 개방성"),
        ("번호,설명,profile\n1,가,높음\n", "column profile: '높음' is no profile; give each factor a column or member of its"),
        ("번호,설명\n", "p.csv: the axis has no entries; give it at least one"),
        (" \n,,\n", "p.csv: the table is empty; its first row must name the columns"),
        ('번호,설명\n1,"가\n', "p.csv, line 2: not valid CSV: unexpected end of data"),
        ("환자 명단\n번호,설명\n1,가\n", "p.csv, row 2, column B: '설명' is in a column without a name; name it in row 1"),
    ],
)  # fmt: skip
def test_a_wrong_csv(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "p.csv").write_text(text, encoding="utf-8")
    assert said in message(tmp_path / "p.csv")


WESTERN = "id,description\na,Ärzte fürchten „Überraschungen“\n"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (WESTERN.encode("cp1252"), "p.csv, line 2: the file is neither UTF-8 nor UTF-16 nor Korean cp949"),
        ("id,description\na,“Hello\n".encode("cp1252"), "p.csv, line 2: the file is neither UTF-8"),
        ("id,description\na,おだやかな人\n".encode("shift_jis"), "p.csv, line 2: the file is neither UTF-8"),
        ("id,description\na,调和的人上生\n".encode("gb2312"), "p.csv, line 2: the file is neither UTF-8"),
        ("id,description\na,갱건츤줬\n".encode() + "b,가\n".encode("cp949"), "p.csv, line 3: the file is neither UTF-8"),
        ("id,description\n가,차분하고 조심스러운 사람\n".encode()[:-2], "p.csv, line 2: the file is neither UTF-8"),
        ("번호,설명\n가,나\n".encode("utf-8-sig") + b"\xb0\xa1", "p.csv, line 3: the file is neither UTF-8"),
        (WESTERN.encode("utf-16-le"), "looks like UTF-16 without a byte order mark; save it in the spreadsheet as CSV UTF-8"),
        (WESTERN.encode("utf-32"), "the axis file is UTF-32; save it as UTF-8"),
        (WESTERN.encode("utf-16")[:-1], "neither UTF-8 nor UTF-16 nor Korean cp949 (truncated data"),
        (b"PK\x03\x04", "this is an Excel workbook, not CSV; give its name the ending .xlsx, or save it"),
    ],
)  # fmt: skip
def test_another_encoding(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "p.csv").write_bytes(data)
    assert said in message(tmp_path / "p.csv")


def book(path: Path, fill: Callable[[Workbook, Sheet], object], sheet: str = "환자") -> Path:
    with Workbook(path) as made:
        fill(made, made.add_worksheet(sheet))
    return path


def filled(*cells: tuple[int, int, Any], form: str = "") -> Callable[[Workbook, Sheet], None]:
    """A sheet with one good row and these cells."""

    def fill(made: Workbook, sheet: Sheet) -> None:
        for row, texts in enumerate((HEAD, ["1", "가", "높음"])):
            sheet.write_row(row, 0, texts)
        for row, column, value in cells:
            sheet.write(row, column, value, made.add_format({"num_format": form} if form else {}))

    return fill


def merged(made: Workbook, sheet: Sheet) -> None:
    filled()(made, sheet)
    sheet.merge_range("B3:C4", "나")


def formula(text: str, value: object) -> Callable[[Workbook, Sheet], None]:
    def fill(made: Workbook, sheet: Sheet) -> None:
        filled()(made, sheet)
        sheet.write_formula("B2", text, None, value)

    return fill


def nothing(made: Workbook, sheet: Sheet) -> None:
    made.add_worksheet("둘째")


DAY = datetime.datetime(2024, 1, 2)


@pytest.mark.parametrize(
    ("fill", "said"),
    [
        (merged, "p.xlsx, row 3, column B: the cells B3 to C4 are merged; unmerge them and fill each one"),
        (filled((2, 1, DAY), form="yyyy-mm-dd"), "p.xlsx, row 3, column B: the cell is a date or time (2024-01-02)"),
        (filled((2, 1, DAY.time()), form="hh:mm"), "p.xlsx, row 3, column B: the cell is a date or time (00:00:00)"),
        (formula("=NA()", "#N/A"), "p.xlsx, row 2, column B: the cell shows the error #N/A; correct it, or empty"),
        (filled((2, 0, 1), (2, 1, "나")), "p.xlsx, row 3, column 번호: '1' is already the id of p.xlsx, row 2"),
        (filled((2, 0, 2), (2, 1, "나"), (2, 2, 63)), "p.xlsx, row 3, column NS: '63' is a score"),
        (nothing, "p.xlsx: the sheet '환자' is empty; name one as p.xlsx#SHEET; it has: 환자, 둘째"),
    ],
)
def test_a_wrong_sheet(tmp_path: Path, fill: Callable[[Workbook, Sheet], object], said: str) -> None:
    assert said in message(book(tmp_path / "p.xlsx", fill))


def with_parts(path: Path, change: Callable[[str, bytes], bytes]) -> Path:
    """The workbook with its parts changed."""
    with zipfile.ZipFile(path) as before:
        parts = {name: before.read(name) for name in before.namelist()}
    with zipfile.ZipFile(path, "w") as after:
        for name, data in parts.items():
            after.writestr(name, change(name, data))
    return path


def rewritten(path: Path, part: str, old: str, new: str) -> Path:
    """The workbook with something replaced in one of its parts."""

    def change(name: str, data: bytes) -> bytes:
        assert name != part or old.encode() in data
        return data.replace(old.encode(), new.encode()) if name == part else data

    return with_parts(path, change)


SHEET = "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize("value", ["", "<v></v>", "<v/>"], ids=["none", "empty", "closed"])
def test_a_formula_that_was_never_calculated(tmp_path: Path, value: str) -> None:
    path = book(tmp_path / "p.xlsx", formula("=1+1", 2))
    rewritten(path, SHEET, "<f>1+1</f><v>2</v>", f"<f>1+1</f>{value}")
    assert "p.xlsx, row 2, column B: the cell has a formula that was never calculated; open it" in message(path)


def test_a_formula_with_its_value_is_that_value(tmp_path: Path) -> None:
    path = book(tmp_path / "p.xlsx", formula('="가"&"나"', "가나"))
    assert [p.description for p in load_axis("persona", path)] == ["가나"]
    empty = rewritten(book(tmp_path / "e.xlsx", formula('=""', "")), SHEET, '<c r="B2">', '<c r="B2" t="str">')
    assert "row 2, column 설명: the description of the persona is missing" in message(empty)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"id,description\na,x\n", "p.xlsx: this is no Excel workbook, or a damaged one (File is not a zip file); open it in the"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "p.xlsx: the workbook is an old .xls file; open it in the spreadsheet and"),
        (b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le"), "is protected by a password; take the password out"),
    ],
    ids=["text", "xls", "password"],
)  # fmt: skip
def test_no_workbook_at_all(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "p.xlsx").write_bytes(data)
    assert said in message(tmp_path / "p.xlsx")


@pytest.mark.parametrize("part", [SHEET, "xl/workbook.xml", "xl/_rels/workbook.xml.rels"])
@pytest.mark.parametrize("new", ["<", "<?xml"], ids=["broken", "ended"])
def test_a_damaged_workbook(tmp_path: Path, part: str, new: str) -> None:
    path = rewritten(book(tmp_path / "p.xlsx", filled()), part, "<?xml", new * 2)
    assert re.match(r"p\.xlsx: (this is no Excel workbook|the sheet '환자' cannot be read)", message(path))


@given(
    part=st.sampled_from(
        [SHEET, "xl/workbook.xml", "xl/_rels/workbook.xml.rels", "xl/styles.xml", "xl/sharedStrings.xml"]
    ),
    cuts=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 9), st.binary(max_size=2)), min_size=1, max_size=5),
    whole=st.booleans(),
)
def test_any_damage_is_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, part: str, cuts: list[tuple[int, int, bytes]], whole: bool
) -> None:
    path = book(tmp_path_factory.mktemp("damaged") / "p.xlsx", filled())

    def cut(data: bytes) -> bytes:
        for place, length, instead in cuts:
            at = place % len(data) if data else 0
            data = data[:at] + instead + data[at + length :]
        return data

    if whole:
        path.write_bytes(cut(path.read_bytes()))
    else:
        with_parts(path, lambda name, data: cut(data) if name == part else data)
    with suppress(MatrixError):
        load_axis("persona", path)


@given(
    name=st.sampled_from(["p.csv", "p.txt", "p.json", "p.jsonl", "p.yaml", "p.xlsx"]),
    head=st.sampled_from(
        [b"", b"id,description\n", "번호;설명\n".encode("cp949"), b"\xff\xfe", b"\xef\xbb\xbf", b"PK\x03\x04"]
    ),
    data=st.binary(max_size=60),
)
def test_any_bytes_are_a_table_or_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, name: str, head: bytes, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("bytes") / name
    path.write_bytes(head + data)
    with suppress(MatrixError):
        load_axis("persona", path)


def test_a_zip_of_something_else_and_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "p.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
    assert "this is no Excel workbook" in message(path)
    monkeypatch.setattr("pytest_batcheval.matrix.xlsx_file.MAX_SIZE", 10)
    assert "the workbook has 46 bytes unpacked, more than 10" in message(path)


def two_sheets(made: Workbook, sheet: Sheet) -> None:
    filled((2, 0, 2), (2, 1, "나"))(made, sheet)
    second = made.add_worksheet("둘째 v1.5")
    second.write_column(0, 0, ["설명", "다"])
    second.activate()
    if made.filename.stem == "hidden":
        sheet.hide()


def test_one_of_several_sheets_is_named(tmp_path: Path) -> None:
    path = book(tmp_path / "p.xlsx", two_sheets)
    ids = lambda name: [(p.id, p.description) for p in load_axis("persona", path.with_name(name))]  # noqa: E731
    assert ids("p.xlsx") == [("1", "가"), ("2", "나")]
    assert ids("p.xlsx#둘째 v1.5") == [("1", "다")]
    hidden = book(tmp_path / "hidden.xlsx", two_sheets)
    assert [p.description for p in load_axis("persona", hidden)] == ["다"]
    with pytest.raises(MatrixError, match=r"no sheet 'x'; name one as p\.xlsx#SHEET; it has: 환자, 둘째 v1\.5"):
        load_axis("persona", path.with_name("p.xlsx#x"))


def test_numbers_and_bools_of_cells_are_their_texts(tmp_path: Path) -> None:
    cells = (
        (0, 3, "x"),
        (1, 1, "가\r\n나"),
        (1, 3, 36.5),
        (2, 0, 2.0),
        (2, 1, "나"),
        (2, 3, True),
        (3, 0, 1e16),
        (3, 1, "다"),
    )
    path = book(tmp_path / "p.xlsx", filled(*cells))
    people = load_axis("persona", path)
    assert people[0].description == "가\n나"
    assert [(p.id, p.fields.get("x")) for p in people] == [
        ("1", "36.5"), ("2", "TRUE"), ("1e+16", None)
    ]  # fmt: skip


def test_without_its_reader_a_workbook_names_the_extra(tmp_path: Path) -> None:
    path = book(tmp_path / "p.xlsx", filled())
    code = (
        "import sys, pathlib; sys.modules['python_calamine'] = None\n"
        "from pytest_batcheval.matrix.load import load_axis\n"
        f"load_axis('persona', pathlib.Path({str(path)!r}))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.stderr.rstrip().endswith("an .xlsx file needs python_calamine: pip install 'pytest-batcheval[sheets]'")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("NS = 45", "'NS = 45' must end in two numbers, the smaller first"),
        ("NS = 55 45", "must end in two numbers"),
        ("NS = 45 45", "must end in two numbers"),
        ("NS = low nan", "must end in two numbers"),
        ("= 45 55", "'= 45 55' names no factor"),
        ("NS HA NS", "'NS HA NS' names 'NS' again"),
    ],
)
def test_a_wrong_declaration_of_factors(line: str, said: str) -> None:
    with pytest.raises(MatrixError, match=re.escape(f"batch_factors: {said}" if "names" in said else said)):
        parse_factors_option([line])
