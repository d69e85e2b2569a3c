"""The crews of a run: one for each backend that it sends individual calls to."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, nullcontext

from pytest_batcheval.backends.connect import BackendConnection
from pytest_batcheval.engine.call_sender import Calling
from pytest_batcheval.engine.workers.crew import AnyWorkers, Crew, Offering
from pytest_batcheval.engine.workers.forms import ANY, RAY, check_workers
from pytest_batcheval.errors import UsageError
from pytest_batcheval.journal.address import JournalAddress, PostgresAddress


class Crews:
    """The workers of a run: a crew for each backend, started when something is sent there."""

    def __init__(self, workers: str, address: JournalAddress, stack: ExitStack) -> None:
        """Prepare them by a value of `--batch-workers`, empty for none; those that are started end with the stack."""
        self._workers, self._address, self._stack = workers, address, stack
        self._crews: dict[str, Crew] = {}

    def calling(self, connection: BackendConnection, tier: str = "") -> Calling | Offering | None:
        """The parts by which individual calls are made, with the tier where the provider has it; `None` for batches.

        Raises:
            UsageError: as `check_workers`, they have no calls to make, or could not reach the backend.
            ProviderError: there is no such Ray cluster.
        """
        if connection.calls is None and self._workers:
            raise UsageError("workers make individual calls, and this sends batches: individual=True")
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
