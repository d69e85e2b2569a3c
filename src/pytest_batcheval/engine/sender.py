"""The rounds of one send: end what was begun, plan what is missing, drive it, decide what goes out again."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from pytest_batcheval.backends.errors import ProviderFailure, Refused
from pytest_batcheval.backends.protocol import Backend
from pytest_batcheval.engine.adopt import Adoption
from pytest_batcheval.engine.batch_machine import BatchMachine
from pytest_batcheval.engine.budget import Budget
from pytest_batcheval.engine.call_sender import Calling, CallRun, settle_calls
from pytest_batcheval.engine.clock import Clock
from pytest_batcheval.engine.driver import Driver
from pytest_batcheval.engine.metadata import identity, may_hold
from pytest_batcheval.engine.retry import UNKNOWN_OUTCOME, Retry, pause_before, retry_of_error
from pytest_batcheval.engine.scheduler import Scheduler
from pytest_batcheval.engine.snapshot import BatchSnapshot, SendResult, watcher
from pytest_batcheval.engine.split import Limits
from pytest_batcheval.engine.worklist import Portion, Worklist
from pytest_batcheval.errors import ProviderError, UnfinishedError
from pytest_batcheval.journal.rows import OPEN, BatchRow
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.wire.objects import Request

MAX_VOID = 5
"""Rounds in a row in which the provider refused whole batches before we give up."""

MAX_VAIN = 5
"""Rounds in a row in which ours gave way to batches that could not be taken over, before we give up."""

QUEUE_PAUSES = (60.0, 300.0, 900.0, 1800.0)
"""Seconds to wait while the provider's queue is full; the last one repeats."""

_QUEUE_FULL = "token_limit_exceeded"
_TOO_LARGE = "file_too_large"
_FILE_GONE = "file_id"


@dataclass
class Sender:
    """One send under the lock: what it works with, and what it has counted."""

    backend: Backend
    journal: Journal
    clock: Clock
    progress: Callable[[BatchSnapshot], None]
    run: str
    attempts: int
    limits: Limits
    deadline: float | None
    standing: Worklist
    keys: set[str] = field(default_factory=set)
    settled: list[BatchMachine] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    twice: set[str] = field(default_factory=set)
    resent: int = 0
    attached: int = 0
    voids: int = 0
    vain: int = 0
    assume_lost: bool = False
    budget: Budget | None = None
    threads: int = 4
    calling: Calling | None = None
    unknown: set[str] = field(default_factory=set)
    again: set[str] = field(default_factory=set)

    def send(self, wanted: list[Request], refresh: bool) -> SendResult:
        """Have these answered, or failed for good; with `refresh` anew."""
        stored = self.standing.answered()
        self._attach()
        # A refresh wants answers newer than any: also than those that another machine has got.
        if left := wanted if refresh else self.standing.left(self.attempts):
            self._adopt([request.custom_id for request in left])
        if refresh:
            self.standing.begin_refresh(self.run)
        while todo := self.standing.left(self.attempts):
            self._pause(todo)
            if any(job.rivals.older for job in self._round(todo)):
                self._give_way([request.custom_id for request in todo])
        answered = self.standing.answered()
        failed = len(self.journal.reader.failures(wanted, self.backend.origin))
        return self._sent(len(wanted), len(stored), len(answered), failed)

    def _give_way(self, keys: Sequence[str]) -> None:
        """Take over the batches of other machines for whose sake ours were cancelled.

        Raises:
            ProviderError: round after round there was none to take over, so that ours are cancelled for nothing.
        """
        attached = self.attached
        self._adopt(keys)
        self.vain = self.vain + 1 if self.attached == attached else 0
        if self.vain > MAX_VAIN:
            raise ProviderError(
                f"another machine's batches ask the same as {len(keys)} of these requests, and cannot be taken over; "
                "look at them at the provider, end them there, and run again"
            )

    def collect(self, adopt: bool) -> SendResult:
        """Bring what was begun to its end; with `adopt` also what another journal has begun."""
        self._attach()
        if adopt:
            self._adopt(None)
        answered = sum(len(job.account.answered) for job in self.settled)
        failed = sum(len(job.account.failed) for job in self.settled)
        return self._sent(answered + failed, 0, answered, failed)

    def _attach(self) -> None:
        """Bring batches of earlier runs to their end."""
        begun = self.journal.reader.open_batches(self.backend.origin)
        rows = [row for row in begun if row.calls == "batch"]
        for row in begun:
            if row.calls == "individual":
                self.unknown |= settle_calls(self.journal, row, "under way when a run was killed")
        now = self.clock.now()
        jobs = [self._resumed(row, now) for row in rows]
        self.attached = len(jobs)
        self._driver().tidy(rows)
        if jobs:
            self._drive(jobs)

    def _adopt(self, keys: Sequence[str] | None) -> None:
        """Take over what another machine, or a journal that is lost, has sent of these keys; `None` for any."""
        adoption = Adoption(self.backend, self.journal, self.clock, self.run, self.deadline)
        try:
            strangers = adoption.strangers(keys)
        except ProviderError as error:
            fault = error.__context__
            if self.calling is not None and isinstance(fault, Refused) and fault.status_code in (404, 405):
                return  # a provider without a Batch API, which individual calls do not need
            raise
        self.seen |= adoption.seen
        rows = adoption.adopt(strangers, keys or ())
        if rows:
            self.attached += len(rows)
            self._drive([BatchMachine(row, self.clock.now(), resumed=True) for row in rows])

    def _resumed(self, row: BatchRow, now: float) -> BatchMachine:
        foreign = row.scope != self.backend.scope
        return BatchMachine(self._own(row), now, resumed=True, foreign=foreign, assume_lost=self.assume_lost)

    def _own(self, row: BatchRow) -> BatchRow:
        """An open batch; one of another key or project that was not created is this one's to plan anew."""
        if row.scope == self.backend.scope or row.state in ("creating", "created", "ended"):
            return row
        return replace(row, scope=self.backend.scope, state="planned", file_id="")

    def _pause(self, todo: Sequence[Request]) -> None:
        attempt = 1 + min(self.standing.tried[request.custom_id] for request in todo)
        self._sleep(pause_before(attempt), len(todo))

    def _round(self, todo: list[Request]) -> list[BatchMachine]:
        """Plan and drive one wave of batches."""
        failures = self.journal.reader.failures(todo, self.backend.origin)
        self.again |= {key for key, failure in failures.items() if failure.code == UNKNOWN_OUTCOME}
        self.unknown -= self.again
        portions = list(self.standing.portions(todo, self.limits))
        planned = [self._plan(portion, most) for portion, most in zip(portions, self._reserve(portions), strict=True)]
        if self.calling is not None:
            self._call(self.calling, planned, portions)
            return []
        now = self.clock.now()
        jobs = [BatchMachine(row, now, assume_lost=self.assume_lost) for row in planned]
        self._drive(jobs, own=True)
        settled = {key for job in jobs if job.row.state == "settled" for key in self.journal.reader.keys(job.row.id)}
        self._stop_without_quota([request for request in todo if request.custom_id in settled])
        self._after_voids(jobs, len(todo))
        return jobs

    def _call(self, calling: Calling, rows: Sequence[BatchRow], portions: Sequence[Portion]) -> None:
        """Make the requests of one wave as individual calls.

        Raises:
            ProviderError: the provider refuses them all.
            UnfinishedError: some were not sent before the deadline.
        """
        run = CallRun(calling, self.journal, self.progress, self.deadline)
        called = run.run(zip(rows, (portion.requests for portion in portions), strict=True))
        self.keys |= called.sent
        self.resent += sum(self.standing.tried[key] > 0 for key in called.sent)
        self.unknown |= called.unknown
        self.standing.count(called.sent - called.left)
        # Another attempt might pay again what nobody knows to be unpaid.
        self.standing.tried.update(dict.fromkeys(called.unknown, self.attempts))
        if called.stopped is not None:
            raise self._stopped(called.stopped)
        if called.left:
            raise UnfinishedError(f"{len(called.left)} requests are not sent yet; the same command goes on")

    def _stopped(self, fault: ProviderFailure) -> ProviderError:
        advice = self._advice(fault)
        return ProviderError(f"{fault}; nothing is lost, run the same command again {advice}")

    def _reserve(self, portions: Sequence[Portion]) -> list[str]:
        """The most each of these batches can cost, as the journal keeps it."""
        if self.budget is None:
            return [""] * len(portions)
        worst = self.budget.reserve([portion.requests for portion in portions], self.limits, self._way)
        return [str(usd) for usd in worst]

    @property
    def _way(self) -> str:
        """As the journal names it."""
        return "batch" if self.calling is None else "individual"

    def _plan(self, portion: Portion, most_usd: str) -> BatchRow:
        requests = portion.requests
        name = identity([request.custom_id for request in requests], portion.attempt, portion.generation)
        file_name = f"batcheval-{name[:16]}-{secrets.token_hex(4)}.jsonl"
        row = BatchRow(
            origin=self.backend.origin,
            scope=self.backend.scope,
            endpoint=requests[0].url,
            identity=name,
            attempt=portion.attempt,
            generation=portion.generation,
            requests=len(requests),
            model=requests[0].model,
            most_usd=most_usd,
            calls=self._way,
            file_name=file_name if self._way == "batch" else f"calls-{name[:16]}",
            run=self.run,
        )
        return self.journal.plan(row, requests)

    def _driver(self) -> Driver:
        return Driver(self.backend, self.journal, self.clock, self.threads)

    def _drive(self, jobs: list[BatchMachine], own: bool = False) -> None:
        """Bring batches to their end; `own` are those that this send has planned itself."""
        engine = Scheduler(jobs, self._known())
        self._driver().run(engine, watcher(jobs, self.progress), self.deadline)
        if engine.stopped is not None:
            raise self._stopped(engine.stopped)
        for job in jobs:
            if job.row.state == "settled":
                self._count(job, own)

    def _advice(self, fault: ProviderFailure) -> str:
        """When to run again, by what has to be looked after first."""
        if fault.status_code == 401:
            return "with another key (OPENAI_API_KEY, OPENAI_ORG_ID, OPENAI_PROJECT_ID)"
        if fault.status_code in (302, 307, 308, 404):
            return f"when that is solved (OPENAI_BASE_URL or --batch-backend: {self.backend.base_url})"
        return "when that is solved"

    def _known(self) -> set[str]:
        """Batches that were seen before these were sent, or brought to their end here; no open ones of this journal."""
        rows = self.journal.reader.batches(self.backend.origin)
        ended = {row.batch_id for row in rows if row.state not in OPEN}
        older = {job.rivals.older.id for job in self.settled if job.rivals.older}
        return (self.seen | ended | older) - {row.batch_id for row in rows if row.state in OPEN}

    def _count(self, job: BatchMachine, own: bool) -> None:
        keys = self.journal.reader.keys(job.row.id)
        self.settled.append(job)
        self.twice |= self.journal.reader.answered_before(job.row, job.account.answered)
        if own:
            self.keys.update(keys)
            self.resent += sum(self.standing.tried[key] > 0 for key in keys)
        if job.rivals.older is None:
            self.standing.count(keys)
        else:
            self.twice |= may_hold(job.rivals.older.metadata, job.account.answered)

    def _stop_without_quota(self, requests: list[Request]) -> None:
        """Another attempt would only fail the same way.

        Raises:
            ProviderError: lines failed because the account has no money.
        """
        failures = self.journal.reader.failures(requests, self.backend.origin).values()
        refused = [failure for failure in failures if retry_of_error(failure) is Retry.QUOTA]
        if refused:
            raise ProviderError(f"{len(refused)} requests have no quota ({refused[0]}); run again when there is some")

    def _after_voids(self, jobs: list[BatchMachine], waiting: int) -> None:
        """Decide how batches that the provider refused as a whole go on; none of their lines was paid.

        Raises:
            ProviderError: it would refuse them again.
        """
        faults = [fault for job in jobs for fault in job.faults]
        void = [job for job in jobs if job.row.state == "void"]
        self.voids = self.voids + 1 if void else 0
        if any(fault.code in (_QUEUE_FULL, _TOO_LARGE) for fault in faults):
            self.limits = self.limits.halved()
        if any(fault.code == _QUEUE_FULL for fault in faults):
            self._sleep(QUEUE_PAUSES[min(self.voids, len(QUEUE_PAUSES)) - 1], waiting)
            return
        hopeless = [f for f in faults if f.line is None and f.param != _FILE_GONE and f.code != _TOO_LARGE]
        if hopeless or self.voids > MAX_VOID:
            why = f"{hopeless[0].code}: {hopeless[0].message}" if hopeless else void[0].row.note
            raise ProviderError(f"the provider refused {len(void)} batches, unpaid: {why}")

    def _sleep(self, seconds: float, waiting: int) -> None:
        """Wait before requests are sent.

        Raises:
            UnfinishedError: that would be longer than the caller wants to wait.
        """
        if not seconds:
            return
        if self.deadline is not None and self.clock.now() + seconds > self.deadline:
            raise UnfinishedError(
                f"{waiting} requests are to be sent again, in {seconds:.0f} s at the earliest; the same command does it"
            )
        self.clock.sleep(seconds)

    def _sent(self, requested: int, stored: int, answered: int, failed: int) -> SendResult:
        broken = [text for job in self.settled for text in job.account.broken]
        return SendResult(
            requested=requested,
            stored=stored,
            sent=len(self.keys),
            answered=answered,
            failed=failed,
            resent=self.resent,
            batches=len(self.settled),
            attached=self.attached,
            collected=tuple(job.row.id for job in self.settled if job.row.run != self.run),
            keys=frozenset(self.keys),
            lost=tuple(r.note for r in self.journal.reader.batches(self.backend.origin) if r.state == "lost"),
            twice=frozenset(self.twice),
            rivals=tuple(job.rivals.older.id for job in self.settled if job.rivals.older),
            twins=tuple(second for job in self.settled for second in sorted(job.rivals.twins)),
            broken=tuple(broken),
            unknown=frozenset(self.unknown),
            again=frozenset(self.again),
            files=tuple(file for job in self.settled if job.account.broken for file in job.account.files),
        )
