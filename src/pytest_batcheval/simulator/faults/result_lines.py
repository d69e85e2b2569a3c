"""Faults of result files, as functions of the lines, the places of the chosen lines, and dice."""

from __future__ import annotations

import json
import random
from typing import Any

_OTHER = {"type": "error", "error": {"type": "api_error", "message": "Internal server error"}}


def duplicate_line(lines: list[bytes], places: list[int], dice: random.Random) -> list[bytes]:
    """A line occurs twice."""
    place = _one(places, dice)
    return [*lines, *lines[place : place + 1]]


def conflicting_line(lines: list[bytes], places: list[int], dice: random.Random) -> list[bytes]:
    """A second line for one request has another answer."""
    other = _one(places, dice)
    return [*lines, _changed(lines[other], {"request_id": "another"}, {"type": "errored", "error": _OTHER})]


def missing_line(lines: list[bytes], places: list[int], dice: random.Random) -> list[bytes]:
    """A line that was executed and billed is missing."""
    gone = _one(places, dice)
    return [line for place, line in enumerate(lines) if place != gone]


def foreign_line(lines: list[bytes], places: list[int], dice: random.Random) -> list[bytes]:
    """A line answers a request that nobody sent."""
    line = json.loads(lines[_one(places, dice)])
    name = "key" if "key" in line else "custom_id"
    return [*lines, json.dumps({**line, name: "somebody-elses"}).encode() + b"\n"]


def reordered_lines(lines: list[bytes], places: list[int], dice: random.Random) -> list[bytes]:
    """The lines are in another order."""
    mixed = list(lines)
    dice.shuffle(mixed)
    return mixed


def broken_line(lines: list[bytes], places: list[int], dice: random.Random, bytes_left: int = 120) -> list[bytes]:
    """A line is not valid JSON: it breaks off after `bytes_left` bytes."""
    broken = _one(places, dice)
    return [line[:bytes_left] + b"\n" if place == broken else line for place, line in enumerate(lines)]


def giant_line(lines: list[bytes], places: list[int], dice: random.Random, megabytes: int = 20) -> list[bytes]:
    """An extra line of `megabytes` is inserted among the others."""
    return [*lines[:1], b'{"custom_id":"giant","text":"' + b"x" * (megabytes << 20) + b'"}\n', *lines[1:]]


def crlf(lines: list[bytes], places: list[int], dice: random.Random) -> list[bytes]:
    r"""Lines end with `\r\n`."""
    return [line.rstrip(b"\n") + b"\r\n" for line in lines]


def byte_order_mark(lines: list[bytes], places: list[int], dice: random.Random) -> list[bytes]:
    """The file begins with a byte order mark."""
    return [b"\xef\xbb\xbf", *lines]


def blank_lines(lines: list[bytes], places: list[int], dice: random.Random) -> list[bytes]:
    """There are blank lines between the others."""
    return [part for line in lines for part in (b"\n", line)]


def status_zero_line(lines: list[bytes], places: list[int], dice: random.Random) -> list[bytes]:
    """A line was lost inside the provider: status 0, no body, no error."""
    lost = _one(places, dice)
    empty = {"status_code": 0, "request_id": "", "body": {}}
    nothing = {"type": "errored", "error": None}
    return [_changed(line, empty, nothing) if place == lost else line for place, line in enumerate(lines)]


def _one(places: list[int], dice: random.Random) -> int:
    return dice.choice(places) if places else 0


def _changed(line: bytes, response: dict[str, Any], result: dict[str, Any]) -> bytes:
    """The line with another response; Anthropic's has another result, Gemini's another id or an empty response."""
    fields = json.loads(line)
    if "result" in fields:
        fields["result"] = result
    elif "key" in fields:
        name = response["request_id"]
        fields["response"] = {**(fields.get("response") or {}), "responseId": name} if name else {}
    else:
        fields["response"] = {**(fields["response"] or {}), **response}
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"
