"""`batcheval answers`, and what `show` finds by cell and test."""

import csv
import io
import json
import sys
import textwrap
import zipfile

import pytest

from pytest_batcheval.cli import main
from pytest_batcheval.recordings.answers import NewRecording, Recordings
from pytest_batcheval.report.answer_formats import as_parquet
from pytest_batcheval.wire.objects import Answer, Request

HOSTILE = {
    "formula": '=HYPERLINK("http://x", "y")',
    "at": "@SUM(1+1)*cmd|' /C calc'!A0",
    "minus": "- ein Punkt",
    "wide": "＝1+1",
    "tab": "\t=1+1",
    "script": "<script>alert(1)</script> | *stark*",
    "ansi": "\x1b[31mrot\u202e",
    "korean": "가슴이 답답해요.\n잠도 못 자요.",
}


def recorded(cells, model="m", origin="simulator:faithful@0"):
    for name, text in cells.items():
        body = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}], "model": f"{model}-1"}
        request = Request({"model": model, "messages": [{"role": "user", "content": f"Tell me: {name}"}]})
        answer = Answer(request, origin, {"status_code": 200, "body": body})
        yield NewRecording(answer, {"persona": name, "question": "sleep"}, "tests/test_it.py")


@pytest.fixture
def stored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Recordings(tmp_path / "cassettes").export(list(recorded(HOSTILE)))
    return tmp_path


@pytest.fixture
def suite(pytester, monkeypatch):
    """An evaluation that has run here: of kim's two answers one test fails."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.chdir(pytester.path)
    pytester.makefile(".ini", pytest="[pytest]\naddopts = -p pytest_batcheval.plugin\n")
    path = pytester.path / "test_it.py"
    path.write_text(
        textwrap.dedent("""
        import pytest

        def ask(persona, question):
            return {"model": "m", "messages": [{"role": "user", "content": f"{persona} {question}"}]}

        @pytest.mark.batch(prompt=ask)
        @pytest.mark.parametrize("question", ["sleep", "work"])
        @pytest.mark.parametrize("persona", ["kim", "choi"])
        def test_one(persona, question, answer):
            assert persona != "kim" or question != "work", "not in character"

        @pytest.mark.batch(prompt=ask)
        @pytest.mark.parametrize("question", ["sleep"])
        @pytest.mark.parametrize("persona", ["park"])
        def test_other(answer): pass
    """)
    )
    result = pytester.runpytest_inprocess("--batch=record", "--batch-backend=simulator")
    result.assert_outcomes(passed=4, failed=1)
    return pytester


def rows(capsys):
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


def test_a_table_has_a_row_for_each_cell(stored, capsys):
    assert main(["answers"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["persona", "question", "answer", "outcome"]
    assert [line.split()[0] for line in lines[1:-1]] == sorted(HOSTILE)
    assert lines[-1] == "8 answers from the simulator (faithful@0)"
    assert "\x1b" not in "".join(lines)
    assert "\u202e" not in "".join(lines)


def test_a_spreadsheet_runs_nothing_and_opens_korean(stored, capsys):
    assert main(["answers", "--output", "answers.csv"]) == 0
    data = (stored / "answers.csv").read_bytes()
    assert data.startswith("\ufeff".encode())
    found = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    for row in found:
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "＝")) for cell in row.values()), row
    texts = {row["persona"]: row["answer"] for row in found}
    assert texts["korean"] == HOSTILE["korean"]
    assert texts["formula"] == "'" + HOSTILE["formula"]
    assert texts["script"] == HOSTILE["script"]


def test_an_excel_file_has_texts_only(stored, capsys):
    pytest.importorskip("xlsxwriter")
    assert main(["answers", "--output", "answers.xlsx"]) == 0
    with zipfile.ZipFile(stored / "answers.xlsx") as book:
        sheet, strings = book.read("xl/worksheets/sheet1.xml").decode(), book.read("xl/sharedStrings.xml").decode()
    assert "<f>" not in sheet
    assert "가슴이 답답해요." in strings
    assert "=HYPERLINK(" in strings


def test_a_parquet_file_is_read_back_with_its_types(stored, capsys):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    assert main(["answers", "--output", "answers.parquet"]) == 0
    found = parquet.read_table(stored / "answers.parquet")
    assert dict(zip(found["persona"].to_pylist(), found["answer"].to_pylist(), strict=True)) == HOSTILE
    assert [str(found.schema.field(name).type) for name in ("sample", "asked_at", "outcome")] == [
        "int64",
        "double",
        "string",
    ]
    assert found["asked_at"].to_pylist() == [None] * len(HOSTILE)
    for records, rows in ([], 0), ([{"persona": "kim", "answer": "\ud800 lone"}], 1):
        assert parquet.read_table(pyarrow.BufferReader(as_parquet(records))).num_rows == rows


@pytest.mark.parametrize(("library", "extra"), [("xlsxwriter", "sheets"), ("pyarrow", "parquet")])
def test_a_format_names_the_extra_that_it_needs(stored, capsys, monkeypatch, library, extra):
    monkeypatch.setitem(sys.modules, library, None)
    suffix = extra.replace("sheets", "xlsx")
    assert main(["answers", "--output", f"answers.{suffix}"]) == 4
    assert f"pip install 'pytest-batcheval[{extra}]'" in capsys.readouterr().err
    assert not (stored / f"answers.{suffix}").exists()


def test_lines_of_json_have_the_texts_as_they_are(stored, capsys):
    assert main(["answers", "--output", "answers.jsonl"]) == 0
    found = [json.loads(line) for line in (stored / "answers.jsonl").read_text("utf-8").splitlines()]
    assert {row["persona"]: row["answer"] for row in found} == HOSTILE


def test_markdown_shows_every_text_as_text(stored, capsys):
    assert main(["answers", "--format", "markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(HOSTILE)
    assert "<script>" not in "".join(lines)
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1


@pytest.mark.sampled
def test_a_choice_of_answers(suite, capsys):
    for arguments, number in (
        (["--where", "persona=kim"], 2),
        (["--where", "persona=kim", "--where", "question=work"], 1),
        (["--test", "test_it.py"], 5),
        (["--test", "test_it.py::test_one"], 4),
        (["--test", "test_it.py::test_one[kim-work]"], 1),
        (["--failed"], 1),
        (["--failed", "--model", "m"], 1),
    ):
        assert main(["answers", "--format", "csv", *arguments]) == 0
        assert len(rows(capsys)) == number, arguments


def test_a_failure_says_why(suite, capsys):
    main(["answers", "--format", "csv", "--failed"])
    [row] = rows(capsys)
    assert (row["persona"], row["question"], row["outcome"]) == ("kim", "work", "failed")
    assert row["failures"].startswith("test_it.py::test_one[kim-work]: AssertionError: not in character")


def test_failed_answers_are_counted_by_axis(suite, capsys):
    assert main(["answers", "--failed"]) == 0
    assert capsys.readouterr().out.splitlines()[-3:-1] == ["by persona: kim 1", "by question: work 1"]
    main(["answers"])
    assert "by persona" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--where", "persona"], "expected <axis>=<id>"),
        (["--where", "persona=nobody"], "none of the answers in the recordings in cassettes and the journal"),
        (["--failed"], "no failed answer matches; outcomes are known of tests that have run here"),
        (["--output", "answers.doc"], "the name must end in .csv, .jsonl, .md, .parquet, .xlsx"),
        (["--output", "cassettes"], "cassettes already exists"),
        (["--output", "no/answers.csv"], "there is no folder no"),
        (["--format", "xlsx"], "--format xlsx requires --output FILE"),
        (["--format", "parquet"], "--format parquet requires --output FILE"),
        (["--format", "table", "--output", "x.csv"], "--format table is for the terminal"),
        (["--cassettes", "nowhere"], "there are no answers in the recordings in nowhere"),
    ],
)
def test_a_wrong_option_is_said(stored, capsys, arguments, message):
    assert main(["answers", *arguments]) == 4
    assert message in capsys.readouterr().err


def test_show_takes_a_cell_and_a_test(suite, capsys):
    for words in (["persona=kim", "question=work"], ["test_it.py::test_one[kim-work]"]):
        assert main(["show", *words]) == 0
        out = capsys.readouterr().out
        assert "user: kim work" in out
        assert "used by    test_it.py::test_one[kim-work]: failed, AssertionError: not in character" in out
    assert main(["show", "persona=kim", "--json"]) == 0
    assert capsys.readouterr().out.count('"aliases"') == 2


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["persona=nobody"], "no stored answer is of persona=nobody"),
        (["test_it.py::test_two"], "tests are known that have run here: pytest -m batch"),
        (["abc", "def"], "expected a custom_id, the id of a test, or <axis>=<id>"),
    ],
)
def test_show_says_what_it_does_not_find(suite, capsys, words, message):
    assert main(["show", *words]) == 4
    assert message in capsys.readouterr().err
