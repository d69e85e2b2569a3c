"""Batches that have not ended, and the time at which to look again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pytest_batcheval.journal.reader import JournalReader
from pytest_batcheval.report.eta import WINDOW, Eta
from pytest_batcheval.wire import real_time


@dataclass(frozen=True)
class WaitingBatch:
    """A batch that has not ended.

    Attributes:
        batch_id: the provider's id; empty until it has one.
        status: the provider's last, or the journal's.
        due: Unix seconds of its expected end, from similar batches; `None` without any.
        latest: Unix seconds at which the provider ends it in any case, from the start of the run that planned it.
    """

    batch_id: str
    status: str
    requests: int
    due: float | None
    latest: float


def waiting_batches(reader: JournalReader, origin: str) -> list[WaitingBatch]:
    """The open batches of an origin.

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
        found.append(WaitingBatch(row.batch_id, row.status or row.state, row.requests, due, begun + WINDOW))
    return found


def come_back(batches: Iterable[WaitingBatch]) -> tuple[float, bool]:
    """Unix seconds at which all should have ended, and `True`; or the latest, where that is unknown or past."""
    known = list(batches)
    dues = [batch.due for batch in known if batch.due is not None]
    if len(dues) == len(known) and max(dues) > real_time.now():
        return max(dues), True
    return max(batch.latest for batch in known), False
