"""A send over real HTTP of which one kind of call goes wrong: at the simulator, or on this side of the wire."""

from __future__ import annotations

import socket
from collections import Counter
from dataclasses import dataclass
from functools import partial

from send_with import send_with

from pytest_batcheval.backends.clocks import SimulatorClock
from pytest_batcheval.backends.openai_batch import OpenAIBatch
from pytest_batcheval.engine.split import Limits
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.simulator.faults import connection
from pytest_batcheval.simulator.server import SimulatorServer
from pytest_batcheval.wire.objects import Request

REQUESTS = [Request({"model": "m", "messages": [{"role": "user", "content": f"질문 {n}"}]}) for n in range(4)]
KEYS = sorted(request.custom_id for request in REQUESTS)
ALWAYS = 10**6

CALLS = {
    "upload": "files.create",
    "create": "batches.create",
    "list": "batches.list",
    "look": "batches.list",
    "retrieve": "batches.retrieve",
    "content": "files.content",
    "delete": "files.delete",
}
"""`list`: looking for batches of other machines; `look`: for a create without an answer; `delete`: fencing it."""


class Disturbed:
    """Takes over a simulator: the first `times` exchanges of a kind go wrong; `seen` are the times of all."""

    def __init__(self, call, strike, times):
        self.kind = CALLS[call]
        self.strike = strike
        self.left = times
        self.struck = 0
        self.seen = {}
        self.unclear = {"look": connection.reset_after, "delete": connection.reset_before}.get(call)
        self.waits = self.unclear is not None

    def rule(self, state):
        state.interceptor = self.intercept
        return self

    async def intercept(self, exchange):
        self.seen.setdefault(exchange.call, []).append(exchange.state.clock.now())
        if exchange.call == "batches.create" and self.unclear is not None:
            unclear, self.unclear, self.waits = self.unclear, None, False
            return await unclear(exchange)
        if exchange.call != self.kind or self.waits or not self.left or self.strike is None:
            return await exchange.answer()
        self.left -= 1
        self.struck += 1
        return await self.strike(exchange)

    def count(self, kind):
        return len(self.seen.get(kind, ()))


METHODS = {"list": "list_batches", "look": "list_batches", "content": "download", "delete": "delete_file"}
"""The backend's methods where they are not named like the kind of call."""


class Here:
    """What goes wrong on this side of the wire: the first `times` calls of a backend's method."""

    def __init__(self, backend, how, call, times, disturbed, monkeypatch):
        self._backend, self._how, self.left, self._disturbed = backend, how, times, disturbed
        self._patch = monkeypatch
        self.struck = self.calls = 0
        name = METHODS.get(call, call)
        monkeypatch.setattr(backend, name, partial(self._call, getattr(backend, name)))

    def _call(self, usual, *arguments):
        if self._disturbed.waits or not self.left:
            self.calls += not self._disturbed.waits
            return usual(*arguments)
        self.left -= 1
        self.struck += 1
        self.calls += 1
        with self._patch.context() as patched:
            getattr(self, f"_{self._how}")(patched)
            return usual(*arguments)

    def _refused(self, patched):
        with socket.create_server(("127.0.0.1", 0)) as gone:
            port = gone.getsockname()[1]
        patched.setattr(self._backend._client, "base_url", f"http://127.0.0.1:{port}/v1/")

    def _tls(self, patched):
        patched.setattr(self._backend._client, "base_url", self._backend.base_url.replace("http:", "https:"))

    def _dns(self, patched):
        def unknown(*arguments, **more):
            raise socket.gaierror(-2, "Name or service not known")

        patched.setattr(socket, "getaddrinfo", unknown)
        patched.setattr(self._backend._client, "base_url", "http://provider.invalid/v1/")

    def _impatient(self, patched):
        patched.setattr(self._backend._client, "timeout", 0.1)


class NearClock(SimulatorClock):
    """A simulator's clock that is read without asking over its connection: a send does so thousands of times."""

    def __init__(self, server: SimulatorServer) -> None:
        super().__init__(server.clock_address)
        self._server, self._registered = server, False

    def now(self) -> float:
        if self._registered:
            return self._server.now()
        self._registered = True  # by the first question
        return super().now()


@dataclass
class World:
    """One client with its journal; `go()` sends all requests."""

    backend: OpenAIBatch
    journal: Journal
    clock: SimulatorClock

    def go(self, **more):
        usual = {"attempts": 3, "limits": Limits(requests=4, bytes=4000)}
        return send_with(REQUESTS, backend=self.backend, journal=self.journal, clock=self.clock, **usual | more)

    def failures(self):
        """How many requests have no answer, by the code of their failure."""
        return Counter(f.code for f in self.journal.reader.failures(REQUESTS, self.backend.origin).values())
