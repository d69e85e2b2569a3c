"""Virtual time: it jumps when everybody who takes part sleeps, or flows with real time.

A participant is an open connection to the clock's port, which speaks one JSON array a line:
`["now"]` and `["sleep", seconds]` are both answered with the time in seconds, the latter when
that time has come. A client that is killed closes its connection and holds nobody up.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import time
from collections.abc import Callable

from pytest_batcheval.simulator.ids import EPOCH
from pytest_batcheval.wire.errors import UsageError

JUMP = "jump"
REAL = "real"


def speed_of(mode: str) -> float | None:
    """Virtual seconds a real second: `real` is 1, `x600` is 600, `jump` has none.

    Raises:
        UsageError: no such mode.
    """
    if mode == JUMP:
        return None
    if mode == REAL:
        return 1.0
    try:
        speed = float(mode.removeprefix("x"))
    except ValueError:
        speed = 0.0
    if not mode.startswith("x") or not 0 < speed < 1e9:
        raise UsageError(f"clock {mode!r}: allowed are jump, real and x<factor> such as x600")
    return speed


class VirtualClock:
    """The simulator's time and the events that wait for it. Used from the server's event loop only."""

    def __init__(self, mode: str = JUMP) -> None:
        self.mode = mode
        self._speed = speed_of(mode)
        self._count = itertools.count()
        self._participants: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.reset()

    def reset(self) -> None:
        """Back to the epoch (real mode: to the present), without events; sleepers are woken."""
        self._jumped = float(EPOCH)
        self._origin = time.time() if self.mode == REAL else float(EPOCH)
        self._started = time.monotonic()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._sleepers: dict[asyncio.StreamWriter, float] = {}
        for writer in list(self._participants):
            self._tell(writer)

    def now(self) -> float:
        """Unix seconds of virtual time."""
        if self._speed is None:
            return self._jumped
        return self._origin + (time.monotonic() - self._started) * self._speed

    def at(self, when: float, event: Callable[[], None]) -> None:
        """Call `event` when that time has come."""
        heapq.heappush(self._events, (when, next(self._count), event))
        if self._speed is not None:
            delay = max(when - self.now(), 0.0) / self._speed
            asyncio.get_running_loop().call_later(delay, self._fire_due)

    def polled(self) -> None:
        """A client looked at something that is going on: without participants, jump to the next event."""
        if self._speed is None and not self._participants and self._events:
            self._jump(self._events[0][0])

    async def serve(self, host: str) -> str:
        """Listen for participants and return `host:port`."""
        self._server = await asyncio.start_server(self._attend, host, 0)
        port = self._server.sockets[0].getsockname()[1]
        return f"{host}:{port}"

    def close(self) -> None:
        """Stop listening and drop the participants."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._participants):
            writer.close()

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._participants.add(writer)
        try:
            while line := await reader.readline():
                self._hear(writer, line)
        except (ConnectionError, ValueError, asyncio.LimitOverrunError):
            pass  # a participant that speaks nonsense leaves like one that was killed
        finally:
            self._participants.discard(writer)
            self._sleepers.pop(writer, None)
            writer.close()
            self._settle()

    def _hear(self, writer: asyncio.StreamWriter, line: bytes) -> None:
        word, *rest = json.loads(line)
        if word != "sleep":
            self._tell(writer)
        elif self._speed is not None:
            asyncio.get_running_loop().call_later(float(rest[0]) / self._speed, self._tell, writer)
        else:
            self._sleepers[writer] = self.now() + float(rest[0])
            asyncio.get_running_loop().call_soon(self._settle)

    def _settle(self) -> None:
        """While every participant sleeps, go to the earliest wake-up or event."""
        while self._participants and self._sleepers.keys() == self._participants:
            wake = min(self._sleepers.values())
            self._jump(min(wake, self._events[0][0]) if self._events else wake)
            for writer in [w for w, until in self._sleepers.items() if until <= self._jumped]:
                del self._sleepers[writer]
                self._tell(writer)

    def _jump(self, when: float) -> None:
        self._jumped = max(self._jumped, when)
        self._fire_due()

    def _fire_due(self) -> None:
        while self._events and self._events[0][0] <= self.now():
            heapq.heappop(self._events)[2]()

    def _tell(self, writer: asyncio.StreamWriter) -> None:
        if not writer.is_closing():
            writer.write(json.dumps(self.now()).encode() + b"\n")
