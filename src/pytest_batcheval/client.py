"""`BatchClient`: many requests through the Batch API, each paid once, from scripts, notebooks and tests."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from copy import copy
from decimal import Decimal
from functools import partial, reduce
from operator import add
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal

from pytest_batcheval.backends.connect import backend_named
from pytest_batcheval.batch_status import BatchStatus, cancelled, results, status_of
from pytest_batcheval.engine.batch_run import BatchRun
from pytest_batcheval.engine.destinations import asked_of_two, send_each
from pytest_batcheval.engine.owner import ThreadOwner
from pytest_batcheval.errors import UnfinishedError
from pytest_batcheval.journal.address import PostgresAddress, beside, journal_address
from pytest_batcheval.wire.default_paths import JOURNAL
from pytest_batcheval.wire.objects import Answer, Request
from pytest_batcheval.wire.rounds import checked_round

if TYPE_CHECKING:
    from pytest_batcheval.backends.protocol import Backend
    from pytest_batcheval.engine.call_sender import Calling
    from pytest_batcheval.engine.clock import Clock
    from pytest_batcheval.engine.send_result import SendResult
    from pytest_batcheval.engine.snapshot import BatchSnapshot
    from pytest_batcheval.engine.spool import RequestSpool, Wanted
    from pytest_batcheval.engine.workers.crew import Offering
    from pytest_batcheval.journal.store import Journal


class BatchClient:
    """A client that sends requests as batches and returns their answers; what the journal has is not paid again.

    Close it, or use it as a context manager. Calls block; they also work inside a running event loop. A killed
    process loses nothing: the same call continues where it stopped. A client that is open belongs to the thread and
    the process that opened it: any other one needs a client of its own, else it gets a `UsageError`.
    """

    def __init__(
        self,
        backend: str | Backend = "openai",
        *,
        backends: Mapping[str, str] | None = None,
        journal: str | Path | PostgresAddress = JOURNAL,
        clock: Clock | None = None,
        attempts: int = 3,
        budget: Decimal | None = None,
        enqueued_tokens: Mapping[str, int] | None = None,
        threads: int = 4,
        individual: bool = False,
        workers: str | int = "",
        round: str = "",
        ignore_unmarked: bool = False,
        assume_lost: bool = False,
        progress: Callable[[BatchSnapshot], None] | Literal["auto"] | None = "auto",
    ) -> None:
        """Prepare a client; nothing is opened before the first call.

        Args:
            backend: `openai` (keys and base URL from the SDK's environment variables), `simulator[:respondent]`,
                a base URL, or an open backend.
            backends: those for the names that requests choose by their `backend`, if these are not a backend's own.
            journal: the SQLite file that records what was sent, created if missing; or `postgresql://host/database`.
            clock: the clock of all waits; default real time, or the simulator's.
            attempts: the most times that one call sends a request with transient failures.
            budget: the most US dollars that one call may spend; `None` for no limit.
            enqueued_tokens: input tokens by model that the account may have enqueued at once; further batches wait.
            threads: concurrent calls to the provider, for batches; with 0 they are made one by one in a fixed order.
            individual: send each request as an individual call, not in batches; `backend` must be a name then.
            workers: who makes individual calls, as `--batch-workers` has it; they need a journal in PostgreSQL.
            round: asks each request once in the round of this name, on any machine; empty accepts any round's answers.
            ignore_unmarked: send also what a batch of other tools has already; else that is a `UsageError`.
            assume_lost: give up a create without an answer as soon as the provider does not list it (if it was
                accepted, it is paid twice), and what a result file lacks that stays cut off.
            progress: called with each change of a batch and each notice; a bar by default; `None` for silence.
        """
        self._ignore_unmarked, self._assume_lost = ignore_unmarked, assume_lost
        self._threads, self._individual, self._workers = threads, individual, str(workers)
        self._round = checked_round(round)
        self._calling: Calling | Offering | None = None
        self._chosen, self._backends = backend, dict(backends or {})
        self._others: dict[str, BatchClient] = {}
        self._clock, self._path = clock, journal_address(journal)
        self._attempts, self._budget = attempts, budget
        self._tokens, self._progress = dict(enqueued_tokens or {}), progress
        self._stack = ExitStack()
        self._open: tuple[Backend, Clock, Journal] | None = None
        self._owner = ThreadOwner("BatchClient")

    def __repr__(self) -> str:
        backend = self._chosen if isinstance(self._chosen, str) else self._chosen.origin
        return f"<BatchClient {backend}, journal {self._path}>"

    def run(
        self,
        requests: Iterable[Request],
        *,
        batch_size: int | None = None,
        timeout: float | None = None,
        refresh: bool = False,
    ) -> BatchRun:
        """Get every request answered.

        Args:
            requests: an iterable of any length, such as a generator, which is read once; duplicates are sent once.
            batch_size: the most requests of one batch; default the API's limit.
            timeout: seconds to wait for batches, and before that for another process that sends from the same
                journal; `None` waits without limit.
            refresh: send also what has an answer; the newest counts.

        Raises:
            UnfinishedError: batches still run after `timeout`; the same call collects them.
            ProviderError, JournalError, UsageError: see `engine.send.send`.
        """
        return self._send(*self._spooled(requests), batch_size, timeout, refresh, lock_wait=timeout)

    def submit(self, requests: Iterable[Request], *, batch_size: int | None = None) -> BatchRun:
        """Create the batches without waiting for them; `wait` or a later `run` collects the answers.

        This waits while another process sends from the same journal: only one at a time may create batches.

        Raises:
            ProviderError, JournalError, UsageError: see `engine.send.send`.
        """
        from pytest_batcheval.engine.send_result import SendResult

        spool, clients = self._spooled(requests)
        try:
            return self._send(spool, clients, batch_size, 0.0, False, lock_wait=None)
        except UnfinishedError:
            count = sum(len(spool.wanted(part)) for part in range(len(clients)))
            return self._run_of(spool, clients, SendResult(count, 0, count, 0, 0, 0, 0, 0))

    def wait(self, run: BatchRun, *, timeout: float | None = None) -> BatchRun:
        """Get the pending requests of a run answered; transient failures are sent again.

        Raises:
            UnfinishedError: batches still run after `timeout` seconds.
            ProviderError, JournalError, UsageError: see `engine.send.send`.
        """
        return self._send(*self._spooled(run.given()), None, timeout, False, lock_wait=timeout)

    def collect(self, requests: Iterable[Request] = (), *, timeout: float | None = None) -> BatchRun:
        """Bring every batch that was begun to its end and send nothing; the run has the answers of `requests`.

        Raises:
            UnfinishedError: batches still run after `timeout` seconds.
            ProviderError, JournalError: see `engine.send.collect`.
        """
        spool, clients = self._spooled(requests)
        others = [] if spool.count else [self._other(value) for value in dict.fromkeys(self._backends.values())]
        sent = send_each([client._collect_own for client in (*clients, *others)], timeout, together=False)
        return self._run_of(spool, clients, reduce(add, sent))

    def status(self, batch_id: str) -> BatchStatus:
        """Return the status of a batch.

        Raises:
            ProviderError: there is no such batch in this project, or the provider is unreachable.
        """
        return status_of(self._opened()[0], batch_id)

    def cancel(self, batch_id: str) -> BatchStatus:
        """Ask the provider to stop a batch; finished requests are still paid and collected by the next call.

        Raises:
            ProviderError: there is no such batch in this project, or the provider is unreachable.
        """
        return cancelled(self._opened()[0], batch_id)

    def results(self, batch_id: str) -> list[Answer]:
        """Return the results of any ended batch from the provider; failed requests have an `error`.

        Raises:
            UnfinishedError: it still runs.
            ProviderError: there is no such batch in this project, or its files are gone.
        """
        return results(self._opened()[0], batch_id)

    def open(self) -> BatchClient:
        """Connect and open the journal now instead of at the first call.

        Raises:
            UsageError: no API key, no such backend.
            ProviderError, JournalError: the provider is unreachable, or the journal cannot be used.
        """
        self._opened()
        return self

    def close(self) -> None:
        """Close connection and journal, and stop a simulator that was started for this client.

        Raises:
            UsageError: another thread has opened it.
        """
        with self._owner.closing():
            self._open = None
            self._stack.close()

    def __enter__(self) -> BatchClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(
        self,
        spool: RequestSpool,
        clients: Sequence[BatchClient],
        batch_size: int | None,
        timeout: float | None,
        refresh: bool,
        lock_wait: float | None,
    ) -> BatchRun:
        parts = [(client, spool.wanted(part)) for part, client in enumerate(clients)]
        if self._budget is not None and len(parts) > 1:
            self._check_budget(parts)
        # Two servers of one origin, as simulators are, would take each other's open batches for theirs.
        origins = {client._opened()[0].origin for client in clients} if len(clients) > 1 else ()
        together = len(origins) == len(clients) and not refresh and not self._individual
        run = f"send-{secrets.token_hex(4)}"
        sends = [partial(client._send_own, wanted, run, batch_size, refresh, lock_wait) for client, wanted in parts]
        return self._run_of(spool, clients, reduce(add, send_each(sends, timeout, together)))

    def _spooled(self, requests: Iterable[Request]) -> tuple[RequestSpool, list[BatchClient]]:
        """The requests on disk, and the client for each of their parts; this one where there are none.

        Raises:
            UsageError: there is no such backend, or the same request is asked of two.
        """
        from pytest_batcheval.engine.spool import RequestSpool

        own = self._chosen if isinstance(self._chosen, str) else "the backend of this client"
        backends: dict[str, int] = {}
        known: dict[str, int] = {}

        def part_of(request: Request) -> int:
            name = request.backend
            if name not in known:
                backend = backend_named(name, own, self._backends, self._backends)
                known[name] = backends.setdefault(backend, len(backends))
            return known[name]

        spool = RequestSpool(requests, beside(self._path).parent, part_of)
        names = list(backends) or [own]
        if len(names) > 1 and (found := spool.asked_of_two()) is not None:
            key, one, other = found
            raise asked_of_two(key, names[one], names[other])
        return spool, [self if name == own else self._other(name) for name in names]

    def _run_of(self, spool: RequestSpool, clients: Sequence[BatchClient], sent: SendResult) -> BatchRun:
        origins = [client._opened()[0].origin for client in clients]
        return BatchRun(spool, self._path, origins, self._round, sent)

    def _other(self, backend: str) -> BatchClient:
        """A client for another backend, with the same journal and choices; closed with this one."""
        if backend not in self._others:
            other = copy(self)
            other._chosen, other._others, other._open, other._calling = backend, {}, None, None
            other._stack, other._owner = ExitStack(), ThreadOwner("BatchClient")
            self._others[backend] = other
            self._stack.callback(other.close)
        return self._others[backend]

    def _check_budget(self, parts: Sequence[tuple[BatchClient, Wanted]]) -> None:
        from pytest_batcheval.engine.budget import check_together
        from pytest_batcheval.wire.origin import is_simulator

        assert self._budget is not None
        wave = [(client._opened()[0].origin, wanted) for client, wanted in parts]
        paid = [(origin, wanted.requests()) for origin, wanted in wave if not is_simulator(origin)]
        calls = "individual" if self._individual else "batch"
        check_together(self._budget, self._opened()[2].reader, "", paid, calls)

    def _send_own(
        self,
        wanted: Wanted,
        run: str,
        batch_size: int | None,
        refresh: bool,
        lock_wait: float | None,
        timeout: float | None,
    ) -> SendResult:
        from pytest_batcheval.engine.send import SendPolicy, send
        from pytest_batcheval.engine.split import Limits

        backend, clock, journal = self._opened()
        limits = Limits.of(backend.capabilities, batch_size, self._tokens)
        with self._watched(run, self._attempts, lock_wait) as progress:
            return send(
                wanted,
                run=run,
                backend=backend,
                journal=journal,
                clock=clock,
                progress=progress,
                calling=self._calling,
                policy=SendPolicy(
                    attempts=self._attempts,
                    refresh=refresh,
                    round=self._round,
                    limits=limits,
                    patience=timeout,
                    budget=self._budget,
                    ignore_unmarked=self._ignore_unmarked,
                    assume_lost=self._assume_lost,
                    threads=self._threads,
                ),
            )

    def _collect_own(self, timeout: float | None) -> SendResult:
        from pytest_batcheval.engine.send import collect

        backend, clock, journal = self._opened()
        run = f"collect-{secrets.token_hex(4)}"
        with self._watched(run, 1, timeout) as progress:
            return collect(backend=backend, journal=journal, clock=clock, progress=progress, patience=timeout, run=run)

    @contextmanager
    def _watched(self, run: str, attempts: int, lock_wait: float | None) -> Iterator[Callable[[BatchSnapshot], None]]:
        """Hold the journal's lock and yield a `progress` that keeps the error log and measures the run."""
        from pytest_batcheval.engine.snapshot import notices
        from pytest_batcheval.journal.lock import LockWait
        from pytest_batcheval.report.client_display import shown
        from pytest_batcheval.report.error_log import error_log
        from pytest_batcheval.report.progress_file import progress_file
        from pytest_batcheval.report.resources import ResourceMeter

        backend, clock, journal = self._opened()
        speed = getattr(clock, "speed", 1.0)  # a clock of the user's own has none
        calls = getattr(self._calling, "calls", None)  # of workers their own processes know
        traffic = [found for part in (backend, calls) if (found := getattr(part, "traffic", None)) is not None]
        try:
            with (
                shown(self._progress, speed, lambda: journal.reader.batches(backend.origin)) as show,
                journal.lock.held(LockWait(self._path, lock_wait, notices(show))),
                progress_file(self._path, run, speed, show) as watched,
                ResourceMeter(run, journal, clock, traffic) as meter,
                error_log(journal.reader, attempts, meter.watching(watched)) as progress,
            ):
                yield progress
        finally:
            journal.end_run()

    def _opened(self) -> tuple[Backend, Clock, Journal]:
        with self._owner.opening():
            return self._connected()

    def _connected(self) -> tuple[Backend, Clock, Journal]:
        if self._open is None:
            from pytest_batcheval.backends.clocks import SystemClock
            from pytest_batcheval.backends.connect import connect
            from pytest_batcheval.engine.workers.crews import Crews
            from pytest_batcheval.journal.store import Journal

            backend: Backend
            if isinstance(self._chosen, str):
                connection = self._stack.enter_context(connect(self._chosen, self._individual))
                backend, clock = connection.backend, self._clock or connection.clock
                self._calling = Crews(self._workers, self._path, self._stack).calling(connection)
            else:
                backend, clock = self._chosen, self._clock or SystemClock()
            self._open = backend, clock, self._stack.enter_context(Journal.open(self._path))
        return self._open


def check_batch_status(batch_id: str, *, backend: str = "openai") -> BatchStatus:
    """Return the status of a batch at the provider; no journal is needed.

    Raises:
        UsageError: no API key.
        ProviderError: there is no such batch in this project, or the provider is unreachable.
    """
    from pytest_batcheval.backends.connect import connect

    with connect(backend) as connection:
        return status_of(connection.backend, batch_id)


def download_batch_results(batch_id: str, *, backend: str = "openai") -> list[Answer]:
    """Return the results of any ended batch, in the order of its files; no journal is needed.

    A failed request is an answer with an `error`.

    Raises:
        UsageError: no API key.
        UnfinishedError: the batch still runs.
        ProviderError: there is no such batch in this project, or its files are gone.
    """
    from pytest_batcheval.backends.connect import connect

    with connect(backend) as connection:
        return results(connection.backend, batch_id)
