"""Mistral's batch jobs and input lines, to and from the words of OpenAI's Batch API that the engine knows."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec

from pytest_batcheval.backends.batch_words import TERMINAL
from pytest_batcheval.backends.fields import Fields, read_mapping
from pytest_batcheval.backends.protocol import RemoteBatch
from pytest_batcheval.backends.reply_readers import read_batch
from pytest_batcheval.wire.lines import split_lines

STATUS = {
    "QUEUED": "validating",
    "RUNNING": "in_progress",
    "SUCCESS": "completed",
    "FAILED": "failed",
    "TIMEOUT_EXCEEDED": "expired",
    "CANCELLATION_REQUESTED": "cancelling",
    "CANCELLED": "cancelled",
}
"""The API's words by this provider's; others stay as they are."""

_SAME = ("id", "errors", "metadata", "endpoint", "created_at")
_NAMES = {"output_file": "output_file_id", "error_file": "error_file_id", "started_at": "in_progress_at"}
_COUNTS = {"total_requests": "total", "succeeded_requests": "completed", "failed_requests": "failed"}


def read_job(seen: object, asked: str = "") -> RemoteBatch | None:
    """A batch from the parsed JSON of a job; the arguments are those of `read_batch`."""
    fields = Fields(read_mapping(seen))
    said = str(fields.get("status") or "")
    status, files = STATUS.get(said.upper(), said), fields.get("input_files")
    ended = f"{status}_at" if status in TERMINAL else "completed_at"  # it has one time for all ends
    shown = {
        **{name: fields.get(name) for name in _SAME},
        **{ours: fields.get(theirs) for theirs, ours in _NAMES.items()},
        "status": status,
        "input_file_id": files[0] if isinstance(files, list) and files else None,
        "request_counts": {ours: fields.get(theirs) for theirs, ours in _COUNTS.items()},
        ended: fields.get("completed_at"),
    }
    return read_batch({name: value for name, value in shown.items() if value is not None}, asked)


class _Line(msgspec.Struct):
    custom_id: str
    body: msgspec.Raw


class _Body(msgspec.Struct):
    model: str = ""


def short_lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Lines of an input file without `method` and `url`, which this API's do not have; bodies stay byte for byte."""
    for _, line, _ in split_lines(pieces):
        entry = msgspec.json.decode(line, type=_Line)
        yield b'{"custom_id":' + json.dumps(entry.custom_id).encode() + b',"body":' + bytes(entry.body) + b"}\n"


def model_of(line: bytes) -> str:
    """The model of an input line, which is that of all lines of its file."""
    return msgspec.json.decode(msgspec.json.decode(line, type=_Line).body, type=_Body).model
