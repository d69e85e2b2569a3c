"""Long work on the event loop that lets others work too."""

from __future__ import annotations

import asyncio
import time

SPAN = 0.01
"""Real seconds of work between two pauses."""


class CooperativeWork:
    """Says when it is time to let others work."""

    def __init__(self) -> None:
        self._until = time.monotonic() + SPAN

    @property
    def due(self) -> bool:
        """Whether the work has gone on for long enough."""
        return time.monotonic() > self._until

    async def take(self) -> None:
        """Let others work."""
        await asyncio.sleep(0)
        self._until = time.monotonic() + SPAN
