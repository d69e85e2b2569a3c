"""When to look at a running batch again: rarely enough for a day, soon enough after its end."""

from __future__ import annotations

from dataclasses import dataclass, field

LEAST = 2.0
"""Seconds between two looks at least."""

SHARE = 0.05
"""Of the time waited so far: so an end that nothing announces is noticed within 5 % of the batch's own duration.

That takes 178 looks in 24 hours: 20 in the first 40 seconds, then ln(86,400 / 40) / ln(1.05).
"""

LONGEST = 4320.0
"""Seconds between two looks at most: 5 % of the 24 hours after which a batch has ended, whatever it is like."""

LONGEST_SHARE = 0.25
"""Of the time waited so far, when the counts tell that the end is far; a sudden end is noticed within it."""

STEADY = 2.0
"""The newest rate may differ from the whole one by this factor, else neither is believed."""

_MARKS = 4
"""Moves of the counts before they predict anything."""


@dataclass
class Pace:
    """The looks at one batch; `began` is when it was created, or taken up by this process."""

    began: float
    _marks: list[tuple[float, int]] = field(default_factory=list)

    def seen(self, now: float, done: int) -> None:
        """Take what a look showed: how many requests are answered or have failed."""
        if not self._marks or done > self._marks[-1][1]:
            self._marks.append((now, done))

    def pause(self, now: float, total: int) -> float:
        """Seconds until the next look at a batch of `total` requests."""
        waited = now - self.began
        usual = min(max(SHARE * waited, LEAST), LONGEST)
        left = self._left(now, total)
        if left is None:
            return usual
        # A fourth of what is left finds an end that comes earlier; just after the end finds one that comes in time.
        return max(usual, min(left / 4, LONGEST_SHARE * waited, LONGEST))

    def _left(self, now: float, total: int) -> float | None:
        """Seconds until all requests are done at the rate seen; `None` when there is no steady one."""
        if len(self._marks) < _MARKS:
            return None
        (first, done_first), (before, done_before), (last, done) = self._marks[0], self._marks[-2], self._marks[-1]
        rate, newest = (done - done_first) / (last - first), (done - done_before) / (last - before)
        if not rate / STEADY <= newest <= rate * STEADY:
            return None
        return max((total - done) / rate - (now - last), 0.0)
