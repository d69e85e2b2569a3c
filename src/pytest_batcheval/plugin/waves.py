"""Sends the requests of prompts that have no stored answer, wave by wave, over a connection to each backend."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_batcheval.engine.budget import check_together
from pytest_batcheval.engine.destinations import send_each
from pytest_batcheval.engine.endpoints import check_endpoints
from pytest_batcheval.errors import PromptError
from pytest_batcheval.plugin.destinations import OpenBackends, planned_backends
from pytest_batcheval.plugin.options import Settings
from pytest_batcheval.plugin.plan import Plan
from pytest_batcheval.plugin.plan_warnings import request_lines, simulated_lines
from pytest_batcheval.plugin.stored_answers import StoredAnswers
from pytest_batcheval.prompts.prompt_call import PromptCall
from pytest_batcheval.text.format import counted
from pytest_batcheval.wire import real_time
from pytest_batcheval.wire.objects import Answer, Request
from pytest_batcheval.wire.origin import describe, is_simulator

if TYPE_CHECKING:
    from pytest_batcheval.backends.connect import BackendConnection
    from pytest_batcheval.engine.snapshot import BatchSnapshot
    from pytest_batcheval.engine.workers.crews import Crews
    from pytest_batcheval.journal.reader import JournalReader
    from pytest_batcheval.journal.store import Journal
    from pytest_batcheval.plugin.progress import ProgressDisplay
    from pytest_batcheval.report.resources import ResourceMeter


Asking = tuple[str, PromptCall]
"""A prompt call with the id of the test that needs its answer."""


@dataclass(frozen=True)
class _Run:
    backends: OpenBackends
    journal: Journal
    meter: ResourceMeter
    crews: Crews


@dataclass(frozen=True)
class _Part:
    """The requests of one wave for one backend: those to be sent, the answers that are there, the keys by cell."""

    connection: BackendConnection
    fresh: list[Request]
    stored: Mapping[str, Answer]
    cells: Mapping[str, str]

    @property
    def keys(self) -> set[str]:
        return {*self.cells.values()}

    @property
    def origin(self) -> str:
        return self.connection.backend.origin


class WaveRunner:
    """One send: connects, takes the journal's lock, sends wave after wave.

    Attributes:
        sent: keys that this run has sent.
        collected: numbers of the batches of earlier runs that it finished.
        seen: the last snapshot of each batch by its id, of individual calls by an empty one.
    """

    def __init__(
        self,
        settings: Settings,
        stored: StoredAnswers,
        run_id: str,
        display: ProgressDisplay,
    ) -> None:
        """Prepare a send that is shown on `display`."""
        self.sent: frozenset[str] = frozenset()
        self.collected: frozenset[int] = frozenset()
        self.seen: dict[str, BatchSnapshot] = {}
        self._tests: dict[str, set[str]] = {}
        self._asked: dict[tuple[str, str], Request] = {}
        self._settings = settings
        self._began: float | None = None
        self._stored = stored
        self._run_id = run_id
        self._display = display
        self._say = display.say

    def run(self, plan: Plan) -> None:
        """Answer the prompt calls of a plan. A prompt that breaks in a later turn fails its own tests only.

        Raises:
            UsageError: no key, no such backend.
            ProviderError: the provider cannot be reached or refuses.
            JournalError: the journal cannot be used.
        """
        from pytest_batcheval.engine.workers.crews import Crews
        from pytest_batcheval.journal.lock import LockWait
        from pytest_batcheval.journal.store import Journal
        from pytest_batcheval.report.resources import ResourceMeter

        foreseen = plan.foreseen
        planned_backends(self._settings, foreseen)
        with ExitStack() as stack:
            backends = OpenBackends(self._settings, self._stored, stack)
            first, *_ = [backends.of(name) for name in sorted({request.backend for request in foreseen}) or [""]]
            journal = stack.enter_context(Journal.open(self._settings.journal))
            backends.record(journal, self._run_id)
            stack.enter_context(journal.lock.held(LockWait(self._settings.journal, self._settings.wait, self._say)))
            meter = ResourceMeter(self._run_id, journal, first.clock, backends.traffic)
            skipped = plan.simulated(self._stored.origin_of)
            for line in simulated_lines(skipped, sorted(set(self._stored.origins.values()))):
                self._say(line)
            calls = [(test, call) for test, call in plan.calls if test not in skipped]
            crews = Crews("" if self._settings.batched else self._settings.workers, journal.address, stack)
            self._waves(calls, _Run(backends, journal, stack.enter_context(meter), crews))

    def _waves(self, calls: Sequence[Asking], run: _Run) -> None:
        finished: dict[tuple[str, str], Answer | None] = {}
        wave = 0
        while pending := self._pending(calls, finished):
            wave += 1
            self._asked |= {(request.custom_id, request.backend): request for _, request in pending}
            planned_backends(self._settings, self._asked.values())  # also against earlier waves
            groups = planned_backends(self._settings, (request for _, request in pending))
            parts = [self._part(some, pending, run) for some in groups.values()]
            fresh = [part for part in parts if part.fresh]
            if fresh:
                self._announce(wave, fresh, sum(len(part.stored) for part in parts))
            for part in parts:
                self._warn(part, run.journal)
            if fresh:
                self._send_all(fresh, wave, run)
                run.meter.end_wave()
            for part in parts:
                answers = run.journal.reader.answers(part.fresh, part.origin, self._settings.round)
                finished |= {
                    (key, request.backend): part.stored.get(key) or answers.get(key)
                    for _, request in pending
                    if (key := request.custom_id) in part.keys
                }
        if self._settings.refresh:
            for origin in set(self._stored.origins.values()):
                run.journal.end_refresh(origin, {key for key, _ in finished})
        if not self.sent and not self.collected:
            self._say("every answer is there already, nothing to send")

    def _part(self, todo: Sequence[Request], pending: Sequence[tuple[str, Request]], run: _Run) -> _Part:
        connection = run.backends.of(todo[0].backend)
        for name in {request.backend for request in todo}:
            run.backends.of(name)
        stored = {} if self._settings.refresh else self._stored.find(todo)
        fresh = [request for request in todo if request.custom_id not in stored]
        keys = {request.custom_id for request in todo}
        cells = {name: key for name, request in pending if (key := request.custom_id) in keys}
        return _Part(connection, fresh, stored, cells)

    def _announce(self, wave: int, parts: Sequence[_Part], stored: int) -> None:
        which = f"wave {wave}: " if wave > 1 else ""
        known = f" ({stored:,} answered already)" if stored else ""
        later = ", built from the answers so far (judges, further turns)" if wave > 1 else ""
        asked = ", ".join(f"{counted(len(part.fresh), 'request')} for {describe(part.origin)}" for part in parts)
        self._say(f"{which}{asked}{known}{later}")
        rows = self._stored.journal.batches
        self._display.begin(
            wave, parts[0].connection.clock.speed, lambda: [row for part in parts for row in rows(part.origin)]
        )

    def _warn(self, part: _Part, journal: Journal) -> None:
        """Say what is known against sending these requests, and note which cells ask for them."""
        if part.fresh:
            asked = [(min(self._asking(request.custom_id)), request) for request in part.fresh]
            today, batched = date.fromisoformat(real_time.utc_day()), self._settings.batched
            for line in request_lines(asked, part.origin, today, batched, lambda: part.connection.model_ends):
                self._say(line)
            for line in changed_lines(part.cells, part.fresh, journal.reader, part.origin, self._settings):
                self._say(line)
        journal.note_cells(part.cells, part.origin)

    def _send_all(self, parts: Sequence[_Part], wave: int, run: _Run) -> None:
        """Send to each backend; batches of several are begun at all of them before those of the first are waited for.

        Raises:
            UnfinishedError: batches of one still run; those of the others that have ended are collected.
        """
        for part in parts:
            if self._settings.batched:
                check_endpoints(Counter(request.url for request in part.fresh), part.connection.backend.capabilities)
        paid = [(part.origin, part.fresh) for part in parts if not is_simulator(part.origin)]
        if self._settings.budget is not None and len(paid) > 1:
            calls = "batch" if self._settings.batched else "individual"
            check_together(self._settings.budget, run.journal.reader, self._run_id, paid, calls)
        # Two servers of one origin, such as two simulators, would take each other's open batches for theirs.
        together = self._settings.batched and len({part.origin for part in parts}) == len(parts)
        send_each([partial(self._send, part, wave, run) for part in parts], self._patience(parts[0]), together)

    def _patience(self, part: _Part) -> float | None:
        """The seconds to wait in this wave: what a deadline leaves, or the wait that is chosen for each."""
        if self._settings.deadline is None:
            return self._settings.wait
        now = part.connection.clock.now()
        self._began = now if self._began is None else self._began
        left = max(self._began + self._settings.deadline - now, 0.0)
        return left if self._settings.wait is None else min(left, self._settings.wait)

    def _send(self, part: _Part, wave: int, run: _Run, patience: float | None) -> None:
        from pytest_batcheval.engine.send import SendPolicy, send
        from pytest_batcheval.engine.split import Limits
        from pytest_batcheval.report.error_log import error_log
        from pytest_batcheval.report.progress_file import progress_file

        journal, connection = run.journal, part.connection
        run.meter.measure_on(connection.clock)
        with (
            progress_file(journal.path, self._run_id, connection.clock.speed, self._progress, wave) as shown,
            error_log(
                journal.reader, self._settings.attempts, run.meter.watching(shown), self._say, self._asking
            ) as progress,
        ):
            sent = send(
                part.fresh,
                backend=connection.backend,
                journal=journal,
                clock=connection.clock,
                progress=progress,
                run=self._run_id,
                calling=run.crews.calling(connection, self._settings.tier),
                policy=SendPolicy(
                    refresh=self._settings.refresh,
                    round=self._settings.round,
                    ends_refresh=False,
                    attempts=self._settings.attempts,
                    patience=patience,
                    limits=Limits.of(connection.backend.capabilities, tokens=self._settings.enqueued_tokens),
                    assume_lost=self._settings.assume_lost,
                    ignore_unmarked=self._settings.ignore_unmarked,
                    pay_again=self._settings.pay_again,
                    budget=None if is_simulator(part.origin) else self._settings.budget,
                ),
            )
        if sent.sent:
            self.sent = frozenset(journal.reader.run_asked(self._run_id))
        self.collected |= {*sent.collected}
        for line in sent.notes:
            self._say(line)

    def _pending(
        self, calls: Sequence[Asking], finished: dict[tuple[str, str], Answer | None]
    ) -> list[tuple[str, Request]]:  # fmt: skip
        """The next requests of every call that has some, with their names; failed requests are not sent again."""
        pending = []
        for test, call in calls:
            try:
                turns = call.drive(lambda request: finished.get((request.custom_id, request.backend)))
            except PromptError:
                continue  # the test that asks reports it
            for turn, request in turns.pending.items():
                if (request.custom_id, request.backend) not in finished:
                    pending.append((call.name(turn), request))
                    self._tests.setdefault(request.custom_id, set()).add(test)
        return pending

    def _asking(self, key: str) -> set[str]:
        """The ids of the tests that ask for a key."""
        return self._tests.get(key, set())

    def _progress(self, progress: BatchSnapshot) -> None:
        if progress.ordinal:  # else a pause
            self.seen[progress.batch_id] = progress
        self._display.show(progress)


MAX_LINES = 6
"""Lines of the difference that are shown of one request."""


def changed_lines(
    cells: Mapping[str, str], fresh: Sequence[Request], reader: JournalReader, origin: str, settings: Settings
) -> list[str]:  # fmt: skip
    """Lines on requests to be sent whose cell had another body before: a count, the price, one difference.

    `cells` are the keys to be sent, by the cell's name. A prompt that changes by itself is paid again in every run.
    """
    requests = {request.custom_id: request for request in fresh}
    before = reader.cells([name for name, key in cells.items() if key in requests], origin)
    changed = [name for name, key in before.items() if key != cells[name]]
    if not changed:
        return []
    now = {cells[name]: requests[cells[name]] for name in changed}
    lines = [
        f"{len(now):,} of them {'has' if len(now) == 1 else 'have'} changed since an earlier run"
        + _price(now.values(), settings)
    ]
    name = min(changed)
    old = _body(reader.line(before[name]))
    if old is not None:
        from pytest_batcheval.prompts.body_diff import body_diff

        lines.append(f"the first, {name}, differs in:")
        lines += body_diff(old, now[cells[name]].body, limit=MAX_LINES).split("\n")
    return lines


def _price(requests: Any, settings: Settings) -> str:
    from pytest_batcheval.engine.estimate import plan, total

    usd = total(plan(requests, batch=settings.batched, tier=settings.tier))
    return "" if usd is None else f", and cost about ${usd:.4f} to send"


def _body(line: bytes | None) -> Mapping[str, Any] | None:
    return None if line is None else json.loads(line).get("body")
