"""A run's time and use of this machine by stage, measured while it runs, for the journal."""

from __future__ import annotations

import resource
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_batcheval.engine.snapshot import BatchSnapshot, NoticeSnapshot, WaitSnapshot
from pytest_batcheval.errors import BatchEvalError
from pytest_batcheval.journal.rows import STAGES, StageRow

if TYPE_CHECKING:
    from pytest_batcheval.backends.traffic import Traffic
    from pytest_batcheval.engine.clock import Clock
    from pytest_batcheval.journal.store import Journal

SAMPLE_EVERY = 1.0
"""Real seconds between two samples of this process's memory."""


@dataclass
class _Use:
    """The use of one stage; fields as in `StageRow`."""

    wall: float = 0.0
    cpu: float = 0.0
    memory: int = 0
    sent: int = 0
    received: int = 0


class ResourceMeter:
    """Measures a run, wave by wave. A wave is always in the stage of its batch that is furthest behind.

    A thread samples memory once a second, so that a peak within a stage is seen. Figures that cannot be stored are
    dropped: no run fails because of them.
    """

    def __init__(self, run: str, journal: Journal, clock: Clock, traffic: Sequence[Traffic]) -> None:
        """Prepare the meter; the clock is first read when the block begins."""
        self._run = run
        self._journal = journal
        self._clock = clock
        self._traffic = traffic
        self._wave = 1
        self._stage = STAGES[0]
        self._batches: dict[int, str] = {}
        self._uses: dict[str, _Use] = {}
        self._most = 0
        self._stop = threading.Event()
        self._sampler = threading.Thread(target=self._sample, name="batcheval-meter", daemon=True)

    def __enter__(self) -> ResourceMeter:
        self._mark = self._now()
        self._sampler.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._sampler.join(SAMPLE_EVERY)
        self.end_wave()

    def watching(self, show: Callable[[BatchSnapshot], None]) -> Callable[[BatchSnapshot], None]:
        """Return a `progress` that measures and then calls `show`."""

        def watch(seen: BatchSnapshot) -> None:
            self._seen(seen)
            show(seen)

        return watch

    def measure_on(self, clock: Clock) -> None:
        """Go on by another clock, as that of the backend which is waited for from now on."""
        if clock is not self._clock:
            with suppress(BatchEvalError):
                self._account()
                self._clock = clock
                self._mark = self._now()

    def end_wave(self) -> None:
        """Store the use of the wave, if it sent anything, and begin the next one."""
        with suppress(BatchEvalError):  # a simulator's clock may have stopped, or the disk may be full
            self._account()
            if set(self._uses) != {STAGES[0]}:
                rows = [StageRow(self._run, self._wave, name, **vars(use)) for name, use in self._uses.items()]
                self._journal.add_stages(rows)
                self._wave += 1
        self._stage, self._batches, self._uses = STAGES[0], {}, {}

    def _seen(self, seen: BatchSnapshot) -> None:
        if isinstance(seen, NoticeSnapshot):
            return
        if seen.ended:
            self._batches.pop(seen.ordinal, None)
        else:
            self._batches[seen.ordinal] = seen.stage
        # After a pause the next round is planned; after the last batch only the journal is left.
        idle = STAGES[0] if isinstance(seen, WaitSnapshot) else STAGES[-1]
        stage = min(self._batches.values(), key=STAGES.index, default=idle)
        if stage != self._stage:
            self._account()
            self._stage = stage

    def _account(self) -> None:
        """Add the use since the last call to the present stage."""
        now = self._now()
        use = self._uses.setdefault(self._stage, _Use())
        use.wall += max(now[0] - self._mark[0], 0.0)
        use.cpu += max(now[1] - self._mark[1], 0.0)
        use.memory = max(use.memory, self._most, _resident())
        use.sent += now[2] - self._mark[2]
        use.received += now[3] - self._mark[3]
        self._mark, self._most = now, 0

    def _now(self) -> tuple[float, float, int, int]:
        sent, received = (sum(getattr(traffic, way) for traffic in self._traffic) for way in ("sent", "received"))
        return self._clock.now(), time.process_time(), sent, received

    def _sample(self) -> None:
        while not self._stop.wait(SAMPLE_EVERY):
            self._most = max(self._most, _resident())


def _resident() -> int:
    """Return the resident bytes of this process; without psutil its peak."""
    try:
        from psutil import Process
    except ImportError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return int(Process().memory_info().rss)
