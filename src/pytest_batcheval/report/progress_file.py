"""The progress of a send for other processes: its live lines, in a small file beside the journal while it lasts.

The journal has what is paid and answered; what a provider says of a batch between two states is in nobody's way here.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_batcheval.journal.address import JournalAddress, beside, real
from pytest_batcheval.journal.choose_database import database_at
from pytest_batcheval.report.live_line import LiveLines
from pytest_batcheval.wire import real_time

if TYPE_CHECKING:
    from pytest_batcheval.engine.snapshot import BatchSnapshot
    from pytest_batcheval.report.eta import Eta

EVERY = 0.5
"""Real seconds between two writings at least."""

LAST_WORDS = 2.0
"""Real seconds that a send waits at its end for a writing that is under way."""

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class SeenProgress:
    """The progress of a send of another process, `run`, as its lines stand now."""

    run: str
    pid: int
    board: LiveLines


@contextmanager
def progress_file(
    journal: JournalAddress, run: str, speed: float, show: Callable[[BatchSnapshot], None], wave: int = 1
) -> Iterator[Callable[[BatchSnapshot], None]]:
    """Yield a `progress` that keeps the file and calls `show`; no send waits for the file, or fails because of it.

    Args:
        journal: its path; the file is beside it.
        run: the run's id in the journal.
        speed: seconds of the backend's clock in a real one; 0 where time jumps.
        show: also called with each snapshot.
        wave: the number of the wave, from 1.
    """
    file = _ProgressFile(_beside(journal), run, wave, speed)

    def watch(seen: BatchSnapshot) -> None:
        file.take(seen)
        show(seen)

    file.start()
    try:
        yield watch
    finally:
        file.end()


def progress_now(journal: JournalAddress, expected: Callable[[], Eta]) -> SeenProgress | None:
    """The progress of a process that sends from the journal now; `None` where nobody sends or waits."""
    found = read_progress(journal, expected)
    if found is None:
        return None
    return found if found.pid in {holder.pid for holder in database_at(real(journal)).senders()} else None


def read_progress(journal: JournalAddress, expected: Callable[[], Eta]) -> SeenProgress | None:
    """The progress in the file beside a journal, whose process may have ended; `None` without one of this release."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        data: dict[str, Any] = json.loads(_beside(journal).read_bytes())
        board = LiveLines()
        board.begin(int(data["wave"]), float(data["speed"]), expected())
        board.restore(data["batches"])
        return SeenProgress(str(data["run"]), int(data["pid"]), board)
    return None


def _beside(journal: JournalAddress) -> Path:
    path = beside(journal)
    return path.with_name(f"{path.name}.progress")


class _ProgressFile:
    """The file, which a thread of its own writes where something has changed."""

    def __init__(self, path: Path, run: str, wave: int, speed: float) -> None:
        self._path = path
        self._head = {"run": run, "pid": os.getpid(), "wave": wave, "speed": speed}
        self._board = LiveLines()
        self._changed = False
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="batcheval-progress-file", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def take(self, seen: BatchSnapshot) -> None:
        with self._lock:
            self._board.take(seen, real_time.now())
            self._changed = True

    def end(self) -> None:
        self._stop.set()
        self._thread.join(LAST_WORDS)
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _work(self) -> None:
        with suppress(OSError, ValueError):  # a full disk: nobody looks on then, and the run goes on
            while not self._stop.wait(EVERY):
                if self._changed:
                    self._write()

    def _write(self) -> None:
        with self._lock:
            data = self._head | {"batches": self._board.state()}
            self._changed = False
        new = self._path.with_name(f"{self._path.name}.new")
        with open(os.open(new, _FLAGS, 0o600), "wb") as stream:
            stream.write(json.dumps(data).encode())
        os.replace(new, self._path)
