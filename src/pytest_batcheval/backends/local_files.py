"""Files beside the journal, on their way to or from a provider; errors here are those of the local disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from pytest_batcheval.backends.errors import Refused
from pytest_batcheval.errors import JournalError
from pytest_batcheval.text.disk_errors import advice, error_name

SLACK = 1.05
"""A file may be this much longer than it should be before reading stops; its length is checked afterwards."""


def written(path: Path, pieces: Iterable[bytes], size: int | None = None) -> int:
    """Write pieces to a file and return the number of bytes, once they are on disk.

    `size` is the expected number of bytes; `None` when it is unknown.

    Raises:
        Refused: it is much longer than it should be.
        JournalError: it cannot be stored.
    """
    total = 0
    with _new_file(path) as stream:
        for piece in pieces:
            total += len(piece)
            if size is not None and total > size * SLACK:
                raise Refused("too_long", f"the file is longer than the {size} bytes it should have")
            with storing(path):
                stream.write(piece)
        with storing(path):
            stream.flush()
            os.fsync(stream.fileno())
    return total


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing, empty; what a link in its place leads to is somebody else's."""
    with storing(path):
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        stream = open(os.open(path, flags, 0o600), "wb")  # noqa: SIM115
    try:
        yield stream
    except BaseException:
        with suppress(OSError):  # closing writes once more what could not be written
            stream.close()
        raise
    with storing(path):
        stream.close()


def private_folder(path: Path) -> None:
    """Make a folder (0700) where there is none, and those above it.

    Raises:
        JournalError: it cannot be made, or it or the one above it is a link.
    """
    with storing(path):
        refuse_link(path.parent)
        refuse_link(path)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)


def refuse_link(path: Path) -> None:
    """Make sure that a path is no link: what it leads to is somebody else's, who has not asked us to write there.

    Raises:
        OSError: it is one.
    """
    if path.is_symlink():
        raise OSError(errno.ELOOP, "this is a symbolic link", str(path))


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn an error of the disk into a `JournalError` that names the path."""
    try:
        yield
    except OSError as error:
        todo = advice(error_name(error)) or "run the same command again when that is solved"
        raise JournalError(f"{path} cannot be written ({error}); nothing is lost; {todo}") from error
