"""The canned queries: each runs on the files that a run writes, and says what happened in it."""

import sqlite3
import textwrap
from contextlib import closing
from pathlib import Path

import pytest

from pytest_batcheval.cli import main
from pytest_batcheval.cli.journal import QUERIES
from pytest_batcheval.journal.outcome_writer import add_outcomes
from pytest_batcheval.journal.outcomes import Outcome
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.text.document import read_document

DATABASES = read_document(QUERIES, "the queries")["databases"]
NAMES = [(database, name) for database, parts in DATABASES.items() for name in parts["queries"]]
GIVEN = {"text": "요", "test": "test_it.py::test_one[kim-work]"}


def rows(folder, database, name):
    """The rows of a query, as Datasette runs it: the files read only, and beside each other in `_memory`."""
    files = {database: "file::memory:"} if database == "_memory" else {}
    files |= {stem: f"{(folder / f'{stem}.sqlite').as_uri()}?mode=ro" for stem in ("journal", "outcomes")}
    with closing(sqlite3.connect(files[database], uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        if database == "_memory":
            for stem in ("journal", "outcomes"):
                connection.execute(f"ATTACH ? AS {stem}", (files[stem],))
        found = connection.execute(DATABASES[database]["queries"][name]["sql"], GIVEN).fetchall()
        return [dict(row) for row in found]


def test_the_verb_says_where_they_are(capsys):
    assert main(["journal", "queries"]) == 0
    assert Path(capsys.readouterr().out.strip()).samefile(QUERIES)


def test_each_runs_on_files_of_this_release(tmp_path):
    Journal.open(tmp_path / "journal.sqlite").close()
    add_outcomes(tmp_path / "outcomes.sqlite", "r", 0.0, "replay", [], [Outcome("t", "m", "passed")])
    for database, name in NAMES:
        assert isinstance(rows(tmp_path, database, name), list), name


@pytest.mark.sampled
def test_each_says_what_happened_in_a_run(pytester, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makefile(".ini", pytest="[pytest]\naddopts = -p pytest_batcheval.plugin\n")
    suite = textwrap.dedent("""
        import pytest

        def ask(persona, question):
            asked = {"role": "user", "content": f"{persona} {question} 잠은 어때요?"}
            return {"model": "gpt-6-luna", "messages": [asked]}

        @pytest.mark.batch(prompt=ask)
        @pytest.mark.parametrize("question", ["sleep", "work"])
        @pytest.mark.parametrize("persona", ["kim", "choi"])
        def test_one(persona, question, answer):
            assert persona != "kim", "not in character"
    """)
    path = pytester.makepyfile(test_it=suite)
    pytester.runpytest_inprocess("--batch=send", "--batch-backend=simulator").assert_outcomes(passed=2, failed=2)
    path.write_text(suite.replace('!= "kim"', '!= "choi"'), encoding="utf-8")
    arguments = ["--batch=send", "--batch-backend=simulator", "--batch-refresh"]
    pytester.runpytest_inprocess(*arguments).assert_outcomes(passed=2, failed=2)
    found = {name: rows(pytester.path / ".batcheval", *name) for name in NAMES}

    assert [(row["batches"], row["answers"], row["failed"]) for row in found["journal", "runs"]] == [(1, 4, 0)] * 2
    assert found["journal", "open_batches"] == found["journal", "failures"] == []
    assert len(found["journal", "answers"]) == 8
    assert all("요" in row["answered"] and row["asked"].endswith("어때요?") for row in found["journal", "answers"])
    assert {row["model"] for row in found["journal", "tokens"]} == {"gpt-6-luna"}
    assert {"plan", "run", "settle"} <= {row["stage"] for row in found["journal", "stages"]}
    assert [row["answers"] for row in found["journal", "asked_again"]] == [2] * 4

    assert [(row["tests"], row["passed"], row["failed"]) for row in found["outcomes", "runs"]] == [(4, 2, 2)] * 2
    ids = [(row["axis"], row["id"], row["failing"], row["tests"]) for row in found["outcomes", "failing_ids"]]
    assert ids == [("persona", "choi", 2, 2), ("question", "sleep", 1, 2), ("question", "work", 1, 2)]
    assert [row["tests"] for row in found["outcomes", "messages"]] == [2]
    changes = {row["test"]: (row["before"], row["now"]) for row in found["outcomes", "changed"]}
    assert changes["test_it.py::test_one[kim-sleep]"] == ("failed", "passed")
    assert len(changes) == 4
    assert [row["outcome"] for row in found["outcomes", "history"]] == ["passed", "failed"]

    failing = found["_memory", "answers_of_failing_tests"]
    assert {row["test"] for row in failing} == {
        f"test_it.py::test_one[choi-{question}]" for question in ("sleep", "work")
    }
    assert all(row["answered"] for row in failing)


def test_the_page_lists_them_all():
    page = (Path(__file__).parents[2] / "docs" / "datasette.md").read_text(encoding="utf-8")
    listed = [tuple(line.replace("`", "").split(" | ")[:2]) for line in page.splitlines() if line.startswith("| `")]
    assert [(database.removeprefix("| "), name) for database, name in listed] == NAMES
