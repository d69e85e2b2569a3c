"""Send what prompts need and the stores lack, wave by wave, over one connection to a backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_batcheval.prompts.call import PromptCall
from pytest_batcheval.settings import Settings
from pytest_batcheval.sources import Sources
from pytest_batcheval.wire.errors import UsageError
from pytest_batcheval.wire.objects import Answer, Request
from pytest_batcheval.wire.origin import describe, provider_origin, simulator_origin

if TYPE_CHECKING:
    from pytest_batcheval.backends.protocol import Backend
    from pytest_batcheval.engine.clock import Clock
    from pytest_batcheval.engine.send import Progress
    from pytest_batcheval.journal.store import Journal

SIMULATOR = "simulator"
SEED = 0
DEFAULT_BASE_URL = "https://api.openai.com/v1"


@dataclass(frozen=True)
class Connection:
    """An open backend with the clock its waits run on."""

    backend: Backend
    clock: Clock


@contextmanager
def connect(backend: str) -> Iterator[Connection]:
    """Open `openai`, `simulator[:respondent]` or a base URL.

    Raises:
        UsageError: no such backend, no API key, or the simulator is not installed.
        ProviderError: the base URL does not answer.
    """
    from pytest_batcheval.backends.openai_batch import OpenAIBatch
    from pytest_batcheval.engine.clock import SystemClock

    if _is_simulator(backend):
        with _simulated(respondent_of(backend)) as connection:
            yield connection
        return
    if backend != "openai" and not backend.startswith(("http://", "https://")):
        raise UsageError(f"--batch-backend={backend}: give openai, simulator[:respondent] or a base URL (http…/v1)")
    with OpenAIBatch(None if backend == "openai" else backend) as client:
        clock = client.clock_address
        yield Connection(client, _simulator_clock(clock) if clock else SystemClock())


@contextmanager
def _simulated(respondent: str) -> Iterator[Connection]:
    from pytest_batcheval.backends.openai_batch import OpenAIBatch

    try:
        from pytest_batcheval.simulator.server import SimulatorServer
    except ImportError as error:
        raise UsageError(
            f"the simulator needs {error.name}: pip install 'pytest-batcheval[simulator]'",
        ) from None
    with (
        SimulatorServer(respondent, seed=SEED) as server,
        OpenAIBatch(server.base_url, "simulator", scope="in-process") as client,
    ):
        yield Connection(client, _simulator_clock(server.clock_address))


def _simulator_clock(address: str) -> Clock:
    from pytest_batcheval.backends.clocks import SimulatorClock

    return SimulatorClock(address)


def _is_simulator(backend: str) -> bool:
    return backend.partition(":")[0] == SIMULATOR


def respondent_of(backend: str) -> str:
    """`simulator:blind` -> `blind`; `simulator` -> `faithful`."""
    return backend.partition(":")[2] or "faithful"


def planned_origin(settings: Settings) -> str:
    """The origin a backend will have, as far as it is known without asking it."""
    import os

    if _is_simulator(settings.backend):
        return simulator_origin(respondent_of(settings.backend), SEED)
    if settings.backend == "openai":
        return provider_origin(os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL)
    return provider_origin(settings.backend)


class Runner:
    """One send: connects, takes the journal's lock, sends wave after wave.

    Args:
        say: prints a line of its own.
        show: shows the state of the running batches: (text, what must change for a new line).
    """

    def __init__(
        self,
        settings: Settings,
        sources: Sources,
        say: Callable[[str], None],
        show: Callable[[str, str], None],
        run_id: str,
    ) -> None:
        self._settings = settings
        self._sources = sources
        self._say = say
        self._show = show
        self._run_id = run_id
        self._running: dict[str, str] = {}

    def run(self, calls: Sequence[PromptCall]) -> frozenset[str]:
        """Answer all these prompt calls and return the keys that were sent by this run.

        Raises:
            UsageError: no key, no such backend.
            ProviderError: the provider cannot be reached or refuses.
            JournalError: the journal cannot be used.
            PromptError: never; a prompt that breaks in a later turn fails its own tests.
        """
        from pytest_batcheval.journal.store import Journal

        with connect(self._settings.backend) as connection:
            self._sources.origin = connection.backend.origin
            self._say(f"sending to {describe(connection.backend.origin)}")
            with Journal.open(self._settings.journal, on_wait=self._wait_for_other) as journal:
                journal.add_run(self._run_id, connection.backend.origin)
                return self._waves(calls, connection, journal)

    def left_behind(self) -> list[str]:
        """What an interrupted run leaves at the provider, and how to come back."""
        if not self._running:
            return ["interrupted before any batch was created; nothing was paid"]
        return [
            f"{batch} goes on at the provider ({state}); nothing is lost" for batch, state in self._running.items()
        ] + [f"run the same command again to collect: the journal {self._settings.journal} knows what was sent"]

    def _waves(self, calls: Sequence[PromptCall], connection: Connection, journal: Journal) -> frozenset[str]:
        from pytest_batcheval.engine.send import send

        sent: set[str] = set()
        finished: dict[str, Answer | None] = {}
        wave = 0
        while todo := self._pending(calls, finished):
            wave += 1
            stored = {} if self._settings.refresh else self._sources.find(todo.values())
            fresh = [request for key, request in todo.items() if key not in stored]
            if fresh:
                outcome = send(
                    fresh,
                    backend=connection.backend,
                    journal=journal,
                    clock=connection.clock,
                    progress=self._progress,
                    refresh=self._settings.refresh,
                )
                sent |= outcome.keys
            answers = journal.answers(fresh, connection.backend.origin)
            finished |= {key: stored.get(key) or answers.get(key) for key in todo}
        if wave and not sent:
            self._say("every answer was there already; nothing was sent")
        return frozenset(sent)

    def _pending(self, calls: Sequence[PromptCall], finished: dict[str, Answer | None]) -> dict[str, Request]:
        """The next request of every prompt call that still has one, by key; failed ones are not asked again."""
        from pytest_batcheval.wire.errors import PromptError

        pending: dict[str, Request] = {}
        for call in calls:
            try:
                request = call.drive(lambda request: finished.get(request.custom_id)).pending
            except PromptError:
                continue  # the test that asks reports it
            if request is not None and request.custom_id not in finished:
                pending.setdefault(request.custom_id, request)
        return pending

    def _progress(self, progress: Progress) -> None:
        if progress.batch_id and not progress.ended:
            self._running[progress.batch_id] = progress.status
        else:
            self._running.pop(progress.batch_id or "", None)
        self._show(str(progress), f"{progress.ordinal} {progress.status}")

    def _wait_for_other(self, holder: str) -> None:
        self._say(f"waiting for {holder}, which is sending from the same journal")
