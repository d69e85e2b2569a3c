"""The HTTP surface: routes, keys, headers, refusals. Plain ASGI; the control API is a Starlette application."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from pytest_batcheval.simulator.api_keys import check_scope
from pytest_batcheval.simulator.clock import speed_of
from pytest_batcheval.simulator.encoding import encode
from pytest_batcheval.simulator.endpoints import batches, control, files, model_calls
from pytest_batcheval.simulator.errors import ApiError
from pytest_batcheval.simulator.http_exchange import ClientGone, Exchange, Headers, HttpReply
from pytest_batcheval.simulator.ids import digest
from pytest_batcheval.simulator.state import State
from pytest_batcheval.wire.origin import (
    CLOCK_HEADER,
    RESPONDENT_HEADER,
    SIMULATOR_HEADER,
    SIMULATOR_NAME,
    SPEED_HEADER,
)

LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Hosts that mean every address of this machine, and the one by which the machine reaches itself."""


Handler = Callable[[Exchange], Awaitable[HttpReply]]
_JSON = (b"content-type", b"application/json")
_TEXT_500 = "The server had an error while processing your request. Sorry about that!"


@dataclass(frozen=True)
class Call:
    """One kind of call: its name in fault plans, its handler, and the scope that a key needs for it."""

    name: str
    handler: Handler
    scope: str


_CALLS: dict[str, dict[str, Call]] = {
    "/v1/files": {
        "POST": Call("files.create", files.create, "api.files.write"),
        "GET": Call("files.list", files.list_files, "api.files.read"),
    },
    "/v1/files/{}": {
        "GET": Call("files.retrieve", files.retrieve, "api.files.read"),
        "DELETE": Call("files.delete", files.delete, "api.files.write"),
    },
    "/v1/files/{}/content": {"GET": Call("files.content", files.content, "api.files.read")},
    "/v1/batches": {
        "POST": Call("batches.create", batches.create, "api.batches.write"),
        "GET": Call("batches.list", batches.list_batches, "api.batches.read"),
    },
    "/v1/batches/{}": {"GET": Call("batches.retrieve", batches.retrieve, "api.batches.read")},
    "/v1/batches/{}/cancel": {"POST": Call("batches.cancel", batches.cancel, "api.batches.write")},
    "/v1/models": {"GET": Call("models.list", model_calls.list_models, "api.model.read")},
    "/v1/models/{}": {"GET": Call("models.retrieve", model_calls.retrieve_model, "api.model.read")},
    "/v1/chat/completions": {"POST": Call("chat", model_calls.call, "model.request")},
    "/v1/responses": {"POST": Call("responses", model_calls.call, "model.request")},
    "/v1/embeddings": {"POST": Call("embeddings", model_calls.call, "model.request")},
}

CALLS = tuple(call.name for methods in _CALLS.values() for call in methods.values())
"""The names of all kinds of calls, as used in fault plans."""


class Simulator:
    """The ASGI application; every response names the respondent, and has an id and a date."""

    def __init__(self, state: State, token: str, hosts: frozenset[str] = frozenset(LOOPBACK)) -> None:
        """Serve `state`; `token` opens the control API, `hosts` are the accepted `Host` names."""
        self._state = state
        self._hosts = hosts
        self._control = Starlette(routes=control.routes(token))
        self._control.state.simulator = state
        self._dates: tuple[int, bytes] = (0, b"")
        self._marks: Headers = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            return
        marks = self._headers(scope)
        if not self._knows(scope):
            text = "This host is not served here; see the option --allow-host."
            await _send(send, marks, self._checked(HttpReply(421, ApiError(421, text).body, "error")))
        elif scope["path"].startswith(control.PREFIX):
            await self._control(scope, receive, _marked(send, marks))
        else:
            await self._api(scope, receive, send, marks)

    async def _api(self, scope: Scope, receive: Receive, send: Send, marks: Headers) -> None:
        found = _find(scope["method"], scope["path"])
        if isinstance(found, HttpReply):
            await _send(send, marks, self._checked(found))
            return
        call, name = found

        async def handle(exchange: Exchange) -> HttpReply:
            return await self._handle(call, exchange)

        async def answer(reply: HttpReply) -> None:
            await _send(send, marks, reply)

        exchange = Exchange(call.name, name, self._state, dict(scope), receive, handle, answer)
        try:
            intercept = self._state.interceptor or (
                self._state.faults.intercept if self._state.faults.entries else None
            )
            if intercept is not None:
                await intercept(exchange)
            else:
                await _send(send, marks, await self._handle(call, exchange))
        except ClientGone:
            return

    async def _handle(self, call: Call, exchange: Exchange) -> HttpReply:
        """Return the API's reply; errors become replies too."""
        state = self._state
        try:
            exchange.key = state.keys.find(exchange.headers.get("authorization", ""), state.behaviour)
            check_scope(exchange.key, call.scope, state.behaviour)
            return self._checked(await call.handler(exchange))
        except ApiError as error:
            headers = [(name.encode(), value.encode()) for name, value in error.headers.items()]
            return self._checked(HttpReply(error.status, error.body, "error", headers))
        except files.EdgeRefusal:
            return HttpReply(413, files.EdgeRefusal.REPLY, headers=[(b"content-type", b"text/html")])
        except ClientGone:
            raise
        except Exception as error:
            return self._crashed(error)

    def _checked(self, reply: HttpReply) -> HttpReply:
        """Return the reply after checking it against its schema."""
        if self._state.check is not None and reply.schema is not None:
            try:
                self._state.check(reply.schema, reply.body)
            except Exception as error:
                return self._crashed(error)
        return reply

    def _crashed(self, error: Exception) -> HttpReply:
        self._state.crashes.append(error)
        return HttpReply(500, ApiError(500, _TEXT_500, kind="server_error").body, "error")

    def _knows(self, scope: Scope) -> bool:
        """Whether the `Host` header names this server; a foreign web page cannot forge that."""
        host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1").lower()
        name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        if name in self._hosts:
            return True
        return not self._hosts.isdisjoint(WILDCARDS.keys()) and _is_address(name)

    def _headers(self, scope: Scope) -> Headers:
        state = self._state
        state.requests += 1
        if not self._marks:
            static = {
                SIMULATOR_HEADER: SIMULATOR_NAME,
                RESPONDENT_HEADER: f"{state.respondent.name}@{state.seed}",
                SPEED_HEADER: f"{speed_of(state.clock.mode) or 0:g}",
                "openai-version": "2020-10-01",
                "openai-organization": "org-simulator",
            }
            self._marks = [(name.encode(), value.encode()) for name, value in static.items()]
        now = int(state.clock.now())
        if self._dates[0] != now:
            self._dates = (now, formatdate(now, usegmt=True).encode())
        name = digest("http", state.seed, state.requests)
        # drawn from the seed, as ids are: a measured time would differ in every recording
        took = 20 + int(name[:4], 16) % 400
        return [
            *self._marks,
            (CLOCK_HEADER.encode(), _reached(state.clock_address, scope).encode()),
            (b"x-request-id", f"req_{name[:32]}".encode()),
            (b"openai-processing-ms", b"%d" % took),
            (b"date", self._dates[1]),
        ]


def _find(method: str, path: str) -> tuple[Call, str] | HttpReply:
    """The call and the id in its path, or the refusal of an unknown path or method."""
    parts = path.split("/")
    name, methods = "", _CALLS.get(path)
    if methods is None and len(parts) in (4, 5) and parts[3]:
        name = parts[3]
        parts[3] = "{}"
        methods = _CALLS.get("/".join(parts))
    if methods is None:
        return HttpReply(404, ApiError(404, f"Invalid URL ({method} {path[:500]})").body, "error")
    call = methods.get(method)
    if call is None:
        allowed = [(b"allow", ", ".join(methods).encode())]
        return HttpReply(405, ApiError(405, f"Invalid method for URL ({method} {path[:500]})").body, "error", allowed)
    return call, name


async def _send(send: Send, marks: Headers, reply: HttpReply) -> None:
    if reply.stream is not None:
        await send({"type": "http.response.start", "status": reply.status, "headers": [*reply.headers, *marks]})
        async for chunk in reply.stream:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    body = reply.body if isinstance(reply.body, bytes) else encode(reply.body)
    length = (b"content-length", b"%d" % len(body))
    kind = () if isinstance(reply.body, bytes) else (_JSON,)
    headers = [*kind, length, *reply.headers, *marks]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _marked(send: Send, marks: Headers) -> Send:
    async def marked(message: Any) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *marks]
        await send(message)

    return marked


def _reached(clock_address: str, scope: Scope) -> str:
    """The clock's address for a client: of the interface by which it came, if the clock listens on all."""
    host, _, port = clock_address.rpartition(":")
    return f"{scope['server'][0].removeprefix('::ffff:')}:{port}" if host in WILDCARDS else clock_address


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
