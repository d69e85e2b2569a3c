"""The end of a batch: its row, the requests without a line, and when an unknown batch is gone."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from pytest_batcheval.backends.errors import ProviderFailure, Refused
from pytest_batcheval.backends.protocol import RemoteBatch
from pytest_batcheval.engine.effects import ResultSummary, Unaccounted
from pytest_batcheval.engine.retry import UNACCOUNTED
from pytest_batcheval.journal.rows import BatchRow

TIMES = (
    "created_at",
    "in_progress_at",
    "finalizing_at",
    "completed_at",
    "expired_at",
    "cancelling_at",
    "cancelled_at",
    "failed_at",
)
"""The times of a batch that are kept; all that the API has, but when it would expire."""


def refused_whole(batch: RemoteBatch) -> bool:
    """Whether it failed before any line ran, so that nothing was paid."""
    ran = batch.output_file_id or batch.error_file_id or batch.completed or batch.failed
    return batch.status == "failed" and not ran


def ended(row: BatchRow, batch: RemoteBatch) -> BatchRow:
    """The row of an ended batch; what an earlier look has seen is not taken back by a later one."""
    return replace(
        row,
        state="ended",
        status=batch.status,
        completed=_most(row.completed, batch.completed),
        failed=_most(row.failed, batch.failed),
        output_file_id=batch.output_file_id or row.output_file_id,
        error_file_id=batch.error_file_id or row.error_file_id,
        times=json.dumps({name: batch.times[name] for name in TIMES if name in batch.times}),
    )


def doubtful(row: BatchRow, account: ResultSummary) -> bool:
    """Whether the files may still be incomplete: requests are missing that the counts, or nobody, account for."""
    missing = _found(account) < row.requests
    return missing and (_short(row, account) or row.completed is None or row.status == "completed")


def unaccounted_requests(row: BatchRow, account: ResultSummary, partial: bool) -> Unaccounted:
    """How requests without a line are recorded once the files are believed; `partial` when one of them is gone.

    They are sent again, unless the provider counted them, a line was unreadable down to its key, or a batch that
    completed has told neither counts nor files.
    """
    batch = f"batch {row.batch_id} ended as {row.status}"
    untold = row.status == "completed" and row.completed is None and not _found(account)
    if not (_short(row, account) or account.nameless or partial or untold):
        return Unaccounted("unanswered", f"{batch} without a line for this request", retryable=True)
    told = row.completed is not None or row.failed is not None
    counts = f"counts {row.completed or 0} completed and {row.failed or 0} failed" if told else "tells no counts"
    text = (
        f"{batch}, {counts}, but no readable line of its files is for this request; it may have been paid, "
        "so it is not sent again by itself"
    )
    return Unaccounted(UNACCOUNTED, text, retryable=False)


def unseen(row: BatchRow, fault: ProviderFailure) -> Refused:
    """Why a refusal under another key stops the run: it says nothing about the batch, so the user must look."""
    name = row.batch_id or f"of file {row.file_name}, whose create got no answer,"
    text = f"batch {name} was sent with another API key or project, and this one does not see it"
    advice = "run once with that key; if there is none any more, --batch-assume-lost gives the batch up"
    return Refused("another_account", f"{text}; {advice}", request_id=fault.request_id)


def _short(row: BatchRow, account: ResultSummary) -> bool:
    """Counts are not believed when they say little, only when they say more than the files."""
    return _found(account) < min((row.completed or 0) + (row.failed or 0), row.requests)


def _found(account: ResultSummary) -> int:
    return len(account.answered) + len(account.failed)


def _most(*counts: int | None) -> int | None:
    return max((count for count in counts if count is not None), default=None)


MISSES, MISSING_FOR, MISS_EVERY = 10, 900.0, 100.0
"""A 404 is no absence: a provider gave it for a living batch. So many, over so many seconds, are."""


@dataclass
class MissingBatch:
    """The misses of one batch in a row."""

    misses: int = 0
    since: float | None = None

    def missed(self, now: float) -> None:
        """One more look did not find it."""
        self.since = now if self.since is None else self.since
        self.misses += 1

    def long(self, now: float) -> bool:
        """Whether it is gone."""
        return self.since is not None and self.misses >= MISSES and now - self.since >= MISSING_FOR
