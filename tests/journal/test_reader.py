from __future__ import annotations

import gc
import os
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace

import pytest

from pytest_batcheval.errors import JournalError
from pytest_batcheval.journal.store import Journal

# A fork of a process with threads is what is tested here; Python 3.12 warns of it.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def in_child(check):
    """Run `check` in a forked child; whether it came to a good end."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if check() else 1)
        except BaseException:
            os._exit(2)
    return os.waitpid(child, 0)[1] == 0


def fill(journal, row, requests, answer_to):
    journal.settle(replace(journal.plan(row, requests), state="settled"), [answer_to(r, r.custom_id) for r in requests])
    return journal


@pytest.fixture
def filled(journal, row, ask, answer_to):
    return fill(journal, row, ask(1200), answer_to)


@pytest.fixture
def filled_file(in_file, row, ask, answer_to):
    return fill(in_file, row, ask(1200), answer_to)


def test_more_keys_than_a_query_takes_are_read_in_parts(filled, ask):
    answers = filled.reader.answers(ask(1200))
    assert all(answers[r.custom_id].text == r.custom_id for r in ask(1200))
    assert {(a.source, a.origin, a.line_id) for a in answers.values()} == {("journal", "https://api.test/v1", "line")}


def test_answers_of_another_origin_are_not_given(filled, ask):
    assert filled.reader.answers(ask(3), "simulator:faithful@0") == {}
    assert len(filled.reader.answers(ask(3), None)) == 3


def test_of_any_origin_the_newest_batch_is_given(filled, row, ask, answer_to):
    request = ask(1)[0]
    planned = filled.plan(replace(row, origin="simulator:faithful@0"), [request])
    filled.settle(replace(planned, state="settled"), [answer_to(request, "later")])
    assert filled.reader.answers([request])[request.custom_id].text == "later"
    assert filled.reader.answers([request], row.origin)[request.custom_id].text == request.custom_id


def test_a_reader_sees_each_commit_and_nothing_of_an_open_transaction(journal, row, ask, answer_to):
    reader = Journal.read(journal.address)
    planned = journal.plan(row, ask(2))
    seen = []

    def results():
        for request in ask(2):
            yield answer_to(request)
            seen.append((len(reader.answers(ask(2))), reader.batches()[0].state))

    journal.settle(replace(planned, state="settled"), results())
    assert seen == [(0, "planned")] * 2
    assert (len(reader.answers(ask(2))), reader.batches()[0].state) == (2, "settled")
    reader.close()


def test_a_reader_never_blocks_the_writer_nor_keeps_its_log_long(filled_file, ask):
    """Between two of its queries nothing of a reader is open, so the write-ahead log can be emptied."""
    reader = Journal.read(filled_file.path)
    reader.answers(ask(1200))
    filled_file.add_run("more", "o")
    busy, _, _ = filled_file._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert busy == 0
    assert filled_file.path.with_name(filled_file.path.name + "-wal").stat().st_size == 0
    reader.close()


def test_a_closed_journal_is_read_in_a_folder_that_cannot_be_written(path, row, ask, answer_to, unwritable):
    with Journal.open(path) as journal:
        journal.add_run("run", row.origin)
        journal.settle(replace(journal.plan(row, ask(2)), state="settled"), map(answer_to, ask(2)))
    with unwritable(path) as there:
        reader = Journal.read(there)
        assert len(reader.answers(ask(2))) == 2
        reader.close()
        with pytest.raises(JournalError, match=r"SQLITE_READONLY.*able to write this file and its folder"):
            Journal.open(there)


def test_answers_that_are_only_in_the_log_are_not_passed_over_in_silence(filled_file, ask, unwritable):
    """The copy of a journal in use, without the index of its log, which nobody may make there."""
    with unwritable(filled_file.path) as there:
        index = there.with_name(there.name + "-shm")
        if os.getuid() == 0:
            os.seteuid(0)
            index.unlink()
            os.seteuid(65534)
        else:
            there.parent.chmod(0o755)
            index.unlink()
            there.parent.chmod(0o555)
        with pytest.raises(JournalError, match=r"newest entries .* journal\.sqlite-wal.*copy both"):
            Journal.read(there).answers(ask(2))


def test_a_locked_database_is_not_read_as_if_nobody_could_change_it(in_file, row, ask, monkeypatch):
    """`immutable` would read past the lock, and read torn pages."""
    monkeypatch.setattr("pytest_batcheval.journal.connect.BUSY_SECONDS", 0.0)
    with closing(sqlite3.connect(in_file.path, isolation_level=None)) as other:
        in_file._connection.close()
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(JournalError, match="SQLITE_BUSY"):
            Journal.read(in_file.path).batches()


def test_a_forked_child_opens_the_file_again(filled, ask):
    inherited = filled.reader._connection
    assert len(filled.reader.answers(ask(5))) == 5

    def check():
        fine = len(filled.reader.answers(ask(5))) == 5 and filled.reader._connection is not inherited
        filled.reader.close()
        gc.collect()
        return fine

    assert in_child(check)
    filled.add_run("after", "o", name="")
    assert filled.reader.run_origins("after") == {"": "o"}


def test_a_forked_child_does_not_write_with_its_parents_connection(filled):
    def check():
        try:
            filled.add_run("child", "o")
        except JournalError as error:
            filled.close()
            gc.collect()
            return "a forked process must open it again" in str(error)
        return False

    assert in_child(check)
    filled.add_run("parent", "o", name="")
    assert filled.reader.run_origins("child") == {}


def test_a_child_of_a_thread_that_was_reading_is_not_stuck(filled, ask):
    with filled.reader._guard:
        assert in_child(lambda: len(filled.reader.answers(ask(2))) == 2)


@pytest.mark.sampled
def test_threads_share_a_reader(filled, ask):
    found = []

    def read():
        found.extend(len(filled.reader.answers(ask(1200))) for _ in range(5))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1200] * 20


def test_another_thread_may_not_write(in_file):
    errors = []

    def write():
        try:
            in_file.add_run("thread", "o")
        except JournalError as error:
            errors.append(str(error))

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    assert "ProgrammingError" in errors[0]


def test_the_damaged_are_left_out_and_named(filled, ask):
    request = ask(1)[0]
    filled._connection.execute("UPDATE answer SET response = ? WHERE key = ?", (b"{}", request.custom_id))
    assert len(filled.reader.answers(ask(3))) == 2
    assert filled.reader.damaged == {request.custom_id}
    assert filled.reader.answered([r.custom_id for r in ask(3)], "https://api.test/v1") == {
        r.custom_id for r in ask(3)[1:]
    }
