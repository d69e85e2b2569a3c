"""A piece of disk kept free, so that on a full one the id of a batch just paid for can still be stored."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

SIZE = 64 * 2**10
"""Bytes; a commit writes some pages of 4 KiB to the -wal file."""


class Reserve:
    """A file of no use but its size."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self) -> None:
        """Have it on disk; called before each create, which must not be sent otherwise.

        Raises:
            OSError: there is no room for it.
        """
        with suppress(FileNotFoundError):
            if self._path.stat().st_size == SIZE:
                return
        try:
            with open(os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(os.urandom(SIZE))  # a file system may store zeros as nothing
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            self._path.unlink(missing_ok=True)
            raise

    def give(self) -> None:
        """Free its room; the next `keep` makes it anew."""
        self._path.unlink(missing_ok=True)
