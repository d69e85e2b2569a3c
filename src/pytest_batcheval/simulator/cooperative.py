"""Long work on the event loop that yields to other tasks."""

from __future__ import annotations

import asyncio

from pytest_batcheval.wire import real_time

SPAN = 0.01
"""Real seconds of work between two pauses."""


class CooperativeWork:
    """A timer for long work: `due` says when to `pause`."""

    def __init__(self) -> None:
        self._until = real_time.monotonic() + SPAN

    @property
    def due(self) -> bool:
        """Whether it is time to pause."""
        return real_time.monotonic() > self._until

    async def pause(self) -> None:
        """Let other tasks run."""
        await asyncio.sleep(0)
        self._until = real_time.monotonic() + SPAN
