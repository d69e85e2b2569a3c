"""The end of a batch: its row, the requests without a line, and the rule by which an unknown batch is gone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pytest_batcheval.backends.batch_words import ENDS
from pytest_batcheval.backends.errors import ProviderFailure, Refused
from pytest_batcheval.backends.protocol import BatchError, RemoteBatch
from pytest_batcheval.engine import payment_text
from pytest_batcheval.engine.effects import ResultSummary, Unaccounted
from pytest_batcheval.engine.retry import UNACCOUNTED, classify_failure
from pytest_batcheval.journal.rows import BatchRow
from pytest_batcheval.text.format import counted

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
"""The times of a batch that are kept: all that the API has, except `expires_at`."""


def refused_whole(batch: RemoteBatch) -> bool:
    """Whether it failed before any line was answered: no line is counted as completed, and there are no result files.

    Lines that are counted as failed were not answered; some providers count all of them when they refuse a batch.
    """
    return batch.status == "failed" and not (batch.output_file_id or batch.error_file_id or batch.completed)


def proved(batch: RemoteBatch) -> bool:
    """Whether more than a word says that the batch has ended: a time, a result file, a reason."""
    timed = not ENDS.keys().isdisjoint(batch.times)
    return bool(timed or batch.output_file_id or batch.error_file_id or batch.errors)


def reason(batch: RemoteBatch) -> str:
    """The provider's own reason why the batch has failed."""
    first = next(iter(batch.errors), None)
    if first is None or not (first.message or first.code):
        return "the provider gave no reason"
    more = f" (and {counted(len(batch.errors) - 1, 'more error')})" if len(batch.errors) > 1 else ""
    return f"{first.message or first.code}{more}"


def ended(row: BatchRow, batch: RemoteBatch) -> BatchRow:
    """The row of an ended batch; a later poll does not take back what an earlier one reported."""
    return replace(
        row,
        state="ended",
        status=batch.status,
        completed=_most(row.completed, batch.completed),
        failed=_most(row.failed, batch.failed),
        output_file_id=batch.output_file_id or row.output_file_id,
        error_file_id=batch.error_file_id or row.error_file_id,
        note=reason(batch) if batch.status == "failed" else row.note,
        times=json.dumps({name: batch.times[name] for name in TIMES if name in batch.times}),
    )


def doubtful(row: BatchRow, results: ResultSummary) -> bool:
    """Whether the files may still be incomplete: one is cut, or requests are missing that it should have, by its status
    or counts.
    """
    if results.cut:
        return True
    missing = _found(results) < row.requests
    silent = row.completed is None and row.status != "failed"
    return missing and (_short(row, results) or silent or row.status == "completed")


def unaccounted_requests(
    row: BatchRow, results: ResultSummary, partial: bool, errors: Sequence[BatchError] = ()
) -> Unaccounted:
    """The failure of requests without a line once the files are accepted; `partial` when one of them is gone.

    They are sent again, unless the provider counted them, a line was unreadable down to its key, or a batch that
    completed has neither counts nor files. In a batch that failed as a whole they have its error.
    """
    batch = f"batch {row.batch_id} ended as {row.status}"
    nothing_reported = row.status == "completed" and row.completed is None and not _found(results)
    if errors and row.status == "failed" and not (_short(row, results) or results.nameless or partial):
        code, message = errors[0].code, errors[0].message or row.note
        return Unaccounted(code, message, classify_failure(code, message, None).retryable)
    if not (_short(row, results) or results.nameless or partial or nothing_reported):
        return Unaccounted("unanswered", f"{batch} without a line for this request", retryable=True)
    return Unaccounted(UNACCOUNTED, payment_text.unaccounted(row), retryable=False)


def cut_off(row: BatchRow, results: ResultSummary) -> Refused:
    """The failure that stops the run when no copy of a result file ends with a whole line."""
    return Refused("truncated", payment_text.cut_off(row, _found(results)))


def unseen(row: BatchRow, failure: ProviderFailure) -> Refused:
    """The failure that stops the run when another key's refusal says nothing about the batch: the user must check."""
    name = row.batch_id or f"of file {row.file_name}, whose create got no answer,"
    text = f"batch {name} was sent with another API key or project, and this one does not see it"
    advice = f"run once with that key; if it no longer exists, {payment_text.ASSUME_LOST} gives the batch up"
    return Refused("another_account", f"{text}; {advice}", request_id=failure.request_id)


def unknown_create(row: BatchRow) -> Refused:
    """The failure that stops the run when no list can say whether a create was applied: the user must check."""
    return Refused("unknown_create", payment_text.unknown_create(row))


def _short(row: BatchRow, results: ResultSummary) -> bool:
    """Whether the provider counted more lines than the files have; lower counts are not believed."""
    failed = 0 if row.status == "failed" else row.failed or 0  # some count all lines of a batch that they refuse
    return _found(results) < min((row.completed or 0) + failed, row.requests)


def _found(results: ResultSummary) -> int:
    return len(results.answered) + len(results.failed)


def _most(*counts: int | None) -> int | None:
    return max((count for count in counts if count is not None), default=None)


MISSES, MISSING_FOR, MISS_EVERY = 10, 900.0, 100.0
"""404s in a row, and seconds they must span, before a batch is gone (a provider gave one for a running batch); seconds
between two polls meanwhile."""


@dataclass
class MissingBatch:
    """The misses of one batch in a row."""

    misses: int = 0
    since: float | None = None

    def missed(self, now: float) -> None:
        """Count a poll that did not find it."""
        self.since = now if self.since is None else self.since
        self.misses += 1

    def long(self, now: float) -> bool:
        """Whether it is gone."""
        return self.since is not None and self.misses >= MISSES and now - self.since >= MISSING_FOR
