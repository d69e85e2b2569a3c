"""Where a journal may lie: on a local disk, in a folder that nobody else reads."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from pytest_batcheval.errors import JournalError

MOUNTS = Path("/proc/mounts")
"""Linux's table of mounted file systems; on other systems it is missing and nothing is refused."""

NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "9p", "fuse.sshfs", "fuse.rclone", "fuse.s3fs"}
)
"""File systems whose locks do not hold between machines, or at all."""

_OCTAL = re.compile(r"\\([0-7]{3})")


def prepare(path: Path, mounts: Path = MOUNTS) -> None:
    """Make the journal's folder (0700, with a `.gitignore` of `*`) when it is missing.

    Raises:
        JournalError: the folder lies on a network file system, where SQLite's locks do not hold.
        OSError: the folder cannot be made.
    """
    kind = file_system(path, mounts)
    if kind in NETWORK:
        raise JournalError(
            f"the journal {path} would lie on a network file system ({kind}), where SQLite's locks do not hold "
            "and journals get damaged; name a file on a local disk with --batch-journal"
        )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not any(path.parent.iterdir()):
        (path.parent / ".gitignore").write_text("*\n", encoding="utf-8")


def real(path: Path) -> Path:
    """The journal itself where a path is a link to it: beside the link there would be another lock."""
    return path.resolve() if path.is_symlink() else path


def file_system(path: Path, mounts: Path = MOUNTS) -> str | None:
    """The kind of file system a path lies on, as the table of mounts calls it; `None` when there is no table."""
    place, found, longest = path.absolute().resolve(), None, -1
    with suppress(OSError):
        for line in mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            _, point, kind, *_ = [_OCTAL.sub(_character, text) for text in line.split(" ")] + [""] * 3
            # A later mount on the same point hides an earlier one.
            if point and place.is_relative_to(point) and len(point) >= longest:
                found, longest = kind, len(point)
    return found


def private_file(path: Path) -> None:
    """Make an empty file (0600): SQLite would make it readable to all, and gives -wal and -shm its mode.

    Raises:
        FileExistsError: there is one already.
    """
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))


def sync_folder(folder: Path) -> None:
    """Have the folder's entries on disk when it returns."""
    file = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _character(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 8))
