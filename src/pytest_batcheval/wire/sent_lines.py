"""The requests of an input file that somebody else has sent, by their `custom_id`s.

It is read as the provider has taken it: only the members that make a request are relied on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from pytest_batcheval.wire.endpoints import endpoint_of
from pytest_batcheval.wire.input_file import BadLine
from pytest_batcheval.wire.key import BodyError
from pytest_batcheval.wire.lines import split_lines
from pytest_batcheval.wire.objects import Request
from pytest_batcheval.wire.plain import mapping
from pytest_batcheval.wire.samples import SampleNumbers


class SentLine(msgspec.Struct, frozen=True):
    """A line of a batch input file in its official form, or in the short one without method and url."""

    custom_id: str
    body: dict[str, object]
    method: str = "POST"
    url: str = ""


class _Parts(msgspec.Struct):
    custom_id: msgspec.Raw
    body: msgspec.Raw
    url: str = ""


def sent_line(text: bytes, endpoint: str = "") -> SentLine | None:
    """The line of an input file; `None` when it is in neither form. `endpoint` is the url of a short line."""
    try:
        line = msgspec.json.decode(text, type=SentLine)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    line = line if line.url else msgspec.structs.replace(line, url=endpoint)
    return line if line.url else None


def official(text: bytes, line: SentLine) -> bytes:
    """The text of a line in its official form, with its body as it was sent."""
    parts = msgspec.json.decode(text, type=_Parts)
    if parts.url:
        return text
    head = b'{"custom_id":%b,"method":"POST","url":%b,"body":'
    return head % (bytes(parts.custom_id), json.dumps(line.url).encode()) + bytes(parts.body) + b"}"


@dataclass(frozen=True)
class SentRequest:
    """A request as its line was sent.

    Attributes:
        custom_id: the one in the file.
        number: number of the line, from 1.
        key: of the request.
        line: the official line with the key as its `custom_id`.
        model: empty when its body names none.
        url: the endpoint's path.
        body: the key of sample 0, which names the body.
    """

    custom_id: str
    number: int
    key: str
    line: bytes
    model: str
    url: str
    body: str


@dataclass
class SentFile:
    """The requests of a file by their `custom_id`s, and the lines that cannot be read."""

    requests: dict[str, SentRequest] = field(default_factory=dict)
    bad: list[BadLine] = field(default_factory=list)

    def __len__(self) -> int:
        """The number of its lines, without a broken one at the end: the file may have been cut off there."""
        last = max((request.number for request in self.requests.values()), default=0)
        return len(self.requests) + len(self.bad) - bool(self.bad and self.bad[-1].number > last)

    @property
    def lines(self) -> dict[str, bytes]:
        """The official line of each request by its key."""
        return {request.key: request.line for request in self.requests.values()}

    @property
    def names(self) -> dict[str, str]:
        """The key of each request by its `custom_id`."""
        return {name: request.key for name, request in self.requests.items()}

    @property
    def model(self) -> str:
        """The model of all requests; empty when they have several."""
        return _only({request.model for request in self.requests.values()})

    @property
    def url(self) -> str:
        """The endpoint's path of all requests; empty when they have several."""
        return _only({request.url for request in self.requests.values()})


def read_sent(chunks: Iterable[bytes], endpoint: str = "") -> SentFile:
    """Read an input file given as chunks of bytes.

    `endpoint` is the path of the batch's; lines of another one are bad. Lines
    without one have this, or else the one that their body shows. Two lines
    of one `custom_id` are bad both, unless their bodies are equal: their answers may be that of either.
    """
    found, samples, twice = SentFile(), SampleNumbers(), set[str]()
    for number, (offset, text, length) in enumerate(split_lines(chunks), start=1):
        line = text if offset else text.removeprefix(b"\xef\xbb\xbf")
        if not line or line.isspace():
            continue
        try:
            custom_id, request = _parsed(line, endpoint)
            earlier = found.requests.get(custom_id)
            if earlier is None and custom_id not in twice:
                found.requests[custom_id] = _sent(custom_id, number, request, samples)
            elif earlier is None or earlier.body != request.custom_id:
                twice.add(custom_id)
                raise ValueError(f"has the custom_id {custom_id[:80]!r} of another line, but another body")
        except ValueError as error:
            found.bad.append(BadLine(number, offset, length, str(error)))
    for custom_id in twice:
        found.requests.pop(custom_id, None)
    return found


def _only(values: set[str]) -> str:
    return values.pop() if len(values) == 1 else ""


def _parsed(line: bytes, endpoint: str) -> tuple[str, Request]:
    value = _object(line)
    custom_id, body = value.get("custom_id"), value.get("body")
    url = value.get("url") or endpoint or endpoint_of(mapping(body))
    if isinstance(custom_id, bool) or not isinstance(custom_id, (str, int)):
        raise ValueError("has no custom_id")
    if not isinstance(body, dict):
        raise ValueError("has no body that is a JSON object")
    if not isinstance(url, str) or not url or (endpoint and url != endpoint):
        raise ValueError(f"has url {str(url)[:80]!r}; the batch is of {endpoint or 'no endpoint that is known'}")
    if value.get("method", "POST") != "POST":
        raise ValueError(f"has method {str(value['method'])[:80]!r}")
    request = Request(body, url)
    try:
        _ = request.custom_id
    except BodyError as error:
        raise ValueError(f"has a body without a canonical form: {error}") from None
    return str(custom_id), request


def _object(line: bytes) -> Mapping[str, Any]:
    try:
        return mapping(msgspec.json.decode(line))
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ValueError(f"is not valid JSON ({error})") from None


def _sent(custom_id: str, number: int, request: Request, samples: SampleNumbers) -> SentRequest:
    sample = samples.number(custom_id, request)
    if samples.has(request, sample):  # its own key, after another line was counted as that sample
        sample = samples.number("", request)
    samples.take(request, sample)
    asked = Request(request.body, request.url, sample=sample) if sample else request
    return SentRequest(custom_id, number, asked.custom_id, asked.line(), asked.model, asked.url, request.custom_id)
