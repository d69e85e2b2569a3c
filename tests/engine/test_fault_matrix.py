"""Every fault of every call, over real HTTP: what a whole send makes of it, cell by cell.

Each cell is one send of a few requests to a simulator of which one kind of call goes wrong. Whatever happens, the
send that comes after it ends with every request answered and billed once, by the simulator's own ledger.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import re
import socket
from collections import Counter
from dataclasses import dataclass, replace
from email.utils import formatdate
from functools import partial
from itertools import pairwise

import pytest
from send_with import send_with

from pytest_batcheval.backends.clocks import SimulatorClock
from pytest_batcheval.backends.guard import Caps, Guard
from pytest_batcheval.backends.openai_batch import OpenAIBatch
from pytest_batcheval.engine.split import Limits
from pytest_batcheval.errors import ProviderError, UnfinishedError
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.simulator.exchange import HttpReply
from pytest_batcheval.simulator.faults import connection, responses
from pytest_batcheval.simulator.faults import result_lines as spoilt
from pytest_batcheval.simulator.server import SimulatorServer
from pytest_batcheval.wire.objects import Request

REQUESTS = [Request({"model": "m", "messages": [{"role": "user", "content": f"질문 {n}"}]}) for n in range(4)]
KEYS = sorted(request.custom_id for request in REQUESTS)
ALWAYS = 10**6

# -- how a call goes wrong ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ill:
    """How one exchange goes wrong: without having been applied, and after it was; `None` where that cannot be.

    Attributes:
        here: what is done to the client for that call instead, or as well.
    """

    before: object = None
    after: object = None
    here: str = ""


def error(code, message="no"):
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


def status(number, code=None, headers=None, body=None):
    told_ = body if body is not None else error(code, f"words of the provider on {number}")
    more = {"status": number, "body": told_, "headers": headers}
    return Ill(partial(connection.status, **more), partial(connection.status_after, **more))


def answering(body, **headers):
    """200 with another body; applied, as such replies usually are."""

    async def strike(exchange):
        await exchange.handle(exchange)
        pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        await exchange.send(HttpReply(200, body() if callable(body) else body, headers=pairs))

    return Ill(after=strike)


def changed(**fields):
    """The usual reply with other fields."""

    async def strike(exchange):
        reply = await exchange.handle(exchange)
        await exchange.send(replace(reply, schema=None, body={**reply.body, **fields}))

    return Ill(after=strike)


def without(name):
    async def strike(exchange):
        reply = await exchange.handle(exchange)
        await exchange.send(replace(reply, schema=None, body={k: v for k, v in reply.body.items() if k != name}))

    return Ill(after=strike)


async def stalled(exchange):
    """Nothing comes back."""
    await exchange.gone()


async def stalled_after(exchange):
    await exchange.handle(exchange)
    await exchange.gone()


async def promised_too_little(exchange):
    """Content-Length is half of what comes."""
    body = await connection._body(await exchange.handle(exchange))
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
    exchange.write(head % (len(body) // 2) + body)
    await exchange.hang_up()


def dripped(clock):
    """Between the first half of the body and the second so much time passes on the client's clock."""

    async def strike(exchange):
        body = await connection._body(await exchange.handle(exchange))

        async def slowly():
            yield body[:20]
            await asyncio.sleep(0.05)  # the client has read what came
            clock[0] += 10_000.0
            yield body[20:]

        await exchange.send(HttpReply(200, headers=[(b"content-length", b"%d" % len(body))], stream=slowly()))

    return Ill(after=strike)


TIME = [0.0]
"""What the guard of the client's replies believes of the time."""

NOW = 1_800_000_000
IN_5_MINUTES = {"retry-after": formatdate(NOW + 300, usegmt=True), "date": formatdate(NOW, usegmt=True)}
HTML = "<html><h1>502 Bad Gateway</h1></html>"
ILLS = {
    "refused": Ill(here="refused"),
    "no such host": Ill(here="dns"),
    "tls": Ill(here="tls"),
    "reset": Ill(connection.reset_before, connection.reset_after),
    "timeout": Ill(stalled, stalled_after, here="impatient"),
    **{str(number): status(number) for number in (400, 403, 404, 408, 409, 413, 422, 425, 429, 500, 503, 504)},
    "401": status(401, "invalid_api_key"),
    "429 for 200 s": status(429, "rate_limit_exceeded", {"retry-after": "200"}),
    "429 for 2 h": status(429, "rate_limit_exceeded", {"retry-after": "7200"}),
    "429 until a date": status(429, "rate_limit_exceeded", IN_5_MINUTES),
    "429 for nonsense": status(429, "rate_limit_exceeded", {"retry-after": "a while"}),
    "429 no quota": status(429, "insufficient_quota"),
    "502 html": status(502, body=HTML, headers={"content-type": "text/html"}),
    "200 html": Ill(partial(connection.garbage, after=False), connection.garbage),
    "200 garbage": answering(b"{'id'"),
    "200 cut json": answering(b'{"id": "batch_1", "status": "vali'),
    "302": status(302, headers={"location": "http://127.0.0.1:9/v1/elsewhere"}),
    "307": status(307, headers={"location": "http://127.0.0.1:9/v1/elsewhere"}),
    "short": Ill(after=connection.truncated),
    "longer than promised": Ill(after=promised_too_little),
    "cut off": Ill(after=connection.truncated_silently),
    "drip": dripped(TIME),
    "gzip": answering(lambda: gzip.compress(b"{}" * 999), content_encoding="gzip"),
    "giant": answering(lambda: b'{"id": "' + b"x" * (17 * 2**20) + b'"}'),
    "no id": without("id"),
    "unknown status": Ill(after=responses.unknown_status),
    "null counts": changed(request_counts=None),
    "null metadata": changed(metadata=None),
    "status backwards": Ill(after=responses.status_backwards),
    "page repeats": Ill(after=responses.page_repeats),
    "vanished": Ill(after=responses.vanished),
}

# -- what becomes of it -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Goes:
    """The send comes to its end by itself.

    Attributes:
        pause: least and most seconds of virtual time between the fault and the next call of its kind.
        creates: how many creates there are; `None` for any.
        calls, most: least and most number of calls of that kind.
    """

    pause: tuple[float, float] = (0.0, 200.0)
    creates: int | None = 1
    calls: int = 2
    most: int = ALWAYS


@dataclass(frozen=True)
class Stops:
    """The send stops with a `ProviderError` of these words after so many calls; the next one goes on."""

    words: str
    calls: int | None = 1


@dataclass(frozen=True)
class Looked:
    """The create is looked for: found if it was applied, else fenced and made again after a quiet time."""


@dataclass(frozen=True)
class Lost:
    """The results are given up, told, and not paid for again; not before so many seconds."""

    after: float = 900.0


@dataclass(frozen=True)
class Halved:
    """The batch is cut in two."""


AGAIN = Goes()
HARMLESS = Goes(calls=1)
FOUND = Goes(calls=1, most=1)
"""An upload that arrived though nobody said so is found by its name."""

LATER = Goes((100.0, 200.0))
SLOWLY = Goes((600.0, 700.0))
WITHOUT_FENCE = Goes((0.0, 10_000.0), creates=2, calls=1)
FENCED = Goes(creates=2)
U = Looked()


def stops(number):
    return Stops(f"HTTP {number} .*words of the provider on {number}.*nothing (is lost|was sent)")


CALLS = {
    "upload": "files.create",
    "create": "batches.create",
    "list": "batches.list",
    "look": "batches.list",
    "retrieve": "batches.retrieve",
    "content": "files.content",
    "delete": "files.delete",
}
"""`list`: looking for batches of other machines; `look`: for a create without an answer; `delete`: fencing it."""


def row(upload=None, create=None, listing=None, retrieve=None, content=None, delete=None):
    """One row; `listing` is both kinds of list."""
    cells = (upload, create, listing, listing, retrieve, content, delete)
    return {call: cell for call, cell in zip(CALLS, cells, strict=True) if cell is not None}


def everywhere(outcome, **more):
    return row(outcome, outcome, outcome, outcome, outcome, outcome) | more


MATRIX = {
    "refused": everywhere(AGAIN, delete=FENCED),
    "no such host": everywhere(AGAIN, delete=FENCED),
    "tls": everywhere(AGAIN, delete=FENCED),
    "reset": everywhere(AGAIN, create=U, delete=FENCED),
    "timeout": everywhere(AGAIN, create=U, delete=FENCED),
    "400": everywhere(stops(400), delete=WITHOUT_FENCE),
    "422": everywhere(stops(422), delete=WITHOUT_FENCE),
    "401": everywhere(stops(401)),
    "403": everywhere(stops(403)),
    "404": row(stops(404), Goes(creates=2), stops(404), LATER, LATER, FENCED),
    "408": everywhere(AGAIN, create=U, delete=FENCED),
    "409": everywhere(AGAIN, create=U, delete=FENCED),
    "425": everywhere(AGAIN, create=U, delete=FENCED),
    "413": row(Halved(), stops(413)),
    "429": everywhere(AGAIN, create=Goes(creates=2), delete=FENCED),
    "429 for 200 s": everywhere(Goes((200, 300)), create=Goes((200, 300), 2), delete=Goes((200, 300), 2)),
    "429 for 2 h": everywhere(Goes((3600, 3700)), create=Goes((3600, 3700), 2), delete=Goes((3600, 3700), 2)),
    "429 until a date": everywhere(Goes((300, 400)), create=Goes((300, 400), 2), delete=Goes((300, 400), 2)),
    "429 for nonsense": everywhere(AGAIN, create=Goes(creates=2), delete=FENCED),
    "429 no quota": everywhere(SLOWLY, upload=stops(429), create=stops(429), delete=replace(SLOWLY, creates=2)),
    "500": everywhere(AGAIN, create=U, delete=FENCED),
    "502 html": everywhere(AGAIN, create=U, delete=FENCED),
    "503": everywhere(AGAIN, create=U, delete=FENCED),
    "504": everywhere(AGAIN, create=U, delete=FENCED),
    "200 html": everywhere(AGAIN, create=U, delete=FENCED),
    "200 garbage": everywhere(AGAIN, create=U, delete=FENCED),
    "200 cut json": everywhere(AGAIN, create=U, delete=FENCED),
    "302": everywhere(stops(302), create=U),
    "307": everywhere(stops(307), create=U),
    "short": everywhere(AGAIN, create=U, delete=FENCED),
    "longer than promised": row(content=AGAIN),
    "cut off": everywhere(AGAIN, create=U, delete=FENCED),
    "drip": everywhere(AGAIN, create=U, delete=FENCED),
    "gzip": everywhere(AGAIN, create=U, delete=FENCED),
    "giant": row(create=U, listing=Stops("too_large"), retrieve=Stops("too_large"), content=Stops("too_l")),
    "no id": row(upload=AGAIN, create=U, retrieve=AGAIN),
    "unknown status": row(retrieve=AGAIN),
    "null counts": row(retrieve=HARMLESS, create=HARMLESS),
    "null metadata": row(retrieve=HARMLESS, create=HARMLESS),
    "status backwards": row(retrieve=AGAIN),
    "page repeats": row(listing=HARMLESS),
}

LASTING = {
    ("refused", "retrieve"): (replace(AGAIN, calls=300), 300),
    ("503", "retrieve"): (replace(AGAIN, calls=300), 300),
    ("503", "look"): (replace(AGAIN, calls=300), 300),
    ("503", "upload"): (Stops("HTTP 503", None), ALWAYS),
    ("503", "content"): (Stops("HTTP 503", None), ALWAYS),
    ("503", "list"): (Stops("HTTP 503", None), ALWAYS),
    ("503", "delete"): (Stops("HTTP 503", None), ALWAYS),
    ("429", "create"): (Stops("HTTP 429", None), ALWAYS),
    ("500", "create"): (Stops("HTTP 500", None), ALWAYS),
    ("302", "create"): (Stops("HTTP 302", None), ALWAYS),
    ("404", "create"): (replace(stops(404), calls=4), ALWAYS),
    ("404", "retrieve"): (replace(LATER, calls=10), ALWAYS),
    ("404", "content"): (Lost(), ALWAYS),
    ("vanished", "retrieve"): (Lost(), ALWAYS),
    ("200 html", "content"): (Stops("page", None), ALWAYS),
    ("cut off", "content"): (Stops("truncated", None), ALWAYS),
    ("longer than promised", "content"): (Stops("truncated", None), ALWAYS),
    ("null counts", "retrieve"): (HARMLESS, ALWAYS),
    ("null metadata", "retrieve"): (HARMLESS, ALWAYS),
    ("null metadata", "create"): (HARMLESS, ALWAYS),
    ("unknown status", "retrieve"): (replace(AGAIN, pause=(0, 2000), calls=20), 20),
    ("page repeats", "look"): (Stops("endless", None), ALWAYS),
}
"""What becomes of a fault that stays, for so many calls; looking goes on for as long as it takes."""

UNSAID = {"reset", "timeout", "200 html", "200 garbage", "200 cut json", "short", "cut off", "drip", "gzip", "no id"}
"""What leaves it open whether a call was applied."""


def cells():
    for fault, columns in MATRIX.items():
        ill = ILLS[fault]
        for call, outcome in columns.items():
            if ill.before is not None or ill.here in ("refused", "dns", "tls"):
                yield cell(fault, call, False, outcome, 1)
            if ill.after is not None and (ill.before is None or _differs(call, outcome)):
                yield cell(fault, call, True, FOUND if call == "upload" and fault in UNSAID else outcome, 1)


def _differs(call, outcome):
    """Whether it makes a difference that the call was applied: not for reads, nor where a create is refused."""
    return call in ("upload", "delete") or (call == "create" and outcome is U)


def lasting_cells():
    for (fault, call), (outcome, times) in LASTING.items():
        yield cell(fault, call, ILLS[fault].before is None, outcome, times)


def cell(fault, call, applied, outcome, times):
    name = f"{fault}-{call}-{'applied' if applied else 'not applied'}"
    return pytest.param(fault, call, applied, outcome, times, id=name)


# -- a send under it ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running():
    with SimulatorServer() as server:
        yield server


@pytest.fixture
def server(running):
    running.reset()
    TIME[0] = 0.0
    yield running
    assert [repr(crash) for crash in running.crashes] == []


class Disturbed:
    """Takes over a simulator: the first `times` exchanges of a kind go wrong; `seen` are the times of all."""

    def __init__(self, call, strike, times):
        self.kind = CALLS[call]
        self.strike = strike
        self.left = times
        self.struck = 0
        self.seen = {}
        self.unclear = {"look": connection.reset_after, "delete": connection.reset_before}.get(call)
        self.waits = self.unclear is not None

    def rule(self, state):
        state.interceptor = self.intercept
        return self

    async def intercept(self, exchange):
        self.seen.setdefault(exchange.call, []).append(exchange.state.clock.now())
        if exchange.call == "batches.create" and self.unclear is not None:
            unclear, self.unclear, self.waits = self.unclear, None, False
            return await unclear(exchange)
        if exchange.call != self.kind or self.waits or not self.left or self.strike is None:
            return await exchange.answer()
        self.left -= 1
        self.struck += 1
        return await self.strike(exchange)

    def count(self, kind):
        return len(self.seen.get(kind, ()))


METHODS = {"list": "list_batches", "look": "list_batches", "content": "download", "delete": "delete_file"}
"""The backend's methods where they are not named like the kind of call."""


class Here:
    """What goes wrong on this side of the wire: the first `times` calls of a backend's method."""

    def __init__(self, backend, how, call, times, disturbed, monkeypatch):
        self._backend, self._how, self.left, self._disturbed = backend, how, times, disturbed
        self._patch = monkeypatch
        self.struck = self.calls = 0
        name = METHODS.get(call, call)
        monkeypatch.setattr(backend, name, partial(self._call, getattr(backend, name)))

    def _call(self, usual, *arguments):
        if self._disturbed.waits or not self.left:
            self.calls += not self._disturbed.waits
            return usual(*arguments)
        self.left -= 1
        self.struck += 1
        self.calls += 1
        with self._patch.context() as patched:
            getattr(self, f"_{self._how}")(patched)
            return usual(*arguments)

    def _refused(self, patched):
        with socket.create_server(("127.0.0.1", 0)) as gone:
            port = gone.getsockname()[1]
        patched.setattr(self._backend._client, "base_url", f"http://127.0.0.1:{port}/v1/")

    def _tls(self, patched):
        patched.setattr(self._backend._client, "base_url", self._backend.base_url.replace("http:", "https:"))

    def _dns(self, patched):
        def unknown(*arguments, **more):
            raise socket.gaierror(-2, "Name or service not known")

        patched.setattr(socket, "getaddrinfo", unknown)
        patched.setattr(self._backend._client, "base_url", "http://provider.invalid/v1/")

    def _impatient(self, patched):
        patched.setattr(self._backend._client, "timeout", 0.1)


@pytest.fixture(scope="module")
def opened(running):
    """Opened once: a client's certificates take 20 ms."""
    with OpenAIBatch(running.base_url, "test-key", guard=Guard(Caps(), lambda: TIME[0])) as backend:
        yield backend


@dataclass
class World:
    """One client with its journal; `go()` sends all requests."""

    backend: OpenAIBatch
    journal: Journal
    clock: SimulatorClock

    def go(self, **more):
        usual = {"attempts": 3, "limits": Limits(requests=4, bytes=4000)}
        return send_with(REQUESTS, backend=self.backend, journal=self.journal, clock=self.clock, **usual | more)

    def failures(self):
        """How many requests have no answer, by the code of their failure."""
        return Counter(f.code for f in self.journal.reader.failures(REQUESTS, self.backend.origin).values())


@pytest.fixture
def world(server, opened, folder):
    with (
        SimulatorClock(opened.clock_address) as clock,
        Journal.open(folder / "j" / "journal.sqlite") as journal,
    ):
        yield World(opened, journal, clock)


@pytest.mark.parametrize(("fault", "call", "applied", "outcome", "times"), list(cells()))
def test_a_send_under_a_fault_ends_as_the_matrix_says(fault, call, applied, outcome, times, server, world, monkeypatch):
    check(fault, call, applied, outcome, times, server, world, monkeypatch)


@pytest.mark.parametrize(("fault", "call", "applied", "outcome", "times"), list(lasting_cells()))
def test_a_send_under_a_fault_that_stays_ends_as_the_matrix_says(
    fault, call, applied, outcome, times, server, world, monkeypatch
):
    check(fault, call, applied, outcome, times, server, world, monkeypatch)


def check(fault, call, applied, outcome, times, server, world, monkeypatch):
    ill = ILLS[fault]
    disturbed = server.follow(Disturbed(call, ill.after if applied else ill.before, times))
    here = Here(world.backend, ill.here, call, times, disturbed, monkeypatch) if ill.here else None
    CHECKS[type(outcome)](outcome, disturbed, here, applied, world)
    assert (here if here and disturbed.strike is None else disturbed).struck > 0, "the fault did not strike"
    disturbed.left = 0
    if here:
        here.left = 0
    if not isinstance(outcome, Lost):
        assert world.go().answered == len(KEYS)
    world.clock.sleep(3 * 86_400)
    assert server.ledger.billed() == dict.fromkeys(KEYS, 1)


def goes(outcome, disturbed, here, applied, world):
    sent = world.go()
    assert (sent.answered, sent.failed, sent.lost) == (len(KEYS), 0, ())
    times = disturbed.seen[disturbed.kind][-10:] if not here or disturbed.strike else []
    calls = here.calls if here and not disturbed.strike else disturbed.count(disturbed.kind)
    assert outcome.calls <= calls <= outcome.most
    if outcome.creates is not None and not (here and disturbed.kind == "batches.create"):
        assert disturbed.count("batches.create") == outcome.creates
    if disturbed.struck == 1 and outcome.calls > 1 and len(times) > 1 and disturbed.kind != "batches.list":
        least, most = outcome.pause
        assert least <= times[1] - times[0] <= most
    if disturbed.kind == "batches.list" and outcome.pause[0]:
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert any(outcome.pause[0] <= gap <= outcome.pause[1] for gap in gaps), gaps


def stopped(outcome, disturbed, here, applied, world):
    began = world.clock.now()
    with pytest.raises(ProviderError, match=re.compile(outcome.words, re.DOTALL)):
        world.go()
    if outcome.calls is not None:
        assert disturbed.struck == outcome.calls
    assert world.clock.now() - began < 12 * 3600


def looked(outcome, disturbed, here, applied, world):
    sent = world.go()
    assert (sent.answered, sent.failed) == (len(KEYS), 0)
    first, *others = world.journal.reader.batches()
    creates = disturbed.seen["batches.create"]
    if applied:
        assert (len(creates), others, first.state) == (1, [], "settled")
        assert first.note == "found by reconciling"
        return
    assert (len(creates), len(others), first.state) == (2, 1, "void")
    (deleted,) = disturbed.seen["files.delete"]
    assert creates[0] + 60 <= deleted <= creates[1] - 180
    assert sum(deleted < at <= creates[1] for at in disturbed.seen["batches.list"]) >= 3


def lost(outcome, disturbed, here, applied, world):
    sent = world.go()
    assert (sent.answered, sent.failed, len(sent.lost)) == (0, len(KEYS), 1)
    first, *others = disturbed.seen[disturbed.kind]
    assert others[-1] - first >= outcome.after
    assert len(others) >= 9
    disturbed.left = 0
    assert world.go().sent == 0
    assert disturbed.count("batches.create") == 1


def halved(outcome, disturbed, here, applied, world):
    sent = world.go()
    assert (sent.answered, sent.batches) == (len(KEYS), 2)
    assert disturbed.count("batches.create") == 2


CHECKS = {Goes: goes, Stops: stopped, Looked: looked, Lost: lost, Halved: halved}


# -- messages -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "call", "words"),
    [
        ("401", "create", "OPENAI_API_KEY"),
        ("404", "upload", "127.0.0.1"),
        ("403", "create", "words of the provider on 403"),
        ("400", "create", "words of the provider on 400"),
    ],
)
def test_a_refusal_says_what_to_look_after(fault, call, words, server, world):
    server.follow(Disturbed(call, ILLS[fault].before, 1))
    with pytest.raises(ProviderError, match=words):
        world.go()


def test_while_the_provider_cannot_be_reached_the_display_says_so(server, world):
    server.follow(Disturbed("retrieve", ILLS["reset"].before, 100))
    seen = []
    world.go(progress=seen.append)
    assert any(re.search("offline|unreachable|no answer|ReadError|RemoteProtocolError", f"{s} {s.note}") for s in seen)


# -- cancelling ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        *("reset", "500", "502 html", "503", "504", "200 html", "200 garbage", "200 cut json", "short"),
        *("409", "400", "no id"),
    ],
)
def test_the_batch_itself_says_whether_a_cancel_was_applied(fault, server, world, monkeypatch):
    with pytest.raises(UnfinishedError):
        world.go(patience=0)
    (row,) = world.journal.reader.open_batches()
    cancel = ILLS[fault].after or ILLS[fault].before
    monkeypatch.setitem(CALLS, "cancel", "batches.cancel")
    server.follow(Disturbed("cancel", cancel, 1))
    assert world.backend.cancel(row.batch_id).status in ("cancelling", "cancelled")


# -- result files -------------------------------------------------------------------------------------------------


class Spoiling:
    """Spoils output files: `spoil(lines)` gives the bytes that stand there instead."""

    def __init__(self, spoil, times=1):
        self._spoil, self._left = spoil, times

    def rule(self, state):
        state.rewrite = self.rewrite
        return self

    def rewrite(self, kind, path):
        if kind == "output" and self._left:
            self._left -= 1
            path.write_bytes(b"".join(self._spoil(path.read_bytes().splitlines(keepends=True))))


def by_plan(spoil, **more):
    return lambda found: spoil(found, list(range(len(found))), random.Random(0), **more)


def saying(words):
    """The first line's answer is these bytes."""

    def spoil(found):
        text = re.compile(rb'"content":\s*"(?:[^"\\\\]|\\\\.)*"')
        changed = text.sub(lambda _: b'"content":' + words, found[0], count=1)
        assert changed != found[0]
        return [changed, *found[1:]]

    return spoil


def ending(reason, **message):
    """The first line's answer ended for this reason."""

    def spoil(found):
        line = json.loads(found[0])
        choice = line["response"]["body"]["choices"][0]
        choice["finish_reason"] = reason
        choice["message"] |= message
        return [json.dumps(line).encode() + b"\n", *found[1:]]

    return spoil


BROKEN = (3, {"broken_line": 1}, 1)
WHOLE = (4, {}, 0)
SEPARATORS = "one\u2028two\u0085three\x0bfour"
RESULTS = {
    "duplicate equal": (by_plan(spoilt.duplicate_line), WHOLE),
    "duplicate conflicting": (by_plan(spoilt.conflicting_line), (4, {}, 1)),
    "missing line": (by_plan(spoilt.missing_line), (3, {"unaccounted": 1}, 0)),
    "unknown custom_id": (by_plan(spoilt.foreign_line), (4, {}, 1)),
    "wrong order": (by_plan(spoilt.reordered_lines), WHOLE),
    "crlf": (by_plan(spoilt.crlf), WHOLE),
    "byte order mark": (by_plan(spoilt.byte_order_mark), WHOLE),
    "blank lines": (by_plan(spoilt.blank_lines), WHOLE),
    "invalid utf-8": (saying(b'"\xff\xfe"'), BROKEN),
    "nan": (saying(b"NaN"), BROKEN),
    "lone surrogate": (saying(b'"\\ud800"'), BROKEN),
    "deep": (saying(b"[" * 101 + b"]" * 101), BROKEN),
    "bottomless": (saying(b"[" * 100_000), BROKEN),
    "many digits": (saying(b"1" * 4301), BROKEN),
    "separators in text": (saying(json.dumps(SEPARATORS, ensure_ascii=False).encode()), WHOLE),
    "giant line of a stranger": (by_plan(spoilt.giant_line, megabytes=17), (4, {}, 1)),
    "giant line": (saying(b'"' + b"x" * (17 * 2**20) + b'"'), BROKEN),
    "broken off": (by_plan(spoilt.broken_line, bytes_left=150), BROKEN),
    "ended by length": (ending("length"), WHOLE),
    "ended by the filter": (ending("content_filter", content=None), WHOLE),
    "a refusal": (ending("stop", content=None, refusal="No."), WHOLE),
    "no json though asked for": (saying(b"\"{'a': \""), WHOLE),
}


@pytest.mark.parametrize("kind", RESULTS)
def test_a_result_file_is_taken_as_the_matrix_says_and_nothing_is_paid_again(kind, server, world):
    spoil, (answered, codes, broken) = RESULTS[kind]
    server.follow(Spoiling(spoil))
    sent = world.go()
    assert (sent.answered, dict(world.failures()), len(sent.broken)) == (answered, codes, broken)
    assert all(file.exists() for file in sent.files)
    assert bool(sent.files) == bool(broken)
    if broken and "broken_line" in codes:
        assert re.match(r"output.jsonl at byte \d+: ", sent.broken[0])
    if kind == "separators in text":
        assert SEPARATORS in {a.text for a in world.journal.reader.answers(REQUESTS, world.backend.origin).values()}
    assert world.go().sent == 0
    assert server.ledger.billed() == dict.fromkeys(KEYS, 1)


# -- lines that failed --------------------------------------------------------------------------------------------

VICTIM = REQUESTS[0].custom_id
PASSING = {
    "429": ("rate_limit_exceeded", 429),
    "500": ("server_error", 500),
    "502": ("bad_gateway", 502),
    "503": ("overloaded", 503),
    "504": ("gateway_timeout", 504),
    "timeout": ("request_timeout", 408),
}
FINAL = {
    "400": ("invalid_request_error", 400),
    "too long": ("context_length_exceeded", 400),
    "filtered": ("content_filter", 400),
    "no such model": ("model_not_found", 404),
    "key": ("invalid_api_key", 401),
    "forbidden": ("forbidden", 403),
}
NO_MONEY = {"no quota": ("insufficient_quota", 429), "billing limit": ("billing_hard_limit_reached", 429)}


def fail(server, code, status_code, times):
    server.faults.fail_lines("질문 0", status_code=status_code, code=code, message="the line's words", times=times)


def executed(server):
    return {key: server.ledger.executed(key) for key in KEYS}


@pytest.mark.parametrize("kind", PASSING)
def test_a_line_that_failed_in_passing_is_sent_again_at_once_and_only_it(kind, server, world):
    fail(server, *PASSING[kind], times=1)
    sent = world.go()
    assert (sent.answered, sent.failed, sent.resent) == (4, 0, 1)
    assert executed(server) == dict.fromkeys(KEYS, 1) | {VICTIM: 2}
    assert server.ledger.billed() == dict.fromkeys(KEYS, 1)


@pytest.mark.parametrize("kind", PASSING)
def test_a_line_that_keeps_failing_has_its_third_attempt_after_ten_minutes_and_no_fourth(kind, server, world):
    fail(server, *PASSING[kind], times=9)
    sent = world.go()
    assert (sent.answered, sent.failed, sent.resent) == (3, 1, 2)
    assert executed(server) == dict.fromkeys(KEYS, 1) | {VICTIM: 3}
    begun = [begin for begin, _ in sorted(server.ledger.intervals.values())]
    ended = [end for _, end in sorted(server.ledger.intervals.values())]
    assert begun[1] - ended[0] < 600 <= begun[2] - ended[1]


@pytest.mark.parametrize("kind", FINAL)
def test_a_line_that_failed_for_good_is_told_and_never_sent_again(kind, server, world):
    code, status_code = FINAL[kind]
    fail(server, code, status_code, times=9)
    for _ in range(2):
        sent = world.go()
        assert (sent.answered, sent.failed, sent.resent) == (3, 1, 0)
    assert executed(server) == dict.fromkeys(KEYS, 1)
    failure = world.journal.reader.failures(REQUESTS, world.backend.origin)[VICTIM]
    assert (failure.code, failure.status_code, failure.message) == (code, status_code, "the line's words")


@pytest.mark.parametrize("kind", NO_MONEY)
def test_a_line_without_money_stops_the_send_and_uses_up_no_attempt(kind, server, world):
    fail(server, *NO_MONEY[kind], times=2)
    for tries in (1, 2):
        with pytest.raises(ProviderError, match="1 requests have no quota"):
            world.go(attempts=5)
        assert executed(server)[VICTIM] == tries
    assert world.go(attempts=1).answered == 4
    assert server.ledger.billed() == dict.fromkeys(KEYS, 1)


def test_lines_of_a_batch_that_expired_are_sent_again_and_only_they(server, world):
    server.faults.expire_next_batch(after=3)
    sent = world.go()
    assert (sent.answered, sent.resent) == (4, 1)
    assert executed(server) == dict.fromkeys(KEYS, 1)


def test_lines_of_a_batch_that_somebody_cancelled_are_sent_again_and_only_they(server, world):
    server.faults.hold_batches()
    with pytest.raises(UnfinishedError):
        world.go(patience=60)
    (row,) = world.journal.reader.open_batches()
    world.backend.cancel(row.batch_id)
    server.faults.release()
    sent = world.go()
    assert (sent.answered, sent.attached, sent.failed) == (4, 1, 0)
    assert server.ledger.billed() == dict.fromkeys(KEYS, 1)
    assert {row.status for row in world.journal.reader.batches()} == {"cancelled", "completed"}


def test_a_line_lost_inside_the_provider_is_sent_again(server, world):
    """Status 0: billed, by the simulator, and gone; the provider's own mistake."""
    server.follow(Spoiling(by_plan(spoilt.status_zero_line)))
    sent = world.go()
    assert (sent.answered, sent.failed, sent.resent) == (4, 0, 1)
    assert sorted(executed(server).values()) == [1, 1, 1, 2]


def test_a_batch_refused_for_a_full_queue_waits_and_goes_in_smaller_ones_and_uses_up_no_attempt(server, world):
    server.faults.fail_next_batch("token_limit_exceeded", "Enqueued token limit reached")
    began = world.clock.now()
    sent = world.go(attempts=1)
    assert (sent.answered, sent.resent, sent.batches) == (4, 0, 2)
    assert world.clock.now() - began >= 60
    assert server.ledger.billed() == dict.fromkeys(KEYS, 1)


def test_a_batch_refused_for_one_line_goes_without_it_once(server, world):
    server.faults.fail_next_batch("invalid_json_line", "This line is not parseable", line=2)
    for _ in range(2):
        sent = world.go(attempts=1)
        assert (sent.answered, sent.failed) == (3, 1)
    assert dict(world.failures()) == {"invalid_json_line": 1}
    assert executed(server) == dict.fromkeys(KEYS, 1) | {KEYS[1]: 0}
    assert len(server.ledger.intervals) == 2
