"""The workers that make a run's individual calls, and what the run needs that leaves its calls to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pytest_batcheval.engine.clock import WaitingClock


class Crew(Protocol):
    """Workers that a run has, until it is closed."""

    advice: str
    """Words on how to start one, where the run cannot; empty where it does."""

    def check(self) -> None:
        """Make sure that one of them works still.

        Raises:
            BatchEvalError: all have ended; the message says why.
        """


class AnyWorkers:
    """A `Crew` of the workers that somebody else starts and ends."""

    advice = "batcheval work"

    def check(self) -> None:
        """They may come and go."""


@dataclass(frozen=True)
class Offering:
    """The needs of a run that leaves its calls to workers.

    Attributes:
        crew: the workers.
        clock: that of the run, which it leaves while it waits.
        tier: the service tier to ask for where a body names none.
    """

    crew: Crew
    clock: WaitingClock
    tier: str = ""
