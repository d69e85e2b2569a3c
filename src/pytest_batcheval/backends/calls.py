"""The protocol of individual calls: requests sent each to its endpoint, many at once."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Protocol

from pytest_batcheval.backends.errors import ProviderFailure


@dataclass(frozen=True)
class CallReply:
    """A complete HTTP reply, whatever its status.

    Attributes:
        request_id: the provider's id of the call; empty when it gave none.
        content: the body's bytes; in a refusal, anything that looks like an API key is removed.
        retry_after: seconds that the provider asks to wait, at most an hour; `None` when it named no time.
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

    def start(self, url: str, body: bytes, key: str) -> int:
        """Send a body, in JSON, to an endpoint such as `/v1/chat/completions`; returns a number of its own.

        `key` names the request to the provider.
        """

    def finished(self) -> list[tuple[int, CallReply | ProviderFailure]]:
        """Numbers and outcomes of the calls that have finished since the last time; does not wait.

        A failure is a `TransientFailure` when the call was certainly not sent, else an `UnknownOutcome`.
        """

    def give_up(self, number: int) -> None:
        """End a call that is no longer waited for; it finishes soon, as `UnknownOutcome` or with its reply."""

    def close(self) -> None:
        """End all calls and the connections."""
