"""What is told of each request of a conversation, and how it is recorded."""

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
    """A request that was made; `path` is below the base URL and has the query, `body` is as it left."""

    method: str
    path: str
    body: bytes


class InterceptedReply(NamedTuple):
    """A reply as it came; names of headers are lower-case."""

    status: int
    reason: str
    headers: Mapping[str, str]
    content: bytes


class Listener:
    """A tape that writes down the requests, and that is all; told of them in any thread.

    `headers` are those of the request, with lower-case names.
    """

    def __init__(self) -> None:
        self.requests: list[InterceptedRequest] = []

    def begin(self, asked: InterceptedRequest) -> None:
        """A request is about to leave."""
        self.requests.append(asked)

    def answered(self, asked: InterceptedRequest, headers: Mapping[str, str], given: InterceptedReply) -> None:
        """A reply came over the network."""

    def broke(self, asked: InterceptedRequest, headers: Mapping[str, str], failure: str) -> None:
        """No reply came, or not all of it; `failure` is the exception's name and message."""


class Recorder(Listener):
    """A tape that records: in normal form, without secrets, equal replies to a GET in a row as one.

    Attributes:
        exchanges: in the order in which the replies came.
    """

    def __init__(self) -> None:
        super().__init__()
        self.exchanges: list[RecordedExchange] = []
        self._names = FileNames()
        self._secrets = Secrets()
        self._last: dict[tuple[str, str, bytes], int] = {}
        self._lock = threading.Lock()

    def answered(self, asked: InterceptedRequest, headers: Mapping[str, str], given: InterceptedReply) -> None:
        """Record a reply."""
        self._add(asked, headers, given, "")

    def broke(self, asked: InterceptedRequest, headers: Mapping[str, str], failure: str) -> None:
        """Record that there was none."""
        self._add(asked, headers, InterceptedReply(0, "", {}, b""), failure)

    def _add(
        self, asked: InterceptedRequest, headers: Mapping[str, str], given: InterceptedReply, failure: str
    ) -> None:
        with self._lock:
            self._names.learn(asked.body)
            self._secrets.learn(headers)
            exchange = self._exchange(asked, headers, given, failure)
            last = self._last.get(exchange.key)
            if last is not None and asked.method == "GET" and _same(self.exchanges[last], exchange):
                before = self.exchanges[last]
                self.exchanges[last] = msgspec.structs.replace(before, times=before.times + 1)
                return
            if asked.method != "GET":
                self._last.clear()  # what is read from now on is not what was read before, though it looks the same
            self._last[exchange.key] = len(self.exchanges)
            self.exchanges.append(exchange)

    def _exchange(
        self, asked: InterceptedRequest, headers: Mapping[str, str], given: InterceptedReply, failure: str
    ) -> RecordedExchange:
        names, secrets = self._names, self._secrets
        clean = secrets.without if given.status >= 400 else secrets.starred
        body = normal_body(headers.get("content-type", ""), asked.body)
        return RecordedExchange(
            asked.method,
            secrets.starred(names.stored(asked.path.encode())).decode(),
            secrets.starred(names.stored(body)),
            kept(headers, REQUEST_HEADERS),
            given.status,
            given.reason,
            kept(given.headers, REPLY_HEADERS),
            clean(names.stored(given.content)),
            secrets.without(failure.encode()).decode(),
        )


def _same(one: RecordedExchange, other: RecordedExchange) -> bool:
    """Whether two replies say the same; only the ids of their requests may differ."""
    first, second = ({**e.headers, "x-request-id": ""} for e in (one, other))
    return msgspec.structs.replace(one, headers=first, times=1) == msgspec.structs.replace(other, headers=second)
