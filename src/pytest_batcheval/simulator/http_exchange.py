"""One HTTP exchange with the API: the view of the handlers, and the operations of faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from pytest_batcheval.simulator.api_keys import ApiKey
from pytest_batcheval.simulator.conduct.visits import Visit
from pytest_batcheval.simulator.errors import ApiError
from pytest_batcheval.simulator.state import Project, State

MAX_JSON = 32 * 2**20
"""Bytes of the largest JSON body that is read."""

TRANSPORT = "simulator.transport"
"""The key of the connection's transport in a scope's `extensions`."""

_NOBODY = ApiKey("", "")
_decode = msgspec.json.Decoder().decode
Headers = list[tuple[bytes, bytes]]


class ClientGone(Exception):
    """The client closed the connection before the reply."""


@dataclass
class HttpReply:
    """A response whose body is a JSON object, bytes, or with `stream` a sequence of chunks.

    Attributes:
        schema: the schema of `wire.schemas` that `body` must follow.
    """

    status: int
    body: Any = None
    schema: str | None = None
    headers: Headers = field(default_factory=list)
    stream: AsyncIterator[bytes] | None = None


@dataclass
class Exchange:
    """One request of a known call, with the functions to reply to it.

    Attributes:
        call: the kind of call, such as `batches.create`.
        name: the id in the path; empty where the path has none.
        handle: returns the API's reply; sends nothing.
        send: sends a reply, in the provider's form.
        visit: the record of this call.
        show: the reply in the provider's form.
    """

    call: str
    name: str
    state: State
    scope: dict[str, Any]
    receive: Callable[[], Awaitable[Any]]
    handle: Callable[[Exchange], Awaitable[HttpReply]]
    send: Callable[[HttpReply], Awaitable[None]]
    visit: Visit
    show: Callable[[HttpReply], HttpReply] = lambda reply: reply
    key: ApiKey = _NOBODY

    @cached_property
    def headers(self) -> dict[str, str]:
        """The request's headers by lower-case name; the last of several."""
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in self.scope["headers"]}

    @cached_property
    def query(self) -> dict[str, str]:
        """The query's parameters by name; the last of several."""
        text = self.scope["query_string"].decode("latin-1")
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=None)) if text else {}

    @property
    def project(self) -> Project:
        """The project of the caller's key."""
        return self.state.seen_by(self.key)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The chunks of the request's body as they arrive.

        Raises:
            ClientGone: the client disconnected before the body was complete.
        """
        more = True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            more = message.get("more_body", False)
            yield message.get("body", b"")

    async def json(self, most: int = MAX_JSON) -> dict[str, Any]:
        """The request's JSON object, of at most so many bytes.

        Raises:
            ApiError: the body is not a JSON object, or too large.
        """
        body = bytearray()
        async for chunk in self.chunks():
            body += chunk if len(body) <= most else b""
        if len(body) > most:
            raise ApiError(413, f"The request is larger than {most} bytes.")
        try:
            value = _decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError):
            value = None
        if not isinstance(value, dict):
            raise ApiError(400, "We could not parse the JSON body of your request. It must be a JSON object.")
        if isinstance(file_id := value.get("input_file_id"), str):
            self.visit.subject = file_id[:200]
        return value

    def with_body(self, body: bytes) -> Exchange:
        """The same exchange with a body that has already been read."""
        parts = [{"type": "http.request", "body": body}]

        async def receive() -> Any:
            return parts.pop() if parts else {"type": "http.disconnect"}

        return replace(self, receive=receive)

    async def answer(self) -> None:
        """Reply as the API does."""
        await self.send(await self.handle(self))

    def write(self, data: bytes) -> None:
        """Write raw bytes to the connection in place of a response; `hang_up` or `drop` must follow."""
        self._transport.write(data)

    async def hang_up(self) -> None:
        """Close the connection after sending the bytes written so far."""
        self._transport.close()
        await self.gone()

    async def drop(self) -> None:
        """Reset the connection."""
        self._transport.abort()
        await self.gone()

    async def gone(self) -> None:
        """Wait until the connection is gone; before the server notices, it would send its own response."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    @property
    def _transport(self) -> asyncio.Transport:
        transport: asyncio.Transport = self.scope["extensions"][TRANSPORT]
        return transport
