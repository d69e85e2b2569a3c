"""Individual calls that a run offers to workers in a PostgreSQL journal, and whose answers it waits for.

An offer is a planned row of some requests, and the run is its owner. The worker that leases it becomes its owner in one
transaction: from then on it is as a row of the worker's own, which whoever finds the worker dead settles.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace

from pytest_batcheval.engine.call_sender import settle_calls
from pytest_batcheval.engine.retry import UNKNOWN_OUTCOME
from pytest_batcheval.engine.send_policy import SendContext, SendPolicy
from pytest_batcheval.engine.send_result import SendCounts
from pytest_batcheval.engine.snapshot import CallSnapshot, NoticeSnapshot
from pytest_batcheval.engine.workers.crew import Offering
from pytest_batcheval.engine.workers.forms import ANY, check_workers
from pytest_batcheval.engine.worklist import Portion, Worklist
from pytest_batcheval.errors import JournalError, UnfinishedError
from pytest_batcheval.journal.rows import OFFERED, OPEN, BatchRow
from pytest_batcheval.journal.transaction import TakenOverError
from pytest_batcheval.text.format import counted
from pytest_batcheval.wire import real_time

LEASE = 32
"""Requests of a row: half of what a worker calls at once, so that several workers share the end of a run."""

OPEN_ROWS = 512
"""Rows that a run has offered and that are not settled, at most: enough for 256 workers."""

LOOK = 0.5
"""Seconds between two looks at the rows, in real time: who waits on a simulator's clock keeps its time from jumping."""


class OfferedCalls:
    """Has the requests of a round called by workers; a `RoundSender`."""

    calls = "individual"

    def __init__(
        self, context: SendContext, policy: SendPolicy, worklist: Worklist, counts: SendCounts, offering: Offering
    ) -> None:
        """Prepare it.

        Raises:
            UsageError: no worker could use the journal.
        """
        check_workers(ANY, context.journal.address)
        self.limits = replace(policy.limits, requests=min(policy.limits.requests, LEASE))
        self.status = f"{OFFERED} {offering.tier}".strip()
        self._context = context
        self._policy = policy
        self._worklist = worklist
        self._counts = counts
        self._offering = offering
        self._open: set[int] = set()
        self._total = self._done = self._failed = 0
        self._began = context.clock.now()
        self._advised = False

    def begin(self, row: BatchRow, portion: Portion) -> None:
        """Offer a planned row; where many are open it waits for the workers.

        Raises:
            UnfinishedError, BatchEvalError: as `send`.
        """
        self._open.add(row.id)
        self._total += row.requests
        if len(self._open) >= OPEN_ROWS:
            self._wait(OPEN_ROWS - 1)

    def send(self) -> bool:
        """Wait until each row is settled. Always false: no other machine's calls can be seen.

        Raises:
            UnfinishedError: some were not called before the deadline; nobody calls them any more.
            BatchEvalError: all workers of this run have ended.
        """
        self._wait(0)
        return False

    def _wait(self, most: int) -> None:
        """Wait until at most so many rows are open."""
        try:
            while self._look() > most:
                self._offering.crew.check()
                self._check_deadline()
                self._offering.clock.close()
                real_time.sleep(LOOK)
        except BaseException:  # also after Ctrl-C: what nobody has leased is not called any more
            with suppress(JournalError):
                self._withdraw()
            raise

    def _check_deadline(self) -> None:
        context = self._context
        if context.deadline is not None and context.clock.now() >= context.deadline:
            left = self._total - self._done - self._failed
            raise UnfinishedError(f"{counted(left, 'request')} not answered yet; the same command goes on")

    def _look(self) -> int:
        """Take what has been settled, settle the rows of dead workers, show the rest; returns its number of rows."""
        journal = self._context.journal
        rows = journal.reader.batches_numbered(self._open)
        leased = {row.id for row in rows if row.state in OPEN and row.state != "planned"}
        for row in journal.reclaim(leased):
            if lost := settle_calls(journal, row, "under way when a worker ended"):
                calls = f"at most {counted(len(lost), 'call')} of unknown outcome may be paid twice"
                self._context.progress(NoticeSnapshot.of_text(f"{calls}: a worker ended without their answers"))
        for row in rows:
            if row.state not in OPEN:
                self._count(row)
        self._show([row for row in rows if row.id in self._open], leased)
        return len(self._open)

    def _count(self, row: BatchRow) -> None:
        """Count what became of the requests of a settled row."""
        reader, worklist, counts = self._context.journal.reader, self._worklist, self._counts
        called = reader.called(row.id)
        failures = reader.failures_of(called, row.origin, self._policy.round)
        unknown = {key for key, failure in failures.items() if failure.code == UNKNOWN_OUTCOME}
        counts.add_calls(called, unknown, worklist.tried(called))
        worklist.count_calls(called, unknown, self._policy.attempts)
        self._open.remove(row.id)
        self._total -= row.requests - len(called)  # the others are planned again
        self._done += row.answers
        self._failed += len(called) - row.answers

    def _show(self, rows: Sequence[BatchRow], leased: Collection[int]) -> None:
        advice = self._offering.crew.advice
        if rows and not leased and advice and not self._advised:
            self._advised = True
            waiting = counted(sum(row.requests for row in rows), "request")
            self._context.progress(NoticeSnapshot.of_text(f"{waiting} wait for workers: {advice}"))
        answered = self._done + sum(row.answers for row in rows)
        self._context.progress(
            CallSnapshot(
                ordinal=1,
                of=1,
                batch_id="",
                status="in_progress" if rows else "settled",
                done=answered,
                failed=self._failed,
                total=self._total,
                elapsed=max(self._context.clock.now() - self._began, 0.0),
                ended=not rows,
                in_flight=sum(row.requests - row.answers for row in rows if row.id in leased),
                stage="run" if rows else "settle",
            )
        )

    def _withdraw(self) -> None:
        """Settle what nobody has leased."""
        journal = self._context.journal
        for row in journal.reader.batches_numbered(self._open):
            if row.state == "planned":
                with suppress(TakenOverError):  # a worker has just leased it
                    settle_calls(journal, row, "")
        self._open.clear()
