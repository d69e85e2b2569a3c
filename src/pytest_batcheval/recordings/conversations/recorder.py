"""Listeners to the requests of a conversation, and the one that records them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from pytest_batcheval.recordings.conversations.cassette import RecordedExchange
from pytest_batcheval.recordings.conversations.normalise import (
    REPLY_HEADERS,
    REQUEST_HEADERS,
    FileNames,
    Secrets,
    kept,
    normal_body,
)


class InterceptedRequest(NamedTuple):
    """A request; `path` is below the base URL and has the query, `body` is as sent."""

    method: str
    path: str
    body: bytes


class InterceptedReply(NamedTuple):
    """A reply as received; names of headers are in lower case."""

    status: int
    reason: str
    headers: Mapping[str, str]
    content: bytes


class Listener:
    """A tape that only keeps the requests; its methods may be called in any thread.

    `headers` are the request's, with lower-case names.
    """

    def __init__(self) -> None:
        self.requests: list[InterceptedRequest] = []

    def begin(self, request: InterceptedRequest) -> None:
        """Note a request that is about to be sent."""
        self.requests.append(request)

    def answered(self, request: InterceptedRequest, headers: Mapping[str, str], reply: InterceptedReply) -> None:
        """Note a reply from the network."""

    def broke(self, request: InterceptedRequest, headers: Mapping[str, str], failure: str) -> None:
        """Note that there was no complete reply; `failure` is the exception's name and message."""


class Recorder(Listener):
    """A tape that records in normal form, without secrets, with equal successive replies to a GET as one.

    Attributes:
        exchanges: the exchanges in the order of the replies.
    """

    def __init__(self) -> None:
        super().__init__()
        self.exchanges: list[RecordedExchange] = []
        self._names = FileNames()
        self._secrets = Secrets()
        self._last: dict[tuple[str, str, bytes], int] = {}
        self._lock = threading.Lock()

    def answered(self, request: InterceptedRequest, headers: Mapping[str, str], reply: InterceptedReply) -> None:
        """Record a reply."""
        self._add(request, headers, reply, "")

    def broke(self, request: InterceptedRequest, headers: Mapping[str, str], failure: str) -> None:
        """Record that there was no reply."""
        self._add(request, headers, InterceptedReply(0, "", {}, b""), failure)

    def _add(
        self, request: InterceptedRequest, headers: Mapping[str, str], reply: InterceptedReply, failure: str
    ) -> None:
        with self._lock:
            self._names.learn(request.body)
            self._secrets.learn(headers)
            exchange = self._exchange(request, headers, reply, failure)
            last = self._last.get(exchange.key)
            if last is not None and request.method == "GET" and _same(self.exchanges[last], exchange):
                before = self.exchanges[last]
                self.exchanges[last] = msgspec.structs.replace(before, times=before.times + 1)
                return
            if request.method != "GET":
                self._last.clear()  # replies from now on are new ones, even if they are equal to earlier ones
            self._last[exchange.key] = len(self.exchanges)
            self.exchanges.append(exchange)

    def _exchange(
        self, request: InterceptedRequest, headers: Mapping[str, str], reply: InterceptedReply, failure: str
    ) -> RecordedExchange:
        names, secrets = self._names, self._secrets
        clean = secrets.without if reply.status >= 400 else secrets.starred
        body = normal_body(headers.get("content-type", ""), request.body)
        return RecordedExchange(
            request.method,
            secrets.starred(names.stored(request.path.encode())).decode(),
            secrets.starred(names.stored(body)),
            kept(headers, REQUEST_HEADERS),
            reply.status,
            reply.reason,
            kept(reply.headers, REPLY_HEADERS),
            clean(names.stored(reply.content)),
            secrets.without(failure.encode()).decode(),
        )


def _same(one: RecordedExchange, other: RecordedExchange) -> bool:
    """Whether two replies are equal except for their request ids."""
    first, second = ({**e.headers, "x-request-id": ""} for e in (one, other))
    return msgspec.structs.replace(one, headers=first, times=1) == msgspec.structs.replace(other, headers=second)
