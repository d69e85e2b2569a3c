"""Failed requests: which are sent again, which are not, which stop the run, and what the user should do."""

from __future__ import annotations

from typing import Literal

from pytest_batcheval.journal.rows import FailureRow
from pytest_batcheval.text.sanitize import redacted
from pytest_batcheval.wire.result_file import ResultLine

RetryVerdict = Literal["passing", "final", "stop"]

QUOTA = {"insufficient_quota", "billing_hard_limit", "billing_hard_limit_reached"}
"""Codes that mean the account has no money: no attempt is used up."""

PASSING_CODES = {
    "batch_expired",
    "batch_cancelled",
    "rate_limit_exceeded",
    "server_error",
    "timeout",
    "request_timeout",
}
PASSING_STATUSES = {0, 408, 409, 425, 429, *range(500, 600)}
"""0 is a line that was lost inside the provider."""

LONGEST_MESSAGE = 4000
"""Characters of a provider's message that are kept."""

PAUSES = (0.0, 0.0, 600.0)
"""Seconds before attempts 1, 2, 3; later ones wait like the third."""


def pause_before(attempt: int) -> float:
    """Seconds to wait before an attempt, counted from 1."""
    return PAUSES[min(attempt, len(PAUSES)) - 1]


def failure_of(line: ResultLine) -> FailureRow:
    """The failure a line tells; call it only for lines that did not succeed."""
    body = line.response.body if line.response is not None else None
    inner = body.get("error") if isinstance(body, dict) else None
    details = inner if isinstance(inner, dict) else {}
    status = line.response.status_code if line.response is not None else None
    code = details.get("code") or details.get("type") or (line.error and line.error.code)
    message = details.get("message") or (line.error and line.error.message) or "the provider gave no message"
    code = redacted(str(code or (f"http_{status}" if status else "error"))[:LONGEST_MESSAGE])
    message = redacted(str(message)[:LONGEST_MESSAGE])
    return FailureRow(line.custom_id, code, message, status, verdict(code, message, status) != "final")


def verdict(code: str, message: str, status: int | None) -> RetryVerdict:
    """The class of a failed line by its code, message and HTTP status."""
    if code in QUOTA:
        return "stop"
    if status in PASSING_STATUSES or code in PASSING_CODES:
        return "passing"
    if status is None and (
        "error while processing" in message.lower() or "error occurred while processing" in message.lower()
    ):
        return "passing"
    return "final"


def next_step(code: str, status: int | None, retryable: bool | None = None) -> str:
    """One sentence, by the failure's code, HTTP status, and whether the next run sends it again (`None`: unknown)."""
    if code in ("lost", "unaccounted", "broken_line"):
        return "It may have been paid, and its answer is gone: --batch-pay-again sends it again."
    if retryable is None:
        passing = status in (None, 0, 408, 429) or (status or 0) >= 500
        retryable = passing or code in ("batch_expired", "batch_cancelled")
    if retryable:
        return "This is a passing failure: run the same command again and only what failed is sent."
    if status in (401, 403, 404):
        return "Check that the key may use this model; a stored failure is sent again with --batch-refresh."
    return "The request itself was refused: change the prompt; a changed body is a new request and is sent."
