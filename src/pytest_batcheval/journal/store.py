"""Writing of the journal: each method is one transaction, which is on disk when the method returns."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from pytest_batcheval.errors import JournalError
from pytest_batcheval.journal import location, queries, reserve
from pytest_batcheval.journal.address import JournalAddress, real
from pytest_batcheval.journal.choose_database import database_at
from pytest_batcheval.journal.database import Connection, Database
from pytest_batcheval.journal.lock import Holder, shown_argv
from pytest_batcheval.journal.reader import JournalReader
from pytest_batcheval.journal.rows import (
    OFFERED,
    OPEN,
    AliasRow,
    AnswerRow,
    BatchRow,
    FailureRow,
    StageRow,
    checksum,
)
from pytest_batcheval.journal.transaction import ClaimedError
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.sanitize import without_secrets
from pytest_batcheval.wire import real_time

__all__ = ["Journal", "JournalReader"]

CHUNK_BYTES = 2**24
"""Bytes of answers that are held together, unless a single one has more."""


class Line(Protocol):
    """A request as it stands in an input file: a `Request`, or what was written of one."""

    @property
    def custom_id(self) -> str:
        """Its key."""

    def line(self) -> bytes:
        """Its official line, without a newline."""


def _refuse_twice(keys: Sequence[str]) -> None:
    """Make sure that a batch has each request once.

    Raises:
        JournalError: it has one twice.
    """
    if len(set(keys)) < len(keys):
        raise JournalError("a batch that was to be planned has a request twice; nothing was sent after that")


class Journal:
    """The writer of a journal; a process that sends must hold its `lock`.

    Attributes:
        address: the SQLite file, or the PostgreSQL database.
        path: the path that files of this machine beside the journal begin with; of a SQLite file its own.
        lock: the right to send: of one process for a file, of each that asks for a database.
        reader: a read-only view of the same journal.
    """

    def __init__(self, database: Database, connection: Connection) -> None:
        self.address = database.address
        self.path = database.place
        self.lock = database.lock
        self.reader = JournalReader(database)
        self._database = database
        self._connection = connection
        self._process = os.getpid()
        self._wrote = False
        self._checked = False

    @classmethod
    def open(cls, address: JournalAddress, *, mounts: Path = location.MOUNTS) -> Journal:
        """Open for writing; tables, and of a file also it (0600) and its folder (0700), are created if missing.

        `mounts` is the table of file systems, by which a network file system is refused.

        Raises:
            JournalError: the journal cannot be used; the message gives the reason and the remedy.
            UsageError: a part that it needs is not installed.
        """
        database = database_at(real(address), mounts)
        return cls(database, database.writer())

    @property
    def shared(self) -> bool:
        """Whether others may send from it at the same time."""
        return self._database.shared

    @staticmethod
    def read(address: JournalAddress) -> JournalReader:
        """Open for reading only; a missing journal is an empty one, and is not created."""
        return JournalReader(address)

    def add_run(
        self, run: str, origin: str, base_url: str = "", name: str | None = None, value: str = ""
    ) -> None:  # fmt: skip
        """Note that a run may now send to an origin; a second call for the run changes nothing.

        `name` is the one by which the tests of the run choose this backend, empty for the run's own; `value` is that of
        `--batch-backend` for it.
        """
        argv, url = json.dumps(shown_argv()), without_secrets(base_url)
        with self._transaction() as connection:
            connection.execute(queries.ADD_RUN, (run, real_time.now(), origin, url, argv))
            if name is not None:
                connection.execute(queries.ADD_RUN_BACKEND, (run, name, value, origin, url))

    def check_indexes(self) -> None:
        """Check them once, before anything is sent: answers are looked up by them, and what is not found is paid.

        Raises:
            JournalError: the journal is damaged.
        """
        if not self._checked and self._process == os.getpid():
            self._database.check_indexes(self._connection)
            self._checked = True

    def plan(self, row: BatchRow, requests: Iterable[Line]) -> BatchRow:
        """Store a batch in state `planned` with its requests, read one by one, and claim their keys.

        Returns:
            The row with its number.

        Raises:
            ClaimedError: another open batch of this origin has one of the keys, or has just answered it.
            JournalError: the journal is damaged, or cannot be written.
        """
        self.lock.check()
        self.check_indexes()
        if self._database.shared:
            # In one order: two that claim the same keys at once never wait for each other.
            requests = sorted(requests, key=lambda request: request.custom_id)
            claims = [request.custom_id for request in requests]
            _refuse_twice(claims)
            self._refuse_claimed(row, claims)
        keys: list[str] = []

        def lines() -> Iterator[tuple[str, bytes, int]]:
            for request in requests:
                key, line = request.custom_id, request.line()
                keys.append(key)
                yield key, line, checksum(key, line)

        with self._transaction() as connection:
            connection.executemany(queries.ADD_REQUEST, lines())
            _refuse_twice(keys)
            row = self._add_batch(connection, row)
            self._claim(connection, row, keys)
        return row

    def _add_batch(self, connection: Connection, row: BatchRow) -> BatchRow:
        ((number,),) = connection.execute(queries.ADD_BATCH, vars(row)).fetchall()
        self._database.own(connection, number)
        return replace(row, id=number)

    def adopt(
        self,
        row: BatchRow,
        lines: Mapping[str, bytes],
        aliases: Iterable[AliasRow] = (),
        results: Iterable[AnswerRow | FailureRow] = (),
    ) -> BatchRow:
        """Store a batch that this journal did not create; in state `settled` also its results, and no claims.

        Keys that an open batch of this journal already has stay with that batch.

        Args:
            row: the batch.
            lines: its official lines by key, empty where they are unknown.
            aliases: its `custom_id`s, where they are not our keys.
            results: its answers and failures.

        Returns:
            The row with its number, and with its answers counted.
        """
        with self._transaction() as connection:
            known = [(key, line, checksum(key, line)) for key, line in sorted(lines.items())]
            connection.executemany(queries.ADD_ADOPTED_REQUEST, known)
            row = self._add_batch(connection, row)
            connection.executemany(queries.ADD_ADOPTED_CLAIM, ((key, row.origin, row.id) for key in sorted(lines)))
            named = ((row.id, alias.custom_id, alias.key, alias.line) for alias in aliases)
            connection.executemany(queries.ADD_ALIAS, named)
            return self._finish(connection, row, results)

    @staticmethod
    def _finish(connection: Connection, row: BatchRow, results: Iterable[AnswerRow | FailureRow]) -> BatchRow:
        """Store a batch's state with these results; in state `settled` release its keys."""
        row = _add(connection, row, results)
        connection.execute(queries.UPDATE_BATCH, vars(row))
        if row.state == "settled":
            connection.execute(queries.DROP_ANSWERED_FAILURES, {"origin": row.origin, "batch": row.id})
            connection.execute(queries.CLOSE_CLAIMS, (row.id,))
        return row

    def commit(self, row: BatchRow) -> None:
        """Store a batch's new state. A create or a call may be sent only if there will be space for its outcome.

        Raises:
            JournalError: it cannot be stored; the message names the batch, if one was just created.
        """
        if row.state == "creating":
            self.lock.check()
            self._database.keep_reserve(reserve.SIZE if row.calls == "batch" else reserve.CALLS)
        try:
            self._update(row)
        except JournalError as error:
            if row.state != "created":
                raise
            self._save_created(row, error)

    def settle(self, row: BatchRow, results: Iterable[AnswerRow | FailureRow]) -> None:
        """Store a batch's last state, its answers and failures, and release its keys: all or nothing.

        The claims of a `lost` batch stay: its requests were paid, so nothing may send them again.
        """
        with self._changing(row) as connection:
            row = _add(connection, replace(row, answers=0, input_tokens=0, output_tokens=0), results)
            connection.execute(queries.DROP_ANSWERED_FAILURES, {"origin": row.origin, "batch": row.id})
            connection.execute(queries.UPDATE_BATCH, vars(row))
            if row.state != "lost":
                connection.execute(queries.CLOSE_CLAIMS, (row.id,))

    def record(
        self,
        row: BatchRow,
        results: Sequence[AnswerRow | FailureRow] = (),
        sent: Collection[str] = (),
        refused: Collection[str] = (),
    ) -> BatchRow:
        """Store results of individual calls, and the next calls to send; in state `settled` release all keys.

        Args:
            row: the batch, with the tokens of its earlier answers.
            results: new answers and failures.
            sent: keys whose call is sent after this is on disk: their outcome is unknown until it is stored.
            refused: keys whose call was certainly not run.

        Returns:
            The row with the tokens of all its answers.

        Raises:
            JournalError: it cannot be stored; `free_reserve` may make space for the results.
        """
        return self._record(row, results, sent, refused)

    def free_reserve(self) -> None:
        """Free the reserved space on a full disk, for results that are paid for; after that nothing may be sent."""
        self._database.give_reserve()

    def take_over(self, origin: str, keys: Sequence[str] | None = None) -> list[BatchRow]:
        """The open batches of an origin that this sender now has to finish, oldest first.

        Of a file, which has one sender, all. Of a database those that no live sender drives, and with `keys` only
        those of them that hold one of these.
        """
        if keys is not None and self._database.shared:
            return self.reclaim(set(self.reader.held(keys, origin).values()))
        return self.reclaim({row.id for row in self.reader.open_batches(origin)})

    def reclaim(self, batches: Collection[int]) -> list[BatchRow]:
        """Those of these batches that are open and that this sender now has to finish: no live one drives them."""
        if not batches:
            return []
        with self._transaction() as connection:
            mine = self._database.take_over(connection, batches)
        # Read after it: who drove them may have gone on until then.
        return [row for row in self.reader.batches_numbered(mine) if row.state in OPEN]

    def lease(self, origin: str, most: int = 1) -> list[tuple[BatchRow, str]]:
        """At most so many rows of calls that other senders offer, with the service tier to ask for; now this one's.

        Raises:
            JournalError: this process is no sender any more.
        """
        self.lock.check()
        with self._transaction() as connection:
            leased = self._database.lease(connection, origin, most)
        rows = self.reader.batches_numbered(leased)
        return [(row, leased[row.id].removeprefix(OFFERED).strip()) for row in rows]

    def owners(self, batches: Collection[int]) -> list[Holder]:
        """The processes that drive these batches; none of a file, whose only sender is the holder of its lock."""
        with self._database.reporting():
            return self._database.owners(self._connection, batches)

    def add_stages(self, rows: Iterable[StageRow]) -> None:
        """Store the measured stages of a wave."""
        with self._transaction() as connection:
            connection.executemany(queries.ADD_STAGE, (tuple(vars(row).values()) for row in rows))

    def note_cells(self, cells: Mapping[str, str], origin: str) -> None:
        """Note the key of each cell's current request, by the cell's name."""
        with self._transaction() as connection:
            connection.executemany(queries.ADD_CELL, ((name, origin, key) for name, key in cells.items()))

    def forgive(self, origin: str, keys: Iterable[str]) -> None:
        """Allow these requests to be sent again although they were paid and are lost."""
        with self._transaction() as connection:
            for key in keys:
                connection.execute(queries.FORGIVE_FAILURE, (key, origin))
                connection.execute(queries.FORGIVE_CLAIM, (key, origin))

    def release_other_rounds(self, origin: str, round_name: str) -> None:
        """Let a round ask again what an earlier round has paid and lost; that round still has its own failures."""
        with self._transaction() as connection:
            connection.execute(queries.RELEASE_OTHER_ROUNDS, (origin, round_name))

    def begin_refresh(self, run: str, origin: str, generations: Mapping[str, int]) -> dict[str, int]:
        """Note the generation that each key is to reach, and return the generations that are now in effect.

        A key for which an interrupted refresh still waits keeps the generation of that refresh. If the interrupted
        refresh has finished all of these keys, they are refreshed again: else its unfinished keys, which are not
        requested now, would block them for ever.
        """
        with self._transaction() as connection:
            connection.execute(queries.FORGET_WHOLE_REFRESHES, {"origin": origin, "run": run})
            these = {"origin": origin, "run": run, "keys": json.dumps(list(generations))}
            if connection.execute(queries.COUNT_REFRESHED, these).fetchone()[0] == len(generations):
                connection.execute(queries.FORGET_REFRESHED, these)
            rows = ((key, origin, generation, run) for key, generation in generations.items())
            connection.executemany(queries.ADD_REFRESH, rows)
        return self.reader.refreshes(list(generations), origin)

    def end_refresh(self, origin: str, keys: Iterable[str]) -> None:
        """Note that no refresh waits for these keys any more."""
        with self._transaction() as connection:
            connection.executemany(queries.END_REFRESH, ((key, origin) for key in keys))

    def prune(self, before: float | None, dry_run: bool = False) -> tuple[int, int]:
        """Remove replaced answers, and the contents of batches of runs that began before `before` (Unix seconds).

        An answer is replaced if there is a newer generation. The batches themselves stay, so that they are
        recognised at the provider; open and lost ones are not changed.

        Returns:
            The number of replaced answers, and of old answers and failures, that were (with `dry_run`: would be)
            removed.
        """
        when = {"before": before}
        with self._transaction() as connection:
            replaced = connection.execute(queries.COUNT_REPLACED).fetchone()[0]
            old = connection.execute(queries.COUNT_OLD, when).fetchone()[0] if before is not None else 0
            if not dry_run:
                connection.execute(queries.DROP_REPLACED)
            if not dry_run and before is not None:
                for statement in queries.DROP_OLD:
                    connection.execute(statement, when)
                keys = [key for (key,) in connection.execute(queries.OLD_LINES, when).fetchall()]
                connection.executemany(queries.DROP_LINE, ((b"", checksum(key, b""), key) for key in keys))
        if not dry_run:
            self._database.shrink(self._connection)
        return replaced, old

    def end_run(self) -> None:
        """Leave all answers in the journal's file itself while the journal stays open."""
        if self._process == os.getpid():
            self._database.put_in_file(self._connection, wait=True)

    def close(self) -> None:
        """Close the file, which has everything then, and release the lock."""
        self.reader.close()
        if self._process == os.getpid():
            # Another reader of this process may keep the log; who only read leaves it to those that write just now.
            self._database.put_in_file(self._connection, wait=self._wrote)
            self._connection.close()
        else:
            self._database.forget(self._connection)
        self.lock.release()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _record(
        self,
        row: BatchRow,
        results: Sequence[AnswerRow | FailureRow],
        sent: Collection[str],
        refused: Collection[str],
    ) -> BatchRow:
        if sent:
            self.lock.check()
        marks = [*((0, row.id, key) for key in refused), *((1, row.id, key) for key in sent)]
        with self._changing(row) as connection:
            connection.executemany(queries.MARK_SENT, marks)
            return self._finish(connection, row, results)

    def _update(self, row: BatchRow) -> None:
        with self._changing(row) as connection:
            connection.execute(queries.UPDATE_BATCH, vars(row))

    def _save_created(self, row: BatchRow, error: JournalError) -> None:
        """Store the id of a batch that has been paid for; on a full disk, the reserve makes space for it."""
        self._database.give_reserve()
        try:
            self._update(row)
        except JournalError:
            raise JournalError(
                f"{error}. Batch {row.batch_id} was created at {row.origin} from file {row.file_id}, but its id could "
                "not be stored; when this is solved, the same command looks for the batch and pays nothing twice"
            ) from error

    def _refuse_claimed(self, row: BatchRow, keys: Sequence[str]) -> None:
        """Refuse what others have claimed before it is written; those that claim it meanwhile the index will refuse."""
        if held := self.reader.open_of(keys, row.origin):
            with self._database.reporting():
                raise self._taken(self._connection, row, sorted(held))

    def _claim(self, connection: Connection, row: BatchRow, keys: Sequence[str]) -> None:
        claims = ((key, row.origin, row.id) for key in keys)
        if connection.executemany(queries.ADD_CLAIM, claims).rowcount < len(keys):
            mine = {key for (key,) in connection.execute(queries.KEYS_OF_BATCH, (row.id,)).fetchall()}
            raise self._taken(connection, row, [key for key in keys if key not in mine])
        if self._database.shared:
            # Another sender may have claimed, sent and settled them since this one looked.
            of_row = (row.origin, row.generation)
            done = {key for query in queries.DONE for (key,) in _by_keys(connection, query, keys, *of_row)}
            if done:
                raise ClaimedError(done, f"{counted(len(done), 'request')} just settled by another run")

    def _taken(self, connection: Connection, row: BatchRow, keys: Sequence[str]) -> ClaimedError:
        """The error for keys that another open batch claims; it names the first of them."""
        for key, number, state, batch_id in _by_keys(connection, queries.CLAIMED, keys, row.origin, row.id):
            return ClaimedError(
                keys,
                f"request {key} is already in batch {number} ({batch_id or 'no id yet'}, {state}); "
                "it is not sent a second time while that batch is open",
            )
        return ClaimedError(keys, f"{counted(len(keys), 'request')} claimed by another run at this moment")

    @contextmanager
    def _changing(self, row: BatchRow) -> Iterator[Connection]:
        """A transaction on a batch that still is this sender's own."""
        with self._transaction() as connection:
            self._database.check_own(connection, row.id)
            yield connection

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        if self._process != os.getpid():
            raise JournalError(
                f"the journal {self.address} was opened by process {self._process}; a forked process must open it again"
            )
        with self._database.reporting():
            with self._database.transaction(self._connection) as connection:
                yield connection
            self._wrote = True


def _by_keys(connection: Connection, query: str, keys: Sequence[str], *more: str | int) -> Iterator[tuple[Any, ...]]:
    for text, part in queries.of_keys(query, keys):
        yield from connection.execute(text, (*part, *more)).fetchall()


def _add(connection: Connection, row: BatchRow, results: Iterable[AnswerRow | FailureRow]) -> BatchRow:
    """Add answers and failures, and return the row with their number and tokens added."""
    number, input_tokens, output_tokens = row.answers, row.input_tokens, row.output_tokens
    for some in _chunks(results):
        answers = [result for result in some if isinstance(result, AnswerRow)]
        number += len(answers)
        input_tokens += sum(answer.input_tokens for answer in answers)
        output_tokens += sum(answer.output_tokens for answer in answers)
        connection.executemany(queries.ADD_ANSWER, _answers(row, answers))
        if row.calls == "individual":
            connection.executemany(queries.ADD_TIER_USE, _tier_uses(row, answers))
        failures = {result.key: _failure(row, result) for result in some if isinstance(result, FailureRow)}
        connection.executemany(queries.ADD_FAILURE, failures.values())
    return replace(row, answers=number, input_tokens=input_tokens, output_tokens=output_tokens)


def _tier_uses(row: BatchRow, answers: Iterable[AnswerRow]) -> Iterator[tuple[object, ...]]:
    uses: dict[str, list[AnswerRow]] = {}
    for answer in answers:
        if answer.tier:
            uses.setdefault(answer.tier, []).append(answer)
    for tier, of_it in uses.items():
        tokens = (sum(one.input_tokens for one in of_it), sum(one.output_tokens for one in of_it))
        yield row.id, tier, len(of_it), *tokens


def _chunks(results: Iterable[AnswerRow | FailureRow]) -> Iterator[list[AnswerRow | FailureRow]]:
    """The results in chunks, since a batch may have more than fit in memory, and a single one may be large."""
    some: list[AnswerRow | FailureRow] = []
    size = 0
    for result in results:
        some.append(result)
        size += len(result.response) if isinstance(result, AnswerRow) else 0
        if len(some) == queries.CHUNK or size > CHUNK_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


def _answers(row: BatchRow, answers: Iterable[AnswerRow]) -> Iterator[tuple[object, ...]]:
    origin, generation, number, attempt = row.origin, row.generation, row.id, row.attempt
    for answer in answers:
        crc = checksum(answer.key, answer.response)
        yield answer.key, origin, generation, number, attempt, answer.line_id, answer.response, crc


def _failure(row: BatchRow, failure: FailureRow) -> tuple[object, ...]:
    location = (failure.key, row.origin, row.generation, row.id, row.attempt)
    return (*location, failure.code, failure.message, failure.status_code, int(failure.retryable))
