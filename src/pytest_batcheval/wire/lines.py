r"""Output and error files of a batch, line by line, without believing any of them.

Lines end at `\n` only: U+2028, U+0085 and friends are ordinary characters of an answer.
Typed decoding by msgspec checks the shape at 4 us a line; nothing is built per line but this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

MAX_LINE = 16 * 2**20
"""Bytes of the longest line that is read; longer ones are quarantined."""


class LineError(msgspec.Struct, frozen=True):
    """`error` of a line: the request was never run."""

    code: str | None = None
    message: str | None = None


class LineResponse(msgspec.Struct, frozen=True):
    """`response` of a line: what the endpoint returned."""

    status_code: int
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
        """Success is only: no error, status 200 and a body that is an object."""
        return (
            self.error is None
            and self.response is not None
            and self.response.status_code == 200
            and isinstance(self.response.body, dict)
        )


@dataclass(frozen=True)
class BrokenLine:
    """A line that could not be read; kept with its place so that the others are not lost."""

    offset: int
    reason: str
    excerpt: bytes


_decoder = msgspec.json.Decoder(ResultLine)


def read_lines(chunks: Iterable[bytes]) -> Iterator[ResultLine | BrokenLine]:
    """Decode a result file given as chunks of bytes; broken lines come as `BrokenLine`."""
    for offset, line in split_lines(chunks):
        if line is None:
            yield BrokenLine(offset, f"the line is longer than {MAX_LINE} bytes", b"")
            continue
        text = line.removeprefix(b"\xef\xbb\xbf") if offset == 0 else line
        if text.strip():
            yield decode_line(text, offset)


def decode_line(line: bytes, offset: int = 0) -> ResultLine | BrokenLine:
    """One line, or why it is none."""
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        return BrokenLine(offset, str(error) or type(error).__name__, line[:200])


def split_lines(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """(offset, line without its newline) of a stream; `None` for a line over `MAX_LINE`, never held whole."""
    held = bytearray()
    offset = 0
    skipped = 0
    for chunk in chunks:
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            held += chunk[start:end]
            length = skipped + len(held) + 1
            yield offset, None if skipped else bytes(held)
            offset, start, skipped = offset + length, end + 1, 0
            held.clear()
        held += chunk[start:]
        if len(held) > MAX_LINE:
            skipped += len(held)
            held.clear()
    if held or skipped:
        yield offset, None if skipped else bytes(held)
