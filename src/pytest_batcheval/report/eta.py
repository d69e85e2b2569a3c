"""Expected duration of a batch, from those of similar ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from statistics import median

from pytest_batcheval.engine.snapshot import BatchSnapshot
from pytest_batcheval.journal.rows import BatchRow

NEWEST = 20
"""Number of similar batches that count, because a provider's load changes."""

WINDOW = 86_400.0
"""Seconds within which every batch ends: the API's only completion window."""


class Eta:
    """Estimates from the completed batches of one origin.

    Batches of the same endpoint and model are similar. Each predicts the time that it waited before it ran, plus the
    time that it ran in proportion to the requests of both; the estimate is the median of the newest 20, at most 24
    hours.
    """

    def __init__(self, batches: Iterable[BatchRow] = ()) -> None:
        """Take the batches of one origin from a journal, oldest first."""
        self._past: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for row in batches:
            for times in _times(row):
                self._past.setdefault((row.endpoint, row.model), []).append(times)

    def duration(self, endpoint: str, model: str, requests: int) -> float | None:
        """Return the seconds from the creation of a batch to its end; `None` without similar ones."""
        past = self.predictions(endpoint, model, requests)
        return min(median(past), WINDOW) if past else None

    def predictions(self, endpoint: str, model: str, requests: int) -> list[float]:
        """The seconds that each of the newest similar batches predicts for one of so many requests."""
        return [waited + each * requests for waited, each in self._past.get((endpoint, model), [])[-NEWEST:]]

    def left(self, seen: BatchSnapshot, elapsed: float, rate: float | None, since: float) -> float | None:
        """Return the expected seconds until a batch ends, from similar batches or its own rate.

        Args:
            seen: the last snapshot of the batch.
            elapsed: seconds since it was created.
            rate: its recent requests per second; `None` while that is unknown.
            since: seconds since the snapshot.

        Returns:
            0 if it should have ended by now; `None` if nothing is known.
        """
        whole = None if seen.attached else self.duration(seen.endpoint, seen.model, seen.total)
        by_rate = (seen.total - seen.done - seen.failed) / rate - since if rate else None
        if whole is not None and whole > elapsed:
            return whole - elapsed
        if by_rate is not None:
            return max(by_rate, 0.0)
        return None if whole is None else 0.0


def _times(row: BatchRow) -> Iterator[tuple[float, float]]:
    """Yield the seconds that a completed batch waited before it ran, and the seconds per request that it ran."""
    times = json.loads(row.times) if row.times and row.status == "completed" else {}
    created, began, ended = (times.get(f"{name}_at") for name in ("created", "in_progress", "completed"))
    if created is not None and ended is not None:
        ran = created if began is None else began
        yield max(ran - created, 0.0), max(ended - ran, 0.0) / max(row.requests, 1)
