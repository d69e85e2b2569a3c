"""Files beside the journal: an error of the disk is a `JournalError`, with the advice that fits it."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import pytest

from pytest_batcheval.backends.errors import Refused
from pytest_batcheval.backends.local_files import private_folder, written
from pytest_batcheval.errors import JournalError
from pytest_batcheval.text.disk_errors import advice


@pytest.fixture
def small_disk():
    """No file becomes longer than 64 KiB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no device that is always full")
def test_a_full_disk_is_told_also_when_the_file_is_closed():
    with pytest.raises(JournalError, match=r"/dev/full cannot be written .*make room and run"):
        written(Path("/dev/full"), [b"x"])


@pytest.mark.parametrize(
    "pieces", [[b"x" * 2**17], [b"x" * 1000] * 200, [b"x" * 2**16, b"y"]], ids=["one", "many", "end"]
)
def test_it_is_told_wherever_the_file_grows_too_long(pieces, tmp_path, small_disk):
    with pytest.raises(JournalError, match="make room"):
        written(tmp_path / "file", pieces)


def test_an_error_of_the_pieces_is_not_taken_for_one_of_the_disk(tmp_path, small_disk):
    def pieces():
        yield b"x" * 2**15
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        written(tmp_path / "file", pieces())
    with pytest.raises(Refused, match="longer than"):
        written(tmp_path / "file", [b"x" * 100], 10)


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "photo").write_text("photo")
    (tmp_path / "link").symlink_to("photo")
    with pytest.raises(JournalError, match="remove that"):
        written(tmp_path / "link", [b"x"])
    with pytest.raises(JournalError, match="remove that"):
        private_folder(tmp_path / "link" / "1")
    assert (tmp_path / "photo").read_text() == "photo"


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(JournalError, match="remove that"):
        written(tmp_path / "pipe", [b"x"])


def test_the_advice_fits_the_reason():
    assert "make room" in advice("ENOSPC")
    assert "must be able to write" in advice("EACCES")
    assert "must be able to write" in advice("SQLITE_READONLY_DIRECTORY")
    assert advice("EIO") == ""
