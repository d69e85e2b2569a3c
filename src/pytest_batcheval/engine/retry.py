"""Failed requests: whether one is sent again, by which run, and the advice to the user. No other module decides it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING

from pytest_batcheval.backends.errors import QUOTA_CODES
from pytest_batcheval.journal.rows import FailureRow
from pytest_batcheval.text.sanitize import environment_secrets, redacted
from pytest_batcheval.wire.bodies.error_report import ErrorReport
from pytest_batcheval.wire.bodies.form import NO_ANSWER
from pytest_batcheval.wire.objects import STORED_FAILURE, RequestError

if TYPE_CHECKING:
    from pytest_batcheval.wire.result_file import ResultLine

UNKNOWN_OUTCOME = "unknown_outcome"
"""Code of an individual call that may have been paid: nobody knows whether the model ran."""

LOST, UNACCOUNTED, BROKEN_LINE = "lost", "unaccounted", "broken_line"
PAID_CODES = frozenset({LOST, UNACCOUNTED, BROKEN_LINE, NO_ANSWER})
"""Codes of requests that may have been paid and whose answers are gone, or never came: `no_answer` is a response of
status 200 without an error and without a result (no choices, no output, the request repeated)."""

TRANSIENT_CODES = frozenset(
    {
        *("batch_expired", "batch_cancelled"),
        *("rate_limit_exceeded", "rate_limit_error", "rate_limit", "too_many_requests", "slow_down"),
        *("server_error", "internal_server_error", "internal_error", "api_error"),
        *("overloaded", "overloaded_error", "engine_overloaded", "server_overloaded", "service_unavailable"),
        *("timeout", "request_timeout", "timeout_error", "vector_store_timeout"),
        *("resource_exhausted", "unavailable", "internal", "deadline_exceeded", "aborted"),
    }
)
"""Codes and types of OpenAI, Anthropic, Google and servers that imitate them, in lower case."""
TRANSIENT_STATUSES = frozenset({0, 408, 409, 425, 429, *range(500, 600)})
"""0 is a line that was lost inside the provider."""

_STATUS_CODES = frozenset(map(str, range(400, 600)))
"""Codes that are HTTP statuses: some servers put the status there, in a response of status 200."""

LONGEST_MESSAGE = 4000
"""Characters of a provider's message that are kept."""

PAUSES = (0.0, 0.0, 600.0)
"""Seconds before attempts 1, 2, 3; later ones wait like the third."""


class Retry(Enum):
    """Whether a failed request is sent again; the value is the advice to the user, one sentence."""

    TRANSIENT = "This is a transient failure: run the same command again, and only failed requests are sent."
    NEXT_RUN = "The outcome of the call is unknown and it may have been paid: the next run sends it again."
    QUOTA = "The account has no quota left: add credit, then run the same command again."
    ACCESS = "It is not sent again: check that the key may use this model; then --batch-refresh sends it."
    REFUSED = "The request was refused and is not sent again: change the prompt; a changed body is a new request."
    STORED = "An earlier version stored it as an answer: --batch-refresh sends it again."
    PAID = "It may have been paid, and its answer is gone: --batch-pay-again sends it again."

    @property
    def retryable(self) -> bool:
        """Whether a later run sends the request again by itself."""
        return self in (Retry.TRANSIENT, Retry.NEXT_RUN, Retry.QUOTA)

    @property
    def in_this_run(self) -> bool:
        """Whether the run that saw the failure sends the request again, while it has attempts left."""
        return self is Retry.TRANSIENT


def pause_before(attempt: int) -> float:
    """Seconds to wait before an attempt, counted from 1."""
    return PAUSES[min(attempt, len(PAUSES)) - 1]


def failure_of(line: ResultLine, secrets: Sequence[str] | None = None) -> FailureRow:
    """The failure in a result line; call it only for lines that did not succeed.

    `secrets` are those of the environment, if the caller has read that already.
    """
    hidden = environment_secrets() if secrets is None else secrets
    report = line.failure or ErrorReport()
    status = line.response.status_code if line.response is not None else None
    refused = status and not 200 <= status < 300
    code = redacted(report.code or (f"http_{status}" if refused else "error"), *hidden)[:LONGEST_MESSAGE]
    message = redacted(report.message or "the provider gave no message", *hidden)[:LONGEST_MESSAGE]
    return FailureRow(line.custom_id, code, message, status, classify_failure(code, message, status).retryable)


def classify_failure(code: str, message: str, status: int | None) -> Retry:
    """Classify a failure by its code, message and HTTP status, as they came from the provider."""
    if code in QUOTA_CODES:
        return Retry.QUOTA
    if status is None or 200 <= status < 300:
        status = int(code) if code in _STATUS_CODES else None
    if status in TRANSIENT_STATUSES or code.lower() in TRANSIENT_CODES:
        return Retry.TRANSIENT
    if status is None and _says_transient(message.lower()):
        return Retry.TRANSIENT
    return _final(code, status)


def retry_of(code: str, status: int | None, retryable: bool) -> Retry:
    """The class of a failure that was stored as `retryable` or not; what was stored is never overruled."""
    if retryable and code == UNKNOWN_OUTCOME:
        return Retry.NEXT_RUN
    if retryable:
        return Retry.QUOTA if code in QUOTA_CODES else Retry.TRANSIENT
    return _final(code, status)


def retry_of_error(error: RequestError) -> Retry:
    """The class of an answer's error; where nobody stored whether it is retryable, by its code and status."""
    if error.retryable is None:
        return classify_failure(error.code, error.message, error.status_code)
    return retry_of(error.code, error.status_code, error.retryable)


def _says_transient(text: str) -> bool:
    """Whether words in lower case stand for a transient code, where there is neither a status nor such a code."""
    if "error while processing" in text or "error occurred while processing" in text:
        return True
    return re.sub("[^a-z0-9]+", "_", text).strip("_") in TRANSIENT_CODES


def _final(code: str, status: int | None) -> Retry:
    if code in PAID_CODES:
        return Retry.PAID
    if code == STORED_FAILURE:
        return Retry.STORED
    return Retry.ACCESS if status in (401, 403, 404) else Retry.REFUSED
