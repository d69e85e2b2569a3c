"""The clock of all waits in the engine; the caller provides it, so that tests need no time."""

from __future__ import annotations

import socket
from typing import Protocol


class Clock(Protocol):
    """Monotonic seconds, and a way to wait."""

    def now(self) -> float:
        """Monotonic seconds; the zero is arbitrary."""

    def sleep(self, seconds: float) -> None:
        """Return when that many seconds have passed."""


class WaitingClock(Clock, Protocol):
    """A clock on which calls can be waited for."""

    def wait(self, signal: socket.socket, seconds: float, calls: int) -> None:
        """Return when `signal` is readable, after that many seconds at the latest; `calls` of ours are under way."""

    def close(self) -> None:
        """Leave the clock until the next question: a virtual one goes on without this process."""
