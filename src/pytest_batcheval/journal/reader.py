"""Reading of the journal's answers, failures and batches, also while another process writes."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pytest_batcheval.journal import checks, queries
from pytest_batcheval.journal.address import JournalAddress, PostgresAddress
from pytest_batcheval.journal.choose_database import database_at
from pytest_batcheval.journal.database import Connection, Database
from pytest_batcheval.journal.rows import (
    OPEN,
    AliasRow,
    BatchRow,
    CauseRow,
    RunRow,
    StageRow,
    TierUse,
    TroubleRow,
    is_sound,
)
from pytest_batcheval.journal.transaction import DamagedError
from pytest_batcheval.wire.key import sample_of
from pytest_batcheval.wire.objects import Answer, Request, RequestError, stored_answer
from pytest_batcheval.wire.origin import is_simulator

LINES = 2_000
"""Most lines of an input file that are held together."""

_COLUMNS = ", ".join(f.name for f in fields(BatchRow))
_BATCHES = queries.BATCHES.format(columns=_COLUMNS)
_NUMBERED = queries.BATCHES_NUMBERED.replace("{columns}", _COLUMNS)


@dataclass(frozen=True)
class StoredAnswer:
    """An answer, and what its batch says of it: its round, the provider's times (JSON), the run's start."""

    origin: str
    line_id: str
    response: bytes
    round: str
    times: str
    started: float | None

    @property
    def asked_at(self) -> float | None:
        """Unix seconds at which it was asked: by the provider, unless that is a simulator with a time of its own."""
        created = None if is_simulator(self.origin) else json.loads(self.times or "{}").get("created_at")
        return created or self.started or None


class JournalReader:
    """A read-only view of a journal; a missing one is an empty journal, and is not created.

    It may be used from any thread, and after a fork, when the child opens it again.

    Attributes:
        damaged: keys whose answer did not match its checksum and was not returned.
    """

    def __init__(self, journal: JournalAddress | Database) -> None:
        self._database = database_at(journal) if isinstance(journal, (Path, PostgresAddress)) else journal
        self.address = self._database.address
        self.damaged: set[str] = set()
        self._connection: Connection | None = None
        self._guard = threading.Lock()
        self._process = os.getpid()
        self._suspect = False

    def exists(self) -> bool:
        """Whether there is a journal.

        Raises:
            JournalError: its database cannot be reached.
        """
        with self._guard:
            return self._connection is not None or self._database.exists()

    def answers(
        self, requests: Iterable[Request], origin: str | None = None, round_name: str = ""
    ) -> dict[str, Answer]:
        """The stored answers of these requests by key; the newest generation wins.

        `origin` restricts them to answers of this origin; `None` accepts any. So does `round_name`; empty accepts any.

        Raises:
            JournalError: the journal cannot be read.
        """
        wanted = {request.custom_id: request for request in requests}
        newest = self._newest(list(wanted), origin, round_name)
        return {key: _stored(wanted[key], found) for key, found in newest.items()}

    def all_answers(self, origin: str | None = None, round_name: str = "") -> Iterator[Answer]:
        """The newest answer of each request and origin (and round), by key; of requests whose line is stored.

        Raises:
            JournalError: the journal cannot be read.
        """
        after = ""
        while rows := self._rows(queries.ALL_ANSWERS, (origin, round_name, after, queries.CHUNK)):
            if len(rows) == queries.CHUNK:  # the last key may have more origins on the next page
                rows = [row for row in rows if row[0] != rows[-1][0]] or rows
            after = rows[-1][0]
            yield from self._sound(rows)

    def newest_answers(self, most: int) -> list[Answer]:
        """The answers that were stored last, the newest first; of requests whose line is stored.

        Raises:
            JournalError: the journal cannot be read.
        """
        rows = self._rows(queries.NEWEST_ANSWERS, (most,))
        return list(self._sound(rows))

    def newest_keys(self, most: int) -> list[str]:
        """The keys of the answers that were stored last.

        Raises:
            JournalError: the journal cannot be read.
        """
        return [key for (key,) in self._rows(queries.NEWEST_KEYS, (most,))]

    def answer_count(self) -> int:
        """The number of answers.

        Raises:
            JournalError: the journal cannot be read.
        """
        return sum(row.answers for row in self.batches())

    def answers_to(self, keys: Sequence[str]) -> Iterator[Answer]:
        """The newest answer of each of these requests and origin; of requests whose line is stored.

        Raises:
            JournalError: the journal cannot be read.
        """
        yield from self._sound(self._by_keys(queries.ANSWERS_TO, keys))

    def _sound(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[Answer]:
        for key, where, line_id, response, crc, *of_batch, line in rows:
            if not is_sound(key, response, crc):
                self.damaged.add(key)
            elif line:
                yield _stored(_request_of(key, line), StoredAnswer(where, line_id, response, *of_batch))

    def all_failures(self) -> Iterator[Answer]:
        """The requests that have a failure and no answer, as failed answers, by key."""
        yield from map(_failed, self._rows(queries.FAILED.format(which="1 = 1"), ()))

    def failures_to(self, keys: Sequence[str]) -> Iterator[Answer]:
        """Those among requests with these keys that have a failure and no answer, as failed answers."""
        yield from map(_failed, self._by_keys(queries.FAILED.format(which="failure.key IN ({keys})"), keys))

    def asked(self, keys: Sequence[str]) -> Iterator[tuple[str, str, str]]:
        """(key, requested model, origin) of each answer and failure of these requests; no text is looked at.

        Raises:
            JournalError: the journal cannot be read.
        """
        for table in ("answer", "failure"):
            for key, origin, line in self._by_keys(queries.ASKED.format(table=table), keys):
                yield key, Request(json.loads(line)["body"]).model, origin

    def answered(self, keys: Sequence[str], origin: str, round_name: str = "") -> set[str]:
        """Those of the keys with an answer of this origin (and round) that matches its checksum."""
        return set(self._newest(keys, origin, round_name))

    def answered_before(self, batch: BatchRow) -> set[str]:
        """The keys of a batch that another one has answered in the same generation."""
        rows = self._rows(queries.ANSWERED_BEFORE, (batch.id, batch.origin, batch.generation, batch.id))
        return {key for (key,) in rows}

    def failures(self, requests: Iterable[Request], origin: str, round_name: str = "") -> dict[str, RequestError]:
        """The failures of these requests for an origin (and round), by key, where there is no answer."""
        return self.failures_of(list({request.custom_id for request in requests}), origin, round_name)

    def failures_of(self, keys: Sequence[str], origin: str, round_name: str = "") -> dict[str, RequestError]:
        """The failures of the requests with these keys, as `failures`."""
        rows = self._by_keys(queries.FAILURES, keys, origin, round_name=round_name)
        return {key: _error(*error) for key, *error in rows}

    def failure_of(self, key: str, origin: str) -> RequestError | None:
        """The failure of a request for an origin, if there is no answer."""
        rows = self._by_keys(queries.FAILURES, [key], origin)
        return next((_error(*error) for _, *error in rows), None)

    def final(self, keys: Sequence[str], origin: str, round_name: str = "") -> dict[str, int]:
        """The generation of each key's final failure, in a round if one is named; keys without one are missing."""
        return dict(self._by_keys(queries.FINAL_FAILURES, keys, origin, round_name=round_name))

    def generations(self, keys: Sequence[str], origin: str, round_name: str = "") -> dict[str, int]:
        """The newest generation of each key's answers (of a round), from 1; keys without an answer are missing."""
        return dict(self._by_keys(queries.GENERATIONS, keys, origin, round_name=round_name))

    def tries(self, keys: Sequence[str], origin: str, round_name: str | None = None) -> dict[str, tuple[int, int]]:
        """The newest (generation, attempt) of each key planned, from 1; keys never planned are missing.

        With `round_name` those that were planned in this round, or with an empty one outside any round.
        """
        exact = round_name is not None
        rows = self._by_keys(queries.TRIES, keys, origin, round_name=round_name or "", exact=exact)
        return {key: (generation, attempt) for key, generation, attempt in rows}

    def refreshes(self, keys: Sequence[str], origin: str) -> dict[str, int]:
        """The generation that a refresh wants each key to reach; keys that no refresh waits for are missing."""
        return dict(self._by_keys(queries.REFRESHES, keys, origin))

    def cells(self, names: Iterable[str], origin: str) -> dict[str, str]:
        """The key of each of these cells' last request, by name; cells without a request are missing."""
        return dict(self._by_keys(queries.CELLS, list(names), origin))

    def cells_of(self, key: str) -> list[str]:
        """Names of the cells whose last request this was."""
        return [row[0] for row in self._rows(queries.CELLS_OF, (key,))]

    def line(self, key: str) -> bytes | None:
        """The input file's line of a request; `None` if it is not stored any more."""
        return next((bytes(row[0]) for row in self._rows(queries.LINE, (key,))), None)

    def request(self, key: str) -> Request | None:
        """A request; `None` if its line is not stored any more."""
        line = self.line(key)
        return None if line is None else _request_of(key, line)

    def batches(self, origin: str | None = None) -> list[BatchRow]:
        """All batches, oldest first."""
        return [BatchRow(*row) for row in self._rows(_BATCHES, {"origin": origin})]

    def batches_numbered(self, numbers: Collection[int]) -> list[BatchRow]:
        """The batches with these numbers, oldest first."""
        rows = self._by_keys(_NUMBERED, sorted(numbers))
        return [BatchRow(*row) for row in rows]

    def has_other_rounds(self, origin: str, round_name: str) -> bool:
        """Whether there are batches of another round, or outside this one."""
        return bool(self._rows(queries.OTHER_ROUND, (origin, round_name)))

    def refusals(self, origin: str) -> list[tuple[str, str]]:
        """(model, note) of every batch that was void, oldest first."""
        return list(self._rows(queries.REFUSALS, (origin,)))

    def open_batches(self, origin: str | None = None) -> list[BatchRow]:
        """Batches that are not finished, oldest first."""
        return [row for row in self.batches(origin) if row.state in OPEN]

    def claimed(self, origin: str) -> set[str]:
        """Keys claimed by an open batch of this origin, so that no other may send them."""
        return {row[0] for row in self._rows(queries.OPEN_CLAIMS, (origin,))}

    def batches_with(self, keys: Sequence[str], origin: str) -> list[tuple[str, int]]:
        """(key, number of the batch) of every batch of an origin that has one of these keys."""
        return list(self._by_keys(queries.BATCHES_WITH, keys, origin))

    def newest_batch(self) -> int:
        """The number of the newest batch; 0 where nothing was ever planned."""
        return next((int(number) for (number,) in self._rows(queries.NEWEST_BATCH, ())), 0)

    def planned(self, keys: Sequence[str], origin: str) -> set[str]:
        """Those of the keys that any batch of an origin has had; there is no answer, failure or claim of others.

        Answers are looked up beside claims: where one of the two is damaged, the other still says what was paid.
        """
        claimed = {key for key, _ in self.batches_with(keys, origin)}
        others = [key for key in keys if key not in claimed]
        return claimed | {key for (key,) in self._by_keys(queries.KEYS_ANSWERED, others, origin)}

    def open_of(self, keys: Sequence[str], origin: str) -> set[str]:
        """Those of the keys that an open batch has, or a lost one."""
        return {key for (key,) in self._by_keys(queries.OPEN_OF_KEYS, keys, origin)}

    def held(self, keys: Sequence[str], origin: str) -> dict[str, int]:
        """The number of the open batch that has each of these keys; those in none, or in a lost one, are missing."""
        return dict(self._by_keys(queries.HELD, keys, origin))

    def keys(self, batch: int) -> list[str]:
        """The keys of a batch in the order of its input file."""
        return [row[0] for row in self._rows(queries.KEYS_OF_BATCH, (batch,))]

    def aliases(self, batch: int) -> list[AliasRow]:
        """The `custom_id`s of a batch that was not made here, in the order of its lines; of any other batch none."""
        return [AliasRow(*row) for row in self._rows(queries.ALIASES, (batch,))]

    def forgotten(self, origin: str) -> list[str]:
        """Ids of batches that this program did not make and whose requests a repair could not all read.

        They have no metadata of ours, so nothing else finds them at the provider again.
        """
        return [batch_id for (batch_id,) in self._rows(queries.FORGOTTEN, (origin,))]

    def names_of(self, keys: Sequence[str]) -> list[tuple[str, str]]:
        """(custom_id, key) of each of these keys in batches that were not made here."""
        return list(self._by_keys(queries.ALIASES_OF_KEYS, keys))

    def keys_named(self, custom_id: str) -> list[str]:
        """The keys of requests that have this `custom_id` in batches that were not made here."""
        return [row[0] for row in self._rows(queries.KEYS_NAMED, (custom_id,))]

    def called(self, batch: int) -> list[str]:
        """Keys whose individual call was sent, whatever came of it."""
        return [row[0] for row in self._rows(queries.CALLED, (batch,))]

    def unknown_calls(self, batch: int) -> list[str]:
        """Keys whose individual call was sent and has neither answer nor failure."""
        return [row[0] for row in self._rows(queries.UNKNOWN_CALLS, (batch,))]

    def lines(self, batch: int) -> Iterator[bytes]:
        """The lines of a batch's input file, without newlines.

        Raises:
            JournalError: a line does not match its checksum; another request would be paid under its key.
        """
        return (line for _, line in self._keyed_lines(batch))

    def _keyed_lines(self, batch: int) -> Iterator[tuple[str, bytes]]:
        after = ""
        while rows := self._rows(queries.LINES_OF_BATCH, (batch, after, LINES)):
            for key, line, crc in rows:
                if not is_sound(key, line, crc):
                    raise DamagedError(self.address, f"request {key} does not match its checksum")
                yield key, line
            after = rows[-1][0]

    def requests(self, batch: int) -> Iterator[Request]:
        """The requests of a batch, with the keys that the journal has of them.

        Raises:
            JournalError: as `lines`.
        """
        return (_request_of(key, line) for key, line in self._keyed_lines(batch))

    def keys_like(self, start: str, most: int = 20) -> list[str]:
        """Keys of requests that begin with this text, at most `most`."""
        return [row[0] for row in self._rows(queries.KEYS_BETWEEN, (start, f"{start}\U0010ffff", most))]

    def answers_of(self, key: str) -> list[tuple[str, int, str]]:
        """(origin, generation, batch id) of every answer to a request, oldest first."""
        return list(self._rows(queries.ANSWERS_OF, (key,)))

    def batches_of(self, key: str) -> list[tuple[str, str, str, str, bool]]:
        """(origin, batch id, state, note, whether it claims the key) of every batch with a request, oldest first."""
        return [(*row[:4], bool(row[4])) for row in self._rows(queries.BATCHES_OF, (key,))]

    def gone(self, keys: Sequence[str], origin: str) -> set[str]:
        """Those of the keys that were settled, and have neither answer nor failure: the journal is damaged."""
        which = "AND claim.key IN ({keys}) AND claim.origin = ?"
        return {key for (key,) in self._by_keys(queries.GONE.format(which=which), keys, origin)}

    def verify(self, quick: bool = False) -> list[str]:
        """The errors in the journal, by the database's own check, by checksums and by what contradicts itself.

        `quick` checks the structure of the file, the batches and their open claims, not each row.
        """
        self._rows("SELECT 1", ())
        with self._guard, self._noting_damage(), self._database.reporting():
            found = [] if self._connection is None else list(checks.errors(self._database, self._connection, quick))
        self._suspect |= bool(found)
        return found

    def answered_by(self, run: str, others: Collection[int] = ()) -> set[str]:
        """Keys of the answers from the batches and calls of a run, and from the batches numbered in `others`."""
        numbers = [row.id for row in self.batches() if row.run == run or row.id in others]
        return {key for (key,) in self._by_keys(queries.ANSWERED_BY, numbers)}

    def tier_uses(self) -> dict[int, list[TierUse]]:
        """The use of service tiers other than the standard one, by the number of the row."""
        found: dict[int, list[TierUse]] = {}
        for batch, *use in self._rows(queries.TIER_USES, ()):
            found.setdefault(batch, []).append(TierUse(*use))
        return found

    def run_origins(self, run_id: str) -> dict[str, str]:
        """The origins that a run sends to, by the names that its tests chose; empty for an unknown run."""
        return {str(name): str(origin) for name, origin in self._rows(queries.RUN_ORIGINS, (run_id,))}

    def run_asked(self, run_id: str) -> dict[str, str]:
        """The origin that a run has asked last, by key; of what it sent itself."""
        return {str(key): str(origin) for key, origin in self._rows(queries.RUN_ASKED, (run_id,))}

    def run_values(self, run_id: str) -> dict[str, str]:
        """The values of `--batch-backend` of a run by origin; empty for a run of an older version."""
        return {str(origin): str(value) for origin, value in self._rows(queries.RUN_VALUES, (run_id,))}

    def runs(self) -> list[RunRow]:
        """All runs that could send, oldest first."""
        return [RunRow(*row) for row in self._rows(queries.RUNS, ())]

    def stages(self) -> list[StageRow]:
        """The measured stages of every run, wave by wave."""
        return [StageRow(*row) for row in self._rows(queries.STAGES, ())]

    def failure_counts(self) -> list[CauseRow]:
        """The number of requests that still fail, by the batch of their newest attempt, and by cause."""
        rows = self._rows(queries.FAILURE_COUNTS, ())
        return [
            CauseRow(batch, code, status, count, key, message, bool(retryable))
            for batch, code, status, count, key, message, retryable in rows
        ]

    def repeated_counts(self) -> dict[int, int]:
        """The number of each batch's requests that an earlier batch of the run had; batches with none are missing."""
        return dict(self._rows(queries.REPEATED_COUNTS, ()))

    def ended_batches(self) -> set[int]:
        """Numbers of the batches that are finished."""
        return {row[0] for row in self._rows(queries.ENDED_BATCHES, ())}

    def trouble_of(self, batch: int) -> list[TroubleRow]:
        """The failures of an ended batch, or that it ended as a whole without answers."""
        return [TroubleRow(*row) for row in self._rows(queries.TROUBLE_OF_BATCH, (batch,))]

    def close(self) -> None:
        """Close the connection; the next query opens it again. The files of a damaged journal stay as they are."""
        self._leave_parent()
        with self._guard:
            if self._connection is None:
                return
            self._connection.close()
            self._connection = None
            if not self._suspect and not self.damaged:
                self._database.reader_closed()

    def _newest(self, keys: Sequence[str], origin: str | None, round_name: str) -> dict[str, StoredAnswer]:
        """Each key's newest answer; damaged ones go to `damaged`."""
        found = {}
        for key, where, line_id, response, crc, *of_batch in self._by_keys(
            queries.ANSWERS, keys, origin, origin, round_name=round_name
        ):
            if is_sound(key, response, crc):
                found[key] = StoredAnswer(where, line_id, response, *of_batch)
            else:
                self.damaged.add(key)
        return found

    def _by_keys(
        self, query: str, keys: Sequence[str | int], *more: str | int | None, round_name: str = "", exact: bool = False
    ) -> Iterator[tuple[Any, ...]]:
        """Rows of these keys; an empty round is any, or with `exact` none."""
        of_one = exact or bool(round_name)
        condition, rounds = ("batch.round = ?", [round_name] * query.count("{round}")) if of_one else ("1 = 1", [])
        for text, part in queries.of_keys(query, keys, round=condition):
            yield from self._rows(text, (*part, *more, *rounds))

    def _rows(self, query: str, values: Any) -> list[tuple[Any, ...]]:
        """All rows at once: an open cursor would keep the WAL from being shortened."""
        self._leave_parent()
        with self._guard, self._noting_damage(), self._database.reporting():
            if self._connection is None or not self._database.is_open(self._connection):
                self._connection = self._database.reader()
            return [] if self._connection is None else self._connection.execute(query, values).fetchall()

    @contextmanager
    def _noting_damage(self) -> Iterator[None]:
        try:
            yield
        except DamagedError:
            self._suspect = True
            raise

    def _leave_parent(self) -> None:
        """Abandon a connection and guard that were inherited by a fork; another thread may hold the guard."""
        if self._process == os.getpid():
            return
        if self._connection is not None:
            self._database.forget(self._connection)
        self._connection, self._guard, self._process = None, threading.Lock(), os.getpid()


def _stored(request: Request, found: StoredAnswer) -> Answer:
    response = json.loads(found.response)
    return stored_answer(request, found.origin, response, "journal", found.line_id, found.round, found.asked_at)


def _failed(row: tuple[Any, ...]) -> Answer:
    key, origin, code, message, status, retryable, line = row
    return Answer(_request_of(key, line), origin, error=_error(code, message, status, retryable))


def _request_of(key: str, line: bytes) -> Request:
    sent = json.loads(line)
    sample = sample_of(key, sent["method"], sent["url"], sent["body"])
    request = Request(sent["body"], sent["url"], sample=sample or 0)
    if sample is not None and sent["method"] == request.method:
        vars(request)["custom_id"] = key  # or it would be computed again
    return request


def _error(code: str, message: str, status: int | None, retryable: int) -> RequestError:
    return RequestError(code, message, status, bool(retryable))
