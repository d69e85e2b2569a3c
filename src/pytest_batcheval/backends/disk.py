"""Files beside the journal, on their way to or from a provider: what fails here is our disk, not the provider."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest_batcheval.backends.faults import Refused
from pytest_batcheval.wire.errors import JournalError

SLACK = 1.05
"""A file may be this much longer than it should be before reading stops; its length is compared afterwards."""


def written(path: Path, pieces: Iterable[bytes], size: int | None = None) -> int:
    """Write pieces to a file, on disk when it returns the number of bytes.

    `size` is what it should have, in bytes; `None` when nobody knows.

    Raises:
        Refused: it is much longer than it should be.
        JournalError: it cannot be stored.
    """
    total = 0
    with _storing(path):
        stream = path.open("wb")
    with stream:
        for piece in pieces:
            total += len(piece)
            if size is not None and total > size * SLACK:
                raise Refused("too_long", f"the file is longer than the {size} bytes it should have")
            with _storing(path):
                stream.write(piece)
        with _storing(path):
            stream.flush()
            os.fsync(stream.fileno())
    return total


@contextmanager
def _storing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        text = f"{path} cannot be written ({error}); nothing is lost, run again when there is room"
        raise JournalError(text) from error
