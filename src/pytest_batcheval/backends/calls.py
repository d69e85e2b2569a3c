"""What the engine asks of individual calls: requests sent each to its endpoint, many at once."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pytest_batcheval.backends.errors import ProviderFailure


@dataclass(frozen=True)
class CallReply:
    """An HTTP reply that came whole, whatever its status.

    Attributes:
        request_id: the provider's id of the call; empty when it gave none.
        content: the body's bytes; of a refusal without anything that looks like an API key.
        retry_after: seconds until the provider wants to be asked again, at most an hour; `None` when it said nothing.
    """

    status: int
    content: bytes
    request_id: str = ""
    retry_after: float | None = None


class Calls(Protocol):
    """Calls under way side by side; each is one HTTP request, never repeated.

    Attributes:
        signal: readable when a call has finished.
    """

    signal: socket.socket

    def start(self, url: str, body: Mapping[str, Any], key: str) -> int:
        """Send a body to an endpoint such as `/v1/chat/completions`; returns a number no other call has had.

        `key` names the request to the provider.
        """

    def finished(self) -> list[tuple[int, CallReply | ProviderFailure]]:
        """Numbers and outcomes of what has finished since the last time this was asked; does not wait.

        A fault is `Passing` when the call was surely not sent, else `Unknown`.
        """

    def give_up(self, number: int) -> None:
        """End a call whose answer is waited for no more; it finishes soon, as `Unknown` or with its reply."""

    def close(self) -> None:
        """End all calls and the connections."""
