"""Limits per period, such as 2,000 creates per hour."""

from __future__ import annotations

from collections import deque


class RateWindow:
    """A limit on the amount used within any `seconds` of virtual time."""

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        self._used: deque[tuple[float, int]] = deque()
        self._sum = 0

    def wait(self, now: float, amount: int = 1) -> float:
        """Seconds until `amount` may be used; 0 if now, the whole period if never."""
        self._forget(now)
        over = self._sum + amount - self.limit
        if over <= 0:
            return 0.0
        for at, used in self._used:
            over -= used
            if over <= 0:
                return max(at + self.seconds - now, 0.001)
        return self.seconds

    def take(self, now: float, amount: int = 1) -> None:
        """Use `amount`."""
        if self._used and self._used[-1][0] == now:  # time may stand still for a million calls
            amount_then = self._used.pop()[1]
            self._used.append((now, amount_then + amount))
        else:
            self._used.append((now, amount))
        self._sum += amount

    def remaining(self, now: float) -> int:
        """The amount that may still be used now."""
        self._forget(now)
        return max(self.limit - self._sum, 0)

    def reset_after(self, now: float) -> float:
        """Seconds until all use so far has expired."""
        self._forget(now)
        return self._used[-1][0] + self.seconds - now if self._used else 0.0

    def _forget(self, now: float) -> None:
        while self._used and self._used[0][0] + self.seconds <= now:
            self._sum -= self._used.popleft()[1]
