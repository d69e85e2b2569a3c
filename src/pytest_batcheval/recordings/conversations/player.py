"""Replay of a recorded conversation: each request gets its replies in order, or a helpful error."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from pytest_batcheval.prompts.body_diff import body_diff
from pytest_batcheval.recordings.conversations.cassette import RecordedExchange
from pytest_batcheval.recordings.conversations.normalise import FileNames, matched_body, normal_body
from pytest_batcheval.recordings.conversations.recorder import InterceptedRequest, Listener
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.sanitize import escape_controls
from pytest_batcheval.wire.origin import RESPONDENT_HEADER, SIMULATOR_HEADER, SIMULATOR_NAME, is_simulator

_Key: TypeAlias = tuple[str, str, bytes]

MAX_REPEATS = 1000
"""Most times that a poll gets its last recorded reply again, so that waiting for another one ends."""

_WHO = ("GET", "/v1/models", b"")
"""The request by which a client finds out who answers; it need not be recorded."""

_BATCH = re.compile(r"/v1/batches/[^/?]+")
_LOOK = re.compile(r"/v1/(?:batches|files)/[^/?]+")
"""A look at one batch or file, which a run may do without."""

_LIST = re.compile(r"/v1/batches(\?.*)?")

_COMPARED = 100_000
"""Most bytes of two bodies that are compared."""


class UnrecordedRequest(BaseException):
    """A replayed conversation has no reply to a request.

    It is not an `Exception`, because clients take those for a broken connection and retry without end.
    """


class Player(Listener):
    """A tape that replies from a recording, to each request in the recorded order, and sends nothing out.

    Concurrent requests may arrive in another order than in the recording. Therefore a GET never gets a reply from
    before a POST or DELETE that has already been made, as long as there is a later reply.

    Attributes:
        unmatched: the first request that had no reply.
        aside: whether the request for who answers is answered without the recording.
    """

    def __init__(self, path: Path, origin: str, exchanges: Sequence[RecordedExchange], command: str) -> None:
        super().__init__()
        self.unmatched: UnrecordedRequest | None = None
        self.aside = False
        self._path, self._origin, self._command = path, origin, command
        self._exchanges = exchanges
        self._given = [0] * len(exchanges)
        self._changed = -1  # the last place used of a POST or DELETE; earlier replies to a GET are out of date
        self._places: dict[_Key, list[int]] = {}
        for place, exchange in enumerate(exchanges):
            key = (exchange.method, exchange.path, matched_body(exchange.body))
            self._places.setdefault(key, []).append(place)
        self._names = FileNames()
        self._lock = threading.Lock()

    def begin(self, request: InterceptedRequest) -> None:
        """Do nothing: `reply` adds the request to `requests`."""

    @property
    def unused(self) -> list[RecordedExchange]:
        """The exchanges that have not been used.

        Replies that a later reply to the same request has overtaken do not count, nor do further polls: their
        number, and whether they are of one batch or of the list, depends on the duration of the calls.
        """
        unused = []
        for places in self._places.values():
            last = max((place for place in places if self._given[place]), default=-1)
            first = self._exchanges[places[0]]
            is_poll = first.method == "GET" and (last >= 0 or _LOOK.fullmatch(first.path) is not None)
            unused += [] if is_poll else [place for place in places if place > last]
        return [self._exchanges[place] for place in sorted(unused)]

    def reply(self, request: InterceptedRequest, content_type: str) -> RecordedExchange:
        """The next recorded reply to a request whose body has that type.

        Raises:
            UnrecordedRequest: there is no reply, or none is left; the message names the nearest recorded request.
        """
        __tracebackhide__ = True
        with self._lock:
            self._names.learn(request.body)
            body = self._names.stored(normal_body(content_type, request.body))
            key = (request.method, self._names.stored(request.path.encode()).decode(), matched_body(body))
            if key == _WHO and (self.aside or key not in self._places):
                return _who(self._origin)
            self.requests.append(request)
            exchange = self._next(key)
            return _complete(exchange, self._names.live(exchange.content))

    def _next(self, key: _Key) -> RecordedExchange:
        __tracebackhide__ = True
        place = self._left(key)
        if place is None and (item := self._listed(key)) is not None:
            return item
        if place is None and self._may_repeat(key):
            place = self._places[key][-1]
        if place is None:
            error = UnrecordedRequest(self._complaint(key))
            self.unmatched = self.unmatched or error
            raise error
        self._given[place] += 1
        if key[0] != "GET":
            self._changed = max(self._changed, place)
        return self._exchanges[place]

    def _left(self, key: _Key) -> int | None:
        """The place of the next reply to a request."""
        left = [place for place in self._places.get(key, ()) if self._given[place] < self._exchanges[place].times]
        if not left or key[0] != "GET":
            return left[0] if left else None
        return next((place for place in left if place > self._changed), left[-1])

    def _listed(self, key: _Key) -> RecordedExchange | None:
        """A batch from the next list: with many batches, chance decides whether a client polls one or the list."""
        if key[0] != "GET" or not _BATCH.fullmatch(key[1]):
            return None
        for listing in self._places:
            place = self._place_in(listing, key)
            item = None if place is None else _item(self._exchanges[place], key[1].rpartition("/")[2])
            if place is not None and item is not None:
                self._given[place] += 1
                return msgspec.structs.replace(self._exchanges[place], content=item)
        return None

    def _place_in(self, listing: _Key, key: _Key) -> int | None:
        """The place of a list that is not older than the last reply about the batch itself."""
        if listing[0] != "GET" or not _LIST.fullmatch(listing[1]):
            return None
        own = self._places.get(key)
        place = self._left(listing)
        if place is None and own is None and self._may_repeat(listing):
            place = self._places[listing][-1]
        return place if place is not None and (own is None or place > own[-1]) else None

    def _may_repeat(self, key: _Key) -> bool:
        """Whether a request is a poll, a GET made more than once: a replay may poll more often than the recording."""
        places = self._places.get(key)
        if not places or key[0] != "GET":
            return False
        recorded = sum(self._exchanges[place].times for place in places)
        repeated = self._given[places[-1]] - self._exchanges[places[-1]].times
        return self._exchanges[places[-1]].status == 200 and recorded > 1 and repeated < MAX_REPEATS

    def _complaint(self, key: _Key) -> str:
        method, path, body = key
        return escape_controls(
            f"{self._path} has no reply to {method} {path}\n{self._nearest(method, path, body)}\n"
            f"record the conversation again: {self._command}"
        )

    def _nearest(self, method: str, path: str, body: bytes) -> str:
        if places := self._places.get((method, path, body)):
            recorded = sum(self._exchanges[place].times for place in places)
            return f"the request is recorded {counted(recorded, 'time')}, and was made once more"
        if not self._exchanges:
            return "the recording is empty"
        text = _text(body)
        near = max(
            self._exchanges, key=lambda e: (_likeness(f"{e.method} {e.path}", f"{method} {path}"), _alike(e, text))
        )
        named = f"the nearest recorded request is {near.method} {near.path}"
        if (near.method, near.path) != (method, path):
            return named
        lines = body_diff(_shown(near.body), _shown(body))
        return "\n".join((f"{named}, which differs in:", lines.replace('\\"', '"')))


def _complete(exchange: RecordedExchange, content: bytes) -> RecordedExchange:
    """The reply with this content; its length is not recorded, but a client may want it."""
    length = {} if "content-encoding" in exchange.headers else {"content-length": str(len(content))}
    return msgspec.structs.replace(exchange, content=content, headers={**exchange.headers, **length})


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def _alike(exchange: RecordedExchange, text: str) -> float:
    """An upper bound of the similarity of two bodies."""
    return SequenceMatcher(None, _text(exchange.body), text, autojunk=False).quick_ratio()


def _text(body: bytes) -> str:
    return body[:_COMPARED].decode(errors="replace")


def _shown(body: bytes) -> Mapping[str, Any]:
    """A body that is a JSON object, or else an object with the body as text."""
    try:
        parsed = json.loads(body)
    except ValueError:
        parsed = None
    return parsed if isinstance(parsed, dict) else {"body": _text(body)}


def _item(listing: RecordedExchange, batch_id: str) -> bytes | None:
    """One object of a list, as the provider would return it by itself."""
    try:
        items = json.loads(listing.content)["data"]
        return next((json.dumps(item, ensure_ascii=False).encode() for item in items if item["id"] == batch_id), None)
    except (ValueError, KeyError, TypeError):
        return None


def _who(origin: str) -> RecordedExchange:
    """The reply to a client that asks who answers, with the server's headers."""
    simulator = {SIMULATOR_HEADER: SIMULATOR_NAME, RESPONDENT_HEADER: origin.partition(":")[2]}
    headers = {"content-type": "application/json", **(simulator if is_simulator(origin) else {})}
    return RecordedExchange(*_WHO, {}, 404, "Not Found", headers, b"{}")
