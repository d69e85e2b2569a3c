"""Limits on replies: read up to a size, which is that of what they unpack to, and within a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pytest_batcheval.backends._sdk import http
from pytest_batcheval.backends.errors import BadReply
from pytest_batcheval.backends.traffic import Traffic
from pytest_batcheval.backends.unpack import Unpacker
from pytest_batcheval.wire import real_time

FILES = ("/content", "/results", ":download")
CREATES = ("/batches", "/batch/jobs", ":batchGenerateContent")
"""Ends of the paths of calls that get a file, and of those that create a batch."""


@dataclass(frozen=True)
class Caps:
    """The limits of a reply.

    Attributes:
        create: bytes of the reply to a create, which is one object.
        reply: bytes of any other reply except a file.
        file: bytes of a file.
        deadline: seconds from the request to the end of a reply that is not a file.
        window, pace: a file has to come with at least `pace` bytes a second in each `window` of seconds.
    """

    create: int = 2**20
    reply: int = 16 * 2**20
    file: int = 2 * 2**30
    deadline: float = 600.0
    window: float = 60.0
    pace: int = 2**10


class Guard:
    """Hooks for an HTTP client; `now` gives monotonic seconds.

    Attributes:
        traffic: bytes that were sent and received.
    """

    def __init__(self, caps: Caps, now: Callable[[], float] = real_time.monotonic) -> None:
        self.traffic = Traffic()
        self._caps = caps
        self._now = now

    def sending(self, request: Any) -> None:
        """Hook before a request: the time of its reply counts from here."""
        request.extensions["batcheval"] = self._now()
        self.traffic.sending(request)

    def answered(self, response: Any) -> None:
        """Hook after the headers of a reply: watch its body.

        Raises:
            BadReply: it is compressed in a way that cannot be unpacked here, or it is a page of a proxy.
        """
        unpacker = taken_over(response)
        if response.status_code == 200 and response.headers.get("content-type", "").startswith("text/html"):
            raise BadReply("html", "the reply is an HTML page, which the API never sends; a proxy may have sent it")
        request = response.request
        is_file = request.url.path.endswith(FILES) and response.status_code == 200
        check = self._file() if is_file else self._reply(request)
        response.stream = _Watched(response.stream, check, self.traffic, unpacker)

    def _reply(self, request: Any) -> Callable[[int], None]:
        create = request.method == "POST" and request.url.path.endswith(CREATES)
        cap = self._caps.create if create else self._caps.reply
        until = request.extensions["batcheval"] + self._caps.deadline

        def check(total: int) -> None:
            _not_over(total, cap)
            if self._now() > until:
                raise BadReply("deadline", f"the reply took longer than {self._caps.deadline:.0f} s")

        return check

    def _file(self) -> Callable[[int], None]:
        caps, begun, had = self._caps, self._now(), 0

        def check(total: int) -> None:
            nonlocal begun, had
            _not_over(total, caps.file)
            passed = self._now() - begun
            if passed < caps.window:
                return
            if total - had < passed * caps.pace:
                raise BadReply("slow", f"the file came more slowly than {caps.pace} bytes a second")
            begun, had = self._now(), total

        return check


def taken_over(response: Any) -> Unpacker:
    """The unpacker of a reply, which the HTTP library then leaves as it comes.

    Raises:
        BadReply: it is compressed in a way that cannot be unpacked here.
    """
    unpacker = Unpacker(response.headers.get("content-encoding", ""))
    response.headers.pop("content-encoding", None)
    return unpacker


class _Watched(http.SyncByteStream):  # type: ignore[misc] # the library is known at run time
    """A reply's body, unpacked, whose size so far is checked after each piece."""

    def __init__(self, stream: Any, check: Callable[[int], None], traffic: Traffic, unpacker: Unpacker) -> None:
        self._stream = stream
        self._check = check
        self._traffic = traffic
        self._unpacker = unpacker

    def __iter__(self) -> Iterator[bytes]:
        total = came = 0
        for packed in self._stream:
            came, before = came + len(packed), total
            self._traffic.came(len(packed))
            for piece in self._unpacker.pieces(packed):
                total += len(piece)
                self._check(total)
                yield piece
            if total == before:  # nothing can come without end too
                self._check(came)
        for piece in self._unpacker.end():
            total += len(piece)
            self._check(total)
            yield piece

    def close(self) -> None:
        self._stream.close()


def _not_over(total: int, cap: int) -> None:
    if total > cap:
        raise BadReply("too_large", f"the reply is longer than {cap} bytes", hopeless=True)
