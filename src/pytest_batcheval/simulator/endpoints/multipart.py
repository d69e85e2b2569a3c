"""Parsing of a multipart upload while it arrives; the file part goes straight to disk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from python_multipart.multipart import MultipartParser, parse_options_header

from pytest_batcheval.simulator.errors import ApiError

DRAINED = 2**30
"""Most bytes of a refused upload that are read and discarded, so that the client reads the refusal."""

_MAX_FIELD = 10_000
_MAX_HEADER = 8_192
_MAX_PARTS = 32


class MultipartUpload:
    """The fields and the file of one upload, in either order.

    Attributes:
        fields: text fields by name.
        filename: of the file part; `None` when there is none.
        size: bytes of the file.
    """

    def __init__(self, target: Path, limit: int) -> None:
        """Write the file part to `target`, of at most `limit` bytes."""
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        self.size = 0
        self._limit = limit
        self._target = target
        self._file: BinaryIO | None = None
        self._header = b""
        self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._name = ""
        self._text = b""
        self._parts = 0
        self._ended = False

    async def read(self, content_type: str, chunks: AsyncIterator[bytes]) -> None:
        """Parse a request body.

        Raises:
            ApiError: the body is not a complete multipart form, or the file is too large; the rest of the
                body has been read by then.
        """
        try:
            await self._parse(content_type, chunks)
        except ApiError:
            left = DRAINED
            async for chunk in chunks:
                left -= len(chunk)
                if left < 0:
                    break
            raise
        finally:
            if self._file is not None:
                self._file.close()

    async def _parse(self, content_type: str, chunks: AsyncIterator[bytes]) -> None:
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise ApiError(400, "Expected a multipart/form-data body.")
        try:
            parser = MultipartParser(
                options[b"boundary"],
                {
                    "on_part_begin": self._begin,
                    "on_header_field": lambda data, start, end: self._add("_header", data[start:end]),
                    "on_header_value": lambda data, start, end: self._add("_value", data[start:end]),
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._headers_end,
                    "on_part_data": lambda data, start, end: self._data(data[start:end]),
                    "on_part_end": self._end,
                    "on_end": self._whole,
                },
            )
            async for chunk in chunks:
                parser.write(chunk)
        except ValueError as error:
            raise ApiError(400, f"The multipart body cannot be parsed: {str(error)[:200]}") from None
        if not self._ended:
            raise ApiError(400, "The multipart body ends too early.")

    def _add(self, name: str, data: bytes) -> None:
        value = getattr(self, name) + data
        if len(value) > _MAX_HEADER:
            raise ApiError(400, "A header of the multipart body is too long.")
        setattr(self, name, value)

    def _begin(self) -> None:
        self._headers, self._text, self._name = {}, b"", ""
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise ApiError(400, "The multipart body has too many parts.")

    def _header_end(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header = self._value = b""

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if self._name == "file":
            if self.filename is not None:
                raise ApiError(400, "Expected one 'file', but got several.", param="file")
            self.filename = options.get(b"filename", b"").decode("utf-8", "replace")
            self._file = self._target.open("wb")

    def _data(self, data: bytes) -> None:
        if self._file is None:
            self._text += data
            if len(self._text) > _MAX_FIELD:
                raise ApiError(400, f"The field '{self._name[:100]}' is too long.")
            return
        self.size += len(data)
        if self.size > self._limit:
            raise ApiError(400, "File is too large.")
        self._file.write(data)

    def _end(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        else:
            self.fields[self._name] = self._text.decode("utf-8", "replace")

    def _whole(self) -> None:
        self._ended = True
