r"""One recorded answer as one line of JSON.

The line is an official output line (`id`, `custom_id`, `response`, `error`) with the request, the
cell and the origin in addition. The checksum comes last and covers the bytes before it, so that it
is checked without parsing. Korean is written as it is; characters that would break a line, a
terminal or a diff are written as `\uXXXX`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from pytest_batcheval.text.sanitize import escape_hiding
from pytest_batcheval.wire.key import canonical
from pytest_batcheval.wire.objects import Answer, Request, stored_answer
from pytest_batcheval.wire.origin import is_simulator

_CHECKSUM_LENGTH = 16
_TAIL = re.compile(rb',"checksum":"([0-9a-f]{16})"\}$')
_CONFLICT = re.compile(rb"<<<<<<< |\|\|\|\|\|\|\| |=======$|>>>>>>> ")


class LineRequest(msgspec.Struct, frozen=True):
    """The recorded request."""

    method: str
    url: str
    body: dict[str, Any]
    sample: int = 0


class RecordedLine(msgspec.Struct, frozen=True):
    """A recorded answer as in the file; `request` and `response` are decoded on demand."""

    custom_id: str
    origin: str
    request: msgspec.Raw
    response: msgspec.Raw
    id: str = ""
    cell: dict[str, str] = {}
    round: str = ""
    asked_at: float | None = None

    def asked(self) -> Request:
        """The recorded request, for comparison with one that has no recording."""
        line = msgspec.json.decode(self.request, type=LineRequest)
        return Request(line.body, line.url, line.method, line.sample)

    def answer(self, request: Request) -> Answer:
        """The recorded answer to `request`, which must have this line's key."""
        response = msgspec.json.decode(self.response)
        return stored_answer(request, self.origin, response, "recording", self.id, self.round, self.asked_at)

    def in_cell(self) -> Answer:
        """The recorded answer to the recorded request, with its cell."""
        return replace(self.answer(self.asked()), cell=self.cell)


class AnswerLineError(ValueError):
    """A line of a recording cannot be used; the message gives the reason."""


def encode(answer: Answer, cell: Mapping[str, str]) -> bytes:
    """The line of an answer, without its newline; equal answers give equal bytes."""
    request = answer.request
    recorded = {"method": request.method, "url": request.url, "body": json.loads(canonical(request.body))}
    if request.sample:
        recorded["sample"] = request.sample
    fields = {
        "custom_id": answer.custom_id,
        "cell": dict(sorted(cell.items())),
        "origin": answer.origin,
        **_time(answer),
        "request": recorded,
        "id": answer.line_id,
        "response": answer.response,
        "error": None,
    }
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    head = escape_hiding(text, _escaped)[:-1].encode()
    return head + b',"checksum":"' + _checksum(head) + b'"}'


def _escaped(code: int) -> str:
    return json.dumps(chr(code))[1:-1] if code != 0x7F else r"\u007f"


def _time(answer: Answer) -> dict[str, Any]:
    """The round and the time of an answer; a simulator's have no time, so that equal ones give equal bytes."""
    found: dict[str, Any] = {"round": answer.round} if answer.round else {}
    if answer.asked_at and not is_simulator(answer.origin):
        found["asked_at"] = round(answer.asked_at)
    return found


def decode(line: bytes) -> RecordedLine:
    """The recorded answer on a line.

    Raises:
        AnswerLineError: the line is incomplete, was changed since it was recorded, or is not a recorded answer.
    """
    if _CONFLICT.match(line):
        raise AnswerLineError(
            "git left a conflict here; keep the answers of both sides, in any order, and delete this line"
        )
    tail = _TAIL.search(line)
    if tail is None:
        raise AnswerLineError("the line has no checksum at its end; it was cut short or written by hand")
    if _checksum(line[: tail.start()]) != tail.group(1):
        raise AnswerLineError("the checksum is wrong; the line was changed after it was recorded")
    try:
        return msgspec.json.decode(line, type=RecordedLine)
    except (msgspec.DecodeError, RecursionError) as error:
        raise AnswerLineError(f"the line is not a recorded answer: {error}") from None


def _checksum(head: bytes) -> bytes:
    return hashlib.sha256(head).hexdigest()[:_CHECKSUM_LENGTH].encode()
