"""How a call goes wrong: every fault of the matrix, before a call was applied and after."""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import dataclass, replace
from email.utils import formatdate
from functools import partial

from pytest_batcheval.simulator.faults import connection, responses
from pytest_batcheval.simulator.http_exchange import HttpReply


@dataclass(frozen=True)
class Ill:
    """How one exchange goes wrong: without having been applied, and after it was; `None` where that cannot be.

    Attributes:
        here: what is done to the client for that call instead, or as well.
    """

    before: object = None
    after: object = None
    here: str = ""


def error(code, message="no"):
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


def status(number, code=None, headers=None, body=None):
    told_ = body if body is not None else error(code, f"words of the provider on {number}")
    more = {"status": number, "body": told_, "headers": headers}
    return Ill(partial(connection.status, **more), partial(connection.status_after, **more))


def answering(body, **headers):
    """200 with another body; applied, as such replies usually are."""

    async def strike(exchange):
        await exchange.handle(exchange)
        pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        await exchange.send(HttpReply(200, body() if callable(body) else body, headers=pairs))

    return Ill(after=strike)


async def compressed(exchange):
    """The usual reply, which something on the way compresses."""
    reply = await exchange.handle(exchange)
    body = gzip.compress(await connection._body(reply))
    await exchange.send(HttpReply(reply.status, body, headers=[(b"content-encoding", b"gzip")]))


def changed(**fields):
    """The usual reply with other fields."""

    async def strike(exchange):
        reply = await exchange.handle(exchange)
        await exchange.send(replace(reply, schema=None, body={**reply.body, **fields}))

    return Ill(after=strike)


def without(name):
    async def strike(exchange):
        reply = await exchange.handle(exchange)
        await exchange.send(replace(reply, schema=None, body={k: v for k, v in reply.body.items() if k != name}))

    return Ill(after=strike)


async def stalled(exchange):
    """Nothing comes back."""
    await exchange.gone()


async def stalled_after(exchange):
    await exchange.handle(exchange)
    await exchange.gone()


async def promised_too_little(exchange):
    """Content-Length is half of what comes."""
    body = await connection._body(await exchange.handle(exchange))
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
    exchange.write(head % (len(body) // 2) + body)
    await exchange.hang_up()


def dripped(clock):
    """Between the first half of the body and the second so much time passes on the client's clock."""

    async def strike(exchange):
        body = await connection._body(await exchange.handle(exchange))

        async def slowly():
            yield body[:20]
            await asyncio.sleep(0.05)  # the client has read what came
            clock[0] += 10_000.0
            yield body[20:]

        await exchange.send(HttpReply(200, headers=[(b"content-length", b"%d" % len(body))], stream=slowly()))

    return Ill(after=strike)


TIME = [0.0]
"""What the guard of the client's replies believes of the time."""

NOW = 1_800_000_000
IN_5_MINUTES = {"retry-after": formatdate(NOW + 300, usegmt=True), "date": formatdate(NOW, usegmt=True)}
HTML = "<html><h1>502 Bad Gateway</h1></html>"
ILLS = {
    "refused": Ill(here="refused"),
    "no such host": Ill(here="dns"),
    "tls": Ill(here="tls"),
    "reset": Ill(connection.reset_before, connection.reset_after),
    "timeout": Ill(stalled, stalled_after, here="impatient"),
    **{str(number): status(number) for number in (400, 403, 404, 408, 409, 413, 422, 425, 429, 500, 503, 504)},
    "401": status(401, "invalid_api_key"),
    "429 for 200 s": status(429, "rate_limit_exceeded", {"retry-after": "200"}),
    "429 for 2 h": status(429, "rate_limit_exceeded", {"retry-after": "7200"}),
    "429 until a date": status(429, "rate_limit_exceeded", IN_5_MINUTES),
    "429 for nonsense": status(429, "rate_limit_exceeded", {"retry-after": "a while"}),
    "429 no quota": status(429, "insufficient_quota"),
    "403 html": status(403, body=HTML, headers={"content-type": "text/html"}),
    "429 words": status(429, body="local rate limit", headers={"content-type": "text/plain"}),
    "502 html": status(502, body=HTML, headers={"content-type": "text/html"}),
    "200 html": Ill(partial(connection.garbage, after=False), connection.garbage),
    "200 garbage": answering(b"{'id'"),
    "200 cut json": answering(b'{"id": "batch_1", "status": "vali'),
    "302": status(302, headers={"location": "http://127.0.0.1:9/v1/elsewhere"}),
    "307": status(307, headers={"location": "http://127.0.0.1:9/v1/elsewhere"}),
    "short": Ill(after=connection.truncated),
    "longer than promised": Ill(after=promised_too_little),
    "cut off": Ill(after=connection.truncated_silently),
    "drip": dripped(TIME),
    "gzip": Ill(after=compressed),
    "cut gzip": answering(lambda: gzip.compress(b"{}" * 999)[:-8], content_encoding="gzip"),
    "giant": answering(lambda: b'{"id": "' + b"x" * (17 * 2**20) + b'"}'),
    "no id": without("id"),
    "unknown status": Ill(after=responses.unknown_status),
    "null counts": changed(request_counts=None),
    "null metadata": changed(metadata=None),
    "status backwards": Ill(after=responses.status_backwards),
    "page repeats": Ill(after=responses.page_repeats),
    "vanished": Ill(after=responses.vanished),
}
