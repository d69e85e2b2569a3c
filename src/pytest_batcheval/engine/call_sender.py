"""Requests sent as individual calls: many at once, each answer on disk before its place is taken by the next.

A call, unlike a batch, cannot be looked up afterwards. So the journal records it before it goes out: after a kill the
keys of unknown outcome are known, and they are at most those of the calls under way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import repeat
from typing import TypeAlias

from pytest_batcheval.backends.calls import CallReply, Calls
from pytest_batcheval.backends.errors import ProviderFailure, Refused, UnknownOutcome
from pytest_batcheval.engine.backoff import PATIENCE, delay
from pytest_batcheval.engine.batch_sender import stopped
from pytest_batcheval.engine.call_outcome import Busy, call_outcome, unknown
from pytest_batcheval.engine.clock import WaitingClock
from pytest_batcheval.engine.concurrency import ConcurrencyWindow
from pytest_batcheval.engine.interrupt import held_back
from pytest_batcheval.engine.pricing import input_tokens, most_output_tokens, price, service_tier
from pytest_batcheval.engine.retry import UNKNOWN_OUTCOME
from pytest_batcheval.engine.send_policy import SendContext, SendPolicy
from pytest_batcheval.engine.send_result import SendCounts
from pytest_batcheval.engine.snapshot import BatchSnapshot, CallSnapshot
from pytest_batcheval.engine.worklist import Portion, Worklist
from pytest_batcheval.errors import JournalError, UnfinishedError
from pytest_batcheval.journal.rows import AnswerRow, BatchRow, FailureRow
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.text.format import counted
from pytest_batcheval.wire.key import canonical
from pytest_batcheval.wire.objects import Request

DEADLINE, FLEX_DEADLINE = 600.0, 900.0
"""Seconds from a call's start until it is given up: the SDK's own timeout, and the one advised for the tier flex."""

RETRIES = 2
"""Times that a call is made again after refusals for too many calls, as the SDK would."""

FIRST_PAUSE = 1.0
"""Seconds after a refusal that names no time: doubled with each in a row."""

GRACE = 15.0
"""Seconds that calls under way get after Ctrl-C: most answers are there by then."""

LAST_WORDS = 5.0
"""Seconds in which a call that was given up has to report it."""

Work: TypeAlias = Iterable[tuple[BatchRow, Sequence[Request], str]]
"""Rows whose calls are to be made, with their requests and the service tier to ask for where a body names none."""


@dataclass
class Calling:
    """The parts that individual calls need.

    Attributes:
        calls: the sender.
        clock: the clock to wait on.
        window: the number of calls at once.
        tier: the service tier to ask for; a call that it refuses goes to the standard one.
    """

    calls: Calls
    clock: WaitingClock
    window: ConcurrencyWindow = field(default_factory=ConcurrencyWindow)
    tier: str = ""


@dataclass
class CallInFlight:
    """A request on its way, or waiting for its turn; `tier` is added to its body."""

    request: Request
    row: int
    tier: str = ""
    refusals: int = 0
    epoch: int = 0
    until: float = 0.0
    given_up: bool = False


@dataclass
class PendingRow:
    """One row of the journal, and its changes that are not on disk yet."""

    row: BatchRow
    requests: Sequence[Request]
    results: list[AnswerRow | FailureRow] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    ended: int = 0


@dataclass
class CallResults:
    """Outcomes of the calls of one round, by key.

    Attributes:
        unknown: those that may have been paid without an answer.
        left: those that were not sent, or refused, when the round ended.
        stopped: the refusal after which no more were sent; `None` when all were.
    """

    sent: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    left: set[str] = field(default_factory=set)
    stopped: Refused | None = None


class CallRun:
    """One round of individual calls: every request is sent, and again after a refusal."""

    def __init__(
        self,
        calling: Calling,
        journal: Journal,
        show: Callable[[BatchSnapshot], None],
        deadline: float | None = None,
        more: Callable[[], Work] = lambda: (),
    ) -> None:
        """Prepare it; after `deadline` on the clock no call is started, and those under way are waited for.

        `more` is asked for further rows, which are `creating`, whenever calls could start and none waits.
        """
        self._calls = calling.calls
        self._journal = journal
        self._clock = calling.clock
        self._show = show
        self._window = calling.window
        self._deadline = deadline
        self._more = more
        self._total = 0
        self._waiting: deque[CallInFlight] = deque()
        self._in_flight: dict[int, CallInFlight] = {}
        self._pending: dict[int, PendingRow] = {}
        self._called = CallResults()
        self._refusals = 0
        self._not_before = 0.0
        self._unreached_since: float | None = None
        self._trouble = ""
        self._landing = False
        self._shown: tuple[object, ...] = ()

    def run(self, work: Work = ()) -> CallResults:
        """Make the calls of these rows, `planned` or leased, and of those that `more` has; settle each when it is done.

        After Ctrl-C no call is started, and those under way get a short grace; their outcomes are stored before the
        interrupt is raised again.

        Raises:
            JournalError: the journal cannot be written. No call is started after that, and the outcomes of those under
                way are stored in reserved space; the message says how many are unknown.
        """
        for row, requests, tier in work:
            if row.state == "planned":  # else it was leased, which is on disk
                row = replace(row, state="creating")
                self._journal.commit(row)
            self._add(row, requests, tier)
        began = self._clock.now()
        try:
            while self._turn(began):
                self._wait()
        except KeyboardInterrupt:
            self._land(began)
            raise
        except JournalError as error:
            raise JournalError(f"{error}; {self._save(began)}") from error
        self._settle(began)
        return self._called

    def _add(self, row: BatchRow, requests: Sequence[Request], tier: str) -> None:
        self._pending[row.id] = PendingRow(row, requests)
        self._total += len(requests)
        tiers = ("" if "service_tier" in request.body else tier for request in requests)
        self._waiting.extend(map(CallInFlight, requests, repeat(row.id), tiers))

    def _has_calls(self) -> bool:
        """Whether calls wait or are under way, after a look for more where another could start."""
        if not self._waiting and len(self._in_flight) < self._window.size and not self._ends():
            for row, requests, tier in self._more():
                self._add(row, requests, tier)
        return bool(self._waiting or self._in_flight)

    def _ends(self) -> bool:
        """Whether no more calls are started."""
        if self._landing or self._called.stopped is not None:
            return True
        return self._deadline is not None and self._clock.now() >= self._deadline

    @held_back()
    def _turn(self, began: float) -> bool:
        """Take finished calls, store them together with the calls to start next, start those; whether any are left."""
        if not self._has_calls():
            return False
        now = self._clock.now()
        self._take(now)
        if self._ends():
            self._called.left |= {flight.request.custom_id for flight in self._waiting}
            self._waiting.clear()
        starting = self._next(now)
        try:
            self._store()
        except JournalError:
            for flight in starting:
                pending = self._pending[flight.row]
                pending.sent, pending.refused = [], [*pending.refused, flight.request.custom_id]
            raise
        for flight in starting:
            self._begin(flight, now)
        self._report(now - began)
        return True

    def _take(self, now: float) -> None:
        for number, outcome in self._calls.finished():
            flight = self._in_flight.pop(number, None)
            if flight is not None:  # else one of an interrupted round, which is settled
                self._judge(flight, outcome, now)
        for number, flight in [*self._in_flight.items()]:
            if flight.until <= now and flight.given_up:
                self._judge(self._in_flight.pop(number), UnknownOutcome("given_up", "no answer came in time"), now)
            elif flight.until <= now:
                self._calls.give_up(number)
                flight.given_up, flight.until = True, now + LAST_WORDS

    def _judge(self, flight: CallInFlight, outcome: CallReply | ProviderFailure, now: float) -> None:
        key, pending = flight.request.custom_id, self._pending[flight.row]
        verdict = call_outcome(key, outcome, flight.request.url)
        if flight.tier and _refuses_tier(verdict, outcome):
            pending.refused.append(key)
            flight.tier = ""
            return self._waiting.append(flight)
        if isinstance(verdict, Busy):
            return self._refused(flight, verdict, now)
        if isinstance(verdict, Refused):
            pending.refused.append(key)
            self._called.left.add(key)
            self._called.stopped = self._called.stopped or verdict
            return None
        if isinstance(verdict, AnswerRow) or verdict.status_code is not None:
            self._window.answered()
            self._refusals, self._unreached_since, self._trouble = 0, None, ""
        return self._keep(pending, verdict)

    def _keep(self, pending: PendingRow, result: AnswerRow | FailureRow) -> None:
        pending.results.append(result)
        pending.ended += 1
        if isinstance(result, AnswerRow):
            self._called.answered.add(result.key)
        else:
            self._called.failed.add(result.key)
            if result.code == UNKNOWN_OUTCOME:
                self._called.unknown.add(result.key)

    def _refused(self, flight: CallInFlight, busy: Busy, now: float) -> None:
        """Start no call before the time that the server named, and then fewer at once."""
        pending, key = self._pending[flight.row], flight.request.custom_id
        pending.refused.append(key)
        self._trouble = f"refused: {busy.failure.code}"
        if self._window.refused(flight.epoch):
            self._refusals += 1
        pause = delay(self._refusals, FIRST_PAUSE) if busy.retry_after is None else busy.retry_after
        self._not_before = max(self._not_before, now + pause)
        if not busy.reached:
            return self._unreached(flight, busy, now)
        self._unreached_since = None
        flight.refusals += 1
        if flight.refusals > RETRIES and flight.tier:
            flight.refusals, flight.tier = 0, ""
        elif flight.refusals > RETRIES:
            return self._keep(pending, busy.failure)
        return self._waiting.append(flight)  # last, when the window is what the server takes

    def _unreached(self, flight: CallInFlight, busy: Busy, now: float) -> None:
        self._waiting.appendleft(flight)
        if self._unreached_since is None:
            self._unreached_since = now
        elif now - self._unreached_since > PATIENCE:
            self._called.stopped = Refused(busy.failure.code, busy.failure.message)

    def _next(self, now: float) -> list[CallInFlight]:
        """The calls to start now, recorded as sent in the next journal write."""
        starting: list[CallInFlight] = []
        while self._waiting and now >= self._not_before and len(self._in_flight) + len(starting) < self._window.size:
            flight = self._waiting.popleft()
            self._pending[flight.row].sent.append(flight.request.custom_id)
            starting.append(flight)
        return starting

    def _store(self) -> None:
        for pending in self._pending.values():
            if pending.results or pending.sent or pending.refused:
                pending.row = self._journal.record(pending.row, pending.results, pending.sent, pending.refused)
                pending.results, pending.sent, pending.refused = [], [], []
        for number in [n for n, pending in self._pending.items() if pending.ended == len(pending.requests)]:
            settle_calls(self._journal, self._reduced(self._pending.pop(number)), "")

    def _begin(self, flight: CallInFlight, now: float) -> None:
        request = flight.request
        longest = FLEX_DEADLINE if flight.tier or service_tier(request.body) == "flex" else DEADLINE
        flight.epoch, flight.until = self._window.epoch, now + longest
        self._called.sent.add(request.custom_id)
        tier = {"service_tier": flight.tier} if flight.tier else {}
        number = self._calls.start(request.url, canonical({**request.body, **tier}).encode(), request.custom_id)
        self._in_flight[number] = flight

    def _wait(self) -> None:
        """Wait until a call has finished, or something else is due."""
        if not self._waiting and not self._in_flight:
            return
        now = self._clock.now()
        times = [flight.until for flight in self._in_flight.values()]
        if self._waiting and self._not_before > now:
            times.append(self._not_before)
        if self._waiting and self._deadline is not None:
            times.append(self._deadline)
        # One that was given up ends in real time: counted twice, it keeps a virtual clock from jumping over that.
        calls = len(self._in_flight) + sum(flight.given_up for flight in self._in_flight.values())
        self._clock.wait(self._calls.signal, min(times) - now, calls)

    def _land(self, began: float) -> None:
        """Take what comes within the grace, and settle; a second Ctrl-C leaves that to the next run."""
        self._landing = True
        until = self._clock.now() + GRACE
        for flight in self._in_flight.values():
            flight.until = min(flight.until, until)
        while self._turn(began):
            self._wait()
        self._settle(began)

    def _save(self, began: float) -> str:
        """Take what comes within the grace and store it where the reserve was; returns what became of the calls."""
        under_way = self._unsaved()
        self._journal.free_reserve()
        with suppress(JournalError):
            self._land(began)
        lost = self._called.unknown | self._unsaved()
        stored, number = counted(len(under_way - lost), "answer"), counted(len(under_way), "call")
        unknown_calls = f"at most {counted(len(lost), 'call')} of unknown outcome may be paid twice"
        return f"{number} under way at that time, {stored} of these stored; {unknown_calls}"

    def _unsaved(self) -> set[str]:
        """Keys of the calls under way, and of those whose outcome is not on disk."""
        results = {result.key for pending in self._pending.values() for result in pending.results}
        return results | {flight.request.custom_id for flight in self._in_flight.values()}

    def _settle(self, began: float) -> None:
        """Release all keys; the outcome of calls still under way is unknown."""
        self._store()
        self._in_flight.clear()
        for pending in self._pending.values():
            lost = settle_calls(self._journal, self._reduced(pending), "interrupted")
            self._called.unknown |= lost
            self._called.failed |= lost
        self._report(self._clock.now() - began, ended=True)

    def _reduced(self, pending: PendingRow) -> BatchRow:
        """The row as a budget reserves it from now on: at the most that its calls of unknown outcome may have cost."""
        row = pending.row
        if not row.most_usd:
            return row
        keys = self._called.unknown | {*self._journal.reader.unknown_calls(row.id)}
        most = (_most_usd(request) for request in pending.requests if request.custom_id in keys)
        return replace(row, most_usd=str(sum(most, Decimal(0))))

    def _report(self, elapsed: float, ended: bool = False) -> None:
        called = self._called
        shown = (len(called.answered), len(called.failed), len(self._in_flight), self._trouble, ended)
        if shown == self._shown:
            return
        self._shown = shown
        unknown_calls = f"at most {counted(len(called.unknown), 'call')} of unknown outcome may be paid twice"
        self._show(
            CallSnapshot(
                ordinal=1,
                of=1,
                batch_id="",
                status="settled" if ended else "in_progress",
                done=len(called.answered),
                failed=len(called.failed),
                total=self._total,
                elapsed=max(elapsed, 0.0),
                note=unknown_calls if called.unknown else "",
                trouble=self._trouble,
                ended=ended,
                in_flight=len(self._in_flight),
                stage="settle" if ended else "run",
            )
        )


class CallSender:
    """Sends the requests of a round as individual calls; a `RoundSender`."""

    calls, status = "individual", ""

    def __init__(
        self, context: SendContext, policy: SendPolicy, worklist: Worklist, counts: SendCounts, calling: Calling
    ) -> None:
        self.limits = policy.limits
        self._context = context
        self._policy = policy
        self._worklist = worklist
        self._counts = counts
        self._calling = calling
        self._begun: list[tuple[BatchRow, list[Request], str]] = []

    def begin(self, row: BatchRow, portion: Portion) -> None:
        """Take a planned row; its requests are held until their calls are made."""
        self._begun.append((row, list(portion.requests()), self._calling.tier))

    def send(self) -> bool:
        """Make the calls that were begun. Always false: no other machine's calls can be seen.

        Raises:
            ProviderError: the provider refuses them all.
            UnfinishedError: some were not sent before the deadline.
        """
        context, counts, worklist = self._context, self._counts, self._worklist
        run = CallRun(self._calling, context.journal, context.progress, context.deadline)
        begun, self._begun = self._begun, []
        called = run.run(begun)
        counts.add_calls(called.sent, called.unknown, worklist.tried(list(called.sent)))
        worklist.count_calls(called.sent - called.left, called.unknown, self._policy.attempts)
        if called.stopped is not None:
            raise stopped(called.stopped, context.backend)
        if called.left:
            raise UnfinishedError(
                f"{counted(len(called.left), 'request')} not sent yet; the same command sends the rest"
            )
        return False


def _refuses_tier(verdict: object, outcome: CallReply | ProviderFailure) -> bool:
    """Whether a call failed for its service tier alone: one that the model does not have."""
    if not isinstance(verdict, FailureRow) or not isinstance(outcome, CallReply) or outcome.status != 400:
        return False
    return "service_tier" in verdict.message or b'"service_tier"' in outcome.content


def settle_calls(journal: Journal, row: BatchRow, why: str) -> set[str]:
    """Release the keys of a row of individual calls; those under way become failures of unknown outcome.

    Returns:
        Their keys.
    """
    lost = journal.reader.unknown_calls(row.id)
    journal.record(replace(row, state="settled"), [unknown(key, why) for key in lost])
    return set(lost)


def _most_usd(request: Request) -> Decimal:
    given, most_tokens = input_tokens(request.body), most_output_tokens(request.body) or 0
    most = price(request.model, given, most_tokens, batch=False, tier=service_tier(request.body))
    return most.usd if most is not None else Decimal(0)
