"""The meaning of an individual call's outcome: an answer, a failure, a call to make again, or a reason to stop the run.

The rules are those of a batch's lines, since the reply is read as the line it would have been.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_batcheval.backends.calls import CallReply
from pytest_batcheval.backends.errors import (
    QUOTA_CODES,
    ProviderFailure,
    Refused,
    Stopped,
    TransientFailure,
    is_api_error,
)
from pytest_batcheval.engine.results import answer_of
from pytest_batcheval.engine.retry import UNKNOWN_OUTCOME, failure_of
from pytest_batcheval.journal.rows import AnswerRow, FailureRow
from pytest_batcheval.wire.bodies.error_report import ErrorReport
from pytest_batcheval.wire.json_text import JsonError, decode_json, may_be_deep
from pytest_batcheval.wire.plain import mapping
from pytest_batcheval.wire.result_file import EXCERPT, BrokenLine, LineResponse, ResultLine, storable_body

REFUSALS = (429, 503, 529)
"""Statuses of an API that is too busy (529 at Anthropic); it ran nothing. A proxy sends them after the model ran."""

GATEWAY = (408, 460, 499, 502, 504, *range(520, 600))
"""Statuses of something in front of the model, which may have run (52x: Cloudflare's; 460, 499: it hung up)."""

SHOWN = 300
"""Characters of an error's text that are shown where it is not in the API's form."""


@dataclass(frozen=True)
class Busy:
    """A call that certainly did not run and may be made again, after `retry_after` seconds if the server named a time.

    Attributes:
        failure: stored when it is refused too often.
        reached: whether the call reached the server.
    """

    failure: FailureRow
    retry_after: float | None
    reached: bool = True


CallOutcome = AnswerRow | FailureRow | Busy | Refused


def call_outcome(key: str, outcome: CallReply | ProviderFailure, url: str = "") -> CallOutcome:
    """Interpret the outcome of this request's call to `url`; a `Refused` means that no other call would do better."""
    if isinstance(outcome, TransientFailure):
        failure = FailureRow(key, outcome.cause, outcome.message, None, retryable=True)
        return Busy(failure, outcome.retry_after, reached=False)
    if isinstance(outcome, ProviderFailure):
        return unknown(key, str(outcome))
    line = _line(key, outcome, url)
    if isinstance(line, BrokenLine):
        return unknown(key, f"HTTP {outcome.status} with a reply that cannot be read: {line.reason}")
    if line.succeeded:
        return answer_of(line)
    return _failed(line, outcome)


def unknown(key: str, why: str) -> FailureRow:
    """The failure of a call that may have been run and paid."""
    text = f"outcome unknown ({why}): it may have been paid; a later run sends it again"
    return FailureRow(key, UNKNOWN_OUTCOME, text, None, retryable=True)


def _failed(line: ResultLine, reply: CallReply) -> CallOutcome:
    failure = failure_of(line)
    details = (failure.code, failure.message, reply.status, reply.request_id or None)
    if failure.code in QUOTA_CODES or reply.status == 401 or (reply.status == 403 and not _names_parameter(line)):
        return Stopped(*details)
    if 300 <= reply.status < 400 or (reply.status == 404 and not _names_model(failure)):
        return Refused(*details)  # the base URL is wrong, not the request
    own = reply.status < 300 or is_api_error(line.response and line.response.body)
    if reply.status in REFUSALS and own:
        return Busy(failure, reply.retry_after)
    if reply.status in GATEWAY or (failure.retryable and not own):
        return unknown(failure.key, f"HTTP {reply.status} {failure.code}: {failure.message}")
    return failure


def _line(key: str, reply: CallReply, url: str) -> ResultLine | BrokenLine:
    """The reply as a line of a result file; an error that is no JSON object is reported beside it, by its text."""
    try:
        body, remark = storable_body(*decode_json(reply.content), may_be_deep(reply.content), url)
    except JsonError as error:
        if reply.status < 300:
            return BrokenLine(0, str(error), reply.content[:EXCERPT])
        body, remark = None, ""
    response = LineResponse(reply.status, reply.request_id, body)
    said = ErrorReport(message=_shown(reply.content)) if reply.status >= 300 and not isinstance(body, Mapping) else None
    return ResultLine(key, reply.request_id, response, said, url, remark)


def _shown(content: bytes) -> str:
    text = " ".join(content[: 8 * SHOWN].decode("utf-8", "replace").split())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _names_parameter(line: ResultLine) -> bool:
    """Whether a refusal is about a parameter of the request, such as a model without that endpoint."""
    error = mapping(line.response and line.response.body).get("error")
    return isinstance(error, Mapping) and bool(error.get("param"))


def _names_model(failure: FailureRow) -> bool:
    return "model" in f"{failure.code} {failure.message}".lower()
