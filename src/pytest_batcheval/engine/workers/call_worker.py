"""A worker: leases requests that runs offer in a PostgreSQL journal, makes the calls, and stores the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pytest_batcheval.backends.connect import connect
from pytest_batcheval.backends.protocol import Backend
from pytest_batcheval.engine.batch_sender import stopped
from pytest_batcheval.engine.call_sender import Calling, CallRun
from pytest_batcheval.engine.concurrency import CAP, START, ConcurrencyWindow
from pytest_batcheval.engine.snapshot import BatchSnapshot
from pytest_batcheval.engine.workers.forms import ANY, check_workers
from pytest_batcheval.journal.address import JournalAddress
from pytest_batcheval.journal.lock import wait_a_second
from pytest_batcheval.journal.rows import BatchRow
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.wire import real_time
from pytest_batcheval.wire.objects import Request

IDLE = 0.5
"""Seconds until it looks again for offers where there were none, in real time."""

TOGETHER = 16_384
"""Requests after which it lets all calls end once: what it counts of them is held in memory until then."""


@dataclass
class Worked:
    """The calls that a worker made: `unknown` of them may have been paid without an answer."""

    answered: int = 0
    failed: int = 0
    unknown: int = 0


class CallWorker:
    """Leases and calls, one row after another, without waiting for the end of one."""

    def __init__(
        self, backend: Backend, journal: Journal, calling: Calling, progress: Callable[[BatchSnapshot], None]
    ) -> None:
        """Prepare it; the caller holds the lock of the journal, which others use too."""
        self._backend = backend
        self._journal = journal
        self._calling = calling
        self._progress = progress
        self._room = TOGETHER
        self._not_before = 0.0

    def work(self, until_idle: bool = False, patience: float | None = None) -> Worked:
        """Work for ever, until nothing is offered, or for so many seconds; calls under way then are waited for.

        Raises:
            ProviderError: the provider refuses all calls; others may make those that were leased.
            JournalError: the journal cannot be used any more, as by `CallRun.run`.
        """
        clock, worked = self._calling.clock, Worked()
        deadline = None if patience is None else clock.now() + patience
        while deadline is None or clock.now() < deadline:
            self._room = TOGETHER
            leased = list(self._leased())
            if not leased and until_idle:
                break
            if not leased:
                clock.close()  # or a simulator's time would wait for this process
                real_time.sleep(IDLE)
                continue
            called = CallRun(self._calling, self._journal, self._progress, deadline, self._leased).run(leased)
            worked.answered += len(called.answered)
            worked.failed += len(called.failed)
            worked.unknown += len(called.unknown)
            if called.stopped is not None:
                raise stopped(called.stopped, self._backend)
        return worked

    def _leased(self) -> Iterator[tuple[BatchRow, Sequence[Request], str]]:
        """The next row that is offered, if there is one."""
        if self._room <= 0 or real_time.monotonic() < self._not_before:
            return
        rows = self._journal.lease(self._backend.origin)
        if not rows:
            self._not_before = real_time.monotonic() + IDLE / 2
        for row, tier in rows:
            self._room -= row.requests
            yield row, list(self._journal.reader.requests(row.id)), tier


def work_at(
    backend: str,
    address: JournalAddress,
    progress: Callable[[BatchSnapshot], None],
    *,
    most: int = CAP,
    until_idle: bool = False,
    patience: float | None = None,
) -> Worked:
    """Be a worker for a backend, as `--batch-backend` names it, and a journal; `most` is that of calls at once.

    Raises:
        UsageError: there is no such backend or no key, or the journal is a file.
        ProviderError, JournalError: as `CallWorker.work`.
    """
    check_workers(ANY, address)
    with (
        connect(backend, individual=True) as connection,
        Journal.open(address) as journal,
        journal.lock.held(wait_a_second),
    ):
        assert connection.calls is not None
        window = ConcurrencyWindow(min(START, most), most)
        calling = Calling(connection.calls, connection.clock, window)
        return CallWorker(connection.backend, journal, calling, progress).work(until_idle, patience)
