"""Reserved disk space, so that the id of a batch that was just paid for can be stored even on a full disk."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

SIZE = 64 * 2**10
"""Bytes; a commit writes some pages of 4 KiB to the -wal file."""

CALLS = 2**21
"""Bytes for the answers of a whole window of individual calls, which are paid for when they are under way."""


class Reserve:
    """A file whose only use is its size."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self, size: int = SIZE) -> None:
        """Make sure that at least `size` bytes are on disk; without that, nothing that costs money must be sent.

        Raises:
            OSError: there is not enough space for it.
        """
        with suppress(FileNotFoundError):
            found = self._path.lstat()
            if stat.S_ISREG(found.st_mode) and found.st_size >= size:
                return
        self.give()  # whatever is there: a link must not be followed
        try:
            with open(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(os.urandom(size))  # a file system may store zeros as nothing
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            self._path.unlink(missing_ok=True)
            raise

    def give(self) -> None:
        """Free its space; the next `keep` creates it again."""
        self._path.unlink(missing_ok=True)
