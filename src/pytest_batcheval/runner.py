"""Send what prompts need and the stores lack, wave by wave, over one connection to a backend."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pytest_batcheval.changes import changed_lines
from pytest_batcheval.prompts.call import PromptCall
from pytest_batcheval.settings import Settings
from pytest_batcheval.sources import Sources
from pytest_batcheval.wire.errors import PromptError, UnfinishedError
from pytest_batcheval.wire.objects import Answer, Request
from pytest_batcheval.wire.origin import describe, is_simulator

if TYPE_CHECKING:
    from pytest_batcheval.backends.connect import Connection
    from pytest_batcheval.engine.progress import Progress, Sent
    from pytest_batcheval.journal.lock import Holder
    from pytest_batcheval.journal.store import Journal


class Runner:
    """One send: connects, takes the journal's lock, sends wave after wave.

    Attributes:
        sent: keys that this run has sent.
    """

    def __init__(
        self,
        settings: Settings,
        sources: Sources,
        run_id: str,
        say: Callable[[str], None],
        show: Callable[[Progress], None],
    ) -> None:
        """Prepare a send; `say` prints a line of its own, `show` shows how a batch stands."""
        self.sent: frozenset[str] = frozenset()
        self._settings = settings
        self._sources = sources
        self._run_id = run_id
        self._say = say
        self._show = show
        self._running: dict[str, str] = {}
        self._waited_for: Holder | None = None
        self._waited: float | None = None
        self._note = ""

    def run(self, calls: Sequence[PromptCall]) -> None:
        """Answer all these prompt calls. A prompt that breaks in a later turn fails its own tests only.

        Raises:
            UsageError: no key, no such backend.
            ProviderError: the provider cannot be reached or refuses.
            JournalError: the journal cannot be used.
        """
        from pytest_batcheval.backends.connect import connect
        from pytest_batcheval.journal.store import Journal

        individual = self._settings.calls == "individual"
        with connect(self._settings.backend, individual) as connection, Journal.open(self._settings.journal) as journal:
            origin = connection.backend.origin
            self._sources.origin = origin
            journal.add_run(self._run_id, origin, connection.backend.base_url)
            with journal.lock.held(self._wait):
                self._waves(calls, connection, journal)

    def left_behind(self) -> list[str]:
        """What an interrupted run leaves at the provider, and how to come back."""
        if not self._running and self._settings.calls == "individual":
            note = self._note or "every call that went out was answered"
            return [f"interrupted; {note}; what came is in the journal: run the same command again to go on"]
        if not self._running:
            return ["interrupted; no batch was running, nothing is lost"]
        if is_simulator(self._sources.origin or "") and self._settings.backend.startswith("simulator"):
            return ["interrupted; the simulator and its batches end with this run"]
        return [
            *(f"{batch} goes on at the provider ({status})" for batch, status in self._running.items()),
            f"nothing is lost: run the same command again to collect (journal: {self._settings.journal})",
        ]

    def _waves(self, calls: Sequence[PromptCall], connection: Connection, journal: Journal) -> None:
        finished: dict[str, Answer | None] = {}
        wave = 0
        while pending := self._pending(calls, finished):
            wave += 1
            todo = {request.custom_id: request for _, request in pending}
            stored = {} if self._settings.refresh else self._sources.find(todo.values())
            fresh = [request for key, request in todo.items() if key not in stored]
            cells = {name: request.custom_id for name, request in pending}
            if fresh:
                self._announce(wave, len(fresh), len(stored), connection.backend.origin)
                for line in changed_lines(cells, fresh, journal.reader, connection.backend.origin):
                    self._say(line)
            journal.note_cells(cells, connection.backend.origin)
            if fresh:
                self.sent |= self._send(fresh, connection, journal).keys
            answers = journal.reader.answers(fresh, connection.backend.origin)
            finished |= {key: stored.get(key) or answers.get(key) for key in todo}
        if not self.sent:
            self._say("every answer is there already, nothing to send")

    def _announce(self, wave: int, fresh: int, stored: int, origin: str) -> None:
        which = f"wave {wave}: " if wave > 1 else ""
        known = f" ({stored} answered already)" if stored else ""
        self._say(f"{which}{fresh} requests for {describe(origin)}{known}")

    def _send(self, requests: list[Request], connection: Connection, journal: Journal) -> Sent:
        from pytest_batcheval.engine.individual import Calling
        from pytest_batcheval.engine.send import send
        from pytest_batcheval.report.error_log import error_log

        with error_log(journal.reader, self._settings.attempts, self._progress, self._say) as progress:
            sent = send(
                requests,
                backend=connection.backend,
                journal=journal,
                clock=connection.clock,
                progress=progress,
                refresh=self._settings.refresh,
                run=self._run_id,
                attempts=self._settings.attempts,
                patience=self._settings.wait,
                assume_lost=self._settings.assume_lost,
                pay_again=self._settings.pay_again,
                calling=None if connection.calls is None else Calling(connection.calls, connection.clock),
                budget=None if is_simulator(connection.backend.origin) else self._settings.budget,
            )
        for line in sent.notes:
            self._say(line)
        return sent

    def _pending(self, calls: Sequence[PromptCall], finished: dict[str, Answer | None]) -> list[tuple[str, Request]]:
        """The next request of every call that has one, with the call's name; failed ones are not asked again."""
        pending = []
        for call in calls:
            try:
                turns = call.drive(lambda request: finished.get(request.custom_id))
            except PromptError:
                continue  # the test that asks reports it
            if turns.pending is not None and turns.pending.custom_id not in finished:
                pending.append((call.name(len(turns.answers)), turns.pending))
        return pending

    def _progress(self, progress: Progress) -> None:
        self._note = progress.note
        if progress.batch_id and not progress.ended:
            self._running[progress.batch_id] = progress.status
        else:
            self._running.pop(progress.batch_id, None)
        self._show(progress)

    def _wait(self, holder: Holder | None) -> None:
        """Another process sends from this journal: say once for whom we wait, and look again in a second.

        Raises:
            UnfinishedError: it still sends when the time to wait is over.
        """
        if holder is not None and holder != self._waited_for:
            self._say(f"waiting for {holder}, which is sending from the same journal")
            self._waited_for = holder
        self._waited = time.monotonic() if self._waited is None else self._waited
        if self._settings.wait is not None and time.monotonic() - self._waited >= self._settings.wait:
            raise UnfinishedError(f"{holder} still sends from the journal {self._settings.journal}; try again later")
        time.sleep(1)
