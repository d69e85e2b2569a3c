"""`batcheval rates`, and `batcheval compare` of runs and of models by the tests that pass."""

import json
import re
import sqlite3
import time

import pytest

from pytest_batcheval.cli import main
from pytest_batcheval.journal.outcome_writer import add_outcomes
from pytest_batcheval.journal.outcomes import FILE, Outcome, Samples

ITEMS = 20


def add(folder, run, passes, model="m-1", samples=None, when=0.0):
    """Store a run: a test for each item, of which these pass; with `samples` each judges so many."""
    rows = []
    for number in range(ITEMS):
        passed = number < passes
        test = f"test_a.py::test_it[item{number}-{model}]"
        judged = Samples(samples if passed else 0, 0 if passed else samples, "passed") if samples else None
        cell = {"item": f"item{number}", "model": model}
        outcome = "passed" if passed else "failed"
        rows.append(
            Outcome(test, "test_a.py", outcome, cells={f"{run}{number}": cell}, item=test, model=model, samples=judged)
        )
    add_outcomes(folder / ".batcheval" / FILE, run, when or time.time(), "replay", [], rows)


@pytest.fixture
def suite(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys, *arguments):
    capsys.readouterr()
    return main(list(arguments)), capsys.readouterr().out


def test_two_runs_are_compared_test_by_test(suite, capsys):
    add(suite, "aaa1", passes=20)
    add(suite, "bbb2", passes=8)
    status, out = said(capsys, "compare", "aaa1", "bbb")
    assert status == 1
    assert out.startswith("run bbb2 against aaa1\nworse: 40.0% passed, against 100.0%")
    assert "Of 20 tests that ran on" in out
    assert said(capsys, "compare", "previous", "newest") == (status, out)
    status, out = said(capsys, "compare", "newest", "previous", "--json")
    found = json.loads(out)
    assert (status, found["as_good"], found["passes"]["verdict"]) == (0, True, "better")


def test_runs_that_agree_need_a_margin_that_they_can_show(suite, capsys):
    add(suite, "aaa1", passes=15)
    add(suite, "bbb2", passes=15)
    assert said(capsys, "compare", "aaa1", "bbb2")[0] == 1
    assert said(capsys, "compare", "aaa1", "bbb2", "--margin", "0.2")[0] == 0


def test_two_models_of_one_run_pair_by_what_they_were_asked(suite, capsys):
    add(suite, "aaa1", passes=19)
    add(suite, "bbb2", passes=4, model="m-2")
    status, out = said(capsys, "compare", "m-1", "m-2")
    assert status == 1
    assert "m-2 against m-1, by tests that pass\nworse: 20.0% passed, against 95.0%" in out
    assert "(20 items; 15 worse, 0 better)" in out
    assert "worse: test_a.py::test_it[item10]" in out, "the item's name has no model"


@pytest.mark.parametrize("option", [("--where", "persona=kim"), ("--axis", "persona=none.yaml"), ("--judge", "m-3")])
def test_an_option_of_scores_that_cannot_be_met_is_told(suite, capsys, option):
    add(suite, "aaa1", passes=19)
    add(suite, "bbb2", passes=4, model="m-2")
    assert main(["compare", "m-1", "m-2", *option]) == 4
    assert "by tests that pass" not in capsys.readouterr().out


def test_a_broken_axis_file_is_told(suite, capsys):
    add(suite, "aaa1", passes=19)
    add(suite, "bbb2", passes=4, model="m-2")
    (suite / "pytest.ini").write_text("[pytest]\nbatch_axes = persona=people.yaml\n")
    (suite / "people.yaml").write_text("[")
    (suite / "cassettes" / "answers").mkdir(parents=True)
    assert main(["compare", "m-1", "m-2"]) == 4
    assert "people.yaml" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("aaa1", "aaa1"), "both runs are aaa1"),
        (("previous", "aaa1"), "no run before aaa1 has a test of it"),
        (("aaa1", "newest", "--margin", "2"), "margin must be a number between 0 and 1"),
    ],
)
def test_what_cannot_be_compared_is_said(suite, capsys, arguments, text):
    add(suite, "aaa1", passes=20)
    assert main(["compare", *arguments]) == 4
    assert text in capsys.readouterr().err


def test_rates_are_by_test_and_axis(suite, capsys):
    add(suite, "aaa1", passes=15, samples=3)
    status, out = said(capsys, "rates")
    assert status == 0
    assert out.splitlines()[1].split() == [
        "test_a.py::test_it",
        "20",
        "60",
        "75.0%",
        "51.0%",
        "to",
        "89.6%",
        "3",
        "0.750",
        "0.750",
    ]
    assert out.endswith("75.0% passed (95 %: 0.510 to 0.896, 20 items, 60 samples)\npass@3 0.750, pass^3 0.750\n")
    found = json.loads(said(capsys, "rates", "--by", "item", "--json")[1])
    assert found["by"]["item"]["item19"]["effect"] == 0
    assert found["all"]["items"] == 20


def test_an_axis_that_no_test_has_is_refused_with_those_there_are(suite, capsys):
    add(suite, "aaa1", passes=15)
    assert main(["rates", "--by", "persona"]) == 4
    assert "there are test, model, item" in capsys.readouterr().err


def test_a_file_of_an_older_version_has_tests_for_items(suite, capsys):
    add(suite, "aaa1", passes=15)
    with sqlite3.connect(suite / ".batcheval" / FILE) as connection:
        connection.execute("DROP TABLE item")
    status, out = said(capsys, "rates", "--by", "model")
    assert status == 0
    assert "75.0% passed" in out


ENGLISH = re.compile(r"(?<![\w.:/@\[-])[A-Za-z]{2,}(?![\w:/.\]-])")


def english_of(capsys, *arguments):
    """The English words of what a verb says, without names, ids and the verdicts that code compares."""
    _, out = said(capsys, *arguments)
    return set(ENGLISH.findall(re.sub(r"\((not decided|worse|better|equivalent)\)| UTC", "", out)))


def test_everything_around_a_result_is_said_in_its_language(suite, capsys):
    add(suite, "aaa1", passes=20)
    add(suite, "bbb2", passes=8, model="m-2")
    assert "against" in english_of(capsys, "compare", "m-1", "m-2")
    assert english_of(capsys, "compare", "m-1", "m-2", "--lang", "ko") == set()
    add(suite, "ccc3", passes=6, model="m-2")
    (suite / "pytest.ini").write_text("[pytest]\nbatch_lang = ko\n")
    assert english_of(capsys, "compare", "bbb2", "ccc3") == set()
    assert english_of(capsys, "rates") == {"item"}, "the name of an axis"
    assert "passed" in english_of(capsys, "rates", "--lang", "en")
    (suite / "pytest.ini").write_text("[pytest]\nbatch_lang = xx\n")
    assert main(["rates"]) == 4
    assert "batch_lang = 'xx' in " in capsys.readouterr().err
