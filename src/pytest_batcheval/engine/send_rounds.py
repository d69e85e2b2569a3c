"""The rounds of one send: finish open batches, plan missing requests, send them, decide which are sent again."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from pytest_batcheval.engine.adopt_unmarked import AdoptedBatch, NamedAdoption
from pytest_batcheval.engine.batch_sender import BatchSender
from pytest_batcheval.engine.budget import Budget
from pytest_batcheval.engine.call_sender import Calling, CallSender, settle_calls
from pytest_batcheval.engine.metadata import identity
from pytest_batcheval.engine.other_senders import OtherSenders
from pytest_batcheval.engine.retry import UNKNOWN_OUTCOME, pause_before
from pytest_batcheval.engine.send_policy import SendContext, SendPolicy
from pytest_batcheval.engine.send_result import SendCounts, SendResult
from pytest_batcheval.engine.snapshot import NoticeSnapshot
from pytest_batcheval.engine.split import Limits
from pytest_batcheval.engine.spool import Wanted
from pytest_batcheval.engine.tracing import span_of
from pytest_batcheval.engine.workers.crew import Offering
from pytest_batcheval.engine.workers.offered_calls import OfferedCalls
from pytest_batcheval.engine.worklist import Portion, Worklist
from pytest_batcheval.errors import BatchEvalError, ProviderError, UsageError
from pytest_batcheval.journal.rows import OPEN, BatchRow
from pytest_batcheval.journal.transaction import ClaimedError
from pytest_batcheval.text.format import counted

MAX_YIELDS = 5
"""Rounds in a row in which ours were cancelled in favour of batches that cannot be adopted, before we give up."""


class RoundSender(Protocol):
    """Sends the planned rows of one round: as batches, or as individual calls."""

    calls: str
    """`batch` or `individual`, as the journal names it."""

    status: str
    """The status of its planned rows."""

    @property
    def limits(self) -> Limits:
        """Limits of one row of the next round."""

    def begin(self, row: BatchRow, portion: Portion) -> None:
        """Take a planned row of the next round."""

    def send(self) -> bool:
        """Send what was begun, and store the results; true when batches of another machine hold some of it."""


class Sender:
    """One send under the journal's lock."""

    def __init__(
        self, context: SendContext, policy: SendPolicy, worklist: Worklist, calling: Calling | Offering | None = None
    ) -> None:
        """Prepare it; with `calling` requests are sent as individual calls instead of in batches."""
        self._context = context
        self._policy = policy
        self._worklist = worklist
        self._counts = SendCounts()
        self._batches = BatchSender(context, policy, worklist, self._counts)
        self._rounds: RoundSender = self._batches
        if isinstance(calling, Offering):
            self._rounds = OfferedCalls(context, policy, worklist, self._counts, calling)
        elif calling is not None:
            self._rounds = CallSender(context, policy, worklist, self._counts, calling)
        self._others = OtherSenders(context)
        self._yields = 0
        self._said: set[str] = set()
        self._budget = None
        if policy.budget is not None:
            self._budget = Budget(policy.budget, context.journal.reader, (context.backend.origin,), context.run)

    def send(self, wanted: Wanted) -> SendResult:
        """Have these answered, or finally failed.

        Raises:
            ProviderError, UnfinishedError, JournalError, UsageError: as `engine.send.send`.
        """
        refresh, attempts, worklist = self._policy.refresh, self._policy.attempts, self._worklist
        stored = worklist.stored()
        self._attach_to(wanted)
        # A refresh wants answers newer than any, also than those of another machine.
        left = wanted if refresh else worklist.left(attempts)
        if left and self._batches.adopt(left, quiet=self._rounds is not self._batches):
            left = wanted if refresh else worklist.left(attempts)
        if left and not (refresh or self._policy.round or self._policy.ignore_unmarked):
            self._batches.refuse_unmarked(left)
        if refresh:
            worklist.begin_refresh(self._context.run)
            left = worklist.left(attempts)
        while left or self._others.wait(wanted, self._attach):
            if left:
                attempt = 1 + worklist.least_tried(left)
                self._context.pause(pause_before(attempt), len(left), f"attempt {attempt} of {attempts}")
                if self._round(left):
                    self._take_over(left)
            left = worklist.left(attempts)
        return self._result(len(wanted), stored, *worklist.outcome())

    def collect(self, adopt: bool) -> SendResult:
        """Finish open batches; with `adopt` also those of another journal.

        Raises:
            ProviderError, UnfinishedError, JournalError: as `engine.send.collect`.
        """
        self._attach()
        if adopt:
            self._batches.adopt(None)
            forgotten = self._context.journal.reader.forgotten(self._context.backend.origin)
            return self.adopt(forgotten, self._not_again)
        return self._finished()

    def _not_again(self, found: AdoptedBatch | BatchEvalError) -> None:
        if isinstance(found, BatchEvalError):
            self._counts.remarks[f"of a batch of other tools the journal has not all requests any more: {found}"] = None

    def _finished(self) -> SendResult:
        answered = sum(machine.done for machine in self._counts.settled)
        failed = sum(machine.failed for machine in self._counts.settled)
        return self._result(answered + failed, 0, answered, failed)

    def adopt(self, batch_ids: Sequence[str], seen: Callable[[AdoptedBatch | BatchEvalError], None]) -> SendResult:
        """Take batches into the journal by their ids, and finish them.

        Raises:
            ProviderError, UnfinishedError, JournalError: as `engine.send.adopt`.
        """
        adoption, rows = NamedAdoption(self._context), dict[int, BatchRow]()
        for batch_id in dict.fromkeys(batch_ids):
            try:
                adopted = adoption.adopt(batch_id)
            except (UsageError, ProviderError) as error:
                seen(error)
                continue
            seen(adopted)
            if adopted.row.state in OPEN:
                rows[adopted.row.id] = adopted.row
        self._batches.finish(list(rows.values()))
        return self._finished()

    def _attach(self, keys: Sequence[str] | None = None) -> bool:
        """Finish the batches, and settle the individual calls, of runs that do not any more; whether there were any."""
        rows = self._context.journal.take_over(self._context.backend.origin, keys)
        for row in rows:
            if row.calls == "individual":
                self._counts.unknown |= settle_calls(self._context.journal, row, "under way when a run was killed")
        self._say_risk(self._counts.unknown)
        self._batches.attach([row for row in rows if row.calls == "batch"])
        return bool(rows)

    def _attach_to(self, wanted: Wanted) -> None:
        """Finish what runs began that do not any more: all of it, or of a shared journal what holds one of these."""
        if not self._context.journal.shared:
            self._attach()
            return
        for items in wanted.slices():
            self._attach([item.key for item in items])

    def _say_risk(self, keys: set[str]) -> None:
        """Tell of calls of unknown outcome at once: a run that is killed does not come to its end, where it sums up."""
        if new := keys - self._said:
            self._said |= new
            calls = f"at most {counted(len(new), 'call')} of unknown outcome may be paid twice"
            self._context.progress(NoticeSnapshot.of_text(f"{calls}: an earlier run ended without their answers"))

    def _take_over(self, wanted: Wanted) -> None:
        """Adopt the batches of other machines in favour of which ours were cancelled.

        Raises:
            ProviderError: none could be adopted in several rounds, so that ours were cancelled for nothing.
        """
        attached = self._counts.attached
        self._batches.adopt(wanted)
        self._yields = self._yields + 1 if self._counts.attached == attached else 0
        if self._yields > MAX_YIELDS:
            raise ProviderError(
                f"batches of another machine hold some of these {counted(len(wanted), 'request')} and cannot be "
                "adopted; check them at the provider, cancel them there, and run again"
            )

    def _round(self, left: Wanted) -> bool:
        """Plan and send one round; true when batches of another machine hold some of its requests."""
        self._counts.again |= self._worklist.unknown(left, UNKNOWN_OUTCOME)
        self._counts.unknown -= self._counts.again
        self._say_risk(self._counts.again - self._counts.called)
        with span_of("plan", self._context.backend, requests=len(left)).active():
            reserved = self._reserve(left)
            for portion in self._worklist.portions(left, self._rounds.limits):
                if (planned := self._planned(portion, next(reserved, ""))) is not None:
                    self._rounds.begin(*planned)
        return self._rounds.send()

    def _planned(self, portion: Portion, most_usd: str) -> tuple[BatchRow, Portion] | None:
        """The planned batch of a portion, without what another sender claims at this moment; `None` if that is all."""
        while portion.items:
            try:
                return self._plan(portion, most_usd), portion
            except ClaimedError as error:
                portion = replace(portion, items=[item for item in portion.items if item.key not in error.keys])
        return None

    def _reserve(self, left: Wanted) -> Iterator[str]:
        """The most each row of this round can cost, as the journal keeps it; nothing without a budget."""
        if self._budget is None:
            return iter(())
        portions = self._worklist.portions(left, self._rounds.limits)
        requests = (portion.requests() for portion in portions)
        return map(str, self._budget.reserve(requests, self._rounds.calls))

    def _plan(self, portion: Portion, most_usd: str) -> BatchRow:
        calls, group = self._rounds.calls, portion.group
        keys = [item.key for item in portion.items]
        name = identity(keys, portion.attempt, portion.generation, self._policy.round)
        file_name = f"batcheval-{name[:16]}-{secrets.token_hex(4)}.jsonl"
        row = BatchRow(
            origin=self._context.backend.origin,
            scope=self._context.backend.scope,
            endpoint=group.url,
            identity=name,
            attempt=portion.attempt,
            generation=portion.generation,
            requests=len(keys),
            model=group.model,
            most_usd=most_usd,
            round=self._policy.round,
            calls=calls,
            status=self._rounds.status,
            file_name=file_name if calls == "batch" else f"calls-{name[:16]}",
            run=self._context.run,
        )
        return self._context.journal.plan(row, portion.lines())

    def _result(self, requested: int, stored: int, answered: int, failed: int) -> SendResult:
        rows = self._context.journal.reader.batches(self._context.backend.origin)
        lost = tuple(row.note for row in rows if row.state == "lost")
        return self._counts.result(self._context.run, requested, stored, answered, failed, lost)
