"""The HTTP surface: routes, keys, headers, refusals. Plain ASGI; the control API is a Starlette application."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import replace
from email.utils import formatdate
from typing import Any

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from pytest_batcheval.simulator.api_keys import check_scope
from pytest_batcheval.simulator.clock import speed_of
from pytest_batcheval.simulator.conduct.visits import Visit, new_visit
from pytest_batcheval.simulator.dialects.dialect import Call, Calls, Dialect, View
from pytest_batcheval.simulator.dialects.openai import CALLS as _CALLS
from pytest_batcheval.simulator.dialects.openai import OPENAI
from pytest_batcheval.simulator.encoding import encode
from pytest_batcheval.simulator.endpoints import control
from pytest_batcheval.simulator.endpoints.files import EdgeRefusal
from pytest_batcheval.simulator.errors import ApiError
from pytest_batcheval.simulator.http_exchange import TRANSPORT, ClientGone, Exchange, Headers, HttpReply
from pytest_batcheval.simulator.ids import digest
from pytest_batcheval.simulator.state import State
from pytest_batcheval.wire.origin import (
    CLOCK_HEADER,
    RESPONDENT_HEADER,
    SIMULATOR_HEADER,
    SIMULATOR_NAME,
    SPEED_HEADER,
    simulator_origin,
)

LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Hosts that mean every address of this machine, and the one by which the machine reaches itself."""


_JSON = (b"content-type", b"application/json")
_TEXT_500 = "The server had an error while processing your request. Sorry about that!"

CALLS = tuple(call.name for methods in _CALLS.values() for call in methods.values())
"""The names of all kinds of calls of OpenAI's API, as used in fault plans."""


class Simulator:
    """The ASGI application; every response names the respondent, and has an id and a date."""

    def __init__(
        self, state: State, token: str, hosts: frozenset[str] = frozenset(LOOPBACK), dialect: Dialect = OPENAI
    ) -> None:
        """Serve `state`; `token` opens the control API, `hosts` are the accepted `Host` names."""
        self._state = state
        self._dialect = dialect
        self._hosts = hosts
        self._control = Starlette(routes=control.routes(token))
        self._control.state.simulator = state
        self._dates: tuple[int, bytes] = (0, b"")
        self._marks: Headers = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            return
        self._state.requests += 1
        name = digest("http", self._state.seed, self._state.requests)
        marks = self._headers(scope, name)
        view = View(self._state, _host(scope), _request_id(name))
        if not self._knows(view.host):
            text = "This host is not served here; see the option --allow-host."
            refusal = self._checked(HttpReply(421, ApiError(421, text).body, "error"))
            await _send(send, marks, self._dialect.shown(refusal, view))
        elif scope["path"].startswith(control.PREFIX):
            await self._control(scope, receive, _marked(send, marks))
        else:
            clock = self._state.clock
            shared = clock.has_participants
            visit = new_visit(self._state.requests, clock.now(), scope, view.request_id, shared=shared)
            transport = scope.get("extensions", {}).get(TRANSPORT)
            closing = transport.is_closing if transport is not None else bool
            try:
                await self._api(scope, visit.receiving(receive), visit.sending(send, closing), marks, view, visit)
            finally:
                self._state.visits.end(visit)

    async def _api(self, scope: Scope, receive: Receive, send: Send, marks: Headers, view: View, visit: Visit) -> None:
        async def answer(reply: HttpReply) -> None:
            await _send(send, marks, self._dialect.shown(reply, view))

        found = self._find(scope["method"], scope["path"])
        if isinstance(found, HttpReply):
            await answer(self._checked(found))
            return
        call, name = found
        view = replace(view, call=call.name)
        visit.call, visit.name, visit.project = call.name, name, self._project(scope)

        async def handle(exchange: Exchange) -> HttpReply:
            return await self._handle(call, exchange)

        def show(reply: HttpReply) -> HttpReply:
            return self._dialect.shown(reply, view)

        exchange = Exchange(call.name, name, self._state, dict(scope), receive, handle, answer, visit, show)
        try:
            intercept = self._state.interceptor or (
                self._state.faults.intercept if self._state.faults.entries else None
            )
            if intercept is not None:
                await intercept(exchange)
            else:
                await answer(await self._handle(call, exchange))
        except ClientGone:
            return

    def _project(self, scope: Scope) -> str:
        """The project of the caller's key, also of calls that a fault strikes before the key is looked at."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            return self._state.keys.find(self._dialect.authorization(headers), self._state.behaviour).project
        except ApiError:
            return ""

    async def _handle(self, call: Call, exchange: Exchange) -> HttpReply:
        """Return the API's reply; errors become replies too."""
        state = self._state
        try:
            if call.scope:
                exchange.key = state.keys.find(self._dialect.authorization(exchange.headers), state.behaviour)
                check_scope(exchange.key, call.scope, state.behaviour)
            reply = self._checked(await call.handler(exchange))
            exchange.visit.learn(reply.body)
            return reply
        except ApiError as error:
            exchange.visit.learn(error.body)
            headers = [(name.encode(), value.encode()) for name, value in error.headers.items()]
            return self._checked(HttpReply(error.status, error.body, "error", headers))
        except EdgeRefusal:
            return HttpReply(413, EdgeRefusal.REPLY, headers=[(b"content-type", b"text/html")])
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

    def _find(self, method: str, path: str) -> tuple[Call, str] | HttpReply:
        """The call and the id in its path, or the refusal of an unknown path or method."""
        name, methods = _named(self._dialect.calls, self._dialect.place(path))
        if methods is None:
            return HttpReply(404, ApiError(404, f"Invalid URL ({method} {path[:500]})").body, "error")
        call = methods.get(method)
        if call is None:
            allowed = [(b"allow", ", ".join(methods).encode())]
            text = f"Invalid method for URL ({method} {path[:500]})"
            return HttpReply(405, ApiError(405, text).body, "error", allowed)
        return call, name

    def _knows(self, host: str) -> bool:
        """Whether the `Host` header names this server; a foreign web page cannot forge that."""
        name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        if name in self._hosts:
            return True
        return not self._hosts.isdisjoint(WILDCARDS.keys()) and _is_address(name)

    def _headers(self, scope: Scope, name: str) -> Headers:
        state = self._state
        if not self._marks:
            origin = simulator_origin(state.respondent.name, state.seed, self._dialect.name)
            static = {
                SIMULATOR_HEADER: SIMULATOR_NAME,
                RESPONDENT_HEADER: origin.partition(":")[2],
                SPEED_HEADER: f"{speed_of(state.clock.mode) or 0:g}",
                **self._dialect.headers,
            }
            self._marks = [(name.encode(), value.encode()) for name, value in static.items()]
        now = int(state.clock.now())
        if self._dates[0] != now:
            self._dates = (now, formatdate(now, usegmt=True).encode())
        # drawn from the seed, as ids are: a measured time would differ in every recording
        took = 20 + int(name[:4], 16) % 400
        return [
            *self._marks,
            (CLOCK_HEADER.encode(), _reached(state.clock_address, scope).encode()),
            (self._dialect.request_id_header.encode(), _request_id(name).encode()),
            *([(self._dialect.timing_header.encode(), b"%d" % took)] if self._dialect.timing_header else ()),
            (b"date", self._dates[1]),
        ]


def _named(calls: Calls, path: str) -> tuple[str, Mapping[str, Call] | None]:
    """The id in a path and the calls of that path, if it is known."""
    if path in calls:
        return "", calls[path]
    parts = path.split("/")
    for place, name in enumerate(parts[3:5], start=3):
        pattern = "/".join((*parts[:place], "{}", *parts[place + 1 :]))
        if name and pattern in calls:
            return name, calls[pattern]
    return "", None


def _host(scope: Scope) -> str:
    return next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1").lower()


def _request_id(name: str) -> str:
    return f"req_{name[:32]}"


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
