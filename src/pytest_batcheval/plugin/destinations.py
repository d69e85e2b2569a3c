"""The backend of each request: that of the run, or one that the test chose by a name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING

from pytest_batcheval.backends.connect import backend_named, capabilities_of, expected_origin, one_spelling
from pytest_batcheval.engine.destinations import by_backend
from pytest_batcheval.text.sanitize import without_secrets
from pytest_batcheval.wire.objects import Request

if TYPE_CHECKING:
    from pytest_batcheval.backends.connect import BackendConnection
    from pytest_batcheval.backends.traffic import Traffic
    from pytest_batcheval.engine.estimate import PlannedFile
    from pytest_batcheval.journal.store import Journal
    from pytest_batcheval.plugin.options import Settings
    from pytest_batcheval.plugin.stored_answers import StoredAnswers


def backend_of(settings: Settings, name: str) -> str:
    """The value of `--batch-backend` for a chosen name; an empty one is the run's own.

    Raises:
        UsageError: as `backend_named`.
    """
    return backend_named(name, settings.backend, settings.backends, settings.given_backends)


def planned_backends(settings: Settings, requests: Iterable[Request]) -> dict[str, list[Request]]:
    """The distinct requests of each backend, by the value of `--batch-backend` as it is spelled first.

    Raises:
        UsageError: there is no such backend, or the same request is asked of two.
    """
    spelled: dict[str, str] = {}

    @cache
    def value(name: str) -> str:
        found = backend_of(settings, name)
        return spelled.setdefault(one_spelling(found), found)

    return by_backend(requests, value)


def expect_origins(settings: Settings, stored: StoredAnswers, requests: Iterable[Request]) -> dict[str, list[Request]]:
    """As `planned_backends`; tell the store the origins that will be met, as far as they are known without connecting.

    Raises:
        UsageError: as `planned_backends`.
    """
    asked = list(requests)
    groups = planned_backends(settings, asked)
    for name in {request.backend for request in asked}:
        stored.comes_from(name, expected_origin(backend_of(settings, name)))
    return groups


def planned_files(
    groups: Mapping[str, Sequence[Request]], batched: bool, tier: str = ""
) -> list[tuple[str, PlannedFile]]:  # fmt: skip
    """The input files of each backend, or with `batched` false its calls, of this service tier where it has that.

    Raises:
        UsageError: one request alone is over the limit of a file.
    """
    from pytest_batcheval.engine.estimate import plan
    from pytest_batcheval.engine.split import Limits

    files = []
    for backend, requests in groups.items():
        provider = capabilities_of(backend)
        found = plan(requests, Limits.of(provider), batched, tier if provider.flex else "")
        files += [(backend, file) for file in found]
    return files


class OpenBackends:
    """The connections of a run, opened as they are needed, and closed with the stack.

    Attributes:
        traffic: bytes that went out and came back, of all of them.
    """

    def __init__(self, settings: Settings, stored: StoredAnswers, stack: ExitStack) -> None:
        """Prepare them; `stored` gets to know their origins."""
        self.traffic: list[Traffic] = []
        self._settings, self._stored, self._stack = settings, stored, stack
        self._open: dict[str, BackendConnection] = {}
        self._noted: dict[str, BackendConnection] = {}
        self._record: Callable[[str, BackendConnection], None] = lambda name, connection: None

    def of(self, name: str) -> BackendConnection:
        """The connection for the name that a request chose.

        Raises:
            UsageError, ProviderError: as `connect`.
        """
        if name not in self._noted:
            self._noted[name] = connection = self._connected(backend_of(self._settings, name))
            self._stored.comes_from(name, connection.backend.origin)
            self._record(name, connection)
        return self._noted[name]

    def record(self, journal: Journal, run: str) -> None:
        """Keep names and origins with the run, also of those that will be opened."""

        def add(name: str, connection: BackendConnection) -> None:
            value = without_secrets(backend_of(self._settings, name))
            journal.add_run(run, connection.backend.origin, connection.backend.base_url, name, value)

        self._record = add
        for name, connection in self._noted.items():
            add(name, connection)

    def _connected(self, backend: str) -> BackendConnection:
        from pytest_batcheval.backends.connect import connect

        one = one_spelling(backend)
        if one not in self._open:
            self._open[one] = self._stack.enter_context(connect(backend, not self._settings.batched))
            self.traffic += self._open[one].traffic
        return self._open[one]
