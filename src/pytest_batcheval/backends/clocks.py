"""The clocks a client can wait on: the system's, or a simulator's virtual one."""

from __future__ import annotations

import json
import socket
import time

from pytest_batcheval.wire.errors import ProviderError


class SystemClock:
    """Real time, in monotonic seconds; Ctrl-C interrupts a sleep."""

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(max(seconds, 0.0))

    def close(self) -> None:
        """Nothing to close."""


class SimulatorClock:
    """A sleeper on a simulator's virtual clock; the open connection is its registration.

    One JSON array a line: `["now"]` and `["sleep", seconds]` are answered by the time in seconds,
    the latter when that time has come.
    """

    def __init__(self, address: str) -> None:
        """Connect to `host:port`.

        Raises:
            ProviderError: nothing listens there.
        """
        self._address = address
        host, _, port = address.rpartition(":")
        try:
            self._socket = socket.create_connection((host, int(port)))
        except OSError as error:
            raise ProviderError(f"the simulator's clock at {address} cannot be reached: {error}") from None
        self._replies = self._socket.makefile("rb")

    def now(self) -> float:
        """Virtual seconds."""
        return self._ask("now")

    def sleep(self, seconds: float) -> None:
        """Wait in virtual time."""
        self._ask("sleep", max(seconds, 0.0))

    def close(self) -> None:
        """Leave; time goes on without us."""
        self._replies.close()
        self._socket.close()

    def _ask(self, *words: object) -> float:
        try:
            self._socket.sendall(json.dumps(words).encode() + b"\n")
            return float(json.loads(self._replies.readline()))
        except (OSError, ValueError) as error:
            raise ProviderError(f"the simulator's clock at {self._address} went away: {error}") from None
        except BaseException:
            # The reply to this question would answer the next one.
            self.close()
            raise
