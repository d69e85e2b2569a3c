"""An event loop whose timers no test can stop: freezegun and others replace `time.monotonic`, which asyncio reads."""

from __future__ import annotations

import asyncio

from pytest_batcheval.wire.real_time import monotonic


class RealTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose timers run by the machine's clock."""

    def time(self) -> float:
        """Seconds that never go back."""
        return monotonic()
