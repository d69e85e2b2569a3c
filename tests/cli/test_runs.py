"""`batcheval runs` and `status --run`: what the journal says of runs."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from pytest_batcheval.cli import main
from pytest_batcheval.client import BatchClient
from pytest_batcheval.journal.rows import AnswerRow, BatchRow, FailureRow
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.text.table import columns, cut
from pytest_batcheval.wire.objects import Request

ORIGIN = "https://a-provider-with-a-long-name.example.org/openai/v1"
HOSTILE = "\x1b]0;owned\x07\u202e없는 모델\nbatcheval: all is well\x9b2J"


def asked(*words):
    return [Request({"model": "gpt-6-luna", "messages": [{"role": "user", "content": word}]}) for word in words]


@pytest.fixture
def journal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    with Journal.open(tmp_path / ".batcheval" / "journal.sqlite") as opened:
        yield opened


def hold(journal, run, requests, *results, state="settled"):
    journal.add_run(run, ORIGIN)
    row = BatchRow(ORIGIN, "s", requests[0].url, "i", 1, 1, len(requests), "f", run=run, model="gpt-6-luna")
    ended = replace(journal.plan(row, requests), state=state, batch_id="batch_" + "0123456789abcdef" * 2)
    if state == "created":
        journal.commit(ended)
    else:
        journal.settle(ended, results)


@pytest.fixture
def three(journal):
    """Three runs: one is done, one has failed with hostile words, one is open."""
    good, bad, late = asked("good", "bad", "late")
    hold(journal, "done-run", [good], AnswerRow(good.custom_id, "line", b"{}", 4_000, 2_000))
    hold(journal, "f" * 32, [bad], FailureRow(bad.custom_id, "model_not_found", HOSTILE, 404, False))
    hold(journal, "open-run", [late], state="created")
    return journal


LOADED = """
import sys
from pytest_batcheval.cli import main
main(sys.argv[1:])
heavy = {"asyncio", "email", "genai_prices", "numpy", "openai", "pytest_batcheval.engine.batch_sender"}
print(sorted(heavy & sys.modules.keys()), file=sys.stderr)
"""


@pytest.mark.sampled
@pytest.mark.parametrize("verb", [["runs"], ["status", "--run", "done-run"]])
def test_what_is_slow_to_import_is_not_imported_for_a_look(three, tmp_path, verb):
    """Prices are looked up once; the next process knows them."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    loaded = [
        subprocess.run([sys.executable, "-c", LOADED, *verb], env=environment, capture_output=True, encoding="utf-8")
        for _ in range(2)
    ]
    assert "genai_prices" in loaded[0].stderr
    assert loaded[1].stderr == "[]\n"
    assert loaded[1].stdout == loaded[0].stdout
    assert "$0.0007" in loaded[1].stdout


def test_runs_are_a_line_each_oldest_first(three, capsys):
    assert main(["runs"]) == 0
    head, *lines, total = capsys.readouterr().out.splitlines()
    assert total.split() == ["total", "3", "1", "$0.0007"]
    assert head.split() == ["when", "run", "origin", "requests", "answered", "failed", "cost", "state"]
    assert [line.split()[2] for line in lines] == ["done-run", "f" * 12, "open-run"]
    assert [line.split()[-5:] for line in lines] == [
        ["1", "1", "0", "$0.0007", "done"],
        ["1", "0", "1", "$0.00", "failed"],
        ["1", "0", "0", "$0.00", "open"],
    ]


@pytest.mark.parametrize("width", [30, 80, 200])
@pytest.mark.parametrize("command", [["runs"], ["status", "--run", "ffff"]], ids=["runs", "status"])
def test_tables_fit_the_terminal(three, capsys, monkeypatch, width, command):
    monkeypatch.setenv("COLUMNS", str(width))
    main(command)
    lines = capsys.readouterr().out.splitlines()
    tables = [line for line in lines if not line.startswith(("run ", "  ", "model_not_found"))]
    assert len(tables) >= 4
    assert max(map(columns, tables)) <= width


def test_a_wide_character_takes_two_columns():
    assert columns("없는 model") == 10
    assert cut("없는 모델", 9) == "없는 모델"
    assert cut("없는 모델", 7) == "없는 …"
    assert cut("없는 모델", 8) == "없는 모…"


def test_runs_for_machines(three, capsys):
    assert main(["runs", "--json"]) == 0
    out = capsys.readouterr().out
    assert out.isascii()
    runs = json.loads(out)
    assert [(run["id"], run["state"], run["answers"], run["failed"]) for run in runs] == [
        ("done-run", "done", 1, 0),
        ("f" * 32, "failed", 0, 1),
        ("open-run", "open", 0, 0),
    ]
    assert runs[0]["batches"] == {"settled": 1}
    assert runs[0]["paid_usd"] == pytest.approx(runs[0]["batch_usd_as_calls"] / 2)
    assert runs[1]["failures"][0]["message"] == HOSTILE


@pytest.mark.parametrize(("run", "status"), [("done-run", 0), ("ffff", 1), ("open", 10), ("", 4), ("nobody", 4)])
def test_the_exit_status_of_status_says_how_the_run_stands(three, capsys, run, status):
    assert main(["status", "--run", run]) == status
    assert capsys.readouterr().err.count("batcheval runs") == (status == 4)


def test_status_of_a_run_names_batches_errors_and_what_to_do(three, capsys):
    main(["status", "--run", "ffffff"])
    out = capsys.readouterr().out
    assert f"run {'f' * 32}: failed" in out
    assert "1 in 1 batch: 0 answered, 1 failed" in out
    assert "model_not_found (HTTP 404)" in out
    assert "    It is not sent again: check that the key may use this model" in out
    main(["status", "--run", "open-run"])
    assert "batcheval resume" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["status", "--run", "ffff"], ["status", "--run", "ffff", "--json"]])
def test_words_of_a_provider_are_harmless_on_the_terminal(three, capsys, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "200")
    main(command)
    out = capsys.readouterr().out
    assert not set("\x1b\x07\x9b\u202e") & set(out)
    assert "\nbatcheval: all is well" not in out


def test_status_of_a_run_for_machines(three, capsys):
    assert main(["status", "--run", "done-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [batch["batch_id"] for batch in found["held"]] == ["batch_" + "0123456789abcdef" * 2]
    assert found["held"][0]["input_tokens"] == found["input_tokens"] == 4_000


def test_status_takes_a_batch_or_a_run(journal, capsys):
    assert main(["status", "batch_1", "--run", "x"]) == 4
    assert "either BATCH or --run, not both" in capsys.readouterr().err


def test_status_alone_is_of_the_newest_run(three, capsys):
    main(["runs", "--json"])
    newest = json.loads(capsys.readouterr().out)[-1]["id"]
    main(["status"])
    assert f"run {newest}: " in capsys.readouterr().out


def test_a_journal_without_runs_has_no_newest(journal, capsys):
    assert main(["status"]) == 4
    assert "the journal has no runs" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["runs"], ["status", "--run", "x"]])
def test_without_a_journal_the_next_step_is_named(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    assert main(command) == 4
    assert "batcheval recover" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_runs_of_a_client_are_listed(journal, batch_server, capsys, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    with BatchClient(batch_server.base_url, journal=journal.path) as client:
        client.run(asked("하나", "둘"))
        client.run(asked("하나", "둘"))
    assert main(["runs", "--journal", str(journal.path), "--json"]) == 0
    runs = json.loads(capsys.readouterr().out)
    assert [(run["requests"], run["answers"], run["state"], run["paid_usd"]) for run in runs] == [
        (2, 2, "done", 0),
        (0, 0, "empty", 0),
    ]
