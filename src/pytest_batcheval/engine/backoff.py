"""Delays before a failed call is made again: doubled with each failure in a row, or as long as the server asks."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_batcheval.backends.errors import TransientFailure

FIRST, LAST = 2.0, 60.0
"""Seconds before a call is made again: after the first failure, and at most."""

LEAST = 1.0
"""Seconds; a server that asks for less gets this."""

PATIENCE = 3600.0
"""Seconds of failing in a row after which a call is given up for this run; polling goes on."""


def delay(failures: int, first: float = FIRST, last: float = LAST) -> float:
    """Seconds to wait after that many failures in a row, from 1: `first`, doubled each time, at most `last`."""
    return float(min(first * 2 ** min(failures - 1, 20), last))


@dataclass
class Backoff:
    """Failures in a row of the calls for one purpose; a new one after each success."""

    failures: int = 0
    since: float | None = None

    def failed(self, failure: TransientFailure, now: float) -> float:
        """Count a failure. Returns the seconds until the next call."""
        self.since = now if self.since is None else self.since
        self.failures += 1
        return max(failure.retry_after, LEAST) if failure.retry_after else delay(self.failures)

    def exhausted(self, now: float) -> bool:
        """Whether the calls have failed for so long that they are given up."""
        return self.since is not None and now - self.since > PATIENCE
