"""The workers that make a run's individual calls: those that anybody has started, its own processes, or Ray's."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from typing import Protocol

from pytest_batcheval.backends.connect import BackendConnection
from pytest_batcheval.engine.call_sender import Calling
from pytest_batcheval.engine.clock import WaitingClock
from pytest_batcheval.errors import UsageError
from pytest_batcheval.journal.address import JournalAddress, PostgresAddress

ANY, RAY = "any", "ray"

MOST = 64
"""Processes that a run starts at most."""

FORMS = f"{ANY} (those that run batcheval work), a number of processes up to {MOST}, {RAY} or {RAY}:ADDRESS"


class Crew(Protocol):
    """Workers that a run has, until it is closed."""

    advice: str
    """Words on how to start one, where the run cannot; empty where it does."""

    def check(self) -> None:
        """Make sure that one of them works still.

        Raises:
            BatchEvalError: all have ended; the message says why.
        """


class AnyWorkers:
    """A `Crew` of the workers that somebody else starts and ends."""

    advice = "batcheval work"

    def check(self) -> None:
        """They may come and go."""


@dataclass(frozen=True)
class Offering:
    """What a run that leaves its calls to workers needs.

    Attributes:
        crew: the workers.
        clock: that of the run, which it leaves while it waits.
        tier: the service tier to ask for where a body names none.
    """

    crew: Crew
    clock: WaitingClock
    tier: str = ""


def check_workers(workers: str, address: JournalAddress | None = None) -> None:
    """Make sure that a value of `--batch-workers` can be used, with the journal at this address if there is one.

    Raises:
        UsageError: it has no such form, or other processes could not use the journal.
    """
    number = int(workers) if workers.isdecimal() and workers.isascii() else 0
    if workers not in (ANY, RAY) and not workers.startswith(f"{RAY}:") and not 1 <= number <= MOST:
        raise UsageError(f"workers = {workers!r}: must be {FORMS}")
    if address is not None and not isinstance(address, PostgresAddress):
        raise UsageError(
            f"workers need a journal that several processes use at once, and {address} is a file: name one in "
            "PostgreSQL, postgresql://host/database"
        )


class Crews:
    """The workers of a run: a crew for each backend, started when something is sent there."""

    def __init__(self, workers: str, address: JournalAddress, stack: ExitStack) -> None:
        """Prepare them by a value of `--batch-workers`, empty for none; those that are started end with the stack."""
        self._workers, self._address, self._stack = workers, address, stack
        self._crews: dict[str, Crew] = {}

    def calling(self, connection: BackendConnection, tier: str = "") -> Calling | Offering | None:
        """How individual calls are made, with the tier where the provider has it; `None` for batches.

        Raises:
            UsageError: as `check_workers`, or other processes could not reach the backend.
            ProviderError: there is no such Ray cluster.
        """
        if connection.calls is None:
            return None
        tier = tier if connection.backend.capabilities.flex else ""
        if not self._workers:
            return Calling(connection.calls, connection.clock, tier=tier)
        if connection.name not in self._crews:
            self._crews[connection.name] = self._stack.enter_context(self._started(connection))
        return Offering(self._crews[connection.name], connection.clock, tier)

    def _started(self, connection: BackendConnection) -> AbstractContextManager[Crew]:
        check_workers(self._workers, self._address)
        if connection.simulator is not None:
            raise UsageError(
                f"workers cannot reach {connection.name}, which is in this process: start batcheval serve, and name "
                "its URL as the backend"
            )
        assert isinstance(self._address, PostgresAddress)
        if self._workers == ANY:
            return nullcontext(AnyWorkers())
        if self._workers.isdecimal():
            from pytest_batcheval.engine.workers.processes import WorkerProcesses

            return WorkerProcesses(int(self._workers), connection.name, self._address)
        from pytest_batcheval.engine.workers.ray_tasks import RayWorkers

        return RayWorkers(self._workers.removeprefix(RAY).removeprefix(":"), connection.name, self._address)
