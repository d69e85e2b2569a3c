"""Calls that read from the provider, repeated after transient failures."""

from __future__ import annotations

from collections.abc import Callable, Sized
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from pytest_batcheval.backends.errors import ProviderFailure, Refused, Stopped, TransientFailure
from pytest_batcheval.backends.local_files import storing
from pytest_batcheval.backends.protocol import Backend
from pytest_batcheval.engine.backoff import Backoff, delay
from pytest_batcheval.engine.clock import Clock
from pytest_batcheval.errors import ProviderError

READS, READ_FIRST = 5, 10.0
"""Times that a file with too few requests is read, and seconds before the second time, doubled each time."""

T = TypeVar("T")
Held = TypeVar("Held", bound=Sized)


class PatientReader:
    """Reads from a backend; files are stored for a moment in a folder beside the journal."""

    def __init__(
        self, backend: Backend, clock: Clock, beside: Path, error_of: Callable[[ProviderFailure], ProviderError]
    ) -> None:
        """Prepare it; `error_of` makes the error that ends a run of the failure that lasts."""
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
        backoff = Backoff()
        while True:
            try:
                return call()
            except TransientFailure as failure:
                pause = backoff.failed(failure, self._clock.now())
                if backoff.exhausted(self._clock.now()):
                    raise self._error_of(failure) from None
                self._clock.sleep(pause)
            except Stopped as failure:
                raise self._error_of(failure) from None

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
