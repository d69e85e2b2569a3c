"""Virtual time, which jumps when all participants sleep, or flows with real time.

A participant is an open connection to the clock's port, which sends one JSON array per line:
`["now"]`, `["register", pid]` and `["sleep", seconds]` are answered with the time in seconds, the
last one when that time has come. `["await", calls, seconds]` is a sleep with that number of individual
calls in progress: it counts as a sleep once all of them are held here, so that none is in transit while
time jumps; `["awake"]` ends it early. A killed client closes its connection, so it does not hold up the
others. The port has no password: faults that kill clients kill those registered processes only which
opened their connection themselves, as the operating system says.

An event may take real time (executing 50,000 lines does). In the jumping modes, time stands still until
the event is done; in the flowing modes, it does not wait.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import math
import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from pytest_batcheval.errors import UsageError
from pytest_batcheval.simulator.ids import EPOCH
from pytest_batcheval.simulator.peers import is_of_process
from pytest_batcheval.wire import real_time

JUMP = "jump"
REAL = "real"
PER_POLL = "per-poll"

PATIENCE = 2.0
"""Real seconds that a poll waits for work to finish before it reports the progress."""

HELD_SPEED = 3_600.0
"""Virtual seconds per real second while batches are held: so that who waits for them does so in real time too."""

_HELD_STEP = 0.05  # real seconds
_LONGEST_TIMER = 3_600.0
_LONGEST_SLEEP = 10 * 366 * 86_400

Event = Callable[[], Awaitable[None] | None]


def speed_of(mode: str) -> float | None:
    """Virtual seconds per real second: 1 for `real`, 600 for `x600`, `None` for `jump` and `per-poll`.

    Raises:
        UsageError: the mode is unknown.
    """
    if mode in (JUMP, PER_POLL):
        return None
    if mode == REAL:
        return 1.0
    try:
        speed = float(mode.removeprefix("x"))
    except ValueError:
        speed = 0.0
    if not mode.startswith("x") or not 0 < speed < 1e9:
        raise UsageError(f"clock {mode!r}: must be jump, per-poll, real or x<factor>, such as x600")
    return speed


def _is_of(writer: asyncio.StreamWriter, pid: int) -> bool:
    return is_of_process(writer.get_extra_info("peername"), writer.get_extra_info("sockname"), pid)


class VirtualClock:
    """The simulator's time and its scheduled events. Used from the server's event loop only."""

    def __init__(self, mode: str = JUMP) -> None:
        self.mode = mode
        self._speed = speed_of(mode)
        self._count = itertools.count()
        self._participants: set[asyncio.StreamWriter] = set()
        self._processes: dict[asyncio.StreamWriter, int] = {}
        self._server: asyncio.Server | None = None
        self._held: set[asyncio.Future[None]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.failed: Callable[[BaseException], object] = lambda error: None
        self.holds: Callable[[], bool] = lambda: False
        self.reset()

    def reset(self, start: float | None = None) -> None:
        """Set the time to `start` (default: the epoch; now in real mode), drop all events, wake all sleepers."""
        for task in [*self._tasks]:
            task.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._jumped = float(EPOCH) if start is None else start
        self._origin = real_time.now() if self.mode == REAL else self._jumped
        self._started = real_time.monotonic()
        self._events: list[tuple[float, int, Event]] = []
        self._jumping = asyncio.Lock()
        self._settling = False
        self._sleepers: dict[asyncio.StreamWriter, float] = {}
        self._awaited: dict[asyncio.StreamWriter, int] = {}
        for answer in [*self._held]:
            self._release(answer)
        for writer in list(self._participants):
            self._send_time(writer)

    @property
    def has_participants(self) -> bool:
        """Whether somebody takes part in this time."""
        return bool(self._participants)

    @property
    def registered(self) -> set[int]:
        """Ids of the participating processes that have registered, each over a connection of its own."""
        return {pid for writer, pid in self._processes.items() if _is_of(writer, pid)}

    def now(self) -> float:
        """The virtual time in Unix seconds."""
        if self._speed is None:
            return self._jumped
        return self._origin + (real_time.monotonic() - self._started) * self._speed

    def at(self, when: float, event: Event) -> None:
        """Call `event` at the time `when`, or at once if that has passed."""
        heapq.heappush(self._events, (when, next(self._count), event))
        if self._speed is not None:
            self._arm()
        elif when <= self._jumped:
            self.start(self._jump(self._jumped))

    @property
    def held(self) -> int:
        """The number of calls that wait in virtual time for their answer."""
        return len(self._held)

    async def hold(self, seconds: float, gone: Callable[[], Awaitable[None]]) -> None:
        """Return `seconds` of virtual time later, or earlier when `gone` returns because the client has left.

        The caller counts as asleep meanwhile.
        """
        if not seconds:
            return
        until = self.now() + seconds
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._held.add(answer)
        self.at(until, lambda: self._release(answer))
        left = asyncio.ensure_future(gone())
        try:
            self._settle_soon()
            await self.polled(until)
            await asyncio.wait((answer, left), return_when=asyncio.FIRST_COMPLETED)
        finally:
            left.cancel()
            self._release(answer)

    def _release(self, answer: asyncio.Future[None]) -> None:
        self._held.discard(answer)
        if not answer.done():
            answer.set_result(None)

    async def forward(self, seconds: float) -> None:
        """Let `seconds` pass at once; return when all events up to then are done."""
        if self._speed is None:
            await self._jump(self._jumped + seconds)
            return
        self._origin += seconds
        self._fire()
        while self._tasks:
            await asyncio.wait(self._tasks)
            self._fire()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` in the background; a reset cancels it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def patiently(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work`, and leave it in the background if it takes longer than `PATIENCE`."""
        await asyncio.wait({self.start(work)}, timeout=PATIENCE)

    async def polled(self, when: float | None) -> None:
        """Note that a client polled something whose next event is at `when` (`None`: no event is planned).

        Events that are due are run first. Then time jumps to `when` if polls move it: in the mode
        `per-poll`, or when there are no participants.
        """
        if self._speed is not None:
            return
        moves = self.mode == PER_POLL or not self._participants
        if when is not None and moves:
            await self.patiently(self._jump(when))
        elif self._jumping.locked() or (self._events and self._events[0][0] <= self._jumped):
            await self.patiently(self._jump(self._jumped))

    async def serve(self, host: str) -> str:
        """Listen for participants and return `host:port`."""
        if host == "::":  # asyncio would take no IPv4, which the API's port does
            dual = socket.create_server((host, 0), family=socket.AF_INET6, dualstack_ipv6=True)
            self._server = await asyncio.start_server(self._attend, sock=dual)
        else:
            self._server = await asyncio.start_server(self._attend, host, 0)
        port = self._server.sockets[0].getsockname()[1]
        return f"{host}:{port}"

    def close(self) -> None:
        """Stop listening, disconnect the participants and cancel all work."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._participants):
            writer.close()
        for task in [*self._tasks]:
            task.cancel()

    def _arm(self) -> None:
        """Schedule the earliest event in real time, if time flows."""
        if self._timer is not None:
            self._timer.cancel()
        if self._speed is not None and self._events:
            delay = (self._events[0][0] - self.now()) / self._speed
            self._timer = asyncio.get_running_loop().call_later(min(max(delay, 0.0), _LONGEST_TIMER), self._fire)

    def _fire(self) -> None:
        while self._events and self._events[0][0] <= self.now():
            self.start(self._called(heapq.heappop(self._events)[2]))
        self._arm()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failed(error)

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._participants.add(writer)
        try:
            while line := await reader.readline():
                self._hear(writer, line)
        except (ConnectionError, ValueError, TypeError, RecursionError, asyncio.LimitOverrunError):
            pass  # a participant that sends nonsense is disconnected, like one that was killed
        finally:
            self._participants.discard(writer)
            self._sleepers.pop(writer, None)
            self._awaited.pop(writer, None)
            self._processes.pop(writer, None)
            writer.close()
            self._settle_soon()

    def _hear(self, writer: asyncio.StreamWriter, line: bytes) -> None:
        word, *rest = json.loads(line)
        if word == "register":
            self._processes[writer] = int(rest[0])
        if word == "awake":
            self._wake(writer)
        elif word == "sleep":
            (seconds,) = rest
            self._sleep(writer, float(seconds))
        elif word == "await":
            calls, seconds = rest
            self._sleep(writer, float(seconds), int(calls))
        else:
            self._send_time(writer)

    def _sleep(self, writer: asyncio.StreamWriter, seconds: float, calls: int = 0) -> None:
        if math.isnan(seconds) or not 0 <= seconds <= _LONGEST_SLEEP:
            raise ValueError(f"cannot sleep {seconds} seconds")
        until = self.now() + seconds
        self._sleepers[writer], self._awaited[writer] = until, calls
        if self._speed is None:
            self._settle_soon()
        else:
            self.at(until, lambda: self._wake(writer, until))

    def _wake(self, writer: asyncio.StreamWriter, until: float | None = None) -> None:
        """End a sleep, unless it has ended already; `until` distinguishes it from a later one."""
        if writer in self._sleepers and until in (None, self._sleepers[writer]):
            del self._sleepers[writer]
            self._send_time(writer)

    def _settle_soon(self) -> None:
        if not self._settling and self._all_asleep():
            self._settling = True
            self.start(self._settle())

    def _all_asleep(self) -> bool:
        if self._speed is not None or not self._participants or self._sleepers.keys() != self._participants:
            return False
        return sum(self._awaited[writer] for writer in self._sleepers) <= self.held

    async def _settle(self) -> None:
        """Go to the earliest wake-up or event for as long as every participant sleeps."""
        try:
            while self._all_asleep():
                wake = min(self._sleepers.values())
                wake = min(wake, self._events[0][0]) if self._events else wake
                if self.holds() and (pause := min((wake - self._jumped) / HELD_SPEED, _HELD_STEP)) > 0:
                    await asyncio.sleep(pause)
                    if not (self._all_asleep() and self.holds()):
                        continue
                    wake = self._jumped + pause * HELD_SPEED
                await self._jump(wake)
                for writer in [w for w, until in self._sleepers.items() if until <= self._jumped]:
                    self._wake(writer)
        finally:
            self._settling = False

    async def _jump(self, when: float) -> None:
        """Go to the time `when`; each event before it runs at its own time."""
        async with self._jumping:
            while self._events and self._events[0][0] <= max(when, self._jumped):
                due, _, event = heapq.heappop(self._events)
                self._jumped = max(self._jumped, due)
                await self._called(event)
            self._jumped = max(self._jumped, when)

    def _send_time(self, writer: asyncio.StreamWriter) -> None:
        if not writer.is_closing():
            writer.write(json.dumps(self.now()).encode() + b"\n")

    async def _called(self, event: Event) -> None:
        """Run an event; if it raises, report the error and let time go on."""
        try:
            outcome = event()
            if outcome is not None:
                await outcome
        except Exception as error:
            self.failed(error)
