"""What becomes of a send whose call goes wrong: the matrix of faults and calls, and of faults that stay."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from disturbing import ALWAYS, CALLS
from ills import ILLS


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
    return Stops(f"HTTP {number} .*words of the provider on {number}.*nothing is (lost|sent before that works)")


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
    "404": row(stops(404), Goes(creates=2), HARMLESS, LATER, LATER, FENCED),
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
    "403 html": row(create=U),
    "429 words": row(create=U),
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
    "gzip": everywhere(HARMLESS, delete=replace(HARMLESS, creates=2)),
    "cut gzip": everywhere(AGAIN, create=U, delete=FENCED),
    "giant": row(create=U, listing=Stops("too_large"), retrieve=Stops("too_large"), content=AGAIN),
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
    ("503", "look"): (Stops("HTTP 503", None), 300),
    ("503", "upload"): (Stops("HTTP 503", None), ALWAYS),
    ("503", "content"): (Stops("HTTP 503", None), ALWAYS),
    ("503", "list"): (Stops("HTTP 503", None), ALWAYS),
    ("503", "delete"): (Stops("HTTP 503", None), ALWAYS),
    ("429", "create"): (Stops("HTTP 429", None), ALWAYS),
    ("403 html", "create"): (Stops("HTTP 403", None), ALWAYS),
    ("500", "create"): (Stops("HTTP 500", None), ALWAYS),
    ("302", "create"): (Stops("HTTP 302", None), ALWAYS),
    ("404", "create"): (replace(stops(404), calls=4), ALWAYS),
    ("404", "retrieve"): (replace(LATER, calls=10), ALWAYS),
    ("404", "content"): (Lost(), ALWAYS),
    ("vanished", "retrieve"): (Lost(), ALWAYS),
    ("200 html", "content"): (Stops("page", None), ALWAYS),
    ("cut off", "content"): (Stops("breaks off within a line", None), ALWAYS),
    ("longer than promised", "content"): (Stops("breaks off within a line", None), ALWAYS),
    ("null counts", "retrieve"): (HARMLESS, ALWAYS),
    ("null metadata", "retrieve"): (HARMLESS, ALWAYS),
    ("null metadata", "create"): (HARMLESS, ALWAYS),
    ("unknown status", "retrieve"): (replace(AGAIN, pause=(0, 2000), calls=20), 20),
    ("page repeats", "look"): (HARMLESS, ALWAYS),
}
"""What becomes of a fault that stays, for so many calls; looking goes on for as long as it takes."""

UNSAID = {
    "reset",
    "timeout",
    "200 html",
    "200 garbage",
    "200 cut json",
    "short",
    "cut off",
    "drip",
    "cut gzip",
    "no id",
}
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
