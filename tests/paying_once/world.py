"""The simulator's own state machine without HTTP, on a clock that jumps, and an engine that can crash anywhere.

One seed gives one schedule: the same calls in the same order with the same faults.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
from dialect import Dialect

from pytest_batcheval.backends.errors import Refused, TransientFailure, UnknownOutcome, classify
from pytest_batcheval.backends.protocol import BatchList, RemoteBatch, RemoteFile
from pytest_batcheval.backends.reply_readers import read_batch, read_file
from pytest_batcheval.catalogue.providers import PROVIDERS
from pytest_batcheval.engine.effects import Effect
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.simulator.api_keys import KeyRing
from pytest_batcheval.simulator.app import Simulator
from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.clock import VirtualClock
from pytest_batcheval.simulator.faults.plan import FaultPlan
from pytest_batcheval.simulator.http_exchange import TRANSPORT
from pytest_batcheval.simulator.respondents.registry import make
from pytest_batcheval.simulator.state import State

ORIGIN = "simulated"
"""Not a simulator's origin by name: lost batches of a simulator cost nothing, and these stand for paid ones."""

BEHAVIOUR = Behaviour(
    models="any",
    validating_seconds=(1.0, 9.0),
    line_seconds=(0.5, 3.0),
    start_seconds=1.0,
    finalizing_seconds=(1.0, 0.1),
)
"""Short batches: fewer polls leave more schedules a minute, and more crashes where they matter."""


class Crash(BaseException):
    """The process dies here."""


class CrashPoints:
    """Counts the boundaries of all effects, and dies at one of them.

    Attributes:
        seen: how often each boundary was passed, such as `before Create`.
    """

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.fatal: int | None = None
        self.intrusion: int | None = None
        self.intrude: Callable[[], None] = lambda: None
        self._passed = 0

    def arm(self, number: int | None, intrusion: int | None = None) -> None:
        """Die at the boundary of that number from now, counted from 1; `None` never.

        At the boundary `intrusion` another process comes and does what it likes.
        """
        self.fatal, self.intrusion, self._passed = number, intrusion, 0

    def at(self, boundary: str) -> None:
        """Pass a boundary, or die."""
        self.seen[boundary] += 1
        self._passed += 1
        if self._passed == self.intrusion:
            self.intrusion = None
            self.intrude()
        if self._passed == self.fatal:
            raise Crash(boundary)


class StillClock(VirtualClock):
    """Virtual time that only sleepers move: looking at a batch does not."""

    async def polled(self, when: float | None) -> None:
        await self.forward(0)


class World:
    """A provider with its ledger; one object serves many schedules, each after a `reset`."""

    state: State

    def __init__(self) -> None:
        self.crashes = CrashPoints()
        self.rng = random.Random(0)
        self.dialect = Dialect("plain")
        self._begin()

    def _begin(self) -> None:
        self.loop = asyncio.new_event_loop()

        async def make_state() -> State:
            return State(make("faithful"), 0, StillClock(), behaviour=BEHAVIOUR, keys=KeyRing(), faults=FaultPlan())

        self.state = self.loop.run_until_complete(make_state())
        self.app = Simulator(self.state, "token")

    def reset(self, seed: int) -> None:
        """Back to an empty provider, with the dice of a seed."""
        self.rng = random.Random(seed)
        self.dialect = Dialect.of(seed)
        self._run(self._reset())

    async def _reset(self) -> None:
        self.state.reset()

    def close(self) -> None:
        self.state.close()
        self.loop.close()

    def now(self) -> float:
        return self.state.clock.now()

    def sleep(self, seconds: float) -> None:
        self.crashes.at("before sleep")
        self.forward(seconds)

    def forward(self, seconds: float) -> None:
        self._run(self.state.clock.forward(seconds))
        assert not self.state.crashes, self.state.crashes

    def call(
        self, method: str, path: str, body: bytes = b"", kind: str = "application/json", **query: object
    ) -> tuple[int, dict[str, str], bytes]:
        """One exchange: status, headers, body.

        Raises:
            ConnectionResetError: the connection was dropped.
        """
        answer: tuple[int, dict[str, str], bytes] = self._run(
            self._call(method, path, body, kind, urlencode(query).encode())
        )
        assert not self.state.crashes, self.state.crashes
        return answer

    async def _call(
        self, method: str, path: str, body: bytes, kind: str, query: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        transport = _Transport()
        headers = [(b"host", b"localhost"), (b"authorization", b"Bearer key"), (b"content-type", kind.encode())]
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query,
            "headers": headers,
            "extensions": {TRANSPORT: transport},
        }
        incoming = [{"type": "http.request", "body": body}]
        sent: list[Mapping[str, Any]] = []

        async def receive() -> Mapping[str, Any]:
            return incoming.pop() if incoming else {"type": "http.disconnect"}

        async def send(message: Mapping[str, Any]) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        if transport.aborted or not sent:
            raise ConnectionResetError("the connection was reset")
        fields = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], fields, b"".join(message.get("body", b"") for message in sent[1:])

    @staticmethod
    def url(path: str, query: Mapping[str, object]) -> str:
        """Path and query as a request line has them."""
        return f"{path}?{urlencode(query)}" if query else path

    def _run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)


class _Transport:
    """What a fault does to a connection."""

    def __init__(self) -> None:
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted

    def write(self, data: bytes) -> None:
        raise NotImplementedError


class HttpError(Exception):
    """A refusal, shaped like the SDK's."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(f"HTTP {status}")
        self.status_code = status
        self.response = self
        self.headers = headers
        try:
            self.body = msgspec.json.decode(body)
        except msgspec.DecodeError:
            self.body = body.decode("utf-8", "replace")


class DirectBackend:
    """A `Backend` that talks to a world; `page` is how many batches one page of the list holds."""

    origin = ORIGIN
    base_url = "http://simulated.invalid/v1"
    capabilities = PROVIDERS["openai"]
    page = 100

    def __init__(self, world: World, scope: str = "account") -> None:
        self._world = world
        self.scope = scope

    def upload(self, path: Path, filename: str) -> RemoteFile:
        body = (
            b'--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--b\r\n'
            b'content-disposition: form-data; name="file"; filename="' + filename.encode() + b'"\r\n\r\n'
            + path.read_bytes() + b"\r\n--b--\r\n"
        )  # fmt: skip
        file = read_file(self._json("upload", "POST", "/v1/files", body, kind="multipart/form-data; boundary=b"))
        if file is None:
            raise TransientFailure("unreadable", "no file")
        return file

    def find_file(self, filename: str) -> RemoteFile | None:
        files = self._json("list", "GET", "/v1/files", purpose="batch")["data"]
        return next((read_file(f) for f in files if f["filename"] == filename), None)

    def get_file(self, file_id: str) -> RemoteFile:
        file = read_file(self._json("retrieve", "GET", f"/v1/files/{file_id}"))
        if file is None:
            raise TransientFailure("unreadable", "no file")
        return file

    def create(self, file_id: str, endpoint: str, metadata: Mapping[str, str], idempotency_key: str) -> RemoteBatch:
        asked = {
            "input_file_id": file_id,
            "endpoint": endpoint,
            "completion_window": "24h",
            "metadata": dict(metadata),
        }
        created = self._json("create", "POST", "/v1/batches", msgspec.json.encode(asked))
        batch = read_batch(self._world.dialect.batch(created))
        if batch is None:
            raise UnknownOutcome("unreadable", "no batch")
        return batch

    def list_batches(self, enough: Any = ()) -> BatchList:
        found: dict[str, RemoteBatch] = {}
        after: dict[str, object] = {}
        while True:
            page = self._json("list", "GET", "/v1/batches", limit=self.page, **after)
            found |= {item["id"]: read_batch(self._world.dialect.batch(item)) for item in page["data"]}
            if not page["has_more"]:
                return self._world.dialect.listed(list(found.values()))
            after = {"after": page["data"][-1]["id"]}

    def retrieve(self, batch_id: str) -> RemoteBatch:
        batch = read_batch(self._world.dialect.batch(self._json("retrieve", "GET", f"/v1/batches/{batch_id}")))
        if batch is None:
            raise TransientFailure("unreadable", "no batch")
        return batch

    def download(self, file_id: str, target: Path) -> None:
        own = self._world.dialect.file_id(file_id)
        target.write_bytes(self._bytes("content", "GET", f"/v1/files/{own}/content"))

    def delete_file(self, file_id: str) -> None:
        if self._world.dialect.name == "undeletable files":
            raise Refused("not_allowed", "files cannot be deleted", 400)
        self._bytes("delete", "DELETE", f"/v1/files/{file_id}")

    def cancel(self, batch_id: str) -> RemoteBatch:
        batch = read_batch(self._json("cancel", "POST", f"/v1/batches/{batch_id}/cancel"))
        assert batch is not None
        return batch

    def close(self) -> None:
        pass

    def _json(self, call: Any, method: str, path: str, body: bytes = b"", **query: Any) -> Any:
        answer = self._bytes(call, method, path, body, **query)
        try:
            return msgspec.json.decode(answer)
        except msgspec.DecodeError as error:
            raise classify(call, ValueError(str(error))) from None

    def _bytes(self, call: Any, method: str, path: str, body: bytes = b"", **query: Any) -> bytes:
        try:
            status, headers, answer = self._world.call(method, path, body, **query)
            if status >= 300:
                raise HttpError(status, headers, answer)
            return answer
        except (HttpError, OSError) as error:
            raise classify(call, error) from None


class SerialPool:
    """In place of threads: calls are done one by one, in an order the dice decide."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._tasks: list[tuple[Effect, Callable[[], object]]] = []

    @property
    def busy(self) -> int:
        return len(self._tasks)

    def start(self, label: Effect, task: Callable[[], object]) -> None:
        self._tasks.append((label, task))

    def next(self, timeout: float) -> tuple[Effect, object] | None:
        from pytest_batcheval.backends.errors import ProviderFailure

        if not self._tasks:
            return None
        world = self._world
        label, task = self._tasks.pop(world.rng.randrange(len(self._tasks)))
        world.crashes.at(f"before {type(label).__name__}")
        try:
            outcome = task()
        except ProviderFailure as fault:
            outcome = fault
        world.crashes.at(f"after {type(label).__name__}")
        return label, outcome

    def close(self) -> None:
        pass


def crashing_journal(world: World) -> type[Journal]:
    """A real journal that dies before or after any of its transactions."""

    class CrashingJournal(Journal):
        def plan(self, row: Any, requests: Any) -> Any:
            world.crashes.at("before plan")
            planned = super().plan(row, requests)
            world.crashes.at("after plan")
            return planned

        def adopt(self, row: Any, lines: Any, aliases: Any = ()) -> Any:
            world.crashes.at("before adopt")
            adopted = super().adopt(row, lines, aliases)
            world.crashes.at("after adopt")
            return adopted

        def commit(self, row: Any) -> None:
            world.crashes.at("before Commit")
            super().commit(row)
            world.crashes.at("after Commit")

        def settle(self, row: Any, results: Any) -> None:
            world.crashes.at("before Settle")
            super().settle(row, self._maybe_cut(results))
            world.crashes.at("after Settle")

        def _maybe_cut(self, results: Any) -> Iterator[Any]:
            for result in results:
                world.crashes.at("within Settle")
                yield result

    return CrashingJournal
