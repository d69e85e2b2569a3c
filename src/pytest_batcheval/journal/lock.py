"""The lock for one sender at a time: an operating-system lock that ends with its process and never expires."""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import stat
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pytest_batcheval.errors import JournalError, UnfinishedError
from pytest_batcheval.journal.address import JournalAddress
from pytest_batcheval.journal.transaction import reporting
from pytest_batcheval.text.sanitize import without_secrets
from pytest_batcheval.wire import real_time
from pytest_batcheval.wire.file_lock import try_lock


@dataclass(frozen=True)
class Holder:
    """The process that holds a journal's lock.

    Attributes:
        since: time when it took the lock, in Unix seconds.
        stopped: whether it is suspended (`kill -CONT <pid>` resumes it); known on Linux only.
    """

    pid: int
    host: str
    argv: tuple[str, ...]
    since: float
    stopped: bool = False

    def __str__(self) -> str:
        started = real_time.local("%Y-%m-%d %H:%M:%S", self.since)
        state = f", which is stopped: `kill -CONT {self.pid}` resumes it" if self.stopped else ""
        return f"process {self.pid} on {self.host} (since {started}: {' '.join(self.argv)}){state}"


def wait_a_second(holder: Holder | None) -> None:
    """Wait a second before the next attempt to take a lock."""
    real_time.sleep(1)


class LockWait:
    """A `wait` for `JournalLock.held` that announces each holder once, waits a second and gives up after `limit`."""

    def __init__(
        self, path: JournalAddress, limit: float | None = None, say: Callable[[str], None] = lambda text: None
    ) -> None:
        """Wait for the journal at `path`, for at most `limit` seconds; `None` has no limit, 0 does not wait at all."""
        self._path = path
        self._limit = limit
        self._say = say
        self._began: float | None = None
        self._announced: Holder | None = None

    def __call__(self, holder: Holder | None) -> None:
        """Wait after a failed attempt to take the lock.

        Raises:
            UnfinishedError: the time limit is over.
        """
        now = real_time.monotonic()
        self._began = now if self._began is None else self._began
        if self._limit is not None and now - self._began >= self._limit:
            who = holder or "another process"
            raise UnfinishedError(f"{who} is still sending from the journal {self._path}; try again later")
        if holder is not None and holder != self._announced:
            self._say(f"waiting for {holder}, which is sending from the same journal")
            self._announced = holder
        real_time.sleep(1)


def shown_argv() -> list[str]:
    """This process's command line without passwords and API keys, and without the values of options named so."""
    shown: list[str] = []
    named = False
    for argument in map(without_secrets, sys.argv):
        option = _SECRET_OPTION.fullmatch(argument)
        value = named and not argument.startswith("-")
        shown.append("…" if value else f"{option[1]}=…" if option and option[2] else argument)
        named = option is not None and not option[2]
    return shown


_SECRET_OPTION = re.compile(r"(--[\w-]*(?:key|token|secret|password))(=.*)?", re.IGNORECASE | re.DOTALL)


class SenderLock(ABC):
    """The right to send: of one process at a time, or of each that has announced itself."""

    @contextmanager
    def held(self, wait: Callable[[Holder | None], None] | None) -> Iterator[None]:
        """Have it for a `with` block; do nothing if this object has it already."""
        if self._is_mine():
            yield
            return
        self.acquire(wait)
        try:
            yield
        finally:
            self.release()

    @abstractmethod
    def acquire(self, wait: Callable[[Holder | None], None] | None = None) -> None:
        """Get it; while another process keeps it from this one, call `wait(holder)`, which sleeps or raises."""

    @abstractmethod
    def release(self) -> None:
        """Give it back; do nothing if there is none."""

    @abstractmethod
    def check(self) -> None:
        """Make sure that this process still has it.

        Raises:
            JournalError: it has not; nothing may be sent.
        """

    @abstractmethod
    def _is_mine(self) -> bool:
        """Whether this process has it; not after a fork, since it stays with the parent."""


class JournalLock(SenderLock):
    """`flock` on a file beside the journal. One object is one holder, which can take it repeatedly."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None
        self._owner = 0

    def acquire(self, wait: Callable[[Holder | None], None] | None = None) -> None:
        """Take the lock; while another process holds it, call `wait(holder)`, which sleeps or raises.

        Raises:
            JournalError: `wait` is `None` and another process holds it, or the file cannot be created.
        """
        if self._is_mine():
            return
        while (file := self._take()) is None:
            holder = self.holder()
            if wait is None:
                raise JournalError(
                    f"the journal {self.path} is in use by {holder or 'another process'}; wait until it has ended"
                )
            wait(holder)
        self._file, self._owner = file, os.getpid()
        _write(file)

    def release(self) -> None:
        """Release the lock; do nothing if it is not held."""
        if self._is_mine() and self._file is not None:
            os.ftruncate(self._file, 0)
            _close(self._file)
        self._file = None

    def check(self) -> None:
        """Make sure that no other process can hold the lock while this object does.

        Raises:
            JournalError: its file was deleted, so another process may have created and locked a new one.
        """
        if not self._is_mine() or self._file is None:
            return
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(self._file), os.stat(self.path)):
                return
        raise JournalError(
            f"the lock {self.path} was deleted while it was held, and another process may be sending; nothing was sent "
            "after that. The lock ends with its process, so its file can stay: do not delete it, and run again"
        )

    def holder(self) -> Holder | None:
        """The process named in the lock's file, for messages; `None` if there is none or it has ended."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            with open(os.open(self.path, os.O_RDONLY | _OURS), encoding="utf-8") as file:
                seen = json.load(file)
            pid, host = int(seen["pid"]), str(seen["host"])
            here = host == socket.gethostname()
            if here and not _lives(pid):
                return None
            return Holder(pid, host, tuple(map(str, seen["argv"])), float(seen["since"]), here and _stopped(pid))
        return None

    def _is_mine(self) -> bool:
        """Whether this process holds the lock; not after a fork, since the lock stays with the parent."""
        return self._file is not None and self._owner == os.getpid()

    def _take(self) -> int | None:
        """Open and lock the file, or close it again; it is opened each time because it may have been deleted."""
        with reporting(self.path):
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | _OURS, 0o600)
            _open.add(file)
            try:
                _check_regular(file, self.path)
                taken = try_lock(file)
            except BaseException:
                _close(file)
                raise
            if not taken:
                _close(file)
                return None
            return file


_OURS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Flags for a file that is ours: what a link leads to is somebody else's, and a pipe would be waited for."""

_open: set[int] = set()
"""Descriptors of lock files in this process, with which a forked child would keep its parent's lock."""


def _check_regular(file: int, path: Path) -> None:
    if not stat.S_ISREG(os.fstat(file).st_mode):
        raise OSError(errno.EEXIST, "this is not a regular file", str(path))


def _close(file: int) -> None:
    _open.discard(file)
    os.close(file)


def _close_all() -> None:
    while _open:
        os.close(_open.pop())


os.register_at_fork(after_in_child=_close_all)


def _write(file: int) -> None:
    """Write the holder into the file, for messages only: on a full disk it is left out."""
    text = {"pid": os.getpid(), "host": socket.gethostname(), "argv": shown_argv(), "since": real_time.now()}
    with suppress(OSError):
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps(text).encode(), 0)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # the process belongs to another user
    return True


def _stopped(pid: int) -> bool:
    with suppress(OSError, IndexError):
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return state.rpartition(")")[2].split()[0] in ("T", "t")
    return False
