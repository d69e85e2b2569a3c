"""Workers of one run as tasks of a Ray cluster, one for each of its CPUs.

Ray starts and ends processes on the machines of its cluster, and no more: a task is never repeated by Ray, since it
could not know which calls were paid. The journal does.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from pytest_batcheval.engine.call_sender import GRACE, LAST_WORDS
from pytest_batcheval.engine.snapshot import unseen
from pytest_batcheval.engine.workers.forms import MOST
from pytest_batcheval.errors import BatchEvalError, ProviderError, UnfinishedError, UsageError
from pytest_batcheval.journal.address import PostgresAddress
from pytest_batcheval.text.format import counted


class RayWorkers:
    """A `Crew` of Ray tasks; a context manager, at whose end they end."""

    advice = ""

    def __init__(self, cluster: str, backend: str, address: PostgresAddress) -> None:
        """Start them; an empty address of a cluster is one that Ray knows of, or a new one on this machine.

        Raises:
            UsageError: Ray is not installed.
            ProviderError: there is no such cluster.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody asked for a report on this run
        try:
            ray: Any = import_module("ray")
        except ImportError:
            raise UsageError("workers on Ray need it: pip install 'pytest-batcheval[ray]'") from None
        self._ray = ray
        self._own = not ray.is_initialized()
        if self._own:
            try:
                ray.init(address=cluster or None, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise ProviderError(f"no Ray cluster at {cluster or 'this machine'}: {error}") from None
        number = max(1, min(MOST, int(ray.cluster_resources().get("CPU", 1))))
        task = ray.remote(max_retries=0)(work_on_node)
        self._tasks = [task.remote(backend, address) for _ in range(number)]

    def check(self) -> None:
        """Make sure that one of them works still.

        Raises:
            ProviderError: all have ended; the message has the error of one.
            UnfinishedError: all were killed.
        """
        ended, working = self._ray.wait(self._tasks, num_returns=len(self._tasks), timeout=0)
        if working:
            return
        text = ""
        for task in ended:
            try:
                text = self._ray.get(task) or text
            except self._ray.exceptions.RayError:
                continue
        if text:
            raise ProviderError(text)
        raise UnfinishedError(f"{counted(len(ended), 'worker')} on Ray ended; the same command goes on")

    def close(self) -> None:
        """Let them take the answers that are under way for some seconds, and end them."""
        for task in self._tasks:
            self._ray.cancel(task)  # as Ctrl-C
        self._ray.wait(self._tasks, num_returns=len(self._tasks), timeout=GRACE + LAST_WORDS)
        for task in self._tasks:
            self._ray.cancel(task, force=True)
        if self._own:
            self._ray.shutdown()

    def __enter__(self) -> RayWorkers:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def work_on_node(backend: str, address: PostgresAddress) -> str:
    """Be a worker on a machine of the cluster, with the key of its environment; returns the error that ended it."""
    from pytest_batcheval.engine.workers.call_worker import work_at

    try:
        work_at(backend, address, unseen)
    except BatchEvalError as error:
        return str(error)
    except KeyboardInterrupt:
        pass
    return ""
