"""The repair of a damaged journal: what it reads, and that it may be killed at any moment."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace

import pytest

from pytest_batcheval.errors import JournalError
from pytest_batcheval.journal import schema
from pytest_batcheval.journal.salvage import damage_of, mend
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.journal.transaction import DamagedError

WRITES = ("open", "os.rename", "os.remove", "os.link", "os.truncate", "sqlite3.connect")
ANSWERS = 10

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@pytest.fixture
def requests(ask):
    return ask(ANSWERS)


@pytest.fixture
def individual(path, row, requests, answer_to):
    """An open journal with answered individual calls, which nobody can be asked for again, and a stage."""
    keys = [request.custom_id for request in requests]
    with Journal.open(path) as journal:
        journal.add_run("run", row.origin)
        row = journal.plan(replace(row, calls="individual", requests=ANSWERS, file_name="calls-x"), requests)
        row = journal.record(replace(row, state="creating"), (), keys)
        journal.record(replace(row, state="settled"), [answer_to(request) for request in requests])
        connection = journal._connection
        connection.execute("INSERT INTO stage VALUES ('run', 1, 'plan', 0.5, 0.5, 1, 1, 1)")
        yield journal


@pytest.fixture
def closed(individual):
    individual.close()
    return individual.path


def answered(path, requests):
    with Journal.open(path) as journal:
        return len(journal.reader.answers(requests))


def copied(path, folder):
    """The journal as a kill would leave it now, with its log."""
    folder.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", folder / f"{path.name}{suffix}")
    return folder / path.name


def edit(path, *statements):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def change(path, old, new):
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))


# -- killed -------------------------------------------------------------------------------------------------------


def mend_until(path, number):
    """A process that is killed before its `number`th step on the disk; whether it came so far."""
    child = os.fork()
    if child == 0:
        left = number

        def count(event, arguments):
            nonlocal left
            if event in WRITES:
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        try:
            mend(path)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


@pytest.mark.sampled
def test_it_is_finished_after_a_kill_at_any_step(individual, tmp_path, requests, proof):
    """Its rows are in the log, as after a kill; an opening in between finds them or refuses, but never sees none."""
    individual._connection.execute("UPDATE answer SET crc = 7 WHERE rowid = 3")
    for number in range(1, 200, 7 if proof == "quick" else 1):
        path = copied(individual.path, tmp_path / str(number))
        killed = mend_until(path, number)
        try:
            seen = answered(path, requests)
        except DamagedError:
            seen = ANSWERS - 1
        assert seen == ANSWERS - 1, number
        mend(path)
        assert damage_of(path) is None
        assert answered(path, requests) == ANSWERS - 1, number
        assert not list(path.parent.glob("*.mend*"))
        if not killed:
            break
    assert number > 20


def test_the_journal_is_not_used_while_its_repair_is_not_finished(closed):
    shutil.copy(closed, closed.with_name(closed.name + ".mended"))
    for use in (Journal.open, lambda path: Journal.read(path).batches()):
        with pytest.raises(JournalError, match=r"its repair was interrupted.*batcheval recover"):
            use(closed)
    closed.unlink()
    with pytest.raises(JournalError, match="its repair was interrupted"):
        Journal.open(closed)
    assert mend(closed) is None
    Journal.open(closed).close()


def test_another_try_makes_no_other_copy(closed, monkeypatch):
    edit(closed, "UPDATE answer SET crc = 7 WHERE rowid = 3")
    for _ in range(3):
        with monkeypatch.context() as patch:
            patch.setattr("pytest_batcheval.journal.salvage._fill", lambda *given: 1 // 0)
            with pytest.raises(ZeroDivisionError):
                mend(closed)
    assert mend(closed).copy.exists()
    assert len(list(closed.parent.glob("*.corrupt-*[0-9]"))) == 1


def test_a_link_in_place_of_the_copy_is_not_followed(closed, monkeypatch, tmp_path):
    (tmp_path / "photo").write_text("photo")
    monkeypatch.setattr("pytest_batcheval.wire.real_time.local", lambda layout: "20260101T000000")
    closed.with_name("journal.sqlite.corrupt-20260101T000000").symlink_to(tmp_path / "photo")
    edit(closed, "UPDATE answer SET crc = 7 WHERE rowid = 3")
    assert not mend(closed).copy.is_symlink()
    assert (tmp_path / "photo").read_text() == "photo"


# -- what is read -------------------------------------------------------------------------------------------------

SCHEMAS = {
    "column": lambda p: change(p, b"most_usd  ", b"lost_usd  "),
    "check": lambda p: change(p, b"'ended'", b"'eoded'"),
    "no text": lambda p: change(p, b"crc  INTEGER NOT NULL", b"crc  INTEGER NOT\xa0NULL"),
    "table": lambda p: change(p, b"CREATE TABLE answer", b"CREATE TABLE anrwer"),
    "name": lambda p: change(p, b"tableansweranswer", b"tableanrweranswer"),
    "nonsense": lambda p: change(p, b"CREATE TABLE claim", b"CREATF TABLE claim"),
    "no header": lambda p: p.write_bytes(b"x" * 100 + p.read_bytes()[100:]),
    "no first page": lambda p: p.write_bytes(bytes(4096) + p.read_bytes()[4096:]),
}


@pytest.mark.parametrize("vacuumed", [False, True])
@pytest.mark.parametrize("name", SCHEMAS)
def test_the_rows_are_read_whatever_has_become_of_the_schema(name, vacuumed, individual, path, requests):
    if vacuumed:
        individual.prune(None)
    individual.close()
    SCHEMAS[name](path)
    found = mend(path)
    assert (found.answers, found.batches, found.dropped) == (ANSWERS, 1, 0)
    assert damage_of(path) is None
    assert answered(path, requests) == ANSWERS


@pytest.mark.sampled
@pytest.mark.parametrize("vacuumed", [False, True])
def test_every_bit_of_the_header_and_of_the_first_page_may_change(vacuumed, individual, path, requests, proof):
    if vacuumed:
        individual.prune(None)
    individual.close()
    whole = path.read_bytes()
    used = [at for at in range(4096) if whole[at]]
    dice = random.Random(1)
    places = [dice.choice(range(100)) for _ in range({"quick": 8, "ci": 100, "full": 800}[proof])]
    for at in places + [dice.choice(used) for _ in places]:
        flipped = bytearray(whole)
        flipped[at] ^= 1 << dice.randrange(8)
        path.write_bytes(flipped)
        for beside in path.parent.glob("journal.sqlite?*"):
            beside.unlink()
        mend(path)
        assert answered(path, requests) == ANSWERS, at


def test_a_stage_without_its_run_is_dropped(closed, requests):
    edit(closed, "UPDATE stage SET run = 'ran'")
    assert damage_of(closed) == "a row of stage refers to a missing run"
    assert mend(closed) is not None
    assert answered(closed, requests) == ANSWERS


@pytest.mark.parametrize("table", [table.name for table in schema.tables()])
def test_orphans_of_every_table_do_not_stop_it(table, closed, requests):
    edit(closed, f"DELETE FROM {table}")
    mend(closed)
    assert damage_of(closed) is None
    with Journal.open(closed) as journal:
        keys = [request.custom_id for request in requests]
        known = journal.reader.answers(requests).keys() | journal.reader.final(keys, "https://api.test/v1").keys()
        assert len(known) == ANSWERS


@pytest.mark.parametrize("column", ["line_id", "origin"])
def test_a_text_that_is_none_is_damage_and_read_as_far_as_it_is_one(column, closed, requests):
    edit(closed, f"UPDATE answer SET {column} = CAST(X'68e961' AS TEXT) WHERE rowid = 2")
    assert "Could not decode" in damage_of(closed)
    assert mend(closed).answers == ANSWERS
    assert damage_of(closed) is None


def test_a_batch_in_no_state_is_looked_at_again(closed, requests):
    edit(closed, "PRAGMA ignore_check_constraints = 1", "UPDATE batch SET state = 'setpled'")
    assert damage_of(closed) == "batch 1 is in no state of the journal's"
    mend(closed)
    with Journal.open(closed) as journal:
        assert [row.state for row in journal.reader.batches()] == ["creating"]


def test_a_lost_answer_to_an_individual_call_is_not_paid_for_again_in_silence(closed, requests, row):
    edit(closed, "UPDATE answer SET response = X'00' WHERE rowid = 1")
    assert mend(closed).dropped == 1
    with Journal.open(closed) as journal:
        (failure,) = journal.reader.failures(requests, row.origin).values()
    assert failure.code == "lost"
    assert "it was paid" in failure.message


def test_the_layouts_are_those_of_real_files(path):
    """Pages are given to tables in the order of the scripts; `VACUUM` makes the indexes last."""
    for layout, prune in zip(schema.layouts(), (False, True), strict=True):
        with Journal.open(path) as journal:
            journal.add_run("r", "o")
            if prune:
                journal.prune(None)
        with closing(sqlite3.connect(path)) as connection:
            assert dict(connection.execute(schema.ROOTS)) == layout
