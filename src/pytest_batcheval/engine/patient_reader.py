"""Calls that read from the provider, repeated after transient failures."""

from __future__ import annotations

from collections.abc import Callable, Sized
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from pytest_batcheval.backends.errors import ProviderFailure, Refused, Stopped, TransientFailure
from pytest_batcheval.backends.local_files import storing
from pytest_batcheval.backends.protocol import Backend
from pytest_batcheval.engine.backoff import LEAST, PATIENCE, Backoff, delay
from pytest_batcheval.engine.clock import Clock
from pytest_batcheval.engine.snapshot import BatchSnapshot, OutageSnapshot
from pytest_batcheval.errors import ProviderError

READS, READ_FIRST = 5, 10.0
"""Times that a file with too few requests is read, and seconds before the second time, doubled each time."""

SHORTEST = 10.0
"""Seconds for which a call that fails in passing is made again, also by a run that waits for nothing."""

T = TypeVar("T")
Held = TypeVar("Held", bound=Sized)


class PatientReader:
    """Reads from a backend; files are stored for a moment in a folder beside the journal."""

    def __init__(
        self,
        backend: Backend,
        clock: Clock,
        beside: Path,
        error_of: Callable[[ProviderFailure], ProviderError],
        deadline: float | None = None,
        show: Callable[[BatchSnapshot], None] = lambda seen: None,
    ) -> None:
        """Prepare it; `error_of` makes the error that ends a run of the failure that lasts.

        `deadline` is the time on the clock until which the run waits for batches; `show` is told of every outage.
        """
        self._deadline = deadline
        self._show = show
        self._backend = backend
        self._clock = clock
        self._beside = beside
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
                        self._show(OutageSnapshot.of_outage(until - now, str(failure)))
                    if now >= until:
                        raise self._error_of(failure) from None
                    self._clock.sleep(min(pause, max(until - now, LEAST)))
                except Stopped as failure:
                    raise self._error_of(failure) from None
        finally:
            if backoff.failures:
                self._show(OutageSnapshot.of_outage(0.0, "", ended=True))

    def _patience_ends(self, now: float) -> float:
        """The time until which a call that fails now is made again: no longer than this run waits for batches."""
        longest = now + PATIENCE
        return longest if self._deadline is None else min(longest, max(self._deadline, now + SHORTEST))

    def file(self, file_id: str, read: Callable[[Path], T]) -> T | None:
        """The result of `read` on a file; `None` when the file is gone, or may not be read.

        Raises:
            ProviderError: as `patiently`.
        """
        with storing(self._beside), TemporaryDirectory(dir=self._beside, prefix=".adopt-") as folder:
            path = Path(folder) / "file.jsonl"
            try:
                self.patiently(lambda: self._backend.download(file_id, path))
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
