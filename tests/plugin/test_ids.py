"""An id of an axis may be any text: tests are named as pytest names them, and everything finds them again."""

import json
import unicodedata

import pytest
import python_calamine  # noqa: F401
from xlsxwriter import Workbook

import pytest_batcheval.matrix.csv_file
import pytest_batcheval.matrix.xlsx_file  # noqa: F401  (imported here once: pytester forgets what an inner run imported)
from pytest_batcheval.cli import main

IDS = ["환자01", "P1", "P10", "1", "a b", "a[1]::c/d", "two\nlines", "é", "100%", "-x", "$HOME'\"\\"]
TEST = """
    @pytest.mark.batch(prompt=ask)
    def test_one(persona, answer): assert answer.text

    @pytest.mark.batch(prompt=ask, persona="환자01")
    def test_narrow(answer): pass

    @pytest.mark.batch(prompt=ask)
    def test_all(answers): assert [row.id("persona") for row in answers.rows][0::2] == {ids!r}
"""


@pytest.fixture
def people(suite):
    """The suite with patients of such ids, and its questions numbered as some of them are."""
    people = [{"id": i, "description": f"You are {i}."} for i in IDS]
    (suite.path / "personas.json").write_text(json.dumps(people))
    (suite.path / "questions.json").write_text(json.dumps([{"id": i, "text": f"Q{i}?"} for i in (1, 2)]))
    suite.test_file(TEST.replace("{ids!r}", ascii(IDS)))
    return suite


def test_test_ids_are_those_of_pytest(people):
    people.test_file(f"""
        @pytest.mark.parametrize("question", ["1", "2"])
        @pytest.mark.parametrize("persona", {IDS!r})
        def test_one(persona, question): pass
    """, "test_plain.py")  # fmt: skip
    ours = people.collected("test_it.py")
    plain = people.collected("test_plain.py")
    assert [name for name in ours if name.startswith("test_one[")] == plain
    assert [name for name in ours if name.startswith("test_narrow")] == [
        "test_narrow[\\ud658\\uc79001-1]", "test_narrow[\\ud658\\uc79001-2]"
    ]  # fmt: skip


@pytest.mark.sampled
def test_they_are_recorded_replayed_selected_and_shown(people, capsys, monkeypatch):
    count = len(IDS) * 2 + 3
    people.run_apart("--batch=record", "--batch-backend=simulator").assert_outcomes(passed=count)
    people.run_apart().assert_outcomes(passed=count)
    people.run_apart("-n2", "-p", "xdist").assert_outcomes(passed=count)
    named = [f"test_it.py::{name}" for name in people.collected("test_it.py")]
    people.run_apart(*named).assert_outcomes(passed=count)
    monkeypatch.chdir(people.path)
    capsys.readouterr()
    for identifier in IDS:
        assert main(["answers", "--where", f"persona={identifier}", "--format", "jsonl"]) == 0
        found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [(one["persona"], one["question"]) for one in found] == [(identifier, "1"), (identifier, "2")]
    assert main(["report", "--output", "r.html"]) == 0


def test_ids_that_differ_in_case_alone_stop_the_run(suite):
    suite.test_file("""
        @pytest.mark.batch(prompt=ask)
        def test_one(answer): pass
    """)
    for other in ("KIM", unicodedata.normalize("NFD", "é")):
        people = [{"id": i, "description": "x"} for i in ("kim", "é", other)]
        (suite.path / "personas.json").write_text(json.dumps(people))
        result = suite.run("--batch=plan")
        assert result.ret == pytest.ExitCode.INTERRUPTED
        result.stdout.fnmatch_lines(
            ["*personas.json, entry 3, field id: *is already the id of *entry *, but for its case*"]
        )


def test_ids_of_two_axes_that_make_the_same_test_id_are_refused(suite):
    (suite.path / "personas.json").write_text(json.dumps([{"id": i, "description": i} for i in ("a", "a-b")]))
    (suite.path / "questions.json").write_text(json.dumps([{"id": i, "text": i} for i in ("b-c", "c")]))
    suite.test_file("""
        @pytest.mark.batch(prompt=ask)
        def test_one(answer): pass
    """)
    suite.run("--collect-only").stdout.fnmatch_lines([
        "*two tests would have the id [[]a-b-c[]]: persona=a, question=b-c and persona=a-b, question=c; change one*"
    ])  # fmt: skip


def test_two_kinds_of_files_make_one_plan(suite):
    suite.test_file("""
        @pytest.mark.batch(prompt=ask)
        def test_one(answer): pass
    """)
    plan = [line for line in suite.run("--batch=plan").stdout.lines if "request" in line]
    configuration = (suite.path / "pytest.ini").read_text()
    rows = ["번호;설명", "kim;You are kim.", "choi;You are choi.", "park;You are park."]
    (suite.path / "환자 명단.csv").write_bytes("\r\n".join(rows).encode("cp949"))
    assert plan
    with Workbook(suite.path / "book.xlsx") as book:
        book.add_worksheet("empty")
        sheet = book.add_worksheet("둘째 #2")
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row.split(";"))
    for name in ("환자 명단.csv", "book.xlsx#둘째 #2"):
        (suite.path / "pytest.ini").write_text(configuration.replace("personas.json", name))
        assert [line for line in suite.run("--batch=plan").stdout.lines if "request" in line] == plan
