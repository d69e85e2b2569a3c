"""Calls that read from the provider, repeated after transient failures."""

from __future__ import annotations

from collections.abc import Callable, Sized
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from pytest_batcheval.backends.errors import ProviderFailure, Refused, Stopped, TransientFailure
from pytest_batcheval.backends.local_files import storing
from pytest_batcheval.engine.backoff import LEAST, PATIENCE, Backoff, delay
from pytest_batcheval.engine.send_policy import SendContext
from pytest_batcheval.engine.snapshot import OutageSnapshot
from pytest_batcheval.errors import ProviderError

READS, READ_FIRST = 5, 10.0
"""Times that a file with too few requests is read, and seconds before the second time, doubled each time."""

SHORTEST = 10.0
"""Seconds for which a call that fails in passing is made again, also by a run that waits for nothing."""

T = TypeVar("T")
Held = TypeVar("Held", bound=Sized)


class PatientReader:
    """Reads from a backend; files are stored for a moment in a folder beside the journal."""

    def __init__(self, context: SendContext, error_of: Callable[[ProviderFailure], ProviderError]) -> None:
        """Read for a run; `error_of` makes the error that ends it of the failure that lasts."""
        self._context = context
        self._clock = context.clock
        self._error_of = error_of

    def patiently(self, call: Callable[[], T]) -> T:
        """The result of a call, which is repeated after transient failures.

        Raises:
            Refused: the call was refused, and what it asks for may be gone.
            ProviderError: it fails for too long, or the account needs attention.
        """
        backoff, until = Backoff(), 0.0
        try:
            while True:
                try:
                    return call()
                except TransientFailure as failure:
                    pause, now = backoff.failed(failure, self._clock.now()), self._clock.now()
                    if backoff.failures == 1:
                        until = self._patience_ends(now)
                        self._context.progress(OutageSnapshot.of_pause(until - now, 0, str(failure)))
                    if now >= until:
                        raise self._error_of(failure) from None
                    self._clock.sleep(min(pause, max(until - now, LEAST)))
                except Stopped as failure:
                    raise self._error_of(failure) from None
        finally:
            if backoff.failures:
                self._context.progress(OutageSnapshot.of_pause(0.0, 0, "", ended=True))

    def _patience_ends(self, now: float) -> float:
        """The time until which a call that fails now is made again: no longer than this run waits for batches."""
        longest, deadline = now + PATIENCE, self._context.deadline
        return longest if deadline is None else min(longest, max(deadline, now + SHORTEST))

    def file(self, file_id: str, read: Callable[[Path], T]) -> T | None:
        """The result of `read` on a file; `None` when the file is gone, or may not be read.

        Raises:
            ProviderError: as `patiently`.
        """
        beside = self._context.journal.path.parent
        with storing(beside), TemporaryDirectory(dir=beside, prefix=".adopt-") as folder:
            path = Path(folder) / "file.jsonl"
            try:
                self.patiently(lambda: self._context.backend.download(file_id, path))
            except Refused:
                return None
            return read(path)

    def whole(self, read: Callable[[], Held | None], expected: int) -> Held | None:
        """The contents of a file, read again while it has fewer lines than expected: it may have been cut off."""
        for number in range(1, READS + 1):
            found = read()
            if found is None or len(found) >= expected or number == READS:
                break
            self._clock.sleep(delay(number, READ_FIRST))
        return found
