"""How long a batch will take, from how long similar ones took."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from statistics import median

from pytest_batcheval.engine.snapshot import BatchSnapshot
from pytest_batcheval.journal.rows import BatchRow

NEWEST = 20
"""Similar batches that count: how busy a provider is changes."""

WINDOW = 86_400.0
"""Seconds after which every batch has ended: the API's only completion window."""


class Eta:
    """Knows the batches of one origin that were completed.

    Similar are batches of the same endpoint and model. What each says of another one is the time it waited before it
    ran, plus the time it ran in proportion to the requests of both; the median of the newest 20 is expected, and 24
    hours at most.
    """

    def __init__(self, batches: Iterable[BatchRow] = ()) -> None:
        """Take what a journal has, oldest first, of one origin."""
        self._past: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for row in batches:
            for times in _times(row):
                self._past.setdefault((row.endpoint, row.model), []).append(times)

    def duration(self, endpoint: str, model: str, requests: int) -> float | None:
        """Seconds from the creation of a batch to its end; `None` when no similar one is known."""
        similar = self._past.get((endpoint, model), [])[-NEWEST:]
        if not similar:
            return None
        return min(median(waited + each * requests for waited, each in similar), WINDOW)

    def left(self, seen: BatchSnapshot, elapsed: float, rate: float | None, since: float) -> float | None:
        """Seconds until a batch has ended.

        Similar batches say it, else its own rate.

        Args:
            seen: the batch as it was told last.
            elapsed: seconds since it was created.
            rate: requests a second that it has done of late; `None` while that is unknown.
            since: seconds that have passed since it was told.

        Returns:
            0 when it should have ended by now; `None` when nothing tells.
        """
        whole = None if seen.attached else self.duration(seen.endpoint, seen.model, seen.total)
        by_rate = (seen.total - seen.done - seen.failed) / rate - since if rate else None
        if whole is not None and whole > elapsed:
            return whole - elapsed
        if by_rate is not None:
            return max(by_rate, 0.0)
        return None if whole is None else 0.0


def _times(row: BatchRow) -> Iterator[tuple[float, float]]:
    """Seconds that a completed batch waited before it ran, and seconds a request that it ran."""
    times = json.loads(row.times) if row.times and row.status == "completed" else {}
    created, began, ended = (times.get(f"{name}_at") for name in ("created", "in_progress", "completed"))
    if created is not None and ended is not None:
        ran = created if began is None else began
        yield max(ran - created, 0.0), max(ended - ran, 0.0) / max(row.requests, 1)
