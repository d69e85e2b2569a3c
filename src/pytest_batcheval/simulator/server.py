"""The simulator as a server: on a port of its own, in a thread, stopped when you are done."""

from __future__ import annotations

import asyncio
import secrets
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import uvicorn

from pytest_batcheval.simulator.app import make_app
from pytest_batcheval.simulator.batches import DroppedReply
from pytest_batcheval.simulator.clock import JUMP, VirtualClock
from pytest_batcheval.simulator.faults import Faults
from pytest_batcheval.simulator.ledger import Ledger
from pytest_batcheval.simulator.respondents.registry import make
from pytest_batcheval.simulator.state import State
from pytest_batcheval.wire.origin import simulator_origin

START_TIMEOUT = 30.0
"""Seconds until a server that does not come up is given up."""


class SimulatorServer:
    """A running Batch API that answers from a respondent.

    Use it as a context manager, or call `start` and `stop`.

    Attributes:
        base_url: `http://127.0.0.1:PORT/v1`, for `OPENAI_BASE_URL`; any key that is not empty is accepted.
        origin: what answers of this server are stored under.
        clock_address: `host:port` of the virtual clock.
        token: opens the control API.
    """

    def __init__(
        self,
        respondent: str = "faithful",
        *,
        seed: int = 0,
        clock: str = JUMP,
        port: int = 0,
        host: str = "127.0.0.1",
    ) -> None:
        """Prepare a server; nothing listens yet.

        Raises:
            UsageError: no such respondent or clock.
        """
        self._clock = VirtualClock(clock)
        self._state = State(Path(tempfile.mkdtemp(prefix="batcheval-")), make(respondent), seed, self._clock)
        self._host, self._port = host, port
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._up = threading.Event()
        self._failure: BaseException | None = None
        self.token = secrets.token_urlsafe(24)
        self.origin = simulator_origin(self._state.respondent.name, seed)
        self.base_url = ""
        self.clock_address = ""

    @property
    def ledger(self) -> Ledger:
        """What was executed and billed since the last reset."""
        return self._state.ledger

    @property
    def faults(self) -> Faults:
        """What shall go wrong."""
        return self._state.faults

    def start(self) -> SimulatorServer:
        """Listen; returns when the server answers.

        Raises:
            OSError: the port is taken.
        """
        listener = socket.socket(socket.AF_INET6 if ":" in self._host else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self._host, self._port))
        self.base_url = f"http://{self._host}:{listener.getsockname()[1]}/v1"
        self._thread = threading.Thread(target=self._run, args=(listener,), name="batcheval-simulator", daemon=True)
        self._thread.start()
        if not self._up.wait(START_TIMEOUT) or self._failure is not None:
            raise RuntimeError("the simulator did not start") from self._failure
        return self

    def stop(self) -> None:
        """Stop listening and forget everything."""
        if self._server is not None:
            self._server.should_exit = True
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._state.close()

    def reset(self) -> None:
        """Back to an empty server: no files, no batches, no faults, an empty ledger, time at its start."""
        self._on_loop(self._state.reset)

    def __enter__(self) -> SimulatorServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _on_loop(self, action: Callable[[], None]) -> None:
        assert self._loop is not None
        done = threading.Event()

        def run() -> None:
            action()
            done.set()

        self._loop.call_soon_threadsafe(run)
        done.wait()

    def _run(self, listener: socket.socket) -> None:
        try:
            asyncio.run(self._serve(listener))
        except BaseException as error:
            self._failure = error
        finally:
            self._up.set()

    async def _serve(self, listener: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(lambda loop, context: None)
        self.clock_address = self._state.clock_address = await self._clock.serve(self._host)
        app = make_app(self._state, self.token)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", date_header=False, server_header=False,
            http="httptools", loop="asyncio", ws="none", timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._server = _QuietServer(config)
        listener.listen(128)
        self._up.set()
        try:
            await self._server.serve(sockets=[listener])
        finally:
            self._clock.close()


class _QuietServer(uvicorn.Server):
    """A server in a thread: signals are the main thread's."""

    def capture_signals(self) -> Any:
        from contextlib import nullcontext

        return nullcontext()


__all__ = ["DroppedReply", "SimulatorServer"]
