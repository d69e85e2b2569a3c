"""Sentences about what was paid, is lost, or is not sent again, made of what journal and provider prove."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_batcheval.journal.rows import BatchRow
from pytest_batcheval.text.format import counted, duration

KEPT = "nothing is lost"
"""What a stopped run may say whenever the journal has every intent and every answer so far."""

ASSUME_LOST = "--batch-assume-lost (BatchClient: assume_lost=True)"


def not_created(row: BatchRow, fenced: bool, given_up: bool, tried: bool) -> str:
    """The note of a batch whose create was not applied.

    Args:
        row: its note is the answer that the create got.
        fenced: its input file was deleted, and complete lists since then lack it.
        given_up: the user gave it up after one list that lacks it.
        tried: whether a create was sent at all.
    """
    why = row.note or "the run that planned it ended before"
    if not tried:
        return f"not created ({why})"
    if given_up:
        return f"given up by --batch-assume-lost ({why}); if it was created, it is paid twice"
    proof = "its input file was deleted, and no list since" if fenced else "no complete list of 20 minutes"
    return f"not created: {proof} shows it ({why})"


def refused(batches: int, reason: str) -> str:
    """The end of a run whose batches the provider refused, with a reason, before any line ran."""
    return f"the provider refused {counted(batches, 'batch', 'batches')}, unpaid: {reason}"


def failed_silently(batches: int, ids: str) -> str:
    """The end of a run whose batches the provider shows as failed, without a reason and without an answered line."""
    return (
        f"the provider gave no reason why {counted(batches, 'batch', 'batches')} failed ({ids}), and shows no line as "
        "answered, so by its report they are not paid; check them there. The same command looks at them again before "
        "it sends anything"
    )


def ended_without_proof(batch_id: str, status: str) -> str:
    """A remark on a batch whose requests are sent again by its status alone."""
    return (
        f"the provider shows batch {batch_id} as {status}, and no time or result of its end; what is sent again "
        "may have been paid"
    )


def lost(batch_id: str, reason: str) -> str:
    """The note of a batch that may have run and whose results are gone."""
    return f"batch {batch_id} is lost: {reason}; it may have been paid, so it is not sent again by itself"


def unaccounted(row: BatchRow) -> str:
    """The failure of a request that the provider may have counted, and that no line of the result files is for."""
    known = row.completed is not None or row.failed is not None
    counts = f"counts {row.completed or 0} completed and {row.failed or 0} failed" if known else "reports no counts"
    return (
        f"batch {row.batch_id} ended as {row.status}, {counts}, but no readable line of its files is for this request; "
        "it may have been paid, so it is not sent again by itself"
    )


def cut_off(row: BatchRow, found: int) -> str:
    """The end of a run that got only the beginning of a result file, however often it was read."""
    return (
        f"a result file of batch {row.batch_id} breaks off within a line, after {found} of "
        f"{counted(row.requests, 'request')}, each time that it is read: a proxy may cut large replies. If the file "
        f"is no better at the provider, {ASSUME_LOST} keeps what it has and gives up the rest"
    )


def unknown_create(row: BatchRow) -> str:
    """The end of a run that cannot know whether a create was applied."""
    return (
        f"the create of a batch of {counted(row.requests, 'request')} got no answer ({row.note}), and the provider's "
        f"list of batches cannot say whether it was applied; if it was, it is being paid. Look for a batch of input "
        f"file {row.file_id} ({row.file_name}) at the provider; a later run looks again; when there is none, "
        f"{ASSUME_LOST} sends the requests again"
    )


def unreadable(reason: str, path: object) -> str:
    """The failure of a request whose line was answered and cannot be read."""
    return f"its line cannot be read ({reason}); the file is kept at {path}. It was paid, so it is not sent again"


def still_running(batches: int, ids: str) -> str:
    """The end of a run that does not wait for its batches any longer."""
    them = counted(batches, "batch", "batches")
    return f"{them} still running ({ids}); {KEPT}: run the same command again to collect the answers"


def queue_full(seconds: float, reason: str) -> str:
    """The end of a run that has waited for the provider's queue."""
    return (
        f"the provider's queue has been full for {duration(seconds)} ({reason}); what was refused is unpaid: run the "
        "same command again when it has room"
    )


def nothing_to_adopt(batch_id: str, reason: str) -> str:
    """The refusal to adopt a batch that failed as a whole."""
    return f"batch {batch_id} failed, and the provider shows no line as answered: there is nothing to adopt ({reason})"


def shared_requests(wanted: int, each: str, command: str) -> str:
    """The end of a run before it sends what batches of other tools have; `each` names these, `command` adopts them."""
    return (
        f"{counted(wanted, 'request')} to be sent, but batches of this account, made by other tools, have the same: "
        f"{each}. What they answer would be paid twice, so nothing was sent. To take over what is there: {command}. "
        "To send all the same: --batch-ignore-unmarked (BatchClient: ignore_unmarked=True)"
    )


def nobodys(batch_ids: Sequence[str]) -> str:
    """Batches that run and do not say whose they are."""
    more = f" and {len(batch_ids) - 3} more" if len(batch_ids) > 3 else ""
    return (
        f"{', '.join(batch_ids[:3])}{more} of the account {'run' if len(batch_ids) > 1 else 'runs'}, and only the end "
        "tells whether it holds these requests; a workspace of its own avoids that, and --batch-ignore-unmarked sends "
        "at once"
    )
