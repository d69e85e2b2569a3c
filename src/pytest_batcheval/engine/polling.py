"""The time of the next poll of a running batch: rare enough for a day, soon enough after its end."""

from __future__ import annotations

from dataclasses import dataclass, field

LEAST = 2.0
"""Seconds between two polls at least."""

SHARE = 0.05
"""Of the time waited so far: so an end that nothing announces is noticed within 5 % of the batch's own duration.

That takes 178 polls in 24 hours: 20 in the first 40 seconds, then ln(86,400 / 40) / ln(1.05).
"""

LONGEST = 4320.0
"""Seconds between two polls at most: 5 % of the 24 hours after which every batch has ended."""

LONGEST_SHARE = 0.3
"""Of the time waited so far, when by the counts the end is far: the limit within which an earlier end is noticed."""

WRITING, WRITING_MOST = 0.1, 30.0
"""Seconds a request that `finalizing` takes at least (2 s for 9 requests and 1,065 s for 10,000 were seen): polls at
that interval see it, and no batch completes without it. The second is the limit in seconds, since a batch whose input
is refused ends without it."""

STEADY = 2.0
"""The newest rate may differ from the overall one by this factor; otherwise neither is used."""

_POINTS = 4
"""Changes of the counts before they predict anything."""


@dataclass
class Pace:
    """The polls of one batch; `began` is the time it was created, or taken up by this process."""

    began: float
    _points: list[tuple[float, int]] = field(default_factory=list)

    def seen(self, now: float, done: int) -> None:
        """Take the count of a poll: requests that are answered or have failed."""
        if not self._points or done > self._points[-1][1]:
            self._points.append((now, done))

    def pause(self, now: float, total: int, status: str = "") -> float:
        """Seconds until the next poll of a batch of `total` requests that was seen in this status."""
        waited = now - self.began
        usual = min(max(SHARE * waited, LEAST), LONGEST)
        if status == "finalizing":
            return usual
        left = self._left(now, total)
        # A third of what is left finds an end that comes earlier; just after the end finds one that comes in time.
        expected = 0.0 if left is None else min(left / 3, LONGEST_SHARE * waited, LONGEST)
        return max(usual, expected, min(WRITING * total, WRITING_MOST))

    def _left(self, now: float, total: int) -> float | None:
        """Seconds until all requests are done at the rate seen; `None` when there is no steady one."""
        if len(self._points) < _POINTS:
            return None
        (first, done_first), (before, done_before), (last, done) = self._points[0], self._points[-2], self._points[-1]
        rate, newest = (done - done_first) / (last - first), (done - done_before) / (last - before)
        if not rate / STEADY <= newest <= rate * STEADY:
            return None
        return max((total - done) / rate - (now - last), 0.0)
