"""Sends the requests of a round as batches, and finishes batches of earlier runs and of other machines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from pytest_batcheval.backends.errors import ProviderFailure
from pytest_batcheval.backends.protocol import Backend, RemoteBatch
from pytest_batcheval.engine import payment_text
from pytest_batcheval.engine.adopt import Adoption
from pytest_batcheval.engine.batch_machine import BatchMachine
from pytest_batcheval.engine.effect_driver import Driver
from pytest_batcheval.engine.metadata import may_hold
from pytest_batcheval.engine.pricing import input_tokens
from pytest_batcheval.engine.queue_limits import QueueLimits, is_queue_full, known_limits
from pytest_batcheval.engine.retry import Retry, retry_of_error
from pytest_batcheval.engine.scheduler import Scheduler
from pytest_batcheval.engine.send_policy import SendContext, SendPolicy
from pytest_batcheval.engine.send_result import SendCounts
from pytest_batcheval.engine.snapshot import watcher
from pytest_batcheval.engine.spool import Wanted
from pytest_batcheval.engine.unmarked import UnmarkedSearch
from pytest_batcheval.engine.worklist import Portion, Worklist
from pytest_batcheval.errors import ProviderError, UnfinishedError
from pytest_batcheval.journal.rows import OPEN, BatchRow
from pytest_batcheval.text.format import counted

MAX_VOID = 5
"""Rounds in a row in which the provider refused whole batches before we give up."""

QUEUE_PAUSES = (60.0, 300.0, 900.0, 1800.0)
"""Seconds to wait while the provider's queue is full; the last one repeats."""

LONGEST_WAIT = 2 * 86400.0
"""Seconds for which one run waits for a batch: twice the API's window. A provider may forget to end one."""

_TOO_LARGE = "file_too_large"
_FILE_GONE = "file_id"


class BatchSender:
    """Drives batches until they are finished; a `RoundSender`.

    Attributes:
        limits: of one batch file; halved when the provider refuses a file of that size.
    """

    calls, status = "batch", ""

    def __init__(self, context: SendContext, policy: SendPolicy, worklist: Worklist, counts: SendCounts) -> None:
        known = known_limits(context.journal.reader.refusals(context.backend.origin))
        self._queue = QueueLimits(known | dict(policy.limits.tokens))
        self.limits = replace(policy.limits.within(context.backend.capabilities), tokens=self._queue.tokens)
        self._full_since = 0.0
        self._context, self._provider = context, context.backend.capabilities
        self._policy = policy
        self._worklist = worklist
        self._counts = counts
        self._seen: dict[str, RemoteBatch] = {}
        self._voids = 0
        self._begun: list[BatchRow] = []

    def begin(self, row: BatchRow, portion: Portion) -> None:
        """Take a planned row; the journal has its requests."""
        self._begun.append(row)

    def send(self) -> bool:
        """Send what was begun as batches; true when some were cancelled in favour of another machine's.

        Raises:
            ProviderError: the provider refuses them, or the account needs attention.
            UnfinishedError: batches are still running at the deadline.
        """
        rows, self._begun = self._begun, []
        now = self._context.clock.now()
        machines = [
            BatchMachine(row, now, assume_lost=self._policy.assume_lost, provider=self._provider) for row in rows
        ]
        self._drive(machines, {machine.row.id for machine in machines})
        self._stop_without_quota([m.row for m in machines if m.row.state == "settled" and m.done < m.row.requests])
        self._after_voids(machines)
        return any(machine.competing.older for machine in machines)

    def attach(self, rows: Sequence[BatchRow]) -> None:
        """Finish the open batches of earlier runs, and of this one, and remove the files that those left behind."""
        self._driver().tidy()
        self.finish(rows, {row.id for row in rows if row.run == self._context.run})

    def finish(self, rows: Sequence[BatchRow], begun: Collection[int] = ()) -> None:
        """Finish batches that this send has not planned itself; `begun` are those of an earlier send of this run."""
        self._counts.attached += len(rows) - len(begun)
        now = self._context.clock.now()
        if rows:
            self._drive([self._resumed(row, now) for row in rows], begun)

    def adopt(self, wanted: Wanted | None, quiet: bool = False) -> bool:
        """Take over the batches of another machine, or of a lost journal, with these requests; `None` for any.

        `quiet` leaves out that some may have been overlooked. True when there were some.

        Raises:
            ProviderError: the batches cannot be listed.
        """
        adoption = Adoption(self._context, self._policy.round)
        if self._provider.mark == "custom_id" and not self._policy.ignore_unmarked:
            adoption.wait_for_unknown()
        unknown = adoption.unknown_batches(wanted)
        self._seen |= adoption.seen
        if not quiet:
            self._counts.remarks |= adoption.remarks
        self.finish(adoption.adopt(unknown, wanted))
        return bool(unknown)

    def refuse_unmarked(self, wanted: Wanted) -> None:
        """End the run when a batch that was made by other tools has some of these requests.

        Raises:
            UsageError: one has.
            ProviderError: its input file cannot be read for a passing reason.
        """
        search = UnmarkedSearch(self._context, wanted)
        search.refuse(self._seen.values())
        self._counts.remarks |= search.remarks

    def _resumed(self, row: BatchRow, now: float) -> BatchMachine:
        """An open batch; one of another key or project that was not created is planned again with this one."""
        scope = self._context.backend.scope
        foreign = row.scope != scope
        if foreign and row.state not in ("creating", "created", "ended"):
            row = replace(row, scope=scope, state="planned", file_id="")
        lost = self._policy.assume_lost
        return BatchMachine(row, now, resumed=True, foreign=foreign, assume_lost=lost, provider=self._provider)

    def _driver(self) -> Driver:
        return Driver(self._context.backend, self._context.journal, self._context.clock, self._policy.threads)

    def _drive(self, machines: list[BatchMachine], own: Collection[int] = ()) -> None:
        """Drive batches until they are finished; `own` are the numbers of those that this run has planned."""
        scheduler = Scheduler(machines, self._known())
        longest = self._context.clock.now() + LONGEST_WAIT
        deadline = longest if self._context.deadline is None else min(self._context.deadline, longest)
        self._driver().run(scheduler, self._watching(machines, own), deadline)
        for machine in machines:
            self._counts.remarks |= machine.remarks
        if scheduler.stopped is not None:
            raise stopped(scheduler.stopped, self._context.backend)

    def _watching(self, machines: Sequence[BatchMachine], own: Collection[int]) -> Callable[[float], None]:
        """Show the batches, and count each as soon as it is settled: the keys of its results are forgotten then."""
        show, open_ = watcher(machines, self._context.progress), list(machines)

        def watch(now: float) -> None:
            show(now)
            for machine in [machine for machine in open_ if machine.finished]:
                open_.remove(machine)
                if machine.row.state == "settled":
                    self._count(machine, machine.row.id in own)
                machine.results = replace(machine.results, answered=frozenset(), failed=frozenset())

        return watch

    def _known(self) -> set[str]:
        """Ids of batches that were seen before these were sent, or finished here; no open ones of this journal."""
        rows = self._context.journal.reader.batches(self._context.backend.origin)
        ended = {row.batch_id for row in rows if row.state not in OPEN}
        older = {machine.competing.older.id for machine in self._counts.settled if machine.competing.older}
        return (self._seen.keys() | ended | older) - {row.batch_id for row in rows if row.state in OPEN}

    def _count(self, machine: BatchMachine, own: bool) -> None:
        counts, row = self._counts, machine.row
        counts.settled.append(machine)
        counts.twice |= self._context.journal.reader.answered_before(row) & machine.results.answered
        if own:
            tried, sent = self._worklist.repeated(row)
            counts.sent += row.requests - sent
            counts.resent += tried
            self._worklist.note_own(row.id)
        if machine.competing.older is None:
            self._worklist.count(row.id)
        else:
            counts.twice.update(may_hold(machine.competing.older.metadata, machine.results.answered))

    def _stop_without_quota(self, rows: Sequence[BatchRow]) -> None:
        """Stop the run: another attempt would only fail the same way.

        Raises:
            ProviderError: lines failed because the account has no quota.
        """
        origin, round_name, reader = self._context.backend.origin, self._policy.round, self._context.journal.reader
        failures = (reader.failures_of(reader.keys(row.id), origin, round_name).values() for row in rows)
        refused = [failure for some in failures for failure in some if retry_of_error(failure) is Retry.QUOTA]
        if refused:
            number = counted(len(refused), "request")
            raise ProviderError(f"{number} failed: the account has no quota ({refused[0]}); add credit and run again")

    def _after_voids(self, machines: list[BatchMachine]) -> None:
        """Decide how to go on after batches that the provider refused as a whole; none of their lines was paid.

        Raises:
            ProviderError: it would refuse them again.
        """
        void = [machine for machine in machines if machine.row.state == "void"]
        errors = [error for machine in void for error in machine.errors]
        self._voids = self._voids + 1 if void else 0
        if any(error.code == _TOO_LARGE for error in errors):
            self.limits = self.limits.halved()
        if any(is_queue_full(error.code, error.message) for error in errors):
            return self._after_full_queue(void, machines)
        hopeless = [e for e in errors if e.line is None and e.param != _FILE_GONE and e.code != _TOO_LARGE]
        silent = [machine.row.batch_id for machine in void if machine.status == "failed" and not machine.errors]
        if silent:
            raise ProviderError(payment_text.failed_silently(len(silent), ", ".join(silent)))
        if hopeless or self._voids > MAX_VOID:
            reason = f"{hopeless[0].code}: {hopeless[0].message}" if hopeless else void[0].row.note
            raise ProviderError(payment_text.refused(len(void), reason))
        return None

    def _after_full_queue(self, void: Sequence[BatchMachine], machines: Sequence[BatchMachine]) -> None:
        """Make smaller batches by the limit that the provider names; wait unless they were larger than that.

        Raises:
            UnfinishedError: the queue has been full for as long as a run waits for a batch.
        """
        now, at_once = self._context.clock.now(), True
        self._full_since = now if self._voids == 1 else self._full_since
        sizes = Counter[str]()
        for row in (machine.row for machine in machines):
            lines = self._context.journal.reader.lines(row.id)
            sizes[row.model] += sum(input_tokens(json.loads(line)["body"]) for line in lines)
        for machine in void:
            for error in machine.errors:
                if is_queue_full(error.code, error.message):
                    at_once &= self._queue.refused(machine.row.model, error, sizes[machine.row.model])
        self.limits = replace(self.limits, tokens=self._queue.tokens)
        if now - self._full_since > LONGEST_WAIT:
            raise UnfinishedError(payment_text.queue_full(now - self._full_since, void[0].row.note))
        if not at_once:
            pause = QUEUE_PAUSES[min(self._voids, len(QUEUE_PAUSES)) - 1]
            waiting = len(self._worklist.left(self._policy.attempts))
            self._context.pause(pause, waiting, "the provider's queue is full")


def stopped(failure: ProviderFailure, backend: Backend) -> ProviderError:
    """The error that ends a run, with what has to be done before the next one."""
    advice, provider, base_url = "when that is solved", backend.capabilities, backend.base_url
    if failure.status_code == 401:
        account = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID") if provider.name == "openai" else ()
        advice = f"with another key ({', '.join((*provider.key_from, *account))})"
    elif failure.status_code in (302, 307, 308, 404):
        advice += f" ({provider.base_url_from} or --batch-backend: {base_url}{_hint(base_url)})"
        if failure.status_code == 404:
            advice += "; a server without a Batch API takes single calls: --batch-calls=individual"
    return ProviderError(f"{failure}; {payment_text.KEPT}, run the same command again {advice}")


def _hint(base_url: str) -> str:
    """A hint for a base URL without a path: the API is seldom there."""
    return "; most end with /v1" if base_url.rstrip("/").count("/") == 2 else ""
