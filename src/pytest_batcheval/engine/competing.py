"""Two machines that send the same requests without knowing of each other: the younger batch is cancelled."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from pytest_batcheval.backends.protocol import RemoteBatch
from pytest_batcheval.engine.metadata import made_by, overlap
from pytest_batcheval.engine.reconcile import QUIET, age
from pytest_batcheval.journal.rows import BatchRow

LIST_AT = (0.0, 30.0, QUIET)
"""Seconds after a create at which other machines' batches are looked for: a list may lag behind theirs."""

EARLY = 0.7
"""A list at this share of such a time counts too, so that one list serves many batches."""


@dataclass
class CompetingBatches:
    """The batches that compete with one batch, as far as it knows them.

    Attributes:
        older: the batch of another machine in favour of which this one was cancelled.
        twins: ids of batches that the create of this one has made beside it, and that were cancelled.
        ended: finished lines by id of batches that the create of this one has made, and that have ended.
        blind: whether the provider has no list of batches, so that none can be noticed.
    """

    older: RemoteBatch | None = None
    twins: set[str] = field(default_factory=set)
    ended: dict[str, int] = field(default_factory=dict)
    blind: bool = False
    _lists: int = 0

    def wanted(self, waited: float) -> bool:
        """Whether the next poll, `waited` seconds after the create, has to be a complete list."""
        return not self.blind and any(time <= waited for time in LIST_AT[self._lists :])

    def listed(
        self, mine: RemoteBatch | None, batches: Sequence[RemoteBatch], known: Collection[str], waited: float
    ) -> RemoteBatch | None:
        """An older batch in a complete list in favour of which `mine`, if it is still running, has to be cancelled."""
        self._lists = sum(waited >= EARLY * time for time in LIST_AT)
        if mine is None or mine.terminal or self.older is not None:
            return None
        self.older = older_batch(mine, (batch for batch in batches if batch.id not in known))
        return self.older

    def note_ended(self, row: BatchRow, batches: Iterable[RemoteBatch]) -> None:
        """Note the batches of this row's create that have ended with finished lines; one of them may be its own."""
        for batch in batches:
            made = batch.input_file_id in (None, row.file_id)
            if made and batch.terminal and (batch.completed or batch.output_file_id) and made_by(row, batch):
                self.ended[batch.id] = batch.completed or 0

    def paid_twice(self, row: BatchRow) -> dict[str, int]:
        """Finished lines by id of the ended batches that were paid beside the one of this row."""
        return {id_: lines for id_, lines in sorted(self.ended.items()) if id_ not in {row.batch_id, *self.twins}}


def older_batch(mine: RemoteBatch, unknown: Iterable[RemoteBatch]) -> RemoteBatch | None:
    """The oldest batch that another machine made of some of the same requests before this one.

    Every machine sees the same ages, by the provider's clock, so that only the younger of two is cancelled.
    """
    older = [
        batch
        for batch in unknown
        if age(batch) < age(mine)
        and batch.status not in ("cancelling", "cancelled")
        and (not batch.terminal or batch.output_file_id or batch.error_file_id)
        and overlap(mine.metadata, batch.metadata)
    ]
    return min(older, key=age, default=None)


def twin(row: BatchRow, mine: RemoteBatch | None, batches: Iterable[RemoteBatch]) -> RemoteBatch | None:
    """A younger batch of the same create, by its metadata, or where that says nothing by the input file that we
    uploaded: a proxy, for example, sent the create twice. Where the list lacks our own, the other may be ours itself,
    to whose create the reply had another id.
    """
    seen = list(batches)
    younger = (
        batch
        for batch in seen
        if mine is not None
        and any(other.id == mine.id for other in seen)
        and made_by(row, batch)
        and age(batch) > age(mine)
        and not batch.terminal
        and batch.status != "cancelling"
    )
    return next(younger, None)
