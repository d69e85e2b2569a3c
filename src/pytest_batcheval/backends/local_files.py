"""Files beside the journal, on their way to or from a provider; errors here are those of the local disk."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest_batcheval.backends.errors import Refused
from pytest_batcheval.errors import JournalError

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
    with storing(path):
        stream = path.open("wb")
    with stream:
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


def private_folder(path: Path) -> None:
    """Make a folder (0700) where there is none, and those above it.

    Raises:
        JournalError: it cannot be made.
    """
    with storing(path):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn an error of the disk into a `JournalError` that names the path."""
    try:
        yield
    except OSError as error:
        text = f"{path} cannot be written ({error}); nothing is lost; make room and run the same command again"
        raise JournalError(text) from error
