r"""A recorded conversation as a file: a VCR cassette in readable and safe YAML.

The layout is vcrpy's version 1, so that vcrpy reads it too, with a few entries of our own: the origin it was
recorded against, the number of equal replies in a row (`times`), a broken connection (`failure`), bodies
that are not text (`base64`). Texts are literal blocks, with Korean as it is; a text with characters that
would break a line, a terminal or a diff is one line in double quotes, with those as `\uXXXX`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec

from pytest_batcheval.errors import RecordingError
from pytest_batcheval.recordings.conversations.yaml import YamlError, lines_of, load
from pytest_batcheval.text.file_head import HEAD, form_by_head
from pytest_batcheval.wire.replace_file import replacing

FORMAT = 1
VCR_VERSION = 1
MAX_SIZE = 64 * 2**20
"""Bytes of the largest file that is read or written."""

BASE_URL = "http://conversation.invalid/v1"
"""Placeholder for the base URL; the top-level domain `.invalid` never resolves (RFC 2606)."""

_PREFIX = BASE_URL.removesuffix("/v1")
_CONFLICT = re.compile("^<<<<<<< ", re.MULTILINE)  # no line of ours begins like that: texts are indented
_Count = Annotated[int, msgspec.Meta(ge=1)]


class RecordedExchange(msgspec.Struct, frozen=True):
    """One request and its reply, both in normal form.

    Attributes:
        path: path below the base URL, with the query: `/v1/files?limit=100`.
        failure: exception and message if the connection broke: `ReadError: …`; status is 0 then.
        times: number of such replies in a row.
    """

    method: str
    path: str
    body: bytes
    request_headers: dict[str, str]
    status: int
    reason: str
    headers: dict[str, str]
    content: bytes
    failure: str = ""
    times: int = 1

    @property
    def key(self) -> tuple[str, str, bytes]:
        """The parts on which requests are matched."""
        return self.method, self.path, self.body


class _Request(msgspec.Struct, forbid_unknown_fields=True):
    method: str
    uri: str
    headers: dict[str, list[str]]
    body: str


class _Status(msgspec.Struct, forbid_unknown_fields=True):
    code: int
    message: str


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    string: str


class _Response(msgspec.Struct, forbid_unknown_fields=True):
    status: _Status
    headers: dict[str, list[str]]
    body: _Body


class _Interaction(msgspec.Struct, forbid_unknown_fields=True):
    request: _Request
    response: _Response
    times: _Count = 1
    failure: str = ""
    base64: list[str] = []


class _About(msgspec.Struct, forbid_unknown_fields=True):
    format: int
    origin: str


class _File(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    conversation: _About
    interactions: list[Any]


def read(path: Path, command: str) -> tuple[str, list[RecordedExchange]]:
    """The origin and the exchanges of a file.

    Raises:
        RecordingError: the file is not a recorded conversation; the message names file, line and the `command`
            that records it again.
    """
    try:
        size = path.stat().st_size
        if size > MAX_SIZE:
            raise YamlError(1, f"the file has {size:,} bytes, more than {MAX_SIZE:,}")
        data = path.read_bytes()
        if form := form_by_head(data[:HEAD]):
            raise RecordingError(f"{path} is {form}")
        return decode(data)
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror}") from None
    except YamlError as error:
        remedy = f"Restore the file (git checkout), or delete it and record it again: {command}"
        raise RecordingError(f"{path}:{error.line}: {error}\n{remedy}") from None


def write(path: Path, origin: str, exchanges: Sequence[RecordedExchange]) -> None:
    """Write a file beside its place, read it back, and only then rename it.

    Raises:
        RecordingError: the file would be too large, or does not read back.
    """
    data = encode(origin, exchanges)
    if len(data) > MAX_SIZE:
        raise RecordingError(
            f"{path} would have {len(data):,} bytes, more than {MAX_SIZE:,}: make fewer requests in one test"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, lambda written: _read_back(path, written, (origin, list(exchanges)))) as file:
        file.write(data)


def _read_back(path: Path, written: Path, wanted: tuple[str, list[RecordedExchange]]) -> None:
    try:
        found = decode(written.read_bytes())
    except YamlError as error:
        raise RecordingError(f"{path} does not read back as written: line {error.line}: {error}") from None
    if found != wanted:
        raise RecordingError(f"{path} does not read back as written; the disk may be full")


def encode(origin: str, exchanges: Sequence[RecordedExchange]) -> bytes:
    """The file's bytes; equal conversations give equal bytes."""
    head = {"version": VCR_VERSION, "conversation": {"format": FORMAT, "origin": origin}}
    lines = ["# A conversation with a Batch API, recorded by pytest-batcheval; replayed offline.", *lines_of(head)]
    lines.append("interactions:" if exchanges else "interactions: []")
    for exchange in exchanges:
        first, *rest = lines_of(_written(exchange), 1)
        lines += [f"- {first[2:]}", *rest]
    return ("\n".join(lines) + "\n").encode()


def decode(data: bytes) -> tuple[str, list[RecordedExchange]]:
    """The origin and the exchanges.

    Raises:
        YamlError: the data is not a recorded conversation.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise YamlError(data.count(b"\n", 0, error.start) + 1, "the file is not UTF-8") from None
    if conflict := _CONFLICT.search(text):
        line = text.count("\n", 0, conflict.start()) + 1
        raise YamlError(line, "git left a conflict here; take the file of one side as a whole (git checkout --ours)")
    loaded, lines = load(text)
    file: _File = _as(_File, loaded, 1)
    if (file.version, file.conversation.format) != (VCR_VERSION, FORMAT):
        has = f"version {file.version} and conversation.format {file.conversation.format}"
        raise YamlError(1, f"the file has {has}; this release reads {VCR_VERSION} and {FORMAT}")
    items = zip(file.interactions, lines, strict=True)
    return file.conversation.origin, [_read(_as(_Interaction, item, line), line) for item, line in items]


def _written(exchange: RecordedExchange) -> dict[str, Any]:
    body, content = _text(exchange.body), _text(exchange.content)
    coded = [name for name, text in (("request", body), ("response", content)) if text is None]
    return {
        "request": {
            "method": exchange.method,
            "uri": _PREFIX + exchange.path,
            "headers": {name: [value] for name, value in exchange.request_headers.items()},
            "body": base64.b64encode(exchange.body).decode() if body is None else body,
        },
        "response": {
            "status": {"code": exchange.status, "message": exchange.reason},
            "headers": {name: [value] for name, value in exchange.headers.items()},
            "body": {"string": base64.b64encode(exchange.content).decode() if content is None else content},
        },
        **({"times": exchange.times} if exchange.times > 1 else {}),
        **({"failure": exchange.failure} if exchange.failure else {}),
        **({"base64": coded} if coded else {}),
    }


def _read(item: _Interaction, line: int) -> RecordedExchange:
    request, response = item.request, item.response
    if not request.uri.startswith(f"{BASE_URL}/"):
        raise YamlError(line, f"the uri of a request must begin with {BASE_URL}/, not {request.uri[:80]!r}")
    return RecordedExchange(
        request.method,
        request.uri.removeprefix(_PREFIX),
        _bytes(request.body, "request" in item.base64, line),
        {name: values[0] for name, values in request.headers.items() if values},
        response.status.code,
        response.status.message,
        {name: values[0] for name, values in response.headers.items() if values},
        _bytes(response.body.string, "response" in item.base64, line),
        item.failure,
        item.times,
    )


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _bytes(text: str, coded: bool, line: int) -> bytes:
    try:
        return base64.b64decode(text, validate=True) if coded else text.encode()
    except (binascii.Error, ValueError):
        raise YamlError(line, "a body is not valid base64") from None


def _as(kind: type[Any], value: object, line: int) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise YamlError(line, str(error)) from None
