"""Whatever program has written a table, and however, it is the same table."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest
from exports import EXPORTS, HEAD, ROWS, text_table, write
from hypothesis import given
from hypothesis import strategies as st

from pytest_batcheval.matrix.axes import Persona, PersonaMatrix, Question
from pytest_batcheval.matrix.load import load_axis


def keys(path: Path) -> list[str]:
    questions = [Question("q1", {"text": "요즘 어떠세요?"}), Question("q2", {"text": "왜요?"})]
    matrix = PersonaMatrix({"persona": load_axis("persona", path), "question": questions})

    def prompt(persona: Persona, question: Question) -> dict[str, object]:
        said = f"{persona.id} {persona.name} {persona['나이']} {persona.description} {sorted(persona.levels.items())}"
        return {"model": "m", "messages": [{"role": "user", "content": f"{said} {question.text}"}]}

    return [request.custom_id for request in matrix.requests(prompt)]


def test_eight_exports_of_40_patients_ask_the_same(tmp_path: Path) -> None:
    found = {name: keys(write(name, tmp_path, [HEAD, *ROWS])) for name in EXPORTS}
    assert len(set(found["utf-8.csv"])) == 80
    assert [name for name in found if found[name] != found["utf-8.csv"]] == []


PADDED = [
    ("", "", ""),
    (" id ", "Description\u3000", ""),
    ("", "", ""),
    (" a", "x\r\ny \t", ""),
    ("b", "\u00a0z"),
    ("", " ", ""),
]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp949"])
def test_empty_rows_ends_of_rows_and_white_space_mean_nothing(
    tmp_path: Path, separator: str, line_end: str, encoding: str
) -> None:
    table = [[cell.replace("\u00a0", " ") for cell in row] for row in PADDED]
    text_table(separator, line_end)(tmp_path / "p.csv", table, encoding)
    assert load_axis("persona", tmp_path / "p.csv") == [
        Persona("a", {"description": "x\ny"}),
        Persona("b", {"description": "z"}),
    ]


@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_every_cell_may_be_in_quotes(tmp_path: Path, separator: str) -> None:
    rows = [["id", "설명"], ["a", 'x "y", z; \t']]
    lines = (separator.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)
    (tmp_path / "p.csv").write_text("\n".join(lines), encoding="utf-8")
    assert [p.description for p in load_axis("persona", tmp_path / "p.csv")] == ['x "y", z;']


def test_a_separator_is_what_gives_names_that_are_known(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("번호;이름, 성;설명\n1;x, y;z\n", encoding="utf-8")
    assert [(p.id, p.description) for p in load_axis("persona", tmp_path / "p.csv")] == [("1", "z")]
    (tmp_path / "q.csv").write_text("질문;a,b,c,d\nwhy?;\n", encoding="utf-8")
    assert [q.text for q in load_axis("question", tmp_path / "q.csv")] == ["why?"]


def test_utf_16_of_either_end(tmp_path: Path) -> None:
    text = "번호\t설명\r\n1\t조용한\r\n"
    for name, mark, encoding in (
        ("le", codecs.BOM_UTF16_LE, "utf-16-le"),
        ("be", codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        path = tmp_path / f"{name}.txt"
        path.write_bytes(mark + text.encode(encoding))
        assert load_axis("persona", path) == [Persona("1", {"number": "1", "description": "조용한"})]


@pytest.mark.sampled
def test_5000_rows_are_read(tmp_path: Path) -> None:
    rows = [(str(i), f"patient {i}") for i in range(1, 5001)]
    for name in ("utf-8.csv", "book.xlsx"):
        people = load_axis("persona", write(name, tmp_path, [("No.", "Description"), *rows]))
        assert [(p.id, p.description) for p in people] == rows


ANY = st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t", exclude_characters="\ufffe\uffff")
HANGUL = st.characters(codec="cp949", exclude_categories=["Cc"], include_characters="\n").filter(
    lambda character: min(character.encode("cp949")) >= 0xA1 or character.isascii()
)
SHEETS = ("utf-8.csv", "excel-utf-8.csv", "german-excel.csv", "unicode-text.txt", "book.xlsx")
RECORDS = ("records.json", "records.yaml", "records.jsonl")


def texts(characters: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    cell = st.text(characters, min_size=1, max_size=30).filter(str.strip)
    return st.lists(cell, min_size=1, max_size=5)


@given(
    name=st.sampled_from((*SHEETS, *RECORDS)),
    cells=texts(ANY),
    more=st.integers(0, 3).flatmap(
        lambda n: st.lists(st.tuples(*[st.text(ANY, max_size=9)] * n), min_size=5, max_size=5)
    ),
)
def test_any_table_of_texts_survives(
    tmp_path_factory: pytest.TempPathFactory, name: str, cells: list[str], more: list[tuple[str, ...]]
) -> None:
    head = ("id", "설명", *(f"열 {i}" for i in range(len(more[0]))))
    table = [head, *((f"p{i}", cell, *more[i]) for i, cell in enumerate(cells))]
    path = write(name, tmp_path_factory.mktemp("any"), table)
    kept = [dict(zip(head, row, strict=True)) for row in table[1:]]
    if name in RECORDS:
        kept = [{**row, "설명": row["설명"].strip()} for row in kept]
    else:
        kept = [{column: cell.strip() for column, cell in row.items() if cell.strip()} for row in kept]
    found = [
        {"id": p.id, "설명": p.description, **{k: p.fields[k] for k in head if k in p.fields}}
        for p in load_axis("persona", path)
    ]
    assert found == kept


@pytest.mark.sampled
@given(cells=texts(HANGUL))
def test_any_korean_table_survives(tmp_path_factory: pytest.TempPathFactory, cells: list[str]) -> None:
    table = [("번호", "설명"), *((str(i), cell) for i, cell in enumerate(cells))]
    path = write("korean-excel.csv", tmp_path_factory.mktemp("korean"), table)
    assert [p.description for p in load_axis("persona", path)] == [cell.strip() for cell in cells]
