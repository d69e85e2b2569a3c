"""Files that a run writes anew each time: over an older one of the same kind, and over nothing else."""

from __future__ import annotations

from pathlib import Path

from pytest_batcheval.errors import UsageError
from pytest_batcheval.wire.replace_file import replacing

HEAD = 4_096
"""Bytes in which a file says that it is ours."""


def check_own(path: Path, mark: str, kind: str) -> None:
    """Refuse a place in a folder that is not there, or at which something else than a file with this mark is.

    Raises:
        UsageError: names the path; `kind` is the noun for what should be there.
    """
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent} for the {kind} {path.name}; create it first")
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a file for the {kind}")
    if not path.exists():
        return
    if not path.is_file():
        raise UsageError(f"{path} is not a regular file; name another")
    try:
        with path.open("rb") as file:
            ours = mark.encode() in file.read(HEAD)
    except OSError as error:
        raise UsageError(f"cannot read {path} ({error.strerror}); name another file") from None
    if not ours:
        raise UsageError(f"{path} exists and is not a {kind} of an earlier run; name another file")


def write_own(path: Path, text: str, mark: str, kind: str) -> None:
    """Write a file, whole or not at all.

    Raises:
        UsageError: something else is there, or it cannot be written.
    """
    check_own(path, mark, kind)
    try:
        with replacing(path, lambda _: check_own(path, mark, kind)) as file:
            file.write(text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise UsageError(f"cannot write {path} ({error.strerror})") from None
