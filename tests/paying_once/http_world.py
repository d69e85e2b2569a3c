"""The same world behind a real server: every exchange is real HTTP, and the schedules are the same."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from world import BEHAVIOUR, StillClock, World

from pytest_batcheval.simulator.server import SimulatorServer


class StillServer(SimulatorServer):
    """A simulator whose time only `forward` moves, however it is polled."""

    def __init__(self) -> None:
        super().__init__("faithful", behaviour=BEHAVIOUR)
        self._clock.__class__ = StillClock


class HttpWorld(World):
    """A `World` whose provider is a server in a thread, asked over a new connection each time."""

    def _begin(self) -> None:
        self.server = StillServer().start()
        self.state = self.server._state
        self._host = urlsplit(self.server.base_url).netloc

    def close(self) -> None:
        self.server.stop()

    async def _call(
        self, method: str, path: str, body: bytes, kind: str, query: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        raise NotImplementedError("the server is asked over its socket")

    def call(
        self, method: str, path: str, body: bytes = b"", kind: str = "application/json", **query: object
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self._host)
        try:
            url = self.url(path, query)
            connection.request(method, url, body, {"Authorization": "Bearer key", "Content-Type": kind})
            reply = connection.getresponse()
            found = reply.status, _lower(dict(reply.getheaders())), reply.read()
        finally:
            connection.close()
        assert not self.state.crashes, self.state.crashes
        return found

    def _run(self, work: Any) -> Any:
        assert self.server._loop is not None
        return asyncio.run_coroutine_threadsafe(work, self.server._loop).result()


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
