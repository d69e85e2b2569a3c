"""Sends the requests of prompts that have no stored answer, wave by wave, over one connection to a backend."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from pytest_batcheval.errors import PromptError
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
    from pytest_batcheval.engine.send_result import SendResult
    from pytest_batcheval.engine.snapshot import BatchSnapshot
    from pytest_batcheval.journal.reader import JournalReader
    from pytest_batcheval.journal.store import Journal
    from pytest_batcheval.plugin.progress import ProgressDisplay
    from pytest_batcheval.report.resources import ResourceMeter


Asking = tuple[str, PromptCall]
"""A prompt call with the id of the test that needs its answer."""


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
        self._settings = settings
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
        from pytest_batcheval.backends.connect import connect
        from pytest_batcheval.journal.lock import LockWait
        from pytest_batcheval.journal.store import Journal
        from pytest_batcheval.report.resources import ResourceMeter

        individual = self._settings.calls == "individual"
        with connect(self._settings.backend, individual) as connection, Journal.open(self._settings.journal) as journal:
            origin = connection.backend.origin
            self._stored.origin = origin
            journal.add_run(self._run_id, origin, connection.backend.base_url)
            with (
                journal.lock.held(LockWait(self._settings.journal, self._settings.wait, self._say)),
                ResourceMeter(self._run_id, journal, connection.clock, connection.traffic) as meter,
            ):
                skipped = plan.simulated(origin)
                for line in simulated_lines(skipped, origin):
                    self._say(line)
                calls = [(test, call) for test, call in plan.calls if test not in skipped]
                self._waves(calls, connection, journal, meter)

    def _waves(
        self, calls: Sequence[Asking], connection: BackendConnection, journal: Journal, meter: ResourceMeter
    ) -> None:
        finished: dict[str, Answer | None] = {}
        wave = 0
        while pending := self._pending(calls, finished):
            wave += 1
            todo = {request.custom_id: request for _, request in pending}
            stored = {} if self._settings.refresh else self._stored.find(todo.values())
            fresh = [request for key, request in todo.items() if key not in stored]
            cells = {name: request.custom_id for name, request in pending}
            if fresh:
                self._announce(wave, len(fresh), len(stored), connection.backend.origin, connection.clock.speed)
                self._warn(fresh, connection.backend.origin)
                for line in changed_lines(cells, fresh, journal.reader, connection.backend.origin):
                    self._say(line)
            journal.note_cells(cells, connection.backend.origin)
            if fresh:
                sent = self._send(fresh, wave, connection, journal, meter)
                self.sent, self.collected = self.sent | sent.keys, self.collected | {*sent.collected}
                meter.end_wave()
            answers = journal.reader.answers(fresh, connection.backend.origin, self._settings.round)
            finished |= {key: stored.get(key) or answers.get(key) for key in todo}
        if self._settings.refresh:
            journal.end_refresh(connection.backend.origin, finished)
        if not self.sent and not self.collected:
            self._say("every answer is there already, nothing to send")

    def _announce(self, wave: int, fresh: int, stored: int, origin: str, speed: float) -> None:
        which = f"wave {wave}: " if wave > 1 else ""
        known = f" ({stored:,} answered already)" if stored else ""
        later = ", built from the answers so far (judges, further turns)" if wave > 1 else ""
        self._say(f"{which}{counted(fresh, 'request')} for {describe(origin)}{known}{later}")
        self._display.begin(wave, speed, lambda: self._stored.journal.batches(origin))

    def _warn(self, fresh: Sequence[Request], origin: str) -> None:
        """Say what is known against sending these requests."""
        asked = [(min(self._asking(request.custom_id)), request) for request in fresh]
        today, batched = date.fromisoformat(real_time.utc_day()), self._settings.calls == "batch"
        for line in request_lines(asked, origin, today, batched):
            self._say(line)

    def _send(
        self, requests: list[Request], wave: int, connection: BackendConnection, journal: Journal, meter: ResourceMeter
    ) -> SendResult:
        from pytest_batcheval.engine.call_sender import Calling
        from pytest_batcheval.engine.send import SendPolicy, send
        from pytest_batcheval.engine.split import Limits
        from pytest_batcheval.report.error_log import error_log
        from pytest_batcheval.report.progress_file import progress_file

        with (
            progress_file(journal.path, self._run_id, connection.clock.speed, self._progress, wave) as shown,
            error_log(
                journal.reader, self._settings.attempts, meter.watching(shown), self._say, self._asking
            ) as progress,
        ):
            sent = send(
                requests,
                backend=connection.backend,
                journal=journal,
                clock=connection.clock,
                progress=progress,
                run=self._run_id,
                calling=None if connection.calls is None else Calling(connection.calls, connection.clock),
                policy=SendPolicy(
                    refresh=self._settings.refresh,
                    round=self._settings.round,
                    ends_refresh=False,
                    attempts=self._settings.attempts,
                    patience=self._settings.wait,
                    limits=Limits.of(connection.backend.capabilities, tokens=self._settings.enqueued_tokens),
                    assume_lost=self._settings.assume_lost,
                    ignore_unmarked=self._settings.ignore_unmarked,
                    pay_again=self._settings.pay_again,
                    budget=None if is_simulator(connection.backend.origin) else self._settings.budget,
                ),
            )
        for line in sent.notes:
            self._say(line)
        return sent

    def _pending(self, calls: Sequence[Asking], finished: dict[str, Answer | None]) -> list[tuple[str, Request]]:
        """The next requests of every call that has some, with their names; failed requests are not sent again."""
        pending = []
        for test, call in calls:
            try:
                turns = call.drive(lambda request: finished.get(request.custom_id))
            except PromptError:
                continue  # the test that asks reports it
            for turn, request in turns.pending.items():
                if request.custom_id not in finished:
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


def changed_lines(cells: Mapping[str, str], fresh: Sequence[Request], reader: JournalReader, origin: str) -> list[str]:
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
        f"{len(now):,} of them {'has' if len(now) == 1 else 'have'} changed since an earlier run{_price(now.values())}"
    ]
    name = min(changed)
    old = _body(reader.line(before[name]))
    if old is not None:
        from pytest_batcheval.prompts.body_diff import body_diff

        lines.append(f"the first, {name}, differs in:")
        lines += body_diff(old, now[cells[name]].body, limit=MAX_LINES).split("\n")
    return lines


def _price(requests: Any) -> str:
    from pytest_batcheval.engine.estimate import plan, total

    usd = total(plan(requests))
    return "" if usd is None else f", and cost about ${usd:.4f} to send"


def _body(line: bytes | None) -> Mapping[str, Any] | None:
    return None if line is None else json.loads(line).get("body")
