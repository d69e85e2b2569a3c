"""The write-ahead log: everything is in the journal's file when nobody has it open, or when a run has ended."""

from __future__ import annotations

import shutil

import pytest

from pytest_batcheval.journal import connect
from pytest_batcheval.journal.store import Journal


def runs_in_a_copy(path):
    """The runs that the file has without its log."""
    copy = path.with_name("copy.sqlite")
    shutil.copy(path, copy)
    reader = Journal.read(copy)
    found = [run.id for run in reader.runs()]
    reader.close()
    return found


def log(path):
    return path.with_name(path.name + "-wal")


def test_a_reader_that_stays_open_does_not_keep_rows_out_of_the_file(path, in_file):
    reader = Journal.read(path)
    reader.runs()
    in_file.add_run("second", "o")
    in_file.close()
    assert runs_in_a_copy(path) == ["run", "second"]
    assert log(path).stat().st_size == 0
    reader.close()
    assert not log(path).exists()


def test_a_reader_leaves_nothing_beside_a_closed_journal(path, in_file):
    in_file.close()
    reader = Journal.read(path)
    reader.runs()
    reader.close()
    assert sorted(file.name for file in path.parent.iterdir()) == [".gitignore", path.name]


def test_a_reader_takes_the_log_from_nobody(path, in_file):
    reader = Journal.read(path)
    reader.runs()
    reader.close()
    assert log(path).exists()
    in_file.add_run("second", "o")
    assert [run.id for run in reader.runs()] == ["run", "second"]
    reader.close()


def test_a_journal_that_was_never_closed_is_whole_after_the_next_opening(path, python):
    script = """
import os, sys
from pathlib import Path
from pytest_batcheval.journal.store import Journal
Journal.open(Path(sys.argv[1])).add_run("run", "o")
os._exit(0)
"""
    python(script, path).wait()
    assert log(path).stat().st_size > 0
    with Journal.open(path):
        assert runs_in_a_copy(path) == ["run"]


def test_a_log_that_cannot_be_moved_loses_nothing(path, in_file):
    """A reader in the middle of a transaction keeps its rows; closing does not fail."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connect, "BUSY_SECONDS", 0.01)
        patch.setattr(connect.shorten_log, "__defaults__", (0.01,))
        other = connect.reader(path)
        cursor = other.execute("SELECT 1 UNION SELECT 2 FROM run")
        cursor.fetchone()
        in_file.add_run("second", "o")
        in_file.close()
        cursor.close()
        other.close()
    with Journal.open(path) as again:
        assert [run.id for run in again.reader.runs()] == ["run", "second"]


def test_the_files_of_a_damaged_journal_stay_as_they_are(path, in_file):
    """They are what a repair begins with."""
    in_file._connection.execute("INSERT INTO request VALUES ('key', X'00', 7)")
    copy = path.with_name("damaged.sqlite")
    shutil.copy(path, copy)
    shutil.copy(log(path), log(copy))
    before = copy.read_bytes(), log(copy).read_bytes()
    reader = Journal.read(copy)
    assert reader.verify() == ["request key does not match its checksum"]
    reader.close()
    assert (copy.read_bytes(), log(copy).read_bytes()) == before
