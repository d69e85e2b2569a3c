"""The clocks a client can wait on: the system's, or a simulator's virtual one."""

from __future__ import annotations

import json
import os
import selectors
import socket
from io import BufferedReader

from pytest_batcheval.errors import ProviderError
from pytest_batcheval.wire import real_time


class SystemClock:
    """Real time, in monotonic seconds; Ctrl-C interrupts a sleep."""

    speed = 1.0

    def now(self) -> float:
        """Monotonic seconds."""
        return real_time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        real_time.sleep(seconds)

    def wait(self, signal: socket.socket, seconds: float, calls: int) -> None:
        """Wait until `signal` is readable, that long at most."""
        _readable((signal,), max(seconds, 0.0))

    def close(self) -> None:
        """Nothing to close."""

    def __enter__(self) -> SystemClock:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class SimulatorClock:
    """A participant in a simulator's virtual clock; the open connection is its registration.

    It registers at its first question: a process that waits for something else (another process's
    lock, for example) would otherwise keep time from jumping. One JSON array a line: `["now"]` and
    `["sleep", seconds]` are answered by the time in seconds, the latter when that time has come. So is
    `["await", calls, seconds]`, a sleep with that number of calls to the simulator under way; `["awake"]` ends it.

    Attributes:
        speed: virtual seconds of a real one; 0 where time jumps.
    """

    def __init__(self, address: str, speed: float = 0.0) -> None:
        """Prepare a connection to `host:port`."""
        self._address = address
        self.speed = speed
        self._socket: socket.socket | None = None
        self._replies: BufferedReader | None = None

    def now(self) -> float:
        """Virtual seconds.

        Raises:
            ProviderError: the clock cannot be reached.
        """
        return self._ask("now")

    def sleep(self, seconds: float) -> None:
        """Wait in virtual time.

        Raises:
            ProviderError: the clock cannot be reached.
        """
        self._ask("sleep", max(seconds, 0.0))

    def wait(self, signal: socket.socket, seconds: float, calls: int) -> None:
        """Wait until `signal` is readable, that long at most in virtual time; `calls` of ours are under way.

        Time does not jump before the simulator has received that number of calls: one on its way would come late.

        Raises:
            ProviderError: the clock cannot be reached.
        """
        self._ask("await", calls, max(seconds, 0.0), until=signal)

    def close(self) -> None:
        """Leave the clock; time goes on without this process."""
        if self._replies is not None and self._socket is not None:
            self._replies.close()
            self._socket.close()
        self._replies = self._socket = None

    def __enter__(self) -> SimulatorClock:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _ask(self, *words: object, until: socket.socket | None = None) -> float:
        try:
            if self._socket is None or self._replies is None:
                host, _, port = self._address.rpartition(":")
                self._socket = socket.create_connection((host, int(port)))
                # With Nagle's algorithm `awake`, just after `await`, would take 40 ms.
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._replies = self._socket.makefile("rb")
                self._ask("register", os.getpid())
            self._socket.sendall(json.dumps(words).encode() + b"\n")
            if until is not None and self._socket not in _readable((self._socket, until), None):
                self._socket.sendall(b'["awake"]\n')
            return float(json.loads(self._replies.readline()))
        except (OSError, ValueError, TypeError) as error:
            self.close()
            raise ProviderError(f"the simulator's clock at {self._address} cannot be reached: {error}") from None
        except BaseException:
            # The reply to this question would answer the next one.
            self.close()
            raise


def _readable(sockets: tuple[socket.socket, ...], seconds: float | None) -> list[object]:
    """The sockets that can be read, waited for at most that many real seconds; `None` waits for ever."""
    with selectors.DefaultSelector() as selector:
        for each in sockets:
            selector.register(each, selectors.EVENT_READ)
        return [key.fileobj for key, _ in selector.select(seconds)]
