r"""Output and error files of a batch, decoded line by line with every line checked.

Lines end at `\n` only: U+2028, U+0085 and the like are ordinary characters of an answer.
Typed decoding by msgspec checks the form at 4 us a line; no other objects are built per line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO

import msgspec

MAX_LINE = 16 * 2**20
"""Bytes of the longest line that is decoded; a longer one is a `BrokenLine`."""

MAX_DEPTH = 100
"""Most levels of nesting of an answer's body; more would break recursive readers."""

HEAD = 1024
"""Bytes that are kept of a line that is too long."""

EXCERPT = 200
"""Bytes of a broken line that are shown."""

_CUSTOM_ID = re.compile(rb'"custom_id"\s*:\s*"([A-Za-z0-9_-]{1,64})"')


class LineError(msgspec.Struct, frozen=True):
    """`error` of a line: the request was never run."""

    code: str | None = None
    message: str | None = None


class LineResponse(msgspec.Struct, frozen=True):
    """`response` of a line: what the endpoint returned."""

    status_code: Annotated[int, msgspec.Meta(ge=0, le=999)]
    request_id: str | None = None
    body: Any = None


class ResultLine(msgspec.Struct, frozen=True):
    """One line of an output or error file, in the API's own shape."""

    custom_id: str
    id: str | None = None
    response: LineResponse | None = None
    error: LineError | None = None

    @property
    def succeeded(self) -> bool:
        """Whether there is no error, status 200 and a body that is an object."""
        return (
            self.error is None
            and self.response is not None
            and self.response.status_code == 200
            and isinstance(self.response.body, dict)
        )


@dataclass(frozen=True)
class BrokenLine:
    """A line that could not be read, with its place in the file.

    Attributes:
        offset: bytes before it in the file.
        excerpt: its first bytes.
        custom_id: its `custom_id`, if that can still be read; else empty.
    """

    offset: int
    reason: str
    excerpt: bytes
    custom_id: str = ""


_decoder = msgspec.json.Decoder(ResultLine)


def chunks(stream: BinaryIO) -> Iterator[bytes]:
    """The bytes of an open file, a mebibyte at a time."""
    return iter(lambda: stream.read(2**20), b"")


def read_lines(chunks: Iterable[bytes]) -> Iterator[ResultLine | BrokenLine]:
    """Decode a result file given as chunks of bytes; broken lines are returned as `BrokenLine`."""
    for offset, line, length in split_lines(chunks):
        if length > MAX_LINE:
            yield _broken(line, offset, f"the line has {length:,} bytes, more than {MAX_LINE:,}")
            continue
        text = line if offset else line.removeprefix(b"\xef\xbb\xbf")
        if text and not text.isspace():
            yield decode_line(text, offset)


def decode_line(line: bytes, offset: int = 0) -> ResultLine | BrokenLine:
    """Decode one line."""
    try:
        if not line.isascii():
            line.decode()  # the decoder skips unused members without checking their encoding
        decoded = _decoder.decode(line)
    except (msgspec.DecodeError, ValueError, RecursionError, OverflowError) as error:
        return _broken(line, offset, str(error) or type(error).__name__)
    nested = line.count(b"{") + line.count(b"[") > MAX_DEPTH
    if nested and decoded.response is not None and _deeper(decoded.response.body, MAX_DEPTH):
        return _broken(line, offset, f"its body is nested more than {MAX_DEPTH} levels deep")
    return decoded


def split_lines(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes, int]]:
    """(offset, line, length) of a stream, without newlines; a line over `MAX_LINE` bytes is cut to its head."""
    held = bytearray()
    offset = length = 0
    for chunk in chunks:
        start = 0
        while start <= len(chunk):
            end = chunk.find(b"\n", start)
            if end >= 0 and not length and end - start <= MAX_LINE:  # most lines lie in one chunk
                yield offset, chunk[start:end], end - start
                offset, start = offset + end - start + 1, end + 1
                continue
            part = chunk[start:end] if end >= 0 else chunk[start:]
            held += part
            length += len(part)
            if length > MAX_LINE:
                del held[HEAD:]
            if end < 0:
                break
            yield offset, bytes(held), length
            offset, start, length = offset + length + 1, end + 1, 0
            held.clear()
    if length:
        yield offset, bytes(held), length


def _broken(line: bytes, offset: int, reason: str) -> BrokenLine:
    # Only before any nested object: an answer may contain another request's key.
    begun = line.startswith(b"{")
    nested = line.find(b"{", 1)
    found = _CUSTOM_ID.search(line[: nested if nested >= 0 else len(line)]) if begun else None
    return BrokenLine(offset, reason, line[:EXCERPT], found[1].decode() if found else "")


def _deeper(value: object, levels: int) -> bool:
    """Whether lists and objects are nested more than `levels` deep; without recursion."""
    layer = _containers((value,))
    for _ in range(levels):
        layer = [inner for outer in layer for inner in _containers(_inside(outer))]
        if not layer:
            return False
    return bool(layer)


def _containers(values: Iterable[object]) -> list[object]:
    return [value for value in values if isinstance(value, (dict, list))]


def _inside(container: object) -> Iterable[object]:
    if isinstance(container, dict):
        return container.values()
    return container if isinstance(container, list) else ()
