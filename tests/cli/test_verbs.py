"""`batcheval resume | cancel | recover | verify | show` against a running server, in process and as a command."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from pytest_batcheval.backends.connect import connect
from pytest_batcheval.cli import main
from pytest_batcheval.engine.send import SendPolicy, send
from pytest_batcheval.errors import UnfinishedError
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.recordings.answers import NewRecording, Recordings
from pytest_batcheval.wire.objects import Answer, Request

REQUESTS = [Request({"model": "m", "messages": [{"role": "user", "content": f"질문 {n}"}]}) for n in range(5)]


@pytest.fixture
def folder(tmp_path, monkeypatch, batch_server):
    """An empty working folder, with a key and a base URL in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    monkeypatch.setenv("OPENAI_BASE_URL", batch_server.base_url)
    return tmp_path


@pytest.fixture
def submitted(folder, batch_server):
    """Five requests were submitted, and their batch still runs."""
    with connect("openai") as connection, Journal.open(folder / ".batcheval/journal.sqlite") as journal:
        backend = connection.backend
        with pytest.raises(UnfinishedError):
            send(REQUESTS, backend=backend, journal=journal, clock=connection.clock, policy=SendPolicy(patience=0))
        return journal.reader.batches()[0].batch_id


def answers(folder, origin="simulator:faithful@0"):
    with Journal.open(folder / ".batcheval/journal.sqlite") as journal:
        return {key: answer.response for key, answer in journal.reader.answers(REQUESTS, origin).items()}


def test_resume_collects_and_sends_nothing(folder, submitted, batch_server, capsys):
    assert main(["resume"]) == 0
    assert "collected 1 batch: 5 requests answered, 0 failed" in capsys.readouterr().out
    assert answers(folder).keys() == {request.custom_id for request in REQUESTS}
    assert set(batch_server.ledger.billed().values()) == {1}


def test_resume_says_that_they_still_run(folder, submitted, batch_server, capsys):
    batch_server.faults.hold_batches()
    assert main(["resume", "--wait", "60"]) == 10
    assert submitted in capsys.readouterr().err


def test_resume_names_who_sends_from_the_journal_and_waits_no_longer_than_it_may(folder, submitted, capsys):
    with Journal.open(folder / ".batcheval/journal.sqlite") as journal, journal.lock.held(None):
        assert main(["resume", "--wait", "0"]) == 10
    assert f"process {os.getpid()} on " in capsys.readouterr().err
    assert main(["resume"]) == 0


def test_recover_rebuilds_a_lost_journal(folder, submitted, batch_server, capsys):
    main(["resume"])
    before = answers(folder)
    for path in (folder / ".batcheval").glob("journal*"):
        path.unlink()
    assert main(["recover"]) == 0
    assert answers(folder) == before
    assert main(["recover"]) == 0
    assert "collected 0 batches" in capsys.readouterr().out
    assert set(batch_server.ledger.billed().values()) == {1}


def test_recover_begins_with_nothing_on_a_new_machine(folder, submitted, batch_server, capsys):
    main(["resume"])
    before = answers(folder)
    shutil.rmtree(folder / ".batcheval")
    assert main(["recover"]) == 0
    assert answers(folder) == before
    assert (folder / ".batcheval").stat().st_mode & 0o777 == 0o700
    assert (folder / ".batcheval/.gitignore").read_text() == "*\n"
    assert set(batch_server.ledger.billed().values()) == {1}


def test_recover_mends_a_damaged_journal(folder, submitted, batch_server, capsys):
    main(["resume"])
    before = answers(folder)
    path = folder / ".batcheval/journal.sqlite"
    path.write_bytes(b"x" * 100 + path.read_bytes()[100:])
    assert main(["verify"]) == 12
    assert "batcheval recover" in capsys.readouterr().err
    assert main(["recover"]) == 0
    out = capsys.readouterr().out
    assert "the journal was damaged (SQLITE_NOTADB" in out
    assert "recovered 5 answers of 1 batch." in out
    assert answers(folder) == before
    assert main(["verify"]) == 0
    assert set(batch_server.ledger.billed().values()) == {1}


def test_cancel_says_what_becomes_of_it(folder, submitted, capsys):
    assert main(["cancel", submitted]) == 0
    assert f"{submitted} is cancelling" in capsys.readouterr().out
    assert main(["cancel", "batch_nobody"]) == 11
    assert "No batch found" in capsys.readouterr().err


def test_verify_finds_a_changed_answer(folder, submitted, capsys):
    main(["resume"])
    assert main(["verify"]) == 0
    with Journal.open(folder / ".batcheval/journal.sqlite") as journal:
        journal._connection.execute("UPDATE answer SET response = x'78' WHERE key = ?", (REQUESTS[0].custom_id,))
    assert main(["verify"]) == 12
    assert f"answer {REQUESTS[0].custom_id} does not match its checksum" in capsys.readouterr().out
    assert main(["verify", "--quick"]) == 0, "it does not read each row"


@pytest.mark.parametrize("quick", [[], ["--quick"]])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE batch SET state = 'settled', batch_id = ''", "wrong: batch 1 is settled, and still holds 5 requests"),
        ("DROP INDEX claim_by_key", "the schema has another index claim_by_key"),
        ("PRAGMA user_version = 99", "journal.sqlite"),
    ],
)
def test_verify_finds_what_contradicts_itself_and_lost_indexes(folder, submitted, capsys, quick, damage, said):
    with closing(sqlite3.connect(folder / ".batcheval/journal.sqlite", isolation_level=None)) as connection:
        connection.execute(damage)
    assert main(["verify", *quick]) == 12
    assert said in "".join(capsys.readouterr())


def test_verify_lists_what_is_not_settled(folder, submitted, capsys):
    assert main(["verify"]) == 0
    assert f"{submitted}: created, 5 requests" in capsys.readouterr().out


def test_without_a_journal_the_next_step_is_named(folder, capsys):
    assert main(["verify"]) == 4
    assert "batcheval recover" in capsys.readouterr().err


def test_show_tells_where_an_answer_is(folder, submitted, capsys):
    main(["resume"])
    key = REQUESTS[0].custom_id
    recorded = Answer(
        REQUESTS[0], "https://api.openai.com/v1", {"body": {"choices": [{"message": {"content": "\x1b[2Jhi"}}]}}
    )
    Recordings(folder / "cassettes").export([NewRecording(recorded, {"persona": "kim"}, "test_it.py")])
    capsys.readouterr()
    assert main(["show", key[:8]]) == 0
    out = capsys.readouterr().out
    assert f"request {key}" in out
    assert "recorded from https://api.openai.com/v1 (persona=kim)" in out
    assert f"answered by simulator:faithful@0 in batch {submitted} (generation 1): not sent there again" in out
    assert r"\x1b[2Jhi" in out


def test_show_tells_why_it_would_be_sent_again(folder, batch_server, capsys):
    batch_server.faults.fail_lines("질문 0", status_code=400, code="bad_request", times=9)
    batch_server.faults.fail_lines("질문 1", status_code=500, times=9)
    with connect("openai") as connection, Journal.open(folder / ".batcheval/journal.sqlite") as journal:
        send(
            REQUESTS, backend=connection.backend, journal=journal, clock=connection.clock, policy=SendPolicy(attempts=1)
        )
    main(["show", REQUESTS[0].custom_id])
    assert "is not sent again: change the prompt; a changed body is a new request" in capsys.readouterr().out
    main(["show", REQUESTS[1].custom_id])
    assert "run the same command again, and only failed requests are sent" in capsys.readouterr().out


@pytest.mark.parametrize("start", ["", "zzz", "%", "__________"])
def test_show_wants_one_request(folder, submitted, capsys, start):
    assert main(["show", start]) == 4
    assert "begin" in capsys.readouterr().err


def test_show_says_where_it_has_looked(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["show", "0a", "--cassettes", "elsewhere"]) == 4
    looked = "no request begins with '0a' in the journal .batcheval/journal.sqlite and the recordings in elsewhere"
    assert looked in capsys.readouterr().err


@pytest.mark.parametrize("line", [[], ["nonsense"], ["cancel"], ["resume", "--wait", "soon"], ["show", "x", "--what"]])
def test_wrong_usage_ends_like_ours(line, capsys):
    with pytest.raises(SystemExit) as ended:
        main(line)
    assert ended.value.code == 4
    assert "usage: batcheval" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["serve", "resume", "cancel", "recover", "verify", "prune", "show"])
def test_each_verb_explains_itself(verb):
    help_ = subprocess.run(
        [sys.executable, "-m", "pytest_batcheval.cli", verb, "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert "--" in help_
    assert f"batcheval {verb}" in help_


def test_a_reader_that_leaves_early_is_no_error(folder, submitted):
    command = [sys.executable, "-m", "pytest_batcheval.cli", "show", REQUESTS[0].custom_id, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reading:
        reading.stdout.close()
        assert reading.stderr.read() == b""
    assert reading.returncode == 0
