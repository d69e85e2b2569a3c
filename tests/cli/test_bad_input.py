"""Answers, show and report on what is half there: a run under way, older files, no outcomes, long answers, no room."""

import json
import os
import sqlite3
import stat
import zipfile
from contextlib import closing
from dataclasses import replace

import pytest

from pytest_batcheval.cli import main
from pytest_batcheval.journal import outcomes
from pytest_batcheval.journal.migrate import scripts, upgrade
from pytest_batcheval.journal.outcome_writer import add_outcomes
from pytest_batcheval.journal.outcomes import Outcome
from pytest_batcheval.journal.rows import AnswerRow, BatchRow
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.recordings.answers import NewRecording, Recordings
from pytest_batcheval.wire.objects import Answer, Request

ORIGIN = "https://api.test/v1"
CELL = {"persona": "kim", "question": "sleep"}
VERBS = {"answers": ["answers"], "show": ["show", "persona=kim"], "report": ["report"]}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def path(folder):
    return folder / ".batcheval" / "journal.sqlite"


def asked(number):
    return Request({"model": "m", "messages": [{"role": "user", "content": f"q {number}"}]})


def response(text):
    body = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}], "model": "m-1"}
    return {"status_code": 200, "body": body}


def hold(journal, request, text=None):
    """A batch of one request: with its answer, or open."""
    row = BatchRow(ORIGIN, "s", request.url, "i", 1, 1, 1, "f", run="run", model="m")
    planned = replace(journal.plan(row, [request]), batch_id=f"batch_{request.custom_id}")
    if text is None:
        journal.commit(replace(planned, state="created"))
    else:
        answer = AnswerRow(request.custom_id, "line", json.dumps(response(text)).encode())
        journal.settle(replace(planned, state="settled"), [answer])


def ran(path, *requests):
    """Keep the outcomes of a run, a test each."""
    tests = [Outcome(f"t.py::test[{n}]", "t.py", "passed", cells={r.custom_id: CELL}) for n, r in enumerate(requests)]
    add_outcomes(path.parent / outcomes.FILE, "run", 1.0, "send", [], tests)


# -- a run that is still going ------------------------------------------------------------------------------------


def test_of_a_run_that_is_still_going_what_is_there_is_shown(path, capsys):
    with Journal.open(path) as journal:
        journal.add_run("run", ORIGIN)
        hold(journal, asked(0), "I sleep badly.")
        hold(journal, asked(1))
        ran(path, asked(0), asked(1))
        assert main(["answers"]) == 0
        assert "1 answer from " in capsys.readouterr().out
        assert main(["show", asked(1).custom_id]) == 0
        assert "created, which has claimed it: no other batch may send it" in capsys.readouterr().out
        assert main(["report"]) == 0
    text = (path.parents[1] / "report.html").read_text(encoding="utf-8")
    assert "I sleep badly." in text
    assert "2 in 2 batches: 1 answered, 0 failed, 1 open" in text


@pytest.mark.parametrize("verb", VERBS)
def test_outcomes_that_another_process_is_writing_are_not_to_be_deleted(path, capsys, monkeypatch, verb):
    monkeypatch.setattr(outcomes, "BUSY_SECONDS", 0.05)
    with Journal.open(path) as journal:
        journal.add_run("run", ORIGIN)
        hold(journal, asked(0), "I sleep badly.")
    ran(path, asked(0))
    with closing(sqlite3.connect(path.parent / outcomes.FILE, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert main(VERBS[verb]) != 0
    said = capsys.readouterr().err
    assert "another process writes it" in said
    assert "delete" not in said


# -- older files, and none ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_a_journal_of_an_older_schema_says_what_brings_it_up_to_date(path, capsys, verb):
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as first:
        upgrade(first, path, scripts()[:1])
    ran(path, asked(0))
    before = path.read_bytes()
    assert main(VERBS[verb]) != 0
    assert "from an older release" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_a_run_before_outcomes_were_kept_has_answers_and_no_report(path, capsys):
    with Journal.open(path) as journal:
        journal.add_run("run", ORIGIN)
        hold(journal, asked(0), "I sleep badly.")
    assert main(["answers"]) == 0
    assert "I sleep badly." in capsys.readouterr().out
    assert main(["show", asked(0).custom_id]) == 0
    assert "I sleep badly." in capsys.readouterr().out
    assert main(["show", "persona=kim"]) == 4
    assert main(["report"]) == 4
    said = capsys.readouterr().err
    assert "no stored answer is of persona=kim" in said
    assert "no run of tests is stored beside the journal" in said
    assert not (path.parents[1] / "report.html").exists()


@pytest.mark.parametrize("verb", VERBS)
def test_outcomes_of_another_version_may_be_deleted(path, capsys, verb):
    with Journal.open(path) as journal:
        journal.add_run("run", ORIGIN)
        hold(journal, asked(0), "I sleep badly.")
    with closing(sqlite3.connect(path.parent / outcomes.FILE)) as other:
        other.execute("CREATE TABLE run (id TEXT)")
    assert main(VERBS[verb]) != 0
    assert "delete it, no answer is lost with it" in capsys.readouterr().err


# -- a long answer ------------------------------------------------------------------------------------------------


@pytest.mark.sampled
def test_an_answer_of_ten_megabytes_is_whole_wherever_it_fits(folder, path, capsys):
    long = "가" * 3_500_000
    new = NewRecording(Answer(asked(0), "simulator:faithful@0", response(long)), CELL, "t.py")
    Recordings(folder / "cassettes").export([new])
    ran(path, asked(0))
    for name in ("a.csv", "a.jsonl", "a.md"):
        assert main(["answers", "--output", name]) == 0
        assert long in (folder / name).read_text(encoding="utf-8-sig")
    capsys.readouterr()
    assert main(["answers", "--output", "a.xlsx"]) == 0
    said = capsys.readouterr().out
    assert "1 text is longer than a cell of Excel holds and is cut; .csv and .jsonl have all of it" in said
    assert zipfile.ZipFile(folder / "a.xlsx").testzip() is None
    assert main(["show", *(f"{axis}={name}" for axis, name in CELL.items())]) == 0
    assert long in capsys.readouterr().out
    assert main(["report"]) == 0
    assert (folder / "report.html").stat().st_size < 1_200_000
    assert f"batcheval show {asked(0).custom_id}" in (folder / "report.html").read_text(encoding="utf-8")


# -- no place to write --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["answers", "report"])
def test_a_place_that_cannot_be_written_is_named(folder, path, capsys, verb):
    new = NewRecording(Answer(asked(0), "simulator:faithful@0", response("I sleep badly.")), CELL, "t.py")
    Recordings(folder / "cassettes").export([new])
    ran(path, asked(0))
    places = ["/proc/out.html"]  # nobody may write there, root neither
    if os.geteuid() != 0:
        (folder / "closed").mkdir(mode=stat.S_IRUSR | stat.S_IXUSR)
        places.append("closed/out.html")
    before = sorted(folder.rglob("*"))
    for place in places:
        assert main([verb, "--output", place, *(["--format", "csv"] if verb == "answers" else [])]) == 4
        assert f"cannot write {place} (" in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before
