"""One sender at a time: an operating-system lock that dies with its process and never expires."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pytest_batcheval.wire.errors import JournalError


@dataclass(frozen=True)
class Holder:
    """The process that holds a journal's lock.

    Attributes:
        since: Unix seconds when it took the lock.
        stopped: whether it is suspended (`kill -CONT <pid>` wakes it); known on Linux only.
    """

    pid: int
    host: str
    argv: tuple[str, ...]
    since: float
    stopped: bool = False

    def __str__(self) -> str:
        started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        state = f", which is stopped: `kill -CONT {self.pid}` wakes it" if self.stopped else ""
        return f"process {self.pid} on {self.host} (since {started}: {' '.join(self.argv)}){state}"


def wait_a_second(holder: Holder | None) -> None:
    """The plain way to wait for a lock: look again in a second."""
    time.sleep(1)


class JournalLock:
    """`flock` on a file beside the journal. One object is one holder; it can be taken again by itself."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    @contextmanager
    def held(self, wait: Callable[[Holder | None], None] | None) -> Iterator[None]:
        """Hold the lock for a `with` block; nothing happens when this object holds it already."""
        if self._file is not None:
            yield
            return
        self.acquire(wait)
        try:
            yield
        finally:
            self.release()

    def acquire(self, wait: Callable[[Holder | None], None] | None = None) -> None:
        """Take the lock; while another holds it, call `wait(holder)`, which sleeps or raises.

        Raises:
            JournalError: `wait` is `None` and another process holds it.
        """
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not _try(file):
                if wait is None:
                    raise JournalError(f"the journal {self.path} is in use by {self.holder()}; wait until it ends")
                wait(self.holder())
        except BaseException:
            os.close(file)
            raise
        _write(file)
        self._file = file
        _held.add(self)

    def release(self) -> None:
        """Give the lock back; does nothing when it is not held."""
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.close(self._file)
        self._file = None

    def holder(self) -> Holder | None:
        """Who says to hold it, for messages; `None` when nobody does."""
        try:
            seen = json.loads(self.path.read_text(encoding="utf-8"))
            return Holder(
                seen["pid"], seen["host"], tuple(seen["argv"]), seen["since"], _stopped(seen["pid"], seen["host"])
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def forget(self) -> None:
        """In a forked child: close the inherited descriptor, or the child would keep the parent's lock."""
        if self._file is not None:
            os.close(self._file)
        self._file = None


_held: weakref.WeakSet[JournalLock] = weakref.WeakSet()


def _forget_all() -> None:
    for lock in list(_held):
        lock.forget()


os.register_at_fork(after_in_child=_forget_all)


def _try(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(file: int) -> None:
    text = {"pid": os.getpid(), "host": socket.gethostname(), "argv": sys.argv, "since": time.time()}
    os.ftruncate(file, 0)
    os.pwrite(file, json.dumps(text).encode(), 0)


def _stopped(pid: int, host: str) -> bool:
    with suppress(OSError, IndexError):
        if host == socket.gethostname():
            state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            return state.rpartition(")")[2].split()[0] in ("T", "t")
    return False
