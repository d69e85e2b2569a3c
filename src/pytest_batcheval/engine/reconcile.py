"""The search for the batch of a create whose outcome is unknown, until it is found or certainly absent.

A listing can lag behind a create, so absence from a list proves nothing. Deleting the input file
does: a create that is applied after it fails before any line runs. Only when a full quiet period
after the deletion has passed with clean listings may the requests be sent again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum

from pytest_batcheval.backends.protocol import RemoteBatch
from pytest_batcheval.engine.metadata import our_metadata, same_create
from pytest_batcheval.journal.rows import BatchRow

LOOK_FOR = 60.0
"""Seconds of listing before the input file is deleted; the usual case ends within them."""

LOOK_EVERY = 10.0
QUIET = 180.0
"""Seconds after the deletion in which a list may still lag, and the deletion itself may."""

QUIET_EVERY = 30.0
CLEAN_LISTS = 3
UNFENCED = 1200.0
"""Seconds of listing where a provider does not allow a file to be deleted, or shows no complete list: longer than the
SDK's 600 and TCP's 900."""

FRESH = 60.0
"""Seconds for which a 404 on a deletion may only mean that the file is new."""


class SearchStep(Enum):
    """The next step of a search."""

    LIST = "list"
    DELETE = "delete"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass
class Search:
    """The search for one create; `began` is when its call returned, or the lock was taken.

    Waits count on the monotonic clock of this process; after a crash they begin again.
    """

    began: float
    fenced: float | None = None
    unfenced: bool = False
    clean: int = 0
    first_404: float | None = None

    def listed(self, asked: float, now: float, gap: bool = False, telling: bool = False) -> tuple[SearchStep, float]:
        """Take a listing, requested at `asked`, without the batch. Returns the next step and its time.

        One with a gap proves nothing: where no other comes, the outcome stays unknown. `telling` are batches of the
        list which will say whose they are when they have ended.
        """
        if self.fenced is None and not self.unfenced:
            return (SearchStep.LIST, now + LOOK_EVERY) if now - self.began < LOOK_FOR else (SearchStep.DELETE, now)
        since, quiet = (self.began, UNFENCED) if self.fenced is None else (self.fenced, QUIET)
        self.clean += not gap
        if self.clean >= CLEAN_LISTS and asked - since >= quiet and not gap:
            return SearchStep.ABSENT, now
        if gap and not telling and asked - self.began >= UNFENCED:
            return SearchStep.UNKNOWN, now
        return SearchStep.LIST, now + QUIET_EVERY

    def undeletable(self, now: float) -> tuple[SearchStep, float]:
        """Take the provider's refusal to delete the file: only a longer wait is left."""
        self.unfenced = True
        return SearchStep.LIST, now + QUIET_EVERY

    def deleted(self, now: float) -> tuple[SearchStep, float]:
        """Take the acknowledgement of the deletion."""
        self.fenced = now
        return SearchStep.LIST, now + QUIET_EVERY

    def absent(self, now: float) -> tuple[SearchStep, float]:
        """Take a 404 on the deletion; it counts as deleted when it persists."""
        if self.first_404 is None:
            self.first_404 = now
        return (SearchStep.DELETE, now + FRESH / 3) if now - self.first_404 < FRESH else self.deleted(now)


def find(row: BatchRow, batches: Iterable[RemoteBatch]) -> RemoteBatch | None:
    """The batch that a create of this row made: by its metadata; by its input file where metadata says nothing.

    The oldest one, when something on the way has repeated the create.
    """
    seen = sorted(batches, key=age)
    marked = (batch for batch in seen if same_create(row, batch))
    by_file = (batch for batch in seen if _unmarked(row, batch) and batch.input_file_id == row.file_id)
    # Older versions of ours wrote nothing into metadata that is one create's own.
    by_requests = (
        batch for batch in seen if _unmarked(row, batch) and our_metadata(batch.metadata) and not batch.input_file_id
    )
    return next(marked, None) or next(by_file, None) or next(by_requests, None)


def _unmarked(row: BatchRow, batch: RemoteBatch) -> bool:
    return same_create(row, batch) is None


def suspects(row: BatchRow, batches: Iterable[RemoteBatch], known: Collection[str]) -> list[RemoteBatch]:
    """Batches that may be this row's, though nothing shows it: of its size, without metadata and input file."""
    return [
        batch
        for batch in batches
        if not batch.metadata
        and not batch.input_file_id
        and batch.id not in known
        and batch.total in (None, 0, row.requests)
        and batch.endpoint in ("", row.endpoint)
    ]


def age(batch: RemoteBatch) -> tuple[float, str]:
    """The order of batches, oldest first: by the provider's clock, and by their ids within a second."""
    return batch.created_at or 0.0, batch.id
