"""The answers that are listed of a journal: those in use, of very many the newest, and how many there are."""

import pytest

from pytest_batcheval.cli import answers as verb
from pytest_batcheval.cli import main
from pytest_batcheval.journal.outcome_writer import add_outcomes
from pytest_batcheval.journal.outcomes import Outcome, Outcomes
from pytest_batcheval.journal.rows import AnswerRow, BatchRow
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.recordings.answers import Recordings
from pytest_batcheval.report.answer_list import AnswerFilter, listed_answers, newest, used_answers
from pytest_batcheval.wire.objects import Request

RESPONSE = b'{"status_code": 200, "body": {"choices": [{"message": {"content": "fine"}}]}}'


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """The outcomes of three runs of the same ten tests, each of which asked otherwise."""
    monkeypatch.chdir(tmp_path)
    found = []
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        for number in range(3):
            name = f"run{number}"
            requests = [Request({"model": "m", "input": f"{name} {place}"}) for place in range(10)]
            journal.add_run(name, "https://api.test/v1")
            row = BatchRow("https://api.test/v1", "s", requests[0].url, name, 1, 1, 10, "f", run=name, model="m")
            row = BatchRow(**vars(journal.plan(row, requests)) | {"state": "settled", "batch_id": name})
            journal.settle(row, [AnswerRow(one.custom_id, "line", RESPONSE, 1, 1) for one in requests])
            outcomes = [
                Outcome(f"t.py::test[{place}]", "t.py", "passed",
                        cells={one.custom_id: {"persona": "kim", "question": f"q{place}"}})
                for place, one in enumerate(requests)
            ]  # fmt: skip
            kept = outcomes if number < 2 else outcomes[:4]  # the last run had four of the tests
            add_outcomes(tmp_path / "outcomes.sqlite", name, float(number), "record", [], kept)
            found.append(kept)
    return found


def listed(path, **chosen):
    return listed_answers(Recordings(path / "cassettes"), path / "journal.sqlite", AnswerFilter(**chosen))


def asked(found):
    return sorted(one.answer.request.body["input"] for one in found)


def test_answers_of_a_cell_are_those_that_its_tests_used_last(runs, tmp_path):
    last = [*(f"run1 {place}" for place in range(4, 10)), *(f"run2 {place}" for place in range(4))]
    assert asked(listed(tmp_path, where={"persona": "kim"})) == last
    assert asked(listed(tmp_path, where={"persona": "kim", "question": "q7"})) == ["run1 7"]
    assert listed(tmp_path, where={"persona": "kim", "question": "q70"}) == []


def test_of_many_the_newest_are_listed_and_all_are_counted(runs, tmp_path):
    for where, count, wanted in (
        ({"persona": "kim"}, 10, ["run1 4", "run1 5", *(f"run2 {place}" for place in range(4))]),
        ({}, 30, [f"run2 {place}" for place in range(4, 10)]),
    ):
        chosen, stored = newest(tmp_path / "journal.sqlite", AnswerFilter(where=where), 6)
        assert stored == count
        assert asked(listed_answers(Recordings(tmp_path / "cassettes"), tmp_path / "journal.sqlite", chosen)) == wanted
        whole, _ = newest(tmp_path / "journal.sqlite", AnswerFilter(where=where), count)
        assert asked(listed_answers(Recordings(tmp_path / "cassettes"), tmp_path / "journal.sqlite", whole)) == asked(
            listed(tmp_path, where=where)
        )
    assert Outcomes(tmp_path / "nowhere.sqlite").newest({"key"}, 3) == []


def test_a_table_of_many_says_that_there_are_more(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(verb, "MOST_ROWS", 6)
    assert main(["answers", "--where", "persona=kim", "--journal", "journal.sqlite"]) == 0
    said = capsys.readouterr().out
    assert said.endswith("the newest 6 of 10 answers in journal.sqlite; all of them: --output answers.csv\n")
    assert said.count("fine") == 6
    for few in (["--failed"], ["--model", "m"], ["--format", "jsonl"]):
        main(["answers", "--journal", "journal.sqlite", *few])
        assert "newest" not in capsys.readouterr().out


def test_answers_that_tests_used_come_in_their_cells(runs, tmp_path):
    found = list(used_answers(Recordings(tmp_path / "cassettes"), tmp_path / "journal.sqlite", runs[0]))
    assert asked(found) == [f"run0 {place}" for place in range(10)]
    assert {one.answer.cell["persona"] for one in found} == {"kim"}
