"""When a call that failed is made again, and when it is given up."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_batcheval.backends.errors import TransientFailure

BACK_OFF_FIRST, BACK_OFF_LAST = 1.0, 60.0
"""Seconds before the same call is made again: doubled with each failure in a row."""

PATIENCE = 3600.0
"""Seconds of failing in a row after which a call that is no mere look is given up, for this run."""


@dataclass
class Backoff:
    """The failures of one batch's calls in a row."""

    tries: int = 0
    since: float | None = None

    def pause(self, fault: TransientFailure, now: float) -> float:
        """One more has failed. Returns the seconds until it is made again: as the server says, a second at least."""
        self.since = now if self.since is None else self.since
        self.tries += 1
        usual = min(BACK_OFF_FIRST * 2 ** min(self.tries, 10), BACK_OFF_LAST)
        return usual if not fault.retry_after else max(fault.retry_after, BACK_OFF_FIRST)

    def long(self, now: float) -> bool:
        """Whether they have lasted for so long that it is given up."""
        return self.since is not None and now - self.since > PATIENCE
