"""A server that speaks a provider's dialect, and raw HTTP to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any

import pytest

from pytest_batcheval.simulator.server import SimulatorServer

KEYS = {
    "anthropic": {"x-api-key": "key-one", "anthropic-version": "2023-06-01"},
    "gemini": {"x-goog-api-key": "key-one"},
}
"""Headers of every request, where it is not a bearer token."""


class Provider:
    """One dialect's server, and raw HTTP with a key."""

    def __init__(self, server: SimulatorServer, http: Any) -> None:
        self.server = server
        headers = KEYS.get(server.dialect.name, {"authorization": "Bearer key-one"})
        self.http = http.Client(base_url=server.base_url, headers=headers, timeout=60, verify=False)

    def request(self, method: str, path: str, **options: Any) -> Any:
        """The response of any request; the path is below the base URL."""
        return self.http.request(method, path, **options)

    def good(self, method: str, path: str, **options: Any) -> Any:
        """The JSON of a request that works."""
        response = self.request(method, path, **options)
        assert response.status_code == 200, response.text
        return response.json()

    def lines(self, path: str) -> list[dict[str, Any]]:
        """The lines of a result file."""
        response = self.request("GET", path)
        assert response.status_code == 200, response.text
        return [json.loads(line) for line in response.content.splitlines()]

    def stop(self) -> None:
        """Stop the server, in which nothing may have broken."""
        self.http.close()
        self.server.stop()
        assert [repr(crash) for crash in self.server.crashes] == []


@pytest.fixture(scope="session")
def _shared_servers() -> Iterator[Callable[[str], SimulatorServer]]:
    """A server of each dialect for the session, since each takes a fifth of a second to stop."""
    with ExitStack() as stack:
        yield cache(lambda dialect: stack.enter_context(SimulatorServer(dialect=dialect)))


@pytest.fixture
def provider(http_client: Any, _shared_servers: Callable[[str], SimulatorServer]) -> Iterator[Callable[..., Provider]]:
    """`provider("groq")`: an empty server of that dialect; with options a new one, which its test stops."""
    shared: list[Provider] = []

    def start(dialect: str, **options: Any) -> Provider:
        if options:
            return Provider(SimulatorServer(dialect=dialect, **options).start(), http_client)
        server = _shared_servers(dialect)
        server.reset()
        shared.append(Provider(server, http_client))
        return shared[-1]

    yield start
    for found in shared:
        found.http.close()
        assert [repr(crash) for crash in found.server.crashes] == []
