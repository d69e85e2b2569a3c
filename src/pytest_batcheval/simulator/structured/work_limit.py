"""A limit on the work that one schema of a user may cause."""

from __future__ import annotations

LARGEST = 20_000
"""Most values and characters of one instance."""


class ImpossibleError(ValueError):
    """No instance of a schema can be made; the message gives the reason."""


class WorkLimit:
    """The work that may still be spent on one instance."""

    def __init__(self, left: int = LARGEST) -> None:
        self._left = left

    def spend(self, amount: int = 1) -> None:
        """Use `amount` of what is left.

        Raises:
            ImpossibleError: less than `amount` is left.
        """
        self._left -= amount
        if self._left < 0:
            raise ImpossibleError("its instances are too large for the simulator")
