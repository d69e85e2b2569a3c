"""The content of a file, whole or a requested range, read while it is sent."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

from pytest_batcheval.simulator.http_exchange import Headers, HttpReply

_CHUNK = 2**18
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})\Z", re.ASCII)


def content(path: Path, size: int, wanted: str | None) -> HttpReply:
    """A reply with the bytes of a file; `wanted` is the request's `Range` header.

    A header with several ranges, or an invalid one, is ignored (RFC 9110, section 14.2).
    """
    first, last, status = 0, size - 1, 200
    requested = _RANGE.match(wanted.strip()) if wanted else None
    if requested and any(requested.groups()):
        found = _span(requested[1], requested[2], size)
        if found is None:
            return HttpReply(416, b"", headers=[(b"content-range", f"bytes */{size}".encode())])
        first, last, status = *found, 206
    headers: Headers = [
        (b"content-type", b"application/octet-stream"),
        (b"content-length", str(last - first + 1).encode()),
        (b"accept-ranges", b"bytes"),
    ]
    if status == 206:
        headers.append((b"content-range", f"bytes {first}-{last}/{size}".encode()))
    return HttpReply(status, headers=headers, stream=_bytes(path, first, last - first + 1))


def _span(first: str, last: str, size: int) -> tuple[int, int] | None:
    """First and last byte of a range; `None` if it lies outside the file."""
    if not first:
        length = min(int(last), size)
        return (size - length, size - 1) if length else None
    start = int(first)
    end = min(int(last), size - 1) if last else size - 1
    return (start, end) if start <= end else None


async def _bytes(path: Path, first: int, length: int) -> AsyncIterator[bytes]:
    with path.open("rb") as stream:
        stream.seek(first)
        while length > 0 and (chunk := stream.read(min(_CHUNK, length))):
            length -= len(chunk)
            yield chunk
