"""One client connection: uvicorn's protocol with a bound on headers, and a handle for faults."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pytest_batcheval.simulator.exchange import TRANSPORT

MAX_HEAD = 64 * 2**10
"""Bytes of the longest request line with headers."""


class ClientConnection(HttpToolsProtocol):
    """A connection whose transport the application can reach, to break it on purpose."""

    _head = 0

    def data_received(self, data: bytes) -> None:
        """Parse; a client that never ends its headers is cut off."""
        self._head += len(data)
        super().data_received(data)
        if self._head > MAX_HEAD and not self.transport.is_closing():
            self.transport.abort()

    def on_message_begin(self) -> None:
        """A request starts."""
        super().on_message_begin()
        extensions: dict[str, Any] = {TRANSPORT: self.transport}
        self.scope["extensions"] = extensions

    def on_headers_complete(self) -> None:
        """Its headers are complete: what follows may be long."""
        self._head = -(2**62)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """It is complete: the next one's headers are counted."""
        self._head = 0
        super().on_message_complete()
