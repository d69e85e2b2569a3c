"""Counters of the bytes sent to a provider and received from it."""

from __future__ import annotations

import threading
from typing import Any


class Traffic:
    """Bytes of request and reply bodies, counted from any thread."""

    def __init__(self) -> None:
        self.sent = 0
        self.received = 0
        self._guard = threading.Lock()

    def sending(self, request: Any) -> None:
        """Count the body of an HTTP request that has a Content-Length, as all of ours do."""
        length = request.headers.get("content-length", "")
        if length.isdecimal():
            with self._guard:
                self.sent += int(length)

    def came(self, number: int) -> None:
        """Count bytes of a reply."""
        with self._guard:
            self.received += number
