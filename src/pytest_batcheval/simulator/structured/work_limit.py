"""A bound on the work that one schema of a user's may cause."""

from __future__ import annotations

LARGEST = 20_000
"""Values and characters that one instance may take."""


class ImpossibleError(ValueError):
    """No instance can be made of a schema; the text says why."""


class WorkLimit:
    """What may still be spent on one instance."""

    def __init__(self, left: int = LARGEST) -> None:
        self._left = left

    def spend(self, amount: int = 1) -> None:
        """Take from what is left.

        Raises:
            ImpossibleError: nothing is left.
        """
        self._left -= amount
        if self._left < 0:
            raise ImpossibleError("its instances are too large for the simulator")
