"""Faults of the connection: the reply is missing, late or not from the API."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pytest_batcheval.simulator.encoding import encode
from pytest_batcheval.simulator.http_exchange import Exchange, HttpReply

HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


async def status(
    exchange: Exchange, status: int = 503, body: Any = None, headers: Mapping[str, str] | None = None
) -> None:
    """Not applied; the reply has any `status`, `body` and `headers`."""
    await exchange.send(_reply(status, body, headers))


async def status_after(
    exchange: Exchange, status: int = 504, body: Any = None, headers: Mapping[str, str] | None = None
) -> None:
    """Applied; the reply nevertheless has any `status`, `body` and `headers`."""
    await exchange.handle(exchange)
    await exchange.send(_reply(status, body, headers))


async def reset_before(exchange: Exchange) -> None:
    """Not applied; the connection is reset."""
    await exchange.drop()


async def reset_after(exchange: Exchange) -> None:
    """Applied; the connection is reset before the reply."""
    await exchange.handle(exchange)
    await exchange.drop()


async def late(exchange: Exchange, seconds: float = 300.0) -> None:
    """The connection is reset at once; the request is applied `seconds` of virtual time later."""
    body = b"".join([chunk async for chunk in exchange.chunks()])
    held = exchange.with_body(body)

    async def apply() -> None:
        await held.handle(held)

    exchange.state.clock.at(exchange.state.clock.now() + seconds, apply)
    await exchange.drop()


async def delay(exchange: Exchange, seconds: float = 30.0) -> None:
    """Applied at once; `seconds` of virtual time pass before the reply."""
    reply = await exchange.handle(exchange)
    await exchange.state.clock.forward(seconds)
    await exchange.send(reply)


async def truncated(exchange: Exchange, share: float = 0.5) -> None:
    """The connection is closed after a `share` of the body that Content-Length announces."""
    await _cut(exchange, share, promised=True)


async def truncated_silently(exchange: Exchange, share: float = 0.5) -> None:
    """The reply has no Content-Length and ends after a `share` of its body."""
    await _cut(exchange, share, promised=False)


async def garbage(exchange: Exchange, status: int = 200, after: bool = True) -> None:
    """The reply is an HTML page with status 200; applied unless `after` is false."""
    if after:
        await exchange.handle(exchange)
    await exchange.send(HttpReply(status, HTML, headers=[(b"content-type", b"text/html")]))


async def drip(exchange: Exchange, pieces: int = 20, pause: float = 0.05) -> None:
    """The body is sent in `pieces`, with a `pause` of real seconds before each."""
    body = await _body(exchange.show(await exchange.handle(exchange)))
    size = max(len(body) // pieces, 1)

    async def slowly() -> Any:
        for start in range(0, len(body), size):
            await asyncio.sleep(pause)
            yield body[start : start + size]

    length = (b"content-length", b"%d" % len(body))
    await exchange.send(HttpReply(200, headers=[length], stream=slowly()))


async def redirect(exchange: Exchange, location: str = "http://127.0.0.1:9/v1/elsewhere", status: int = 307) -> None:
    """Not applied; the client is redirected to `location`."""
    await exchange.send(HttpReply(status, b"", headers=[(b"location", location.encode())]))


async def kill_client(exchange: Exchange) -> None:
    """Not applied; the registered client processes get SIGKILL."""
    _kill(exchange)
    await exchange.drop()


async def kill_client_after(exchange: Exchange) -> None:
    """Applied; the registered client processes get SIGKILL before the reply."""
    await exchange.handle(exchange)
    _kill(exchange)
    await exchange.drop()


def _kill(exchange: Exchange) -> None:
    for pid in exchange.state.clock.registered:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _reply(status: int, body: Any, headers: Mapping[str, str] | None) -> HttpReply:
    if body is None:
        error = {"message": "The server had an error.", "type": "server_error", "param": None, "code": None}
        body = {"error": error}
    pairs = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    return HttpReply(status, body.encode() if isinstance(body, str) else body, headers=pairs)


async def _cut(exchange: Exchange, share: float, promised: bool) -> None:
    body = await _body(exchange.show(await exchange.handle(exchange)))
    length = b"content-length: %d\r\n" % len(body) if promised else b""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\nconnection: close\r\n" + length + b"\r\n"
    exchange.write(head + body[: int(len(body) * share)])
    await exchange.hang_up()


async def _body(reply: HttpReply) -> bytes:
    if reply.stream is not None:
        return b"".join([chunk async for chunk in reply.stream])
    return reply.body if isinstance(reply.body, bytes) else encode(reply.body)
