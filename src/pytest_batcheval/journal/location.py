"""The location of a journal: on a local disk, in a private folder."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from pytest_batcheval.errors import JournalError
from pytest_batcheval.wire.default_paths import JOURNAL

FOLDER = Path(JOURNAL).parent.name
"""Name of the folder that is the journal's own."""

MOUNTS = Path("/proc/mounts")
"""Linux's table of mounted file systems; other systems do not have it, and no location is refused there."""

NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "9p", "fuse.sshfs", "fuse.rclone", "fuse.s3fs"}
)
"""File systems whose locks do not work between machines, or at all."""

_OCTAL = re.compile(r"\\([0-7]{3})")


def prepare(path: Path, mounts: Path = MOUNTS) -> None:
    """Create the journal's folder (0700, with a `.gitignore` of `*`) if it is missing.

    A folder of the default name is ours also if it exists already: it becomes private, and git ignores it. A folder
    of another name that has other files, or a link, is left as it is.

    Raises:
        JournalError: the folder is on a network file system, where SQLite's locks do not work.
        OSError: the folder cannot be created.
    """
    kind = file_system(path, mounts)
    if kind in NETWORK:
        raise JournalError(
            f"the journal {path} would be on a network file system ({kind}), where SQLite's locks do not work "
            "and journals get damaged; choose a file on a local disk with --batch-journal"
        )
    make_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Create a folder of ours (0700) if it is missing, as `prepare` does.

    Raises:
        OSError: it cannot be created.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ours = folder.name == FOLDER and not folder.is_symlink()
    if ours:
        with suppress(OSError):  # another user's, who may have let us write there
            folder.chmod(0o700)
    if ours or not any(folder.iterdir()):
        _ignore(folder)


def _ignore(folder: Path) -> None:
    """Have git ignore a folder, unless it has a `.gitignore` of its own."""
    with suppress(FileExistsError), (folder / ".gitignore").open("x", encoding="utf-8") as file:
        file.write("*\n")


def real(path: Path) -> Path:
    """The journal's own path if `path` is a link to it: next to the link there would be another lock.

    Raises:
        JournalError: there is something that is no file, such as a pipe, which SQLite would wait for.
    """
    try:
        if path.is_symlink():
            path = path.resolve()
        if path.exists() and not path.is_file():
            raise JournalError(f"{path} cannot be used as a journal: it is not a regular file; name another")
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead to one another, before Python 3.13
        raise JournalError(f"{path} cannot be used as a journal: {error}") from None
    return path


def file_system(path: Path, mounts: Path = MOUNTS) -> str | None:
    """The kind of file system of a path, by the table of mounts; `None` if there is no table."""
    place, found, longest = path.absolute().resolve(), None, -1
    with suppress(OSError):
        for line in mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            _, point, kind, *_ = [_OCTAL.sub(_character, text) for text in line.split(" ")] + [""] * 3
            # A later mount on the same point hides an earlier one.
            if point and place.is_relative_to(point) and len(point) >= longest:
                found, longest = kind, len(point)
    return found


def private_file(path: Path) -> None:
    """Create an empty file (0600): SQLite would make it readable to all, and gives -wal and -shm its mode.

    Raises:
        FileExistsError: the file exists already.
    """
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))


def sync_folder(folder: Path) -> None:
    """Write the folder's entries to disk."""
    file = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _character(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 8))
