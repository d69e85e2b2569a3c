"""Batches and results of Anthropic's Message Batches, in the words of OpenAI's Batch API that the engine knows."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from pytest_batcheval.backends.custom_id_mark import read_mark
from pytest_batcheval.backends.fields import Fields, count, read_mapping, text
from pytest_batcheval.backends.protocol import RemoteBatch
from pytest_batcheval.text.sanitize import storable

ENDPOINT = "/v1/messages"

_STATUS = {"in_progress": "in_progress", "canceling": "cancelling", "ended": "completed"}
_COUNTED = ("succeeded", "errored", "canceled", "expired")

_UNRUN = {"canceled": "batch_cancelled", "expired": "batch_expired"}

_CODES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""HTTP statuses of the types of errors (Anthropic's documentation of errors)."""


def read_batch(seen: object, asked: str = "") -> RemoteBatch | None:
    """A batch from parsed JSON; `None` when it has no id, or shows no status under the id that was asked for."""
    fields = Fields(read_mapping(seen))
    said = storable(str(fields.get("processing_status") or ""))
    batch_id = (asked if said else None) if asked else text(fields.get("id"))
    if batch_id is None:
        return None
    counts = Fields(read_mapping(fields.get("request_counts")))
    numbers = {name: count(counts.get(name)) or 0 for name in (*_COUNTED, "processing")}
    ended = said == "ended"
    status = _STATUS.get(said, said)
    if ended and fields.get("cancel_initiated_at") is not None and not numbers["processing"] and numbers["canceled"]:
        status = "cancelled"
    elif ended and numbers["expired"]:
        status = "expired"
    return RemoteBatch(
        id=batch_id,
        status=status,
        said=status,
        output_file_id=batch_id if ended else None,
        completed=numbers["succeeded"],
        failed=numbers["errored"] + numbers["canceled"] + numbers["expired"],
        total=sum(numbers.values()),
        created_at=fields.times().get("created_at"),
        endpoint=ENDPOINT,
        times=fields.times(),
    )


class _Result(msgspec.Struct):
    type: str = ""
    message: msgspec.Raw = msgspec.Raw(b"null")
    error: Any = None


class _Entry(msgspec.Struct):
    custom_id: str
    result: _Result


class _Named(msgspec.Struct):
    custom_id: str


def custom_id_of(line: bytes) -> str:
    """The `custom_id` of a result; empty where it cannot be read."""
    try:
        return msgspec.json.decode(line, type=_Named).custom_id
    except (msgspec.DecodeError, RecursionError):
        return ""


def output_line(line: bytes, ended: bool) -> bytes:
    """A line of an output file of OpenAI's form from a result; one that cannot be read, as it came.

    The message stays byte for byte as it is.
    """
    end = b"\n" if ended else b""
    try:
        entry = msgspec.json.decode(line, type=_Entry)
    except (msgspec.DecodeError, RecursionError):
        return line + end
    mark = read_mark(entry.custom_id)
    custom_id = json.dumps(entry.custom_id if mark is None else mark.key).encode()
    response, error = _outcome(entry.result)
    return b'{"id":"","custom_id":' + custom_id + b',"response":' + response + b',"error":' + error + b"}" + end


def _outcome(result: _Result) -> tuple[bytes, bytes]:
    """The members `response` and `error` of an output line."""
    if result.type == "succeeded":
        return b'{"status_code":200,"request_id":null,"body":' + bytes(result.message) + b"}", b"null"
    if result.type in _UNRUN:
        error = {"code": _UNRUN[result.type], "message": f"the batch was {result.type} before this request ran"}
        return b"null", json.dumps(error).encode()
    body = read_mapping(result.error)
    inner = read_mapping(body.get("error")) or body
    status = _CODES.get(str(inner.get("type")), 500)
    request_id = text(body.get("request_id"))
    failed = {"status_code": status, "request_id": request_id, "body": {"error": dict(inner)}}
    return json.dumps(failed).encode(), b"null"
