"""One client connection: uvicorn's protocol with a limit on headers, and its transport for faults."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pytest_batcheval.simulator.http_exchange import TRANSPORT

MAX_HEAD = 64 * 2**10
"""Bytes of the longest request line with headers."""


class ClientConnection(HttpToolsProtocol):
    """A connection whose transport is accessible to the application, so that faults can break it."""

    _head = 0

    def data_received(self, data: bytes) -> None:
        """Parse the data; disconnect a client whose headers are too long."""
        self._head += len(data)
        super().data_received(data)
        if self._head > MAX_HEAD and not self.transport.is_closing():
            self.transport.abort()

    def on_message_begin(self) -> None:
        """Give the new request access to the transport."""
        super().on_message_begin()
        extensions: dict[str, Any] = {TRANSPORT: self.transport}
        self.scope["extensions"] = extensions

    def on_headers_complete(self) -> None:
        """Stop counting bytes: the body may be long."""
        self._head = -(2**62)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Count bytes from 0 again, for the next request's headers."""
        self._head = 0
        super().on_message_complete()
