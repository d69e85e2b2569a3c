"""How a recorded conversation answers: each request with its replies in order, or with an error that helps."""

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
from pytest_batcheval.recordings.conversations.normalise import FileNames, normal_body
from pytest_batcheval.recordings.conversations.recorder import InterceptedRequest, Listener
from pytest_batcheval.text.sanitize import escape_controls
from pytest_batcheval.wire.origin import RESPONDENT_HEADER, SIMULATOR_HEADER, SIMULATOR_NAME, is_simulator

_Key: TypeAlias = tuple[str, str, bytes]

MAX_REPEATS = 1000
"""How often a poll is given its last recorded answer again: one that waits for more would wait for ever."""

_WHO = ("GET", "/v1/models", b"")
"""How a client asks who answers before it begins; a recording need not have that."""

_BATCH = re.compile(r"/v1/batches/[^/?]+")
_LIST = re.compile(r"/v1/batches(\?.*)?")

_COMPARED = 100_000
"""Bytes of two bodies whose difference is looked for."""


class UnrecordedRequest(BaseException):
    """A replayed conversation has no answer to a request.

    No `Exception`, because clients take those for a broken connection and try again, and nothing will come.
    """


class Player(Listener):
    """A tape that answers from a recording, each request with its replies in their order, and lets nothing out.

    Of requests that run side by side some come earlier than they did. A GET is therefore never answered from before
    a POST or DELETE that was made already, as long as there is a later reply.

    Attributes:
        unmatched: the first request that had no answer.
        aside: whether who asks who answers is told without a look at the recording.
    """

    def __init__(self, path: Path, origin: str, exchanges: Sequence[RecordedExchange], command: str) -> None:
        super().__init__()
        self.unmatched: UnrecordedRequest | None = None
        self.aside = False
        self._path, self._origin, self._command = path, origin, command
        self._exchanges = exchanges
        self._given = [0] * len(exchanges)
        self._changed = -1  # the last place of those that change something; what was read before is out of date
        self._places: dict[_Key, list[int]] = {}
        for place, exchange in enumerate(exchanges):
            self._places.setdefault(exchange.key, []).append(place)
        self._names = FileNames()
        self._lock = threading.Lock()

    def begin(self, asked: InterceptedRequest) -> None:
        """It is written down when it is answered."""

    @property
    def unused(self) -> list[RecordedExchange]:
        """What has not been asked for.

        What a later reply to the same request has overtaken does not count, nor do further looks: how many there
        are, and whether at one batch or at the list, depends on how long the calls took.
        """
        unused = []
        for places in self._places.values():
            last = max((place for place in places if self._given[place]), default=-1)
            first = self._exchanges[places[0]]
            is_look = first.method == "GET" and (last >= 0 or first.path.startswith("/v1/batches/"))
            unused += [] if is_look else [place for place in places if place > last]
        return [self._exchanges[place] for place in sorted(unused)]

    def reply(self, asked: InterceptedRequest, content_type: str) -> RecordedExchange:
        """The next reply that is recorded for a request whose body is of that type.

        Raises:
            UnrecordedRequest: there is none (any more); the nearest recorded request is named.
        """
        with self._lock:
            self._names.learn(asked.body)
            body = self._names.stored(normal_body(content_type, asked.body))
            key = (asked.method, self._names.stored(asked.path.encode()).decode(), body)
            if key == _WHO and (self.aside or key not in self._places):
                return _who(self._origin)
            self.requests.append(asked)
            exchange = self._next(key)
            return msgspec.structs.replace(exchange, content=self._names.live(exchange.content))

    def _next(self, key: _Key) -> RecordedExchange:
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
        """A batch out of the next list: whether a client asks for one or for all may be chance, where many run."""
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
        """The place of a list that is not older than what was said of the batch itself."""
        if listing[0] != "GET" or not _LIST.fullmatch(listing[1]):
            return None
        own = self._places.get(key)
        place = self._left(listing)
        if place is None and own is None and self._may_repeat(listing):
            place = self._places[listing][-1]
        return place if place is not None and (own is None or place > own[-1]) else None

    def _may_repeat(self, key: _Key) -> bool:
        """Whether this is a poll: a GET that was made more than once. A client may poll more often than it did then."""
        places = self._places.get(key)
        if not places or key[0] != "GET":
            return False
        recorded = sum(self._exchanges[place].times for place in places)
        repeated = self._given[places[-1]] - self._exchanges[places[-1]].times
        return self._exchanges[places[-1]].status == 200 and recorded > 1 and repeated < MAX_REPEATS

    def _complaint(self, key: _Key) -> str:
        method, path, body = key
        return escape_controls(
            f"{self._path} has no answer to {method} {path}\n{self._nearest(method, path, body)}\n"
            f"record the conversation again: {self._command}"
        )

    def _nearest(self, method: str, path: str, body: bytes) -> str:
        if places := self._places.get((method, path, body)):
            recorded = sum(self._exchanges[place].times for place in places)
            return f"it is recorded {recorded} time{'s' if recorded > 1 else ''}, and was made once more"
        if not self._exchanges:
            return "nothing is recorded there"
        text = _text(body)
        near = max(
            self._exchanges, key=lambda e: (_likeness(f"{e.method} {e.path}", f"{method} {path}"), _alike(e, text))
        )
        named = f"the nearest recorded request is {near.method} {near.path}"
        if (near.method, near.path) != (method, path):
            return named
        lines = body_diff(_shown(near.body), _shown(body))
        return "\n".join((f"{named}, which differs in:", lines.replace('\\"', '"')))


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def _alike(exchange: RecordedExchange, text: str) -> float:
    """An upper bound of how alike two bodies read."""
    return SequenceMatcher(None, _text(exchange.body), text, autojunk=False).quick_ratio()


def _text(body: bytes) -> str:
    return body[:_COMPARED].decode(errors="replace")


def _shown(body: bytes) -> Mapping[str, Any]:
    """A JSON object as it is, any other body as the text of one."""
    try:
        parsed = json.loads(body)
    except ValueError:
        parsed = None
    return parsed if isinstance(parsed, dict) else {"body": _text(body)}


def _item(listing: RecordedExchange, batch_id: str) -> bytes | None:
    """One object of a list, as the provider would show it by itself."""
    try:
        items = json.loads(listing.content)["data"]
        return next((json.dumps(item, ensure_ascii=False).encode() for item in items if item["id"] == batch_id), None)
    except (ValueError, KeyError, TypeError):
        return None


def _who(origin: str) -> RecordedExchange:
    """What a client that asks is told: by headers, as the server did."""
    simulator = {SIMULATOR_HEADER: SIMULATOR_NAME, RESPONDENT_HEADER: origin.partition(":")[2]}
    headers = {"content-type": "application/json", **(simulator if is_simulator(origin) else {})}
    return RecordedExchange(*_WHO, {}, 404, "Not Found", headers, b"{}")
