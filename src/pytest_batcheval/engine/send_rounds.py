"""The rounds of one send: finish open batches, plan missing requests, send them, decide which are sent again."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
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
from pytest_batcheval.engine.tracing import span_of
from pytest_batcheval.engine.worklist import Portion, Worklist
from pytest_batcheval.errors import BatchEvalError, ProviderError, UsageError
from pytest_batcheval.journal.rows import OPEN, BatchRow
from pytest_batcheval.journal.transaction import ClaimedError
from pytest_batcheval.text.format import counted
from pytest_batcheval.wire.objects import Request

MAX_YIELDS = 5
"""Rounds in a row in which ours were cancelled in favour of batches that cannot be adopted, before we give up."""


class RoundSender(Protocol):
    """Sends the planned rows of one round: as batches, or as individual calls."""

    calls: str
    """`batch` or `individual`, as the journal names it."""

    @property
    def limits(self) -> Limits:
        """Limits of one row of the next round."""

    def send(self, rows: Sequence[BatchRow], portions: Sequence[Portion]) -> bool:
        """Send these, and store the results; true when batches of another machine hold some of the requests."""


class Sender:
    """One send under the journal's lock."""

    def __init__(
        self, context: SendContext, policy: SendPolicy, worklist: Worklist, calling: Calling | None = None
    ) -> None:
        """Prepare it; with `calling` requests are sent as individual calls instead of in batches."""
        self._context = context
        self._policy = policy
        self._worklist = worklist
        self._counts = SendCounts()
        self._batches = BatchSender(context, policy, worklist, self._counts)
        self._rounds: RoundSender = self._batches
        if calling is not None:
            self._rounds = CallSender(context, policy, worklist, self._counts, calling)
        self._others = OtherSenders(context)
        self._yields = 0
        self._said: set[str] = set()
        self._budget = None
        if policy.budget is not None:
            self._budget = Budget(policy.budget, context.journal.reader, (context.backend.origin,), context.run)

    def send(self, wanted: list[Request]) -> SendResult:
        """Have these answered, or finally failed.

        Raises:
            ProviderError, UnfinishedError, JournalError, UsageError: as `engine.send.send`.
        """
        refresh, attempts, worklist = self._policy.refresh, self._policy.attempts, self._worklist
        stored = worklist.answered()
        keys = [request.custom_id for request in wanted]
        self._attach(keys)
        # A refresh wants answers newer than any, also than those of another machine.
        if left := wanted if refresh else worklist.left(attempts):
            self._batches.adopt([request.custom_id for request in left], quiet=self._rounds is not self._batches)
        if left and not (refresh or self._policy.round or self._policy.ignore_unmarked):
            self._batches.refuse_unmarked(worklist.left(attempts))
        if refresh:
            worklist.begin_refresh(self._context.run)
        while (todo := worklist.left(attempts)) or self._others.wait(keys, self._attach):
            if not todo:
                continue
            attempt = 1 + min(worklist.tried[request.custom_id] for request in todo)
            self._context.pause(pause_before(attempt), len(todo), f"attempt {attempt} of {attempts}")
            if self._round(todo):
                self._take_over([request.custom_id for request in todo])
        failed = len(self._context.journal.reader.failures(wanted, self._context.backend.origin, self._policy.round))
        return self._result(len(wanted), len(stored), len(worklist.answered()), failed)

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
        answered = sum(len(machine.results.answered) for machine in self._counts.settled)
        failed = sum(len(machine.results.failed) for machine in self._counts.settled)
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

    def _say_risk(self, keys: set[str]) -> None:
        """Tell of calls of unknown outcome at once: a run that is killed does not come to its end, where it sums up."""
        if new := keys - self._said:
            self._said |= new
            calls = f"at most {counted(len(new), 'call')} of unknown outcome may be paid twice"
            self._context.progress(NoticeSnapshot.of_text(f"{calls}: an earlier run ended without their answers"))

    def _take_over(self, keys: Sequence[str]) -> None:
        """Adopt the batches of other machines in favour of which ours were cancelled.

        Raises:
            ProviderError: none could be adopted in several rounds, so that ours were cancelled for nothing.
        """
        attached = self._counts.attached
        self._batches.adopt(keys)
        self._yields = self._yields + 1 if self._counts.attached == attached else 0
        if self._yields > MAX_YIELDS:
            raise ProviderError(
                f"batches of another machine hold some of these {counted(len(keys), 'request')} and cannot be adopted; "
                "check them at the provider, cancel them there, and run again"
            )

    def _round(self, todo: list[Request]) -> bool:
        """Plan and send one round; true when batches of another machine hold some of its requests."""
        failures = self._context.journal.reader.failures(todo, self._context.backend.origin, self._policy.round)
        self._counts.again |= {key for key, failure in failures.items() if failure.code == UNKNOWN_OUTCOME}
        self._counts.unknown -= self._counts.again
        self._say_risk(self._counts.again - self._counts.keys)
        with span_of("plan", self._context.backend, requests=len(todo)).active():
            portions = list(self._worklist.portions(todo, self._rounds.limits))
            claimed = [
                found
                for portion, most in zip(portions, self._reserve(portions), strict=True)
                if (found := self._claimed(portion, most)) is not None
            ]
        return self._rounds.send([row for row, _ in claimed], [portion for _, portion in claimed])

    def _claimed(self, portion: Portion, most_usd: str) -> tuple[BatchRow, Portion] | None:
        """The planned batch of a portion, without what another sender claims at this moment; `None` if that is all."""
        while portion.requests:
            try:
                return self._plan(portion, most_usd), portion
            except ClaimedError as error:
                portion = replace(portion, requests=[r for r in portion.requests if r.custom_id not in error.keys])
        return None

    def _reserve(self, portions: Sequence[Portion]) -> list[str]:
        """The most each of these rows can cost, as the journal keeps it."""
        if self._budget is None:
            return [""] * len(portions)
        requests = [portion.requests for portion in portions]
        return [str(usd) for usd in self._budget.reserve(requests, self._rounds.limits, self._rounds.calls)]

    def _plan(self, portion: Portion, most_usd: str) -> BatchRow:
        requests, calls = portion.requests, self._rounds.calls
        keys = [request.custom_id for request in requests]
        name = identity(keys, portion.attempt, portion.generation, self._policy.round)
        file_name = f"batcheval-{name[:16]}-{secrets.token_hex(4)}.jsonl"
        row = BatchRow(
            origin=self._context.backend.origin,
            scope=self._context.backend.scope,
            endpoint=requests[0].url,
            identity=name,
            attempt=portion.attempt,
            generation=portion.generation,
            requests=len(requests),
            model=requests[0].model,
            most_usd=most_usd,
            round=self._policy.round,
            calls=calls,
            file_name=file_name if calls == "batch" else f"calls-{name[:16]}",
            run=self._context.run,
        )
        return self._context.journal.plan(row, requests)

    def _result(self, requested: int, stored: int, answered: int, failed: int) -> SendResult:
        rows = self._context.journal.reader.batches(self._context.backend.origin)
        lost = tuple(row.note for row in rows if row.state == "lost")
        return self._counts.result(self._context.run, requested, stored, answered, failed, lost)
