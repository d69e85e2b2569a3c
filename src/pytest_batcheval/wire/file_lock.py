"""The operating system's exclusive lock on an open file; it ends when the file is closed or the process dies."""

from __future__ import annotations

import fcntl


def lock(file: int) -> None:
    """Wait for the lock on a file descriptor, and take it."""
    fcntl.flock(file, fcntl.LOCK_EX)


def try_lock(file: int) -> bool:
    """Take the lock on a file descriptor if it is free; whether it was taken."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
