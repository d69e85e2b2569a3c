"""Files that a verb writes: whole or not at all, and never over one that exists."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pytest_batcheval.errors import UsageError


def check_new(path: Path) -> None:
    """Raise `UsageError` when there is something at `path` already, or no folder for it."""
    if path.exists():
        raise UsageError(f"{path} exists already; name another file")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent} for {path.name}; make it first")


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """A stream that becomes the file `path` when all went well, and else leaves nothing.

    Raises:
        UsageError: the file exists, or cannot be written.
    """
    check_new(path)
    with _writing(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(name, 0o644)
            check_new(path)  # again: an export takes its time
            os.replace(name, path)
        finally:
            Path(name).unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder that becomes `path` when all went well, and else leaves nothing; an empty one may be there.

    Raises:
        UsageError: the folder has something in it, or cannot be written.
    """
    with _writing(path):
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise UsageError(f"{path} has something in it already; name another folder, or empty it")
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        try:
            yield beside
            beside.chmod(0o755)
            beside.rename(path)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}); nothing was") from None
