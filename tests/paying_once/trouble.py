"""What can go wrong with an exchange, drawn by the dice of a world."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

from world import World

from pytest_batcheval.engine.reconcile import UNFENCED
from pytest_batcheval.simulator.http_exchange import TRANSPORT, Exchange, HttpReply

Ill = Callable[[Exchange], Awaitable[None]]

LAG = 200.0
"""Seconds before the end of a search that a create must be applied to be in its last lists; no list lags longer."""


class Trouble:
    """An interceptor under which each exchange goes wrong with these odds, in a way of its kind."""

    def __init__(self, world: World, odds: float) -> None:
        self._clock = world.state.clock
        self._rng = world.rng
        self._odds = odds
        # Where no file can be deleted, a create that is applied after the search has ended is paid twice.
        self._latest = UNFENCED - LAG if world.dialect.name == "undeletable files" else math.inf
        usual: tuple[Ill, ...] = (self.refuse, self.drop, self.garbage_after)
        self._kinds: dict[str, tuple[Ill, ...]] = {
            "batches.create": (
                *(self.refuse, self.drop, self.drop_after, self.drop_after),
                *(self.fail_after, self.garbage_after, self.late, self.late),
            ),
            "batches.retrieve": (*usual, self.missing, self.half_told, self.half_told),
            "files.content": (self.refuse, self.drop, self.cut, self.cut),
            "files.create": (self.refuse, self.drop, self.drop_after, self.fail_after, self.pending, self.pending),
            "files.retrieve": (self.refuse, self.drop, self.pending),
            "files.delete": (self.refuse, self.drop, self.drop_after),
        }
        self._usual = usual

    async def __call__(self, exchange: Exchange) -> None:
        """Let it pass, or let it go wrong."""
        if self._rng.random() >= self._odds:
            return await exchange.answer()
        return await self._rng.choice(self._kinds.get(exchange.call, self._usual))(exchange)

    async def refuse(self, exchange: Exchange) -> None:
        """Not applied, and says so."""
        status = self._rng.choice((429, 500, 502, 503))
        headers = [(b"retry-after", b"%d" % self._rng.randrange(30))] if status == 429 else []
        code = "rate_limit_exceeded" if status == 429 else "server_error"
        await exchange.send(HttpReply(status, {"error": {"code": code, "message": "busy"}}, headers=headers))

    async def drop(self, exchange: Exchange) -> None:
        """Not applied, and the connection is reset."""
        await exchange.drop()

    async def drop_after(self, exchange: Exchange) -> None:
        """Applied, and the connection is reset."""
        await exchange.handle(exchange)
        await exchange.drop()

    async def fail_after(self, exchange: Exchange) -> None:
        """Applied, and a gateway gives up waiting."""
        await exchange.handle(exchange)
        await exchange.send(HttpReply(504, b"<html>gateway timeout</html>"))

    async def garbage_after(self, exchange: Exchange) -> None:
        """Applied, and the reply is no JSON."""
        await exchange.handle(exchange)
        await exchange.send(HttpReply(200, b"<html>fine</html>"))

    async def late(self, exchange: Exchange) -> None:
        """Reset now, and applied some minutes later."""
        heard = exchange.with_body(b"".join([chunk async for chunk in exchange.chunks()]))
        exchange.scope["extensions"][TRANSPORT].abort()

        async def apply() -> None:
            await exchange.handle(heard)

        self._clock.at(self._clock.now() + min(self._rng.expovariate(1 / 300), self._latest), apply)

    async def missing(self, exchange: Exchange) -> None:
        """A 404 for something that is there."""
        await exchange.send(HttpReply(404, {"error": {"code": None, "message": "not found"}}))

    async def cut(self, exchange: Exchange) -> None:
        """A file that ends too early."""
        reply = await exchange.handle(exchange)
        body = b"".join([chunk async for chunk in reply.stream]) if reply.stream is not None else b""
        await exchange.send(HttpReply(reply.status, body[: self._rng.randrange(len(body) + 1)]))

    async def pending(self, exchange: Exchange) -> None:
        """A file that the provider still works on."""
        reply = await exchange.handle(exchange)
        if isinstance(reply.body, dict) and reply.status == 200:
            reply.body = {**reply.body, "status": "pending"}
        await exchange.send(reply)

    async def half_told(self, exchange: Exchange) -> None:
        """An ended batch that does not name its files yet."""
        reply = await exchange.handle(exchange)
        if isinstance(reply.body, dict) and "output_file_id" in reply.body:
            reply.body = {**reply.body, "output_file_id": None, "error_file_id": None}
        await exchange.send(reply)
