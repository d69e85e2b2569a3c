"""Creation of the journal's SQLite file, complete and private, and connections to it after a check."""

from __future__ import annotations

import os
import secrets
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from pytest_batcheval.errors import JournalError
from pytest_batcheval.journal.location import private_file, sync_folder
from pytest_batcheval.journal.migrate import scripts, upgrade, version
from pytest_batcheval.journal.schema import changes
from pytest_batcheval.journal.transaction import DamagedError, reporting
from pytest_batcheval.wire import real_time

BUSY_SECONDS = 5.0
"""Seconds that a statement waits for another process's transaction."""

LOGS = ("-wal", "-shm", "-journal")
"""Ends of the names of SQLite's own files beside a journal."""

_inherited: list[sqlite3.Connection] = []


def create(path: Path) -> None:
    """Create a journal (0600) if there is no file.

    It is created under another name and linked to its path when it is complete. Therefore an empty file is
    never a journal that is just being created, and is not taken for a new one.

    Raises:
        JournalError: it cannot be created.
    """
    if path.exists():
        return
    with reporting(path):
        _refuse_half_mended(path)
        draft = path.with_name(f"{path.name}.new-{secrets.token_hex(4)}")
        private_file(draft)
        try:
            with closing(_read_and_write(draft)) as connection:
                # Without a log: what a full disk does not take is an error here, not at closing, which has none.
                connection.execute("PRAGMA synchronous = FULL")
                upgrade(connection, draft)
            put_in_place(draft, path)
        finally:
            for suffix in ("", *LOGS):
                draft.with_name(draft.name + suffix).unlink(missing_ok=True)
        sync_folder(path.parent)


def writer(path: Path) -> sqlite3.Connection:
    """A connection for writing: WAL, synchronous=FULL, schema up to date.

    Raises:
        JournalError: the file is empty, damaged, not a journal, or of a later release.
    """
    with reporting(path):
        _refuse_half_mended(path)
        connection = _read_and_write(path)
        try:
            found = _refuse_empty(connection, path)
            check(connection, path)
            _check_schema(connection, path, found)
            _set_up(connection)
            upgrade(connection, path)
            shorten_log(connection, 0)  # a run that was killed has left it long
        except BaseException:
            connection.close()
            raise
        return connection


def reader(path: Path) -> sqlite3.Connection:
    """A connection for reading, for any thread of this process; also in a folder without write permission.

    Raises:
        JournalError: the file is empty, damaged, not a journal, or has the version of another release.
    """
    with reporting(path):
        _refuse_half_mended(path)
        connection = _read_only(path)
        try:
            found = _refuse_empty(connection, path)
            _check_schema(connection, path, found)
            if found < len(scripts()):
                raise JournalError(
                    f"the journal {path} is from an older release; a run that sends requests upgrades it"
                )
        except BaseException:
            connection.close()
            raise
        return connection


def shorten_log(connection: sqlite3.Connection, wait: float = BUSY_SECONDS) -> None:
    """Move all rows from the write-ahead log into the journal's file, so that the file alone has everything.

    Nothing is lost where it is impossible, as on a full disk: the rows stay in the log, and the next call moves them.

    Args:
        connection: one for writing.
        wait: seconds to wait for other processes that read or write just now.
    """
    with suppress(sqlite3.Error):
        connection.execute(f"PRAGMA busy_timeout = {wait * 1000:.0f}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    with suppress(sqlite3.Error):
        connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}")


def put_log_away(path: Path) -> None:
    """Remove the write-ahead log after the last connection for reading was closed, which cannot do it itself.

    SQLite moves what the log has into the file first; it leaves the log where anybody has the journal open.
    """
    if not path.with_name(path.name + "-wal").exists():
        return
    with suppress(sqlite3.Error), closing(_read_and_write(path)) as connection:
        connection.execute("PRAGMA user_version")


def put_in_place(draft: Path, path: Path) -> bool:
    """Give a complete file its name, unless there is such a file already; whether it was given."""
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError:
        # A file system without links; the loser of this race gets the error that its journal was replaced.
        if path.exists() or path.is_symlink():
            return False
        draft.rename(path)
    return True


def forget(connection: sqlite3.Connection) -> None:
    """Abandon a connection inherited by a fork: closing it here could drop the parent's locks."""
    _inherited.append(connection)


def _read_and_write(path: Path) -> sqlite3.Connection:
    return _connect(path, "mode=rw")


def _read_only(path: Path) -> sqlite3.Connection:
    """A connection for reading: SQLite needs a writable folder for a WAL file, unless the file is immutable."""
    connection = _connect(path, "mode=ro")
    try:
        connection.execute("PRAGMA user_version")
    except sqlite3.Error as error:
        connection.close()
        if not error.sqlite_errorname.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")):
            raise
        wal = path.with_name(path.name + "-wal")
        if wal.exists() and wal.stat().st_size:
            raise JournalError(
                f"the newest entries of the journal {path} are in {wal.name}, which cannot be read in a folder "
                "without write permission; copy both files to a folder of your own"
            ) from None
        connection = _connect(path, "mode=ro&immutable=1")
    return connection


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    """A connection, with its timeout set before the first statement, since that may already have to wait."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?{mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=mode == "mode=rw",
    )


def _set_up(connection: sqlite3.Connection) -> None:
    _use_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log; of several that switch at once SQLite refuses some without waiting."""
    end = real_time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or real_time.monotonic() > end:
                raise
            real_time.sleep(0.01)
        else:
            return


def _refuse_empty(connection: sqlite3.Connection, path: Path) -> int:
    """The version of a file, which must not be empty: an empty file was a journal once, or is something else."""
    try:
        found = version(connection, path)
    except JournalError:
        _check_header(connection, path, -1)
        raise
    _check_header(connection, path, found)
    if found == 0 and not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise JournalError(
            f"the journal {path} is empty. If it had contents, restore a copy; "
            "if nothing was ever sent with it, delete it, and a new one will be created"
        )
    return found


def _check_schema(connection: sqlite3.Connection, path: Path, found: int) -> None:
    if (change := changes(connection, found)) is not None:
        raise DamagedError(path, change)


def _check_header(connection: sqlite3.Connection, path: Path, found: int) -> None:
    """Refuse a file with this release's schema whose version or application, by one changed bit, is another's."""
    newest = len(scripts())
    (said,) = connection.execute("PRAGMA user_version").fetchone()
    if found != newest and (said ^ newest).bit_count() < 2 and changes(connection, newest) is None:
        raise DamagedError(path, "its header names another application or version")


def _refuse_half_mended(path: Path) -> None:
    """Refuse a journal whose repair was killed: its file may be without its log, and look sound and empty."""
    if mended(path).is_file() and not mended(path).is_symlink():
        raise DamagedError(path, "its repair was interrupted")


def mended(path: Path) -> Path:
    """The path of the complete new journal that is about to take the place of a damaged one."""
    return path.with_name(path.name + ".mended")


def check(connection: sqlite3.Connection, path: Path, indexes: bool = False) -> None:
    """Check the structure of the file, and the indexes, which takes twice as long; checksums do the rest.

    Raises:
        DamagedError: something is wrong.
    """
    kind = "integrity_check" if indexes else "quick_check"
    with reporting(path), closing(connection.execute(f"PRAGMA {kind}(1)")) as cursor:
        result = cursor.fetchone()[0]
    if result != "ok":
        raise DamagedError(path, result)
