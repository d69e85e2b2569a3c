"""A multipart upload parsed while it arrives, its file part written straight to disk."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from python_multipart.multipart import MultipartParser, parse_options_header

from pytest_batcheval.simulator.errors import ApiError

MAX_FILE = 200_000_000
"""Bytes of the largest batch input file (Batch guide)."""

_MAX_FIELD = 10_000


class Upload:
    """The fields and the file of one upload, in either order."""

    def __init__(self, target: Path) -> None:
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        self.size = 0
        self.sha256 = hashlib.sha256()
        self._target = target
        self._file: BinaryIO | None = None
        self._header = b""
        self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._name = ""
        self._text = b""

    async def read(self, content_type: str, chunks: AsyncIterator[bytes]) -> None:
        """Parse a request body.

        Raises:
            ApiError: no multipart form, or the file is too large.
        """
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or b"boundary" not in options:
            raise ApiError(400, "Expected a multipart/form-data body.")
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
            },
        )
        try:
            async for chunk in chunks:
                parser.write(chunk)
        except ValueError as error:
            raise ApiError(400, f"The multipart body cannot be parsed: {error}") from None
        finally:
            if self._file is not None:
                self._file.close()

    def _add(self, name: str, data: bytes) -> None:
        setattr(self, name, getattr(self, name) + data)

    def _begin(self) -> None:
        self._headers, self._text, self._name = {}, b"", ""

    def _header_end(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header = self._value = b""

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" in options or self._name == "file":
            self.filename = options.get(b"filename", b"").decode("utf-8", "replace")
            self._file = self._target.open("wb")

    def _data(self, data: bytes) -> None:
        if self._file is None:
            self._text += data
            if len(self._text) > _MAX_FIELD:
                raise ApiError(400, f"The field '{self._name}' is too long.")
            return
        self.size += len(data)
        if self.size > MAX_FILE:
            raise ApiError(400, "File is too large.")
        self.sha256.update(data)
        self._file.write(data)

    def _end(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        else:
            self.fields[self._name] = self._text.decode("utf-8", "replace")
