"""The number of calls at once: doubled with each window of answers until the first refusal; then one more after each
window, and half of it after a refusal.

That is TCP's slow start, and the additive increase and multiplicative decrease that follow it (RFC 5681, section 3.1):
they find a provider's limit without knowing it, and leave room to others who share the account.
"""

from __future__ import annotations

from dataclasses import dataclass

START = 8
"""Calls at once at first: at 3 s a call 160 a minute, within the 500 of OpenAI's smallest paid tier."""

CAP = 64
"""Calls at once at most, and so the most that a kill leaves with an unknown outcome.

At 3 s a call they are 1,280 a minute; without a refusal a window that starts at 8 is there after 56 answers.
"""


@dataclass
class ConcurrencyWindow:
    """The window of one send.

    Attributes:
        size: calls that may be under way at once now, at most `cap`.
        epoch: number of times it was halved. A call keeps the epoch it began in, so that the refusals of one window,
            which come together, halve it once.
    """

    size: int = START
    cap: int = CAP
    epoch: int = 0
    _answers: int = 0

    def answered(self) -> None:
        """Count a call that the provider answered, with success or not."""
        self._answers += 1
        if not self.epoch or self._answers >= self.size:
            self.size, self._answers = min(self.size + 1, self.cap), 0

    def refused(self, epoch: int) -> bool:
        """Take the refusal, for too many calls, of a call that began in that epoch; true when it halves the window."""
        if epoch < self.epoch:
            return False
        self.size, self.epoch, self._answers = max(self.size // 2, 1), self.epoch + 1, 0
        return True
