"""Batches that have not ended, and the time at which to look again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pytest_batcheval.engine.snapshot import BatchSnapshot
from pytest_batcheval.journal.reader import JournalReader
from pytest_batcheval.report.eta import WINDOW, Eta
from pytest_batcheval.wire import real_time


@dataclass(frozen=True)
class WaitingBatch:
    """A batch that has not ended.

    Attributes:
        batch_id: the provider's id; empty until it has one.
        status: the last one seen, or the journal's.
        done: its requests that were done when it was last seen, of all `requests`.
        due: Unix seconds of its expected end, from similar batches; `None` without any.
        latest: Unix seconds at which the provider ends it in any case, from the start of the run that planned it.
    """

    batch_id: str
    status: str
    requests: int
    due: float | None
    latest: float
    done: int = 0


def waiting_batches(reader: JournalReader, origin: str, seen: Mapping[str, BatchSnapshot]) -> list[WaitingBatch]:
    """The open batches of an origin; `seen` has the last snapshots by the batch's id.

    Raises:
        JournalError: the journal cannot be read.
    """
    rows = [row for row in reader.open_batches(origin) if row.calls == "batch"]
    if not rows:
        return []
    eta, started = Eta(reader.batches(origin)), {run.id: run.started for run in reader.runs()}
    found = []
    for row in rows:
        begun, took = started.get(row.run, 0.0), eta.duration(row.endpoint, row.model, row.requests)
        due = None if took is None else begun + took
        last = seen.get(row.batch_id) if row.batch_id else None
        status, done = (row.status or row.state, 0) if last is None else (last.status, last.done)
        found.append(WaitingBatch(row.batch_id, status, row.requests, due, begun + WINDOW, done))
    return found


def come_back(batches: Iterable[WaitingBatch]) -> tuple[float, bool]:
    """Unix seconds at which all should have ended, and `True`; or the latest, where that is unknown or past."""
    known = list(batches)
    dues = [batch.due for batch in known if batch.due is not None]
    if len(dues) == len(known) and max(dues) > real_time.now():
        return max(dues), True
    return max(batch.latest for batch in known), False
