r"""Lines of a file of JSON lines, streamed; they end at `\n` only.

U+2028, U+0085 and the like are ordinary characters of an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

HEAD = 1024
"""Bytes that are kept of a line that is too long."""


def chunks(stream: BinaryIO) -> Iterator[bytes]:
    """The bytes of an open file, a mebibyte at a time."""
    return iter(lambda: stream.read(2**20), b"")


def whole_lines(pieces: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Lines, and whether each has ended: the last one of a stream that breaks off has not."""
    held = b""
    for piece in pieces:
        *whole, held = (held + piece).split(b"\n")
        for line in whole:
            yield line, True
    if held:
        yield held, False


def split_lines(chunks: Iterable[bytes], longest: float = float("inf")) -> Iterator[tuple[int, bytes, int]]:
    """(offset, line, length) of a stream, without newlines; a line over `longest` bytes is cut to its head.

    No more than one line and one chunk are held.
    """
    held = bytearray()
    offset = length = 0
    for chunk in chunks:
        start = 0
        while start <= len(chunk):
            end = chunk.find(b"\n", start)
            if end >= 0 and not length and end - start <= longest:  # most lines lie in one chunk
                yield offset, chunk[start:end], end - start
                offset, start = offset + end - start + 1, end + 1
                continue
            part = chunk[start:end] if end >= 0 else chunk[start:]
            held += part
            length += len(part)
            if length > longest:
                del held[HEAD:]
            if end < 0:
                break
            line, held = bytes(held), bytearray()
            yield offset, line, length
            del line
            offset, start, length = offset + length + 1, end + 1, 0
    if length:
        line, held = bytes(held), bytearray()
        yield offset, line, length
