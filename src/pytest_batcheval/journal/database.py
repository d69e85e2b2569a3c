"""The database in which a journal is kept: what its writer and its readers need of one, of either kind."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from pytest_batcheval.journal.address import JournalAddress
from pytest_batcheval.journal.lock import Holder, SenderLock


class Change(Protocol):
    """The outcome of a statement that was executed for many rows."""

    @property
    def rowcount(self) -> int:
        """Rows that were inserted, changed or deleted."""


class Rows(Change, Protocol):
    """The result of a statement."""

    @property
    def description(self) -> Any:
        """A sequence for each column, with its name first."""

    def fetchone(self) -> Any:
        """The next row; `None` after the last one."""

    def fetchall(self) -> list[Any]:
        """The rest of the rows."""

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """A connection that takes the statements of `queries`."""

    def execute(self, query: str, values: Any = ..., /) -> Rows:
        """Execute a statement with a sequence of values, or with values by name."""

    def executemany(self, query: str, rows: Iterable[Any], /) -> Change:
        """Execute a statement for each of the rows; those of an insert that may update have different keys."""

    def close(self) -> None:
        """Close it."""


class Database(Protocol):
    """A database with the tables of a journal."""

    @property
    def address(self) -> JournalAddress:
        """The file, or the schema in a server."""

    @property
    def place(self) -> Path:
        """The path that files of this machine beside the journal begin with."""

    @property
    def lock(self) -> SenderLock:
        """The right to send."""

    def writer(self) -> Connection:
        """A connection for writing; tables are made, or brought up to date.

        Raises:
            JournalError: the database cannot be used.
        """

    def reader(self) -> Connection | None:
        """A connection for reading, for any thread; `None` as long as there is no journal.

        Raises:
            JournalError: the database cannot be used.
        """

    def exists(self) -> bool:
        """Whether there is a journal.

        Raises:
            JournalError: the database cannot be reached.
        """

    def reporting(self) -> AbstractContextManager[None]:
        """Turn the database's errors into a `JournalError` that names the journal."""

    def transaction(self, connection: Connection) -> AbstractContextManager[Connection]:
        """All of a `with` block, or nothing of it; on disk at its end."""

    def check_indexes(self, connection: Connection) -> None:
        """Check the indexes, by which answers are looked up.

        Raises:
            JournalError: they are damaged.
        """

    def errors(self, connection: Connection, quick: bool = False) -> Iterator[str]:
        """The errors in the database's own structures; `quick` does not compare indexes with their tables."""

    def own(self, connection: Connection, batch: int) -> None:
        """Make a new batch this sender's own, in the caller's transaction."""

    def check_own(self, connection: Connection, batch: int) -> None:
        """Make sure, for the caller's transaction, that no other sender has taken a batch over.

        Raises:
            TakenOverError: one has.
        """

    def take_over(self, connection: Connection, batches: Collection[int]) -> set[int]:
        """Those of these open batches that are now this sender's own: nobody else drives them any more."""

    def lease(self, connection: Connection, origin: str, most: int) -> dict[int, str]:
        """At most so many rows of calls that other senders offer, with their status: from now on this sender's own."""

    def senders(self) -> list[Holder]:
        """The processes that send now.

        Raises:
            JournalError: the database cannot be reached.
        """

    def owners(self, connection: Connection, batches: Collection[int]) -> list[Holder]:
        """The processes that drive these batches."""

    @property
    def shared(self) -> bool:
        """Whether several processes send at once, so that what one has read may have changed when it claims."""

    def keep_reserve(self, size: int) -> None:
        """Keep space for the outcome of what is sent next.

        Raises:
            JournalError: there is none.
        """

    def give_reserve(self) -> None:
        """Free that space."""

    def put_in_file(self, connection: Connection, wait: bool) -> None:
        """Leave all rows in the file itself; `wait` for other processes that read just now."""

    def shrink(self, connection: Connection) -> None:
        """Give the space of deleted rows back."""

    def forget(self, connection: Connection) -> None:
        """Abandon a connection that was inherited by a fork."""

    def is_open(self, connection: Connection) -> bool:
        """Whether a connection can be used; a server may have cut it."""

    def reader_closed(self) -> None:
        """Tidy up after the last connection for reading."""
