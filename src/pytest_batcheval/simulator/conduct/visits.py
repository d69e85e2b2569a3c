"""Visits: one record per call of the API, with no key and no text of a request or answer."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TextIO

from pytest_batcheval.text.sanitize import redacted
from pytest_batcheval.wire import real_time

MOST_VISITS = 100_000
"""The latest visits that are kept; older ones are in the log file only."""

_MARK = b'"custom_id"'
_SHOWN = 200

Asgi = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


@dataclass(slots=True)
class Visit:
    """One call.

    Attributes:
        number: of the server's requests since the last reset, from 1.
        at: Unix seconds of virtual time at its begin.
        real: seconds of real time at its begin, from an arbitrary zero.
        shared: whether the client may take part in virtual time, which is its clock then.
        project: of its key; empty if the key was refused.
        name: the id in its path.
        subject: the input file of a create, or the id that an individual call gave itself.
        batch: the id of the batch that it created.
        status: of the reply that was sent; 0 if none was.
        code: the error code of a refusal.
        struck: the fault that struck it.
        retry: the SDK's own count of retries.
        wait: seconds of its `retry-after`.
        received, sent: bytes of the two bodies.
        custom_ids: `custom_id` members in the two bodies.
        start, size: of a content, the first byte sent and the length of the whole.
    """

    number: int
    at: float
    real: float
    shared: bool
    method: str
    path: str
    request_id: str = ""
    call: str = ""
    project: str = ""
    name: str = ""
    subject: str = ""
    batch: str = ""
    idempotency: str = ""
    status: int = 0
    code: str = ""
    struck: str = ""
    retry: int = 0
    wait: float | None = None
    received: int = 0
    sent: int = 0
    custom_ids: int = 0
    start: int = 0
    size: int = 0

    def since(self, earlier: Visit) -> float:
        """Seconds from an earlier visit to this one by the client's clock; infinite if it has changed its clock."""
        if self.shared is not earlier.shared:
            return math.inf
        return self.at - earlier.at if self.shared else self.real - earlier.real

    def receiving(self, receive: Asgi) -> Asgi:
        """The ASGI `receive`, counted."""
        tail = b""

        async def counted() -> Any:
            nonlocal tail
            message = await receive()
            if body := message.get("body"):
                self.received += len(body)
                tail = self._count(tail, body)
            return message

        return counted

    def sending(self, send: Send, is_closing: Callable[[], bool]) -> Send:
        """The ASGI `send`, counted; bytes for a connection that is closed do not count."""
        tail = b""

        async def counted(message: Any) -> None:
            nonlocal tail
            await send(message)
            if message["type"] == "http.response.start":
                self._begin_reply(message)
            elif (body := message.get("body")) and not is_closing():
                self.sent += len(body)
                tail = self._count(tail, body)

        return counted

    def learn(self, body: Any) -> None:
        """Take what the API's reply says: the id of a new batch, the code of an error."""
        if not isinstance(body, dict):
            return
        if self.call == "batches.create" and isinstance(body.get("id"), str):
            self.batch = body["id"]
        if isinstance(error := body.get("error"), dict):
            self.code = str(error.get("code") or "")

    def to_json(self) -> dict[str, Any]:
        """The entry of the access log."""
        return {
            "time": datetime.fromtimestamp(real_time.now(), UTC).isoformat(timespec="milliseconds"),
            "virtual_time": datetime.fromtimestamp(self.at, UTC).isoformat(timespec="seconds"),
            "method": self.method[:_SHOWN],
            "path": redacted(self.path[:_SHOWN]),
            "call": self.call,
            "status": self.status,
            "code": self.code or None,
            "fault": self.struck or None,
            "custom_ids": self.custom_ids,
            "request_id": self.request_id,
            "bytes_in": self.received,
            "bytes_out": self.sent,
        }

    def _count(self, tail: bytes, body: bytes) -> bytes:
        """Count the marks in a chunk and across its begin; return its end."""
        joined = tail + body
        self.custom_ids += joined.count(_MARK)
        # one byte less than the mark: what was counted is not counted again
        return joined[-len(_MARK) + 1 :]

    def _begin_reply(self, message: Any) -> None:
        self.status = message["status"]
        for given, value in message.get("headers", ()):
            name = given.lower()
            if name == b"retry-after":
                self.wait = _number(value)
            elif name == b"content-length" and not self.size:
                self.size = int(value)
            elif name == b"content-range" and value.startswith(b"bytes ") and b"*" not in value:
                span, _, size = value[6:].partition(b"/")
                self.start, self.size = int(span.partition(b"-")[0]), int(size)


@dataclass
class Reads:
    """The parts of one content that were sent.

    Attributes:
        size: bytes of the whole.
        parts: first byte and the byte after the last, of each reply.
    """

    size: int = 0
    parts: list[tuple[int, int]] = field(default_factory=list)

    @property
    def reach(self) -> int:
        """The bytes from the begin that were sent without a gap."""
        reached = 0
        for first, end in sorted(self.parts):
            reached = max(reached, end) if first <= reached else reached
        return reached


class Visits:
    """The visits since the last reset, and the access log that they are written to.

    Attributes:
        latest: at most `MOST_VISITS`.
        reads: what was sent of each content, by the id in its path.
        earlier: batches that an earlier server on the same state directory made.
        log: JSON lines, one for each visit; `None` for no log.
    """

    def __init__(self) -> None:
        self.latest: deque[Visit] = deque(maxlen=MOST_VISITS)
        self.reads: dict[str, Reads] = {}
        self.earlier: set[str] = set()
        self.log: TextIO | None = None

    def reset(self) -> None:
        """Forget all visits; the log goes on."""
        self.latest.clear()
        self.reads.clear()
        self.earlier.clear()

    def end(self, visit: Visit) -> None:
        """Keep a visit that is over."""
        self.latest.append(visit)
        if visit.call == "files.content" and visit.status in (200, 206):
            reads = self.reads.setdefault(visit.name, Reads())
            reads.size = max(reads.size, visit.size)
            reads.parts.append((visit.start, visit.start + visit.sent))
        if self.log is not None:
            self.log.write(json.dumps(visit.to_json()) + "\n")
            self.log.flush()


def new_visit(number: int, at: float, scope: Any, request_id: str, *, shared: bool) -> Visit:
    """The record of a call that begins now, at the virtual time `at`, which clients share or not."""
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    retry = headers.get(b"x-stainless-retry-count", "")
    return Visit(
        number,
        at,
        real_time.monotonic(),
        shared,
        scope["method"],
        scope["path"],
        request_id,
        subject=headers.get(b"x-client-request-id", "")[:_SHOWN],
        idempotency=headers.get(b"idempotency-key", "")[:_SHOWN],
        retry=int(retry) if retry.isascii() and retry.isdigit() and len(retry) < 4 else 0,
    )


def _number(value: bytes) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None
