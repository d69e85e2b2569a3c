"""A journal in a PostgreSQL database: many processes send at once, and each key is in one open batch by an index."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pytest_batcheval.errors import JournalError, UsageError
from pytest_batcheval.journal import location
from pytest_batcheval.journal import postgres_dialect as dialect
from pytest_batcheval.journal.address import PostgresAddress
from pytest_batcheval.journal.database import Change, Connection, Rows
from pytest_batcheval.journal.lock import Holder
from pytest_batcheval.journal.migrate import scripts
from pytest_batcheval.journal.senders import SENDERS, PostgresSender
from pytest_batcheval.text.disk_errors import error_name
from pytest_batcheval.text.sanitize import redacted

try:
    import psycopg
    from psycopg.types.string import StrDumper
except ImportError as error:  # also where it finds no libpq
    raise UsageError(
        f"a journal in PostgreSQL needs psycopg ({error}): pip install 'pytest-batcheval[postgres]'"
    ) from None

CONNECT_SECONDS = 10
"""Seconds to wait for the server before it counts as away."""

ROWS = 1000
"""Rows of one insert."""

IDLE_SECONDS = 30
"""Seconds after which the server ends a transaction whose process says nothing more: it holds the rows of its batches,
and whoever takes them over would wait for a process that is suspended or cut off."""

_SETTINGS = """
SELECT set_config('search_path', $1, false), set_config('application_name', 'pytest-batcheval', false),
    set_config('synchronous_commit', 'on', false), set_config('client_min_messages', 'warning', false),
    set_config('enable_seqscan', 'off', false), set_config('enable_mergejoin', 'off', false),
    set_config('enable_hashjoin', 'off', false), set_config('jit', 'off', false),
    set_config('idle_in_transaction_session_timeout', $2, false)
"""
"""Of a table that has just been filled there are no statistics: unless `enable_seqscan` and `jit` are off, 500 keys are
looked up by reading all of it; rows are joined one by one, as SQLite does it, for which the queries are written."""


class _Dumper(StrDumper):
    """Texts as the server takes them: it has no NUL, which a provider may have sent."""

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\0", "\ufffd") if "\0" in obj else obj)


@dataclass(frozen=True)
class Changed:
    """A `Change`."""

    rowcount: int


class PostgresConnection:
    """A `Connection` that takes SQLite's statements."""

    def __init__(self, address: PostgresAddress) -> None:
        self.raw = psycopg.connect(
            address.url,
            autocommit=True,
            cursor_factory=psycopg.RawCursor,
            connect_timeout=CONNECT_SECONDS,
            prepare_threshold=None,  # a plan that was made for empty tables would be kept
            **dict(address.secrets),  # type: ignore[arg-type]
        )
        self.raw.adapters.register_dumper(str, _Dumper)
        self.raw.execute(_SETTINGS, [address.schema, f"{IDLE_SECONDS}s"])

    def execute(self, query: str, values: Any = (), /) -> Rows:
        """Execute a statement with a sequence of values, or with values by name."""
        text, places = dialect.statement(query)
        return self.raw.execute(text, dialect.in_order(values, places))

    def executemany(self, query: str, rows: Iterable[Any], /) -> Change:
        """Execute a statement for each of the rows: inserts many at once, and others without waiting for each."""
        text, places = dialect.statement(query)
        wanted = (dialect.in_order(row, places) for row in rows)
        count = 0
        while some := list(islice(wanted, ROWS)):
            if (at_once := dialect.rows_at_once(query)) is not None:
                count += self.raw.execute(at_once, [list(column) for column in zip(*some, strict=True)]).rowcount
            else:
                cursor = self.raw.cursor()
                cursor.executemany(text, some)
                count += cursor.rowcount
        return Changed(count)

    def close(self) -> None:
        """Close it."""
        self.raw.close()


class PostgresDatabase:
    """A `Database`; its `lock` announces this process, and waits for nobody."""

    shared = True

    def __init__(self, address: PostgresAddress) -> None:
        self.address, self.place = address, address.place
        self.lock = PostgresSender(address, self.connect, self.reporting)
        self._inherited: list[Connection] = []

    def connect(self) -> PostgresConnection:
        """A new connection.

        Raises:
            JournalError: the server is away, or refuses.
        """
        text = ""
        try:
            connection = PostgresConnection(self.address)
            encoding = connection.raw.info.parameter_status("server_encoding")
            if encoding == "UTF8":
                return connection
            connection.close()
            text = f"its encoding is {encoding}, which has not all characters: create it with ENCODING 'UTF8'"
        except psycopg.Error as error:
            text = self._said(error)
        # Not inside `except`: a traceback would show what libpq was given.
        raise JournalError(f"the journal {self.address} cannot be used ({text}); nothing was sent after that")

    def writer(self) -> Connection:
        """Connect for writing; schema and tables are made, or brought up to date."""
        connection = self.connect()
        try:
            with self.reporting():
                location.make_folder(self.place.parent)
                self._upgrade(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def reader(self) -> Connection | None:
        """Connect for reading; `None` as long as the schema has no journal."""
        connection = self.connect()
        try:
            with self.reporting():
                found = self._version(connection)
            if 0 < found < len(scripts()):
                raise JournalError(
                    f"the journal {self.address} is from an older release; a run that sends requests upgrades it"
                )
        except BaseException:
            connection.close()
            raise
        if found:
            return connection
        connection.close()
        return None

    def exists(self) -> bool:
        """Whether the schema has a journal."""
        connection = self.reader()
        if connection is not None:
            connection.close()
        return connection is not None

    def _version(self, connection: PostgresConnection) -> int:
        (there,) = connection.raw.execute("SELECT to_regclass('journal')").fetchone() or (None,)
        if there is None:
            return 0
        (found,) = connection.raw.execute("SELECT max(version) FROM journal").fetchone() or (0,)
        if found > len(scripts()):
            raise JournalError(
                f"the journal {self.address} has version {found}, but this release supports versions up to "
                f"{len(scripts())}; upgrade pytest-batcheval, or choose another journal with --batch-journal"
            )
        return int(found)

    def _upgrade(self, connection: PostgresConnection) -> None:
        """Bring the tables up to date in one transaction; several processes that begin at once do it one by one."""
        if self._version(connection) == len(scripts()):
            return
        schema = psycopg.sql.Identifier(self.address.schema)
        with connection.raw.transaction():
            connection.raw.execute("SELECT pg_advisory_xact_lock(hashtext($1))", [f"batcheval {self.address.schema}"])
            if not connection.raw.execute(
                "SELECT 1 FROM pg_namespace WHERE nspname = $1", [self.address.schema]
            ).fetchone():
                connection.raw.execute(psycopg.sql.SQL("CREATE SCHEMA {}").format(schema))
            found = self._version(connection)
            if not found:
                connection.raw.execute("CREATE TABLE journal (version BIGINT PRIMARY KEY)")
                _all(connection, SENDERS)
            for number, step in enumerate(scripts()[found:], found + 1):
                _all(connection, dialect.script(step))
                connection.raw.execute("INSERT INTO journal VALUES ($1)", [number])

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Turn the server's errors into a `JournalError` that names the database, without passwords."""
        text = ""
        try:
            yield
        except psycopg.Error as error:
            text = self._said(error)
        except OSError as error:
            text = f"{error_name(error)}: {error}"
        if text:
            raise JournalError(
                f"the journal {self.address} cannot be used ({text}); nothing was sent after that, and the same "
                "command goes on where this one has stopped"
            )

    def _said(self, error: psycopg.Error) -> str:
        """The words of the server or of libpq in one line, and a hint what to do."""
        text = redacted(" ".join(str(error).split()), *(value for _, value in self.address.secrets))
        hint = ""
        if "password" in text:
            hint = "; give the password by PGPASSWORD or ~/.pgpass"
        elif "does not exist" in text and "database" in text:
            hint = "; create it: createdb"
        elif isinstance(error, psycopg.errors.InsufficientPrivilege):
            hint = "; the user needs CREATE on the database for the first run, and all rights on the schema after that"
        return f"{type(error).__name__}: {text}{hint}"

    @contextmanager
    def transaction(self, connection: Connection) -> Iterator[Connection]:
        """All of a `with` block, or nothing of it."""
        with _raw(connection).transaction():
            yield connection

    def check_indexes(self, connection: Connection) -> None:
        """Nothing: the server's own checksums and recovery are its owner's; `errors` has what can be seen."""

    def errors(self, connection: Connection, quick: bool = False) -> Iterator[str]:
        """The indexes that the server itself does not trust."""
        found = connection.execute(
            "SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indrelid "
            "WHERE relnamespace = current_schema()::regnamespace AND NOT indisvalid"
        )
        yield from (f"PostgreSQL: the index {name} is not valid" for (name,) in found)

    def own(self, connection: Connection, batch: int) -> None:
        """Make a new batch this sender's own."""
        self.lock.own(connection, batch)

    def check_own(self, connection: Connection, batch: int) -> None:
        """Make sure that no other sender has taken a batch over."""
        self.lock.check_own(connection, batch)

    def take_over(self, connection: Connection, batches: Collection[int]) -> set[int]:
        """Those that no live sender drives."""
        return self.lock.take_over(connection, batches)

    def lease(self, connection: Connection, origin: str, most: int) -> dict[int, str]:
        """Rows that live senders offer."""
        return self.lock.lease(connection, origin, most)

    def senders(self) -> list[Holder]:
        """The live senders; none as long as there is no journal."""
        connection = self.reader()
        if connection is None:
            return []
        try:
            with self.reporting():
                return self.lock.living(connection)
        finally:
            connection.close()

    def owners(self, connection: Connection, batches: Collection[int]) -> list[Holder]:
        """The live senders that drive these batches."""
        return self.lock.owners(connection, batches)

    def keep_reserve(self, size: int) -> None:
        """Nothing: the space is the server's, and a create that cannot be stored is looked for."""

    def give_reserve(self) -> None:
        """Nothing."""

    def put_in_file(self, connection: Connection, wait: bool) -> None:
        """Nothing: there is no file."""

    def shrink(self, connection: Connection) -> None:
        """Nothing: the server's autovacuum does it."""

    def forget(self, connection: Connection) -> None:
        """Abandon a connection that was inherited by a fork: its session is the parent's."""
        self._inherited.append(connection)

    def is_open(self, connection: Connection) -> bool:
        """Whether the server has not cut it."""
        return not _raw(connection).closed

    def reader_closed(self) -> None:
        """Nothing."""


def _raw(connection: Connection) -> psycopg.Connection[Any]:
    assert isinstance(connection, PostgresConnection)
    return connection.raw


def _all(connection: PostgresConnection, text: str) -> None:
    for one in filter(str.strip, text.split(";")):
        connection.raw.execute(one.encode())
