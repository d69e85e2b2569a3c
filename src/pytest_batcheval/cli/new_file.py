"""Output files of verbs: written completely or not at all, and never over an existing file."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pytest_batcheval.errors import UsageError
from pytest_batcheval.wire.replace_file import replacing


def check_new(path: Path) -> None:
    """Raise `UsageError` if `path` already exists, or its folder does not."""
    if path.exists():
        raise UsageError(f"{path} already exists; name another file")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent} for {path.name}; create it first")


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """Yield a stream that becomes the file `path` on success, and leaves nothing on an error.

    Raises:
        UsageError: the file exists, or cannot be written.
    """
    check_new(path)
    # checked again at its end, because an export takes time
    with _writing(path), replacing(path, lambda _: check_new(path)) as stream:
        yield stream


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a folder that becomes `path` on success, and leaves nothing on an error; `path` may be an empty folder.

    Raises:
        UsageError: the folder is not empty, or cannot be written.
    """
    with _writing(path):
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise UsageError(f"{path} is not empty; name another folder, or empty it")
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
        raise UsageError(f"cannot write {path} ({error.strerror}); nothing was written") from None
