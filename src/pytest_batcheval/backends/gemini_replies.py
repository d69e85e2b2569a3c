"""Operations, files and lines of Gemini's batch mode, in the words of OpenAI's Batch API that the engine knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from pytest_batcheval.backends.batch_words import TERMINAL, api_status
from pytest_batcheval.backends.fields import Fields, count, read_mapping, text, unix_seconds
from pytest_batcheval.backends.protocol import METADATA_NAME, BatchError, RemoteBatch, RemoteFile
from pytest_batcheval.text.sanitize import storable, without_secrets
from pytest_batcheval.wire.endpoints import GENERATE

_STATUSES = {
    1: (499, "CANCELLED"),
    2: (500, "UNKNOWN"),
    3: (400, "INVALID_ARGUMENT"),
    4: (504, "DEADLINE_EXCEEDED"),
    5: (404, "NOT_FOUND"),
    6: (409, "ALREADY_EXISTS"),
    7: (403, "PERMISSION_DENIED"),
    8: (429, "RESOURCE_EXHAUSTED"),
    9: (400, "FAILED_PRECONDITION"),
    10: (409, "ABORTED"),
    11: (400, "OUT_OF_RANGE"),
    12: (501, "UNIMPLEMENTED"),
    13: (500, "INTERNAL"),
    14: (503, "UNAVAILABLE"),
    15: (500, "DATA_LOSS"),
    16: (401, "UNAUTHENTICATED"),
}
"""HTTP status and word of each code of `google.rpc.Status`."""

_UNRUN = {"CANCELLED": "batch_cancelled"}


def display_name(metadata: Mapping[str, str], create: str) -> str:
    """The name of a batch of ours: our mark, by which any machine recognises it; `create` where there is none."""
    value = metadata.get(METADATA_NAME)
    return f"{METADATA_NAME};{value}" if value else create


def _metadata(name: str) -> dict[str, str]:
    """The meaning of a batch's name: our mark, or that somebody else gave it."""
    own, _, value = name.partition(";")
    return {METADATA_NAME: value} if own == METADATA_NAME and value else {"display_name": name} if name else {}


def read_batch(seen: object, asked: str = "") -> RemoteBatch | None:
    """A batch from an operation, whose `metadata` is the batch; `None` when it has no name, or no state if asked for.

    Its input file is left out: what was uploaded cannot be read back.
    """
    operation = read_mapping(seen)
    fields = Fields({**operation, **read_mapping(operation.get("metadata"))})
    said = storable(str(fields.get("state") or ""))
    batch_id = (asked if said else None) if asked else text(operation.get("name"))
    if batch_id is None:
        return None
    times, ended = _times(fields, operation.get("done") is True)
    output, errors = _output(operation), tuple(_errors(operation))
    status = api_status(said, ("ended_at",) if ended else (), bool(output), bool(errors))
    stats = Fields(read_mapping(fields.get("batch_stats")))
    total = count(stats.get("request_count"))
    done, failed = (count(stats.get(f"{name}_request_count")) for name in ("successful", "failed"))
    return RemoteBatch(
        id=batch_id,
        status=status,
        said=status,
        output_file_id=output,
        completed=done if total is None else done or 0,  # a count of 0 is left out
        failed=failed if total is None else failed or 0,
        total=total,
        errors=errors,
        metadata=_metadata(storable(str(fields.get("display_name") or ""))),
        created_at=times.get("created_at"),
        endpoint=GENERATE,
        times={**times, **({f"{status}_at": ended} if ended and status in TERMINAL else {})},
    )


def _times(fields: Fields, done: bool) -> tuple[dict[str, float], float | None]:
    """The time of its create, and that of its end; the last change is one where it says only that it has ended."""
    created, end = unix_seconds(fields.get("create_time")), unix_seconds(fields.get("end_time"))
    if end is None and done:
        end = unix_seconds(fields.get("update_time"))
    return ({"created_at": created} if created else {}), end


def _output(operation: Mapping[str, Any]) -> str | None:
    """The file of its responses, under either name that documentation and SDK have."""
    holders = (operation.get("response"), read_mapping(operation.get("metadata")).get("output"), operation.get("dest"))
    found = (text(Fields(read_mapping(holder)).get("responses_file", "file_name")) for holder in holders)
    return next(filter(None, found), None)


def _errors(operation: Mapping[str, Any]) -> list[BatchError]:
    error = read_mapping(operation.get("error"))
    if not error:
        return []
    word, message = _status(error)[1], storable(str(error.get("message") or ""))
    return [BatchError(word, without_secrets(message))]


def read_file(seen: object) -> RemoteFile | None:
    """A file from parsed JSON, by itself or in `file`; `None` when it has no name."""
    outer = read_mapping(seen)
    fields = Fields(read_mapping(outer.get("file")) or outer)
    file_id = text(fields.get("name"))
    if file_id is None:
        return None
    details = without_secrets(storable(str(read_mapping(fields.get("error")).get("message") or "")))
    name, status = str(fields.get("display_name") or ""), str(fields.get("state") or "")
    return RemoteFile(file_id, count(fields.get("size_bytes")), name, storable(status).lower(), details)


class _SentLine(msgspec.Struct):
    custom_id: str
    body: dict[str, msgspec.Raw]


def input_line(line: bytes) -> bytes:
    """A line of Gemini's input file from one of OpenAI's form; its `model` is in the URL of the create instead.

    All other members stay byte for byte as they are.
    """
    sent = msgspec.json.decode(line, type=_SentLine)
    sent.body.pop("model", None)
    return msgspec.json.encode({"key": sent.custom_id, "request": sent.body}) + b"\n"


def model_path(line: bytes) -> str:
    """The model of a line of OpenAI's form, as it stands in a URL: `models/…`."""
    model = str(msgspec.json.decode(msgspec.json.decode(line, type=_SentLine).body["model"]))
    return model if "/" in model else f"models/{model}"


class _Entry(msgspec.Struct):
    key: str
    response: msgspec.Raw = msgspec.Raw(b"null")
    error: Any = None


def output_line(line: bytes, ended: bool) -> bytes:
    """A line of an output file of OpenAI's form from a line of responses; one that cannot be read, as it came.

    The response stays byte for byte as it is.
    """
    end = b"\n" if ended else b""
    try:
        entry = msgspec.json.decode(line, type=_Entry)
    except (msgspec.DecodeError, RecursionError):
        return line + end
    response, error = bytes(entry.response), b"null"
    if response == b"null":
        response, error = _failure(read_mapping(entry.error))
    else:
        response = b'{"status_code":200,"request_id":null,"body":' + response + b"}"
    key = json.dumps(entry.key).encode()
    return b'{"id":"","custom_id":' + key + b',"response":' + response + b',"error":' + error + b"}" + end


def _failure(error: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """The members `response` and `error` of an output line."""
    status, word = _status(error)
    if word in _UNRUN:
        return b"null", json.dumps({"code": _UNRUN[word], "message": str(error.get("message") or word)}).encode()
    body = {"error": {**error, "code": word}}
    return json.dumps({"status_code": status, "request_id": None, "body": body}).encode(), b"null"


def _status(error: Mapping[str, Any]) -> tuple[int, str]:
    """HTTP status and word of an error, whose code is one of RPC or an HTTP status."""
    code, word = count(error.get("code")), text(error.get("status"))
    if code in _STATUSES:
        return _STATUSES[code][0], word or _STATUSES[code][1]
    status = code if code is not None and 400 <= code < 600 else 500
    return status, word or next((name for number, name in _STATUSES.values() if number == status), "UNKNOWN")
