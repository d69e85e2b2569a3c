from __future__ import annotations

import errno
import json
import sqlite3
import sys
from dataclasses import replace

import pytest

from pytest_batcheval.errors import JournalError
from pytest_batcheval.journal import reserve
from pytest_batcheval.journal.rows import AnswerRow, FailureRow
from pytest_batcheval.journal.sqlite_file import SqliteFile
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.wire.objects import Request

FOREIGN_KEY = "SQLITE_CONSTRAINT_FOREIGNKEY|ForeignKeyViolation"
"""What each store calls a row that refers to a missing one."""


def failure(request, retryable=True, code="server_error"):
    return FailureRow(request.custom_id, code, "busy", 503, retryable)


# -- claims -----------------------------------------------------------------------------------------------------


def test_planning_stores_the_requests_and_claims_their_keys(journal, row, ask):
    requests = ask(3)
    planned = journal.plan(row, requests)
    assert (planned.id, planned.state) == (1, "planned")
    assert journal.reader.batches() == [planned]
    keys = sorted(request.custom_id for request in requests)
    assert journal.reader.keys(planned.id) == keys
    assert journal.reader.claimed(row.origin) == set(keys)
    assert [json.loads(line)["custom_id"] for line in journal.reader.lines(planned.id)] == keys


def test_a_key_in_two_open_batches_is_an_error_that_names_both(journal, row, ask):
    requests = ask(600)
    journal.settle(replace(journal.plan(row, requests[1:]), state="settled"), [])
    journal.commit(replace(journal.plan(row, requests[-1:]), state="created", batch_id="batch_7"))
    with pytest.raises(JournalError, match=rf"{requests[-1].custom_id} is already in batch 2 \(batch_7, created\)"):
        journal.plan(row, requests)
    assert len(journal.reader.batches()) == 2
    assert journal.reader.claimed(row.origin) == {requests[-1].custom_id}
    assert journal.reader.tries([requests[0].custom_id], row.origin) == {}


def test_a_key_may_be_in_open_batches_of_two_origins(journal, row, ask):
    journal.plan(row, ask(1))
    journal.plan(replace(row, origin="simulator:faithful@0"), ask(1))
    assert len(journal.reader.open_batches("simulator:faithful@0")) == 1


def test_another_constraint_is_not_taken_for_a_claim(journal, row, ask):
    with pytest.raises(JournalError, match=FOREIGN_KEY):
        journal.plan(replace(row, run="unknown"), ask(1))
    twice = ask(1) * 2
    with pytest.raises(JournalError, match="has a request twice"):
        journal.plan(row, twice)


@pytest.mark.parametrize(("state", "free"), [("settled", True), ("void", True), ("lost", False)])
def test_a_settled_or_void_batch_gives_its_keys_free_and_a_lost_one_keeps_them(journal, row, ask, state, free):
    planned = journal.plan(row, ask(2))
    journal.settle(replace(planned, state=state), [])
    assert (journal.reader.claimed(row.origin) == set()) is free
    if not free:
        with pytest.raises(JournalError, match="already"):
            journal.plan(row, ask(1))


# -- settling ---------------------------------------------------------------------------------------------------


def test_settling_stores_answers_failures_and_state_together(journal, row, ask, answer_to):
    requests = ask(3)
    planned = journal.plan(row, requests)
    results = [answer_to(requests[0]), failure(requests[1]), failure(requests[2], retryable=False, code="bad")]
    journal.settle(replace(planned, state="settled", completed=1, failed=2), results)
    reader = journal.reader
    assert reader.answers(requests)[requests[0].custom_id].text == "잠을 못 자요."
    assert {k: str(e) for k, e in reader.failures(requests, row.origin).items()} == {
        requests[1].custom_id: "server_error (HTTP 503): busy",
        requests[2].custom_id: "bad (HTTP 503): busy",
    }
    assert reader.final([r.custom_id for r in requests], row.origin) == {requests[2].custom_id: 1}
    assert reader.open_batches() == []


def test_a_line_that_fails_in_the_middle_leaves_nothing(journal, row, ask, answer_to):
    requests = ask(3)
    planned = journal.plan(row, requests)

    def results():
        yield answer_to(requests[0])
        yield failure(requests[1])
        raise OSError(errno.EIO, "the file went away", "output.jsonl")

    with pytest.raises(JournalError, match=r"EIO.*output\.jsonl"):
        journal.settle(replace(planned, state="settled"), results())
    assert journal.reader.batches() == [planned]
    assert journal.reader.answers(requests) == {}
    assert journal.reader.failures(requests, row.origin) == {}
    assert len(journal.reader.claimed(row.origin)) == 3


def test_an_answer_for_nobody_leaves_nothing(journal, row, ask, answer_to):
    requests = ask(2)
    planned = journal.plan(row, requests[:1])
    with pytest.raises(JournalError, match=FOREIGN_KEY):
        journal.settle(replace(planned, state="settled"), map(answer_to, requests))
    assert journal.reader.answers(requests) == {}


def test_an_answer_ends_the_failure_before_it(journal, row, ask, answer_to):
    (request,) = ask(1)
    journal.settle(replace(journal.plan(row, [request]), state="settled"), [failure(request)])
    journal.settle(replace(journal.plan(replace(row, attempt=2), [request]), state="settled"), [answer_to(request)])
    assert journal.reader.failures([request], row.origin) == {}
    assert journal.reader.tries([request.custom_id], row.origin) == {request.custom_id: (1, 2)}


def test_the_first_answer_of_a_generation_stays_and_the_newest_generation_wins(journal, row, ask, answer_to):
    (request,) = ask(1)
    for generation, text in [(1, "first"), (1, "second"), (2, "third")]:
        ended = replace(row, generation=generation, state="settled")
        journal.adopt(ended, {request.custom_id: request.line()}, results=[answer_to(request, text)])
        newest = journal.reader.answers([request], row.origin)[request.custom_id].text
        assert newest == {"first": "first", "second": "first", "third": "third"}[text]
    assert journal.reader.generations([request.custom_id], row.origin) == {request.custom_id: 2}


def test_a_failed_refresh_does_not_hide_the_older_answer(journal, row, ask, answer_to):
    (request,) = ask(1)
    journal.settle(replace(journal.plan(row, [request]), state="settled"), [answer_to(request)])
    planned = journal.plan(replace(row, generation=2), [request])
    journal.settle(replace(planned, state="settled"), [failure(request, retryable=False)])
    assert journal.reader.failures([request], row.origin) == {}
    assert journal.reader.answered([request.custom_id], row.origin) == {request.custom_id}
    assert journal.reader.final([request.custom_id], row.origin) == {request.custom_id: 2}


# -- refreshes --------------------------------------------------------------------------------------------------


def test_a_refresh_keeps_its_goals_until_all_of_it_is_done(journal):
    for run in "abc":
        journal.add_run(run, "o")
    assert journal.begin_refresh("a", "o", {"x": 2, "y": 3}) == {"x": 2, "y": 3}
    journal.end_refresh("o", ["x"])
    assert journal.begin_refresh("b", "o", {"x": 3, "y": 4, "z": 2}) == {"x": 2, "y": 3, "z": 2}
    assert journal.begin_refresh("b", "other", {"x": 9}) == {"x": 9}
    journal.end_refresh("o", ["y", "z"])
    assert journal.begin_refresh("c", "o", {"x": 3}) == {"x": 3}
    assert journal.begin_refresh("c", "other", {"x": 10}) == {"x": 9}


def test_what_a_refresh_has_done_is_refreshed_anew_where_nothing_else_of_it_is_wanted(journal):
    """Its last request may have changed since, so that nobody will ever ask for it again."""
    for run in "abcd":
        journal.add_run(run, "o")
    journal.begin_refresh("a", "o", {"x": 2, "y": 2, "gone": 2})
    journal.end_refresh("o", ["x"])
    assert journal.begin_refresh("b", "o", {"x": 3, "y": 3}) == {"x": 2, "y": 2}
    journal.end_refresh("o", ["x", "y"])
    assert journal.begin_refresh("c", "o", {"x": 3, "y": 3}) == {"x": 3, "y": 3}
    assert journal.begin_refresh("d", "o", {"gone": 3}) == {"gone": 2}


def test_later_waves_of_the_same_run_do_not_end_what_it_refreshed(journal):
    journal.add_run("a", "o")
    journal.begin_refresh("a", "o", {"x": 2})
    journal.end_refresh("o", ["x"])
    assert journal.begin_refresh("a", "o", {"x": 3, "y": 2}) == {"x": 2, "y": 2}


# -- checksums --------------------------------------------------------------------------------------------------


def test_a_flipped_bit_in_an_answer_is_seen_though_sqlite_does_not(path, row, ask, answer_to):
    requests = ask(3)
    with Journal.open(path) as journal:
        journal.add_run("run", row.origin)
        journal.settle(
            replace(journal.plan(row, requests), state="settled"), [answer_to(r, "unique") for r in requests]
        )
    content = bytearray(path.read_bytes())
    content[content.index(b"unique")] ^= 1
    path.write_bytes(content)
    with Journal.open(path) as journal:
        found = journal.reader.answers(requests)
        assert len(found) == 2
        assert journal.reader.damaged == {r.custom_id for r in requests} - found.keys()


def test_a_flipped_bit_in_a_planned_request_is_seen_before_it_is_sent(path, row, ask):
    with Journal.open(path) as journal:
        journal.add_run("run", row.origin)
        journal.plan(row, ask(1))
    content = bytearray(path.read_bytes())
    content[content.index("질문 0".encode())] ^= 1
    path.write_bytes(content)
    with Journal.open(path) as journal:
        with pytest.raises(JournalError, match=rf"is damaged \(request {ask(1)[0].custom_id}"):
            list(journal.reader.lines(1))
        journal.settle(replace(journal.reader.batches()[0], state="void"), [])
        journal.plan(row, ask(1))
        assert list(journal.reader.lines(2)) == [ask(1)[0].line()]


def test_an_answer_with_what_sqlite_has_no_type_for_is_stored(journal, row, ask):
    (request,) = ask(1)
    response = b'{"status_code":200,"body":{"n":' + b"9" * 4000 + b',"text":"\\u0000"}}'
    planned = journal.plan(row, [request])
    journal.settle(replace(planned, state="settled"), [AnswerRow(request.custom_id, "", response)])
    assert journal.reader.answers([request])[request.custom_id].body["text"] == "\0"


# -- who may write ----------------------------------------------------------------------------------------------


def test_the_command_line_and_the_url_are_stored_without_secrets(journal, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["pytest", "--batch-backend=https://kim:secret@host/v1", "--key=sk-abcdefghijk"])
    journal.add_run("r", "o", "https://kim:secret@host/v1")
    (stored,) = journal._connection.execute("SELECT base_url || argv FROM run WHERE id = 'r'").fetchone()
    assert "secret" not in stored
    assert "abcdef" not in stored
    assert "https://host/v1" in stored


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_a_journal_that_is_gone_is_not_written_to(path, row, ask, how):
    with Journal.open(path) as journal:
        journal.add_run("run", row.origin)
        planned = journal.plan(row, ask(1))
        for file in path.parent.glob(path.name + "*"):
            file.unlink()
        if how == "replaced":
            Journal.open(path).close()
        with pytest.raises(JournalError, match="deleted or replaced while it was in use; nothing was sent"):
            journal.commit(replace(planned, state="creating"))


def test_nothing_is_planned_sent_or_called_under_a_lock_that_was_deleted(path, row, ask):
    """Somebody took it for a stale one; what was paid for is stored all the same."""
    requests = ask(2)
    with Journal.open(path) as journal:
        journal.add_run("run", row.origin)
        journal.lock.acquire(None)
        planned = journal.plan(row, requests)
        called = journal.plan(replace(row, calls="individual"), ask(4)[2:])
        journal.lock.path.unlink()
        with pytest.raises(JournalError, match="was deleted while it was held"):
            journal.plan(row, ask(5)[4:])
        with pytest.raises(JournalError, match="was deleted while it was held"):
            journal.commit(replace(planned, state="creating"))
        answer, other = (request.custom_id for request in ask(4)[2:])
        with pytest.raises(JournalError, match="was deleted while it was held"):
            journal.record(called, [AnswerRow(answer, "", b"{}")], [other])
        journal.record(called, [AnswerRow(answer, "", b"{}")])
        journal.commit(replace(planned, state="created", batch_id="batch_1"))
        assert journal.reader.answered([answer, other], row.origin) == {answer}
        created = journal.reader.batches()[0]
        assert (created.state, created.batch_id) == ("created", "batch_1")


def test_a_link_to_a_journal_has_the_lock_of_the_journal(path, tmp_path, row):
    link = tmp_path / "link.sqlite"
    with Journal.open(path) as journal:
        link.symlink_to(path)
        with Journal.open(link) as linked, journal.lock.held(None):
            assert linked.path == journal.path
            with pytest.raises(JournalError, match="in use by"):
                linked.lock.acquire(None)


def test_two_writers_take_turns(path, row, ask):
    with Journal.open(path) as one, Journal.open(path) as two:
        one.add_run("run", row.origin)
        for number, request in enumerate(ask(20)):
            (one, two)[number % 2].plan(row, [request])
        assert len(one.reader.batches()) == len(two.reader.batches()) == 20


# -- a disk that fails ------------------------------------------------------------------------------------------


class Failing(sqlite3.Connection):
    """The n-th COMMIT from `arm(n)` on fails as on a full disk: SQLite has rolled back when it reports."""

    left = 0
    times = 1

    def arm(self, left, times=1):
        self.left, self.times = left, times

    def execute(self, sql, *values):
        if sql == "COMMIT" and self.left:
            self.left -= 1
            if not self.left and self.times:
                self.times -= 1
                self.left = 1 if self.times else 0
                super().execute("ROLLBACK")
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorname = "SQLITE_FULL"
                raise error
        return super().execute(sql, *values)


@pytest.fixture
def failing(path):
    Journal.open(path).close()
    connection = sqlite3.connect(path, isolation_level=None, factory=Failing)
    connection.execute("PRAGMA foreign_keys = ON")
    with Journal(SqliteFile(path), connection) as journal:
        yield journal


def life(journal, row, requests, answer_to):
    """All writes of a batch's life."""
    journal.add_run("run", row.origin)
    row = journal.plan(row, requests)
    row = replace(row, state="uploaded", file_id="file-1")
    journal.commit(row)
    row = replace(row, state="creating")
    journal.commit(row)
    row = replace(row, state="created", batch_id="batch_1")
    journal.commit(row)
    row = replace(row, state="ended", output_file_id="file-2")
    journal.commit(row)
    journal.settle(replace(row, state="settled"), map(answer_to, requests))


@pytest.mark.parametrize(
    ("number", "left"),
    list(enumerate(["none", "none", "planned", "uploaded", "settled", "created", "ended", "settled"], 1)),
)
def test_the_nth_commit_that_fails_leaves_what_was_before_it(failing, row, ask, answer_to, number, left):
    """The fifth is that of a batch just created, which is stored at the second try; the eighth is none."""
    failing._connection.arm(number)
    if left == "settled":
        life(failing, row, ask(3), answer_to)
    else:
        with pytest.raises(JournalError, match="SQLITE_FULL"):
            life(failing, row, ask(3), answer_to)
    assert [batch.state for batch in failing.reader.batches()] == ([left] if left != "none" else [])
    assert len(failing.reader.answers(ask(3))) == (3 if left == "settled" else 0)
    assert len(failing.reader.claimed(row.origin)) == (0 if left in ("none", "settled") else 3)
    failing._connection.arm(0)
    failing.add_run("again", row.origin)


def test_a_batch_whose_id_cannot_be_stored_at_all_is_named(failing, row, ask, answer_to):
    failing._connection.arm(5, times=2)
    with pytest.raises(
        JournalError, match=r"batch_1 was created at https://api\.test/v1 from file file-1.*pays nothing"
    ):
        life(failing, row, ask(3), answer_to)
    assert failing.reader.batches()[0].state == "creating"


def test_the_reserve_is_there_before_a_create_and_given_when_its_outcome_has_no_room(failing, path, row, ask):
    room = path.with_name(path.name + ".reserve")
    failing.add_run("run", row.origin)
    planned = failing.plan(row, ask(1))
    assert not room.exists()
    failing.commit(replace(planned, state="creating"))
    assert room.stat().st_size == reserve.SIZE
    failing._connection.arm(1)
    failing.commit(replace(planned, state="created", batch_id="batch_1"))
    assert not room.exists()
    failing.commit(replace(planned, state="creating"))
    assert room.exists()


def test_without_room_for_the_reserve_there_is_no_intent_to_create(in_file, row, ask, monkeypatch):
    planned = in_file.plan(row, ask(1))

    def full(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(reserve.os, "fsync", full)
    with pytest.raises(JournalError, match=r"ENOSPC.*nothing was sent"):
        in_file.commit(replace(planned, state="creating"))
    monkeypatch.undo()
    assert in_file.reader.batches()[0].state == "planned"
    assert not list(in_file.path.parent.glob("*.reserve"))


FULL_DISK = """
import os, sys
from dataclasses import replace
from pathlib import Path
from pytest_batcheval.journal.rows import BatchRow
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.errors import JournalError
from pytest_batcheval.wire.objects import Request

path = Path(sys.argv[1]) / "j" / "journal.sqlite"
journal = Journal.open(path)
journal.add_run("run", "o")
row = BatchRow("o", "s", "/v1/chat/completions", "i", 1, 1, 1, "f.jsonl", run="run")
planned = journal.plan(row, [Request({"model": "m", "messages": [{"role": "user", "content": "hi"}]})])
journal.commit(replace(planned, state="creating"))
with open(Path(sys.argv[1]) / "fill", "wb", buffering=0) as fill:
    size = 65536
    while size:
        try:
            fill.write(b"x" * size)
        except OSError:
            size //= 2
journal.commit(replace(planned, state="created", batch_id="batch_1"))
print(journal.reader.batches()[0].batch_id, path.with_name("journal.sqlite.reserve").exists())
try:
    for number in range(1000):
        journal.add_run(str(number) * 50, "o")
except JournalError as error:
    print("full" if "SQLITE_FULL" in str(error) else error)
"""


def test_on_a_disk_that_is_really_full_the_id_of_a_created_batch_is_stored(tmp_path, python):
    script = "import os, sys; os.execvp('unshare', ['unshare', '-rm', 'sh', '-c', "
    script += '\'mount -t tmpfs -o size=600k none "$1" && exec "$2" -c "$3" "$1" || exit 77\', \'sh\', *sys.argv[1:]])'
    process = python(script, tmp_path, sys.executable, FULL_DISK)
    output, _ = process.communicate()
    if process.returncode == 77 and "mount" in output:
        pytest.skip(f"this machine lets nobody mount: {output}")
    assert output.split("\n")[:2] == ["batch_1 False", "full"]


def test_requests_are_equal_by_key(journal, row):
    """The same request planned again by a later run is stored once."""
    one, same = (Request({"model": "m", "messages": []}) for _ in range(2))
    journal.settle(replace(journal.plan(row, [one]), state="settled"), [])
    journal.plan(row, [same])
    assert journal._connection.execute("SELECT count(*) FROM request").fetchone() == (1,)
