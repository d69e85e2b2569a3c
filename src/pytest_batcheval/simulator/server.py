"""The simulator as a server that runs in a thread, on its own port."""

from __future__ import annotations

import asyncio
import secrets
import socket
import threading
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO, TypeVar

import uvicorn

from pytest_batcheval.simulator.api_keys import KeyRing
from pytest_batcheval.simulator.app import LOOPBACK, WILDCARDS, Simulator
from pytest_batcheval.simulator.batch.lifecycle import BatchLifecycle
from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.clock import JUMP, VirtualClock
from pytest_batcheval.simulator.conduct.finding import ConductReport
from pytest_batcheval.simulator.conduct.judge import conduct_of
from pytest_batcheval.simulator.connection import ClientConnection
from pytest_batcheval.simulator.dialects.registry import find_dialect
from pytest_batcheval.simulator.faults.plan import FaultPlan
from pytest_batcheval.simulator.http_exchange import Exchange
from pytest_batcheval.simulator.ledger import Ledger
from pytest_batcheval.simulator.respondents.registry import make
from pytest_batcheval.simulator.state import Check, State
from pytest_batcheval.wire.origin import simulator_origin
from pytest_batcheval.wire.real_loop import RealTimeLoop

Result = TypeVar("Result")

START_TIMEOUT = STOP_TIMEOUT = 30.0
"""Seconds after which a server that has not started, or does not end, is given up."""

ANY_MODEL = Behaviour(models="any")
"""The default behaviour of a server in process, since tests use made-up model names."""


class SimulatorServer:
    """A Batch API server whose answers a respondent writes.

    Use it as a context manager, or call `start` and `stop`.

    Attributes:
        base_url: `http://127.0.0.1:PORT/v1`, for `OPENAI_BASE_URL`; any key that is not empty is accepted.
        dialect: the API that it speaks; another than OpenAI's may have another path in `base_url`.
        origin: the origin of this server's answers.
        clock_address: `host:port` of the virtual clock.
        token: opens the control API.
    """

    _server: uvicorn.Server | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _thread: threading.Thread | None = None
    _failure: BaseException | None = None

    def __init__(
        self,
        respondent: str = "faithful",
        *,
        seed: int = 0,
        clock: str = JUMP,
        port: int = 0,
        host: str = "127.0.0.1",
        behaviour: Behaviour = ANY_MODEL,
        keys: KeyRing | None = None,
        state_dir: Path | None = None,
        allow_hosts: Collection[str] = (),
        check: Check | None = None,
        dialect: str = "openai",
    ) -> None:
        """Prepare a server, which does not listen yet.

        Args:
            respondent: name of the respondent, see `respondents.registry`.
            seed: determines answers, ids and times.
            clock: the mode of virtual time: `jump`, `per-poll`, `real`, `x600` ….
            port: 0 for any free one.
            host: the address to listen on.
            behaviour: limits, durations, and assumptions about undocumented behaviour.
            keys: API keys and their projects; `None` to give each key its own project.
            state_dir: folder that keeps the state for the next server.
            allow_hosts: accepted `Host` names besides loopback names and `host`.
            check: called with the name of a schema of `wire.schemas` and each object that is sent.
            dialect: the provider whose API it speaks.

        Raises:
            UsageError: the respondent, clock or dialect is unknown, or the state directory cannot be used.
        """
        self.dialect = find_dialect(dialect)
        self._clock = VirtualClock(clock)
        self._state = State(
            make(respondent),
            seed,
            self._clock,
            behaviour=self.dialect.adjusted(behaviour),
            keys=keys or KeyRing(),
            faults=FaultPlan(seed=seed),
            state_dir=state_dir,
            check=check,
            form=self.dialect.form,
        )
        self._host, self._port, self._hosts = host, port, _accepted_hosts(host, allow_hosts)
        self._up, self.token = threading.Event(), secrets.token_urlsafe(24)
        self.origin = simulator_origin(self._state.respondent.name, seed, self.dialect.name)
        self.base_url = self.clock_address = ""

    @property
    def ledger(self) -> Ledger:
        """The executions and bills since the last reset."""
        return self._state.ledger

    @property
    def faults(self) -> FaultPlan:
        """The faults to inject."""
        return self._state.faults

    @property
    def crashes(self) -> list[BaseException]:
        """Unexpected errors since the last reset; each caused a 500 reply or a failed event."""
        return self._state.crashes

    @property
    def behaviour(self) -> Behaviour:
        """The current behaviour; a reset restores the initial one."""
        return self._state.behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        self._state.behaviour = behaviour

    @property
    def keys(self) -> KeyRing:
        """The current keys; a reset restores the initial ones."""
        return self._state.keys

    @keys.setter
    def keys(self, keys: KeyRing) -> None:
        self._state.keys = keys

    def conduct(self) -> ConductReport:
        """The mistakes of the clients since the last reset, and remarks on them; the server must be running."""
        return self._on_loop(lambda: conduct_of(self._state))

    def log_to(self, log: TextIO) -> None:
        """Write each call of the API to `log`, as a line of JSON without keys and texts."""
        self._state.visits.log = log

    def intercept(self, interceptor: Callable[[Exchange], Awaitable[None]] | None) -> None:
        """Let `interceptor` take over every exchange with the API until the next reset."""
        self._state.interceptor = interceptor

    def misbehave(self, *faults: Mapping[str, Any]) -> FaultPlan:
        """Follow a fault plan until the next reset: `misbehave({"fault": "reset_after", "nth": 1})`.

        Raises:
            UsageError: a fault or one of its parameters is unknown.
        """
        return self.follow(FaultPlan.of(faults, self._state.seed))

    def follow(self, plan: FaultPlan) -> FaultPlan:
        """Follow a fault plan until the next reset."""
        return plan.rule(self._state)

    def start(self) -> SimulatorServer:
        """Start to listen; return when the server answers.

        Raises:
            OSError: the port is in use; the server is stopped then.
        """
        try:
            listener = self._listen()
        except OSError:
            self._state.close()
            raise
        self._thread = threading.Thread(target=self._run, args=(listener,), name="batcheval-simulator", daemon=True)
        self._thread.start()
        if not self._up.wait(START_TIMEOUT) or self._failure is not None:
            raise RuntimeError("the simulator did not start") from self._failure
        return self

    def stop(self) -> None:
        """Stop listening; without a state directory the state is lost."""
        if self._server is not None:
            self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(STOP_TIMEOUT)
            self._thread = None
        self._state.close()

    def reset(self) -> None:
        """Empty the server: no files, batches or faults, an empty ledger, time at its start."""
        self._on_loop(self._state.reset)

    def now(self) -> float:
        """Unix seconds of virtual time."""
        return self._clock.now()

    def forward(self, seconds: float) -> None:
        """Let `seconds` of virtual time pass; return when all events up to then are done."""
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(self._clock.forward(seconds), self._loop).result()

    def __enter__(self) -> SimulatorServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        # asyncio turns Nagle's algorithm off only where the protocol is named; with it, each reply takes 40 ms.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self._host, self._port))
            listener.listen(2048)
        except OSError:
            listener.close()
            raise
        host = WILDCARDS.get(self._host, self._host)
        self.base_url = (
            f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}{self.dialect.base_path}"
        )
        return listener

    def _on_loop(self, action: Callable[[], Result]) -> Result:
        async def act() -> Result:
            return action()

        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(act(), self._loop).result(STOP_TIMEOUT)

    def _run(self, listener: socket.socket) -> None:
        try:
            with asyncio.Runner(loop_factory=RealTimeLoop) as runner:
                runner.run(self._serve(listener))
        except BaseException as error:
            self._failure = error
        finally:
            self._up.set()

    async def _serve(self, listener: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._on_loop_error)
        self._state.clock_address = await self._clock.serve(self._host)
        host, _, port = self._state.clock_address.rpartition(":")
        self.clock_address = f"{WILDCARDS.get(host, host)}:{port}"
        for project, batch in self._state.load():
            BatchLifecycle(self._state, project, batch).resume()
        config = uvicorn.Config(
            Simulator(self._state, self.token, self._hosts, self.dialect),
            log_config=None,
            access_log=False,
            lifespan="off",
            date_header=False,
            server_header=False,
            http=ClientConnection,
            loop="asyncio",
            ws="none",
            backlog=2048,
            timeout_graceful_shutdown=1,
        )
        self._server = _QuietServer(config, self._up)
        try:
            await self._server.serve(sockets=[listener])
        finally:
            listener.close()
            self._clock.close()

    def _on_loop_error(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Keep errors of the loop, except for connections that clients broke."""
        error = context.get("exception")
        if error is not None and not isinstance(error, OSError):
            self._state.crashes.append(error)


class _QuietServer(uvicorn.Server):
    """A server in a thread: it leaves signals to the main thread, and sets `up` when it has started."""

    def __init__(self, config: uvicorn.Config, up: threading.Event) -> None:
        super().__init__(config)
        self._up = up

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._up.set()

    def capture_signals(self) -> Any:
        return nullcontext()


__all__ = ["SimulatorServer"]


def _accepted_hosts(host: str, others: Collection[str]) -> frozenset[str]:
    """The `Host` names that requests may have, in lower case."""
    return frozenset((*LOOPBACK, host.lower(), f"[{host.lower()}]", *(name.lower() for name in others)))
