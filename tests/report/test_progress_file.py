"""The progress of a send for other processes: written by a thread, gone at the end, never in the way."""

import os
import stat
import time

import pytest

from pytest_batcheval.engine.snapshot import BatchSnapshot, OutageSnapshot
from pytest_batcheval.report.eta import Eta
from pytest_batcheval.report.progress_file import progress_file, read_progress

SEEN = BatchSnapshot(1, 2, "b\x1b[2J", "in_progress", 3, 0, 9, 60.0, stage="run")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.sqlite"


def written(path, until):
    """What the file says, once it says that."""
    end = time.monotonic() + 60
    while (found := read_progress(path, Eta)) is None or not until(found):
        assert time.monotonic() < end
        time.sleep(0.01)
    return found


def test_others_see_the_same_lines_while_it_lasts(path):
    shown = []
    with progress_file(path, "run", 0.0, shown.append, wave=2) as watch:
        for snapshot in (SEEN, OutageSnapshot.of_pause(60.0, 0, "HTTP 503")):
            watch(snapshot)
        found = written(path, lambda found: len(found.board.under_way) == 2)
        lines = found.board.lines(0.0, 199, 9)
        mode = stat.S_IMODE(os.stat(tmp := path.with_name("journal.sqlite.progress")).st_mode)
    assert (found.run, found.pid, mode) == ("run", os.getpid(), 0o600)
    assert lines[1].startswith("wave 2 batch 1/2  in_progress  ")
    assert "3/9 done  1m 00s virtual" in lines[1]
    assert "asked again for up to 1m 00s" in lines[0]
    assert "\x1b" not in "".join(lines)
    assert shown[0] is SEEN
    assert not tmp.exists()
    assert list(path.parent.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_no_trouble(tmp_path):
    with progress_file(tmp_path / "none" / "journal.sqlite", "run", 1.0, lambda seen: None) as watch:
        watch(SEEN)
    assert read_progress(tmp_path / "none" / "journal.sqlite", Eta) is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"run": 1, "pid": 2, "wave": 1, "speed": 1, "batches": [{"kind": "Later"}]}']
)
def test_what_another_release_wrote_is_not_read(path, text):
    path.with_name("journal.sqlite.progress").write_text(text)
    assert read_progress(path, Eta) is None
