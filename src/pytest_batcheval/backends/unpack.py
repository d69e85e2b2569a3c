"""Compressed replies, unpacked piece by piece: a proxy may compress what nobody asked it to, and it is paid for."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any

from pytest_batcheval.backends.errors import BadReply

PIECE = 2**16
"""Bytes that are unpacked at a time, so that a small reply never becomes a large one in memory."""

MOST = 3
"""Encodings one over the other that are unpacked."""

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
"""First bytes, which no JSON text has."""


class Unpacker:
    """Unpacks one reply by its `Content-Encoding`, or by its first bytes where that says nothing or not the truth."""

    def __init__(self, encodings: str = "") -> None:
        """Prepare it.

        Raises:
            BadReply: there is an encoding that cannot be unpacked here.
        """
        names = [name.strip().lower() for name in encodings.split(",")]
        wanted = [name for name in names if name not in ("", "identity")]
        if len(wanted) > MOST:
            raise BadReply("compressed", f"the reply is compressed {len(wanted)} times")
        self._steps = [_Step(name) for name in reversed(wanted)] or [_Step("")]

    def pieces(self, packed: bytes) -> Iterator[bytes]:
        """The contents of these next bytes, in pieces of at most 64 KiB.

        Raises:
            BadReply: they cannot be unpacked.
        """
        return self._through(0, packed)

    def end(self) -> Iterator[bytes]:
        """The rest of the contents, at the end of the reply.

        Raises:
            BadReply: the reply was cut off.
        """
        for place, step in enumerate(self._steps):
            for piece in step.end():
                yield from self._through(place + 1, piece)

    def _through(self, place: int, data: bytes) -> Iterator[bytes]:
        if place == len(self._steps):
            yield data
            return
        for piece in self._steps[place].pieces(data):
            yield from self._through(place + 1, piece)


class _Step:
    """One encoding."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._head: bytes | None = b""
        self._decoder: Any = None
        if name not in ("", "gzip", "x-gzip", "deflate"):
            _decoder(name, b"")  # one that is unknown is told before anything is read

    def pieces(self, data: bytes) -> Iterator[bytes]:
        if self._head is not None:
            self._head += data
            if len(self._head) < len(_ZSTD):
                return
            data, self._head = self._begin()
        yield from self._unpacked(data)

    def end(self) -> Iterator[bytes]:
        if self._head:
            data, self._head = self._begin()
            yield from self._unpacked(data)
        if self._decoder is not None and not _ended(self._decoder):
            raise BadReply("truncated", "the compressed reply was cut off")

    def _begin(self) -> tuple[bytes, None]:
        head = self._head or b""
        said_gzip = self._name in ("", "gzip", "x-gzip")
        name = "gzip" if said_gzip and head.startswith(_GZIP) else "" if said_gzip else self._name
        self._decoder = _decoder(name, head) if name else None
        self._name = name
        return head, None

    def _unpacked(self, data: bytes) -> Iterator[bytes]:
        if self._decoder is None:
            yield data
            return
        try:
            yield from self._bounded(data)
        except BadReply:
            raise
        except Exception as error:  # each library has its own
            raise BadReply("compressed", f"the compressed reply cannot be unpacked: {error}") from None

    def _bounded(self, data: bytes) -> Iterator[bytes]:
        while True:
            piece, data = _next(self._decoder, data)
            if piece:
                yield piece
            if not _ended(self._decoder):
                if not piece and not data:
                    return
                continue
            data = self._decoder.unused_data
            if not data or self._name == "deflate":
                return
            self._decoder = _decoder(self._name, data)  # files may be put one behind the other


class _Brotli:
    """Brotli's decompressor with the methods of the others."""

    unused_data = b""
    unconsumed_tail = b""

    def __init__(self, library: Any) -> None:
        self._inner = library.Decompressor()
        self._inner.process(b"", output_buffer_limit=PIECE)  # an older one has no limit

    @property
    def eof(self) -> bool:
        return bool(self._inner.is_finished())

    def decompress(self, data: bytes, most: int) -> bytes:
        return bytes(self._inner.process(data, output_buffer_limit=most))


def _next(decoder: Any, data: bytes) -> tuple[bytes, bytes]:
    """At most `PIECE` bytes of what the data unpacks to, and the data that is left."""
    piece = decoder.decompress(data, PIECE)
    return piece, getattr(decoder, "unconsumed_tail", b"")


def _ended(decoder: Any) -> bool:
    return bool(decoder.eof)


def _decoder(name: str, head: bytes) -> Any:
    """A decompressor for an encoding; for `deflate`, which names two, by its first bytes.

    Raises:
        BadReply: there is none.
    """
    if name in ("gzip", "x-gzip"):
        return zlib.decompressobj(zlib.MAX_WBITS | 16)
    if name == "deflate":
        wrapped = len(head) > 1 and head[0] & 15 == 8 and int.from_bytes(head[:2], "big") % 31 == 0
        return zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
    with suppress(ImportError, TypeError, AttributeError):
        if name == "br":
            return _Brotli(import_module("brotli"))
        if name == "zstd":
            return _zstd().ZstdDecompressor()
    raise BadReply(
        "compressed", f"the reply is compressed ({name}), which was not asked for and cannot be unpacked here"
    )


def _zstd() -> Any:
    try:
        return import_module("compression.zstd")
    except ImportError:
        return import_module("backports.zstd")
