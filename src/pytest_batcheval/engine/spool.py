"""Requests on disk: an iterable of any length is read once, and its requests are then there in any order.

Memory holds one byte a request. Bodies are in an unnamed file in the journal's folder, places and keys in a temporary
database of SQLite's; the system removes both when the process ends, however it ends.
"""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
import weakref
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

from pytest_batcheval.backends.local_files import storing
from pytest_batcheval.engine.split import inputs_of
from pytest_batcheval.errors import JournalError
from pytest_batcheval.text.disk_errors import advice
from pytest_batcheval.wire.objects import Request

T = TypeVar("T")

SLICE = 5_000
"""Requests that are looked up together."""

KEPT = 2**20
"""Bytes of lines that are written together."""

_TABLE = """
CREATE TABLE item (
    number INTEGER PRIMARY KEY, part INTEGER NOT NULL, grp INTEGER NOT NULL, key TEXT NOT NULL,
    at INTEGER NOT NULL, length INTEGER NOT NULL, inputs INTEGER NOT NULL, given TEXT
)
"""
_BY_KEY = "CREATE INDEX by_key ON item (grp, key, number, at, length, inputs)"
_ADD = "INSERT INTO item VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
# SQLite takes the other columns of a group from the row that has the minimum.
_ITEMS = "SELECT min(number), key, at, length, inputs FROM item WHERE grp = ? GROUP BY key ORDER BY key"
_LARGEST = "SELECT max(length), max(inputs) FROM item WHERE grp = ?"
_COUNTS = "SELECT grp, count(DISTINCT key) FROM item GROUP BY grp"
_PLACES = "SELECT number, key, at, length, part FROM item WHERE number >= ? ORDER BY number LIMIT ?"
_KEYS = "SELECT part, key FROM item WHERE number >= ? ORDER BY number LIMIT ?"
_ASKED_OF_TWO = "SELECT key, min(part), max(part) FROM item GROUP BY key HAVING min(part) <> max(part) LIMIT 1"
_GIVEN = "SELECT DISTINCT key FROM item WHERE given = ?"
_NUMBER = "SELECT min(number) FROM item WHERE grp = ? AND key = ?"


class Item(NamedTuple):
    """One request of a spool: the number of its first line, its key, the place and length of its line.

    `inputs` counts the texts of an embedding request.
    """

    number: int
    key: str
    at: int
    length: int
    inputs: int


_item: Callable[[tuple[Any, ...]], Item] = partial(tuple.__new__, Item)


class Group(NamedTuple):
    """The requests of one destination, endpoint and model."""

    part: int
    url: str
    model: str


class RequestSpool:
    """The requests of an iterable, duplicates too, in their order; `part` is the number of each one's destination.

    Attributes:
        count: number of requests, duplicates counted.
    """

    def __init__(
        self, requests: Iterable[Request], folder: Path, part_of: Callable[[Request], int] = lambda request: 0
    ) -> None:
        """Read all requests.

        Raises:
            BodyError: a body has no canonical JSON form.
            JournalError: there is no space for them.
        """
        self.count = self._end = 0
        self._folder = folder
        self._groups: dict[Group, int] = {}
        self._index = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._file: IO[bytes] | None = None
        self._kept = bytearray()
        self._given = False
        self._files: list[IO[bytes]] = []
        weakref.finalize(self, _close, self._index, self._files)
        with self._reporting():
            for statement in ("PRAGMA journal_mode = OFF", "PRAGMA cache_size = -8000", _TABLE, "BEGIN"):
                self._index.execute(statement)
            self._index.executemany(_ADD, (self._row(request, part_of) for request in requests))
            self._index.execute(_BY_KEY)
            self._index.execute("COMMIT")
        self._counts: dict[int, int] = dict(self._index.execute(_COUNTS))

    def _row(self, request: Request, part_of: Callable[[Request], int]) -> tuple[object, ...]:
        part, line = part_of(request), request.line()
        group = self._groups.setdefault(Group(part, request.url, request.model), len(self._groups))
        number, self.count = self.count, self.count + 1
        at, self._end = self._end, self._end + len(line) + 1
        kept = self._kept
        kept += line
        if request.sample or request.given_id or request.backend:
            more = json.dumps((request.sample, request.given_id, request.backend)).encode()
            kept += b"\t" + more
            self._end += 1 + len(more)
            self._given |= bool(request.given_id)
        kept += b"\n"
        if len(kept) > KEPT:
            self._write()
        return number, part, group, request.custom_id, at, len(line), inputs_of(request), request.given_id or None

    def _write(self) -> None:
        """Move the kept lines to the file, which has no name; a small spool needs none."""
        with storing(self._folder):
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=_existing(self._folder), buffering=0)  # noqa: SIM115
                self._files.append(self._file)
            rest = memoryview(self._kept)
            while rest:
                rest = rest[self._file.write(rest) :]
            rest.release()
        self._kept = bytearray()

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            what = f"the requests cannot be kept in the folder of temporary files, TMPDIR ({error}); nothing was sent"
            todo = advice(error.sqlite_errorname) or "run the same command again when that is solved"
            raise JournalError(f"{what}; {todo}") from error

    def _bytes(self, at: int, length: int) -> bytes:
        written = self._end - len(self._kept)
        if at >= written:
            return bytes(self._kept[at - written : at - written + length])
        assert self._file is not None
        found = os.pread(self._file.fileno(), length, at)
        if at + length > written:
            found += bytes(self._kept[: length - len(found)])
        return found

    # -- in the order in which they were given ---------------------------------------------------------------------

    def slices(self, size: int = 500) -> Iterator[list[tuple[int, Request]]]:
        """All requests with their parts, duplicates too, as they were given."""
        start = 0
        while rows := self._index.execute(_PLACES, (start, size)).fetchall():
            first, last = rows[0], rows[-1]
            lines = self._bytes(first[2], self._after(last[0]) - first[2]).split(b"\n")
            yield [(row[4], _request(row[1], line)) for row, line in zip(rows, lines, strict=False)]
            start = last[0] + 1

    def keys_in_slices(self, size: int = SLICE) -> Iterator[list[tuple[int, str]]]:
        """(part, key) of all requests, as they were given."""
        start = 0
        while rows := self._index.execute(_KEYS, (start, size)).fetchall():
            yield rows
            start += size

    def _after(self, number: int) -> int:
        """The place after a line."""
        found = self._index.execute("SELECT at FROM item WHERE number = ?", (number + 1,)).fetchone()
        return self._end if found is None else int(found[0])

    def __iter__(self) -> Iterator[Request]:
        return (request for some in self.slices() for _, request in some)

    def keys_given(self, custom_id: str) -> list[str]:
        """The keys of the requests that had this `custom_id` in the file they were read from."""
        if not self._given:
            return []
        self._index.execute("CREATE INDEX IF NOT EXISTS by_given ON item (given) WHERE given IS NOT NULL")
        return [key for (key,) in self._index.execute(_GIVEN, (custom_id,))]

    def part_of(self, key: str) -> int | None:
        """The part of a request; `None` for a key that is none of these requests'."""
        return next((group.part for group in self._groups if self.number_of(group, key) is not None), None)

    def request(self, key: str) -> Request | None:
        """The first request with this key."""
        numbers = (number for group in self._groups if (number := self.number_of(group, key)) is not None)
        if (first := min(numbers, default=None)) is None:
            return None
        at = self._after(first - 1)
        return _request(key, self._bytes(at, self._after(first) - at - 1))

    # -- each once, in the order of endpoint, model and key --------------------------------------------------------

    def asked_of_two(self) -> tuple[str, int, int] | None:
        """A request that is in two parts: its key and both."""
        with self._reporting():
            found: tuple[str, int, int] | None = self._index.execute(_ASKED_OF_TWO).fetchone()
        return found

    def wanted(self, part: int = 0) -> Wanted:
        """The distinct requests of one part."""
        groups = sorted(group for group in self._groups if group.part == part)
        return Wanted(self, {group: self._counts[self._groups[group]] for group in groups})

    def items(self, group: Group) -> Iterator[Item]:
        """The distinct requests of a group by key."""
        return map(_item, self._index.execute(_ITEMS, (self._groups[group],)))

    def largest(self, group: Group) -> tuple[int, int]:
        """The length of the longest line of a group, and the most inputs of one of its requests."""
        found: tuple[int, int] = self._index.execute(_LARGEST, (self._groups[group],)).fetchone()
        return found

    def line(self, item: Item) -> bytes:
        """The official line of a request, without a newline."""
        return self._bytes(item.at, item.length)

    def number_of(self, group: Group, key: str) -> int | None:
        """The number of the first request of a group with this key; `None` where it has none."""
        found = self._index.execute(_NUMBER, (self._groups[group], key)).fetchone()
        return None if found[0] is None else int(found[0])


class Wanted:
    """Distinct requests of a spool for one destination, all or a choice of them."""

    def __init__(self, spool: RequestSpool, counts: Mapping[Group, int], chosen: bytearray | None = None) -> None:
        """Take so many of these groups; those whose byte in `chosen` is set."""
        self._spool = spool
        self._counts = counts
        self._chosen = chosen

    @classmethod
    def of(cls, requests: Iterable[Request], folder: Path) -> Wanted:
        """The distinct requests of an iterable, spooled.

        Raises:
            BodyError, JournalError: as `RequestSpool`.
        """
        return RequestSpool(requests, folder).wanted()

    def __len__(self) -> int:
        return sum(self._counts.values())

    def __contains__(self, item: Item) -> bool:
        return bool(self._counts) and (self._chosen is None or bool(self._chosen[item.number]))

    @property
    def groups(self) -> list[Group]:
        """The groups that it has requests of."""
        return list(self._counts)

    def items(self, group: Group) -> Iterator[Item]:
        """Those of one group, by key."""
        found, chosen = self._spool.items(group), self._chosen
        return found if chosen is None else (item for item in found if chosen[item.number])

    def slices(self, size: int = SLICE) -> Iterator[list[Item]]:
        """All, some thousand at a time."""
        for group in self.groups:
            yield from slices_of(self.items(group), size)

    def keys(self) -> Iterator[str]:
        """The keys of all."""
        return (item.key for some in self.slices() for item in some)

    def requests(self) -> Iterator[Request]:
        """All as requests, one after the other."""
        return (self.request(item) for some in self.slices() for item in some)

    def request(self, item: Item) -> Request:
        """One as a request."""
        return _request(item.key, self._spool.line(item))

    def line(self, item: Item) -> bytes:
        """The official line of one, without a newline."""
        return self._spool.line(item)

    def largest(self, group: Group) -> tuple[int, int]:
        """At least the length of the longest line of these of a group, and the most inputs of one of them."""
        return self._spool.largest(group)

    def urls(self) -> Counter[str]:
        """The number of requests of each endpoint."""
        counts = Counter[str]()
        for group, count in self._counts.items():
            counts[group.url] += count
        return counts

    def models(self) -> set[str]:
        """The models of all."""
        return {group.model for group in self._counts}

    def held(self, keys: Collection[str]) -> set[str]:
        """Those of the keys that are wanted."""
        numbers = ((key, self._spool.number_of(group, key)) for group in self.groups for key in keys)
        return {key for key, at in numbers if at is not None and (self._chosen is None or self._chosen[at])}

    def none(self) -> Wanted:
        """None of them."""
        return Wanted(self._spool, {})

    def choose(self, choice: Callable[[list[Item]], Iterable[Item]]) -> Wanted:
        """Those that a function returns of each slice."""
        chosen, counts = bytearray(self._spool.count), dict[Group, int]()
        for group in self._counts:
            count = 0
            for some in slices_of(self.items(group)):
                for number, *_ in choice(some):
                    chosen[number] = 1
                    count += 1
            if count:
                counts[group] = count
        return Wanted(self._spool, counts, chosen)


def slices_of(some: Iterable[T], size: int = SLICE) -> Iterator[list[T]]:
    """A stream, some thousand at a time."""
    remaining = iter(some)
    while part := list(islice(remaining, size)):
        yield part


def _request(key: str, text: bytes) -> Request:
    """The request of a line, with what follows it of the request's own."""
    line, _, more = text.partition(b"\t")
    sent = json.loads(line)
    sample, given_id, backend = json.loads(more) if more else (0, "", "")
    request = Request(sent["body"], sent["url"], sent["method"], sample, given_id, backend)
    vars(request)["custom_id"] = key  # or it would be computed again
    return request


def _existing(folder: Path) -> Path | None:
    """The nearest folder that is there, on the same disk as the journal will be; `None` where it takes no file."""
    found = next((each for each in (folder, *folder.absolute().parents) if each.is_dir()), None)
    return found if found is not None and os.access(found, os.W_OK) else None


def _close(index: sqlite3.Connection, files: list[IO[bytes]]) -> None:
    index.close()
    for file in files:
        file.close()
