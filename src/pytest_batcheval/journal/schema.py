"""The journal's schema as this release knows it: to compare a file's own with, and to read a damaged file by."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache

from pytest_batcheval.journal.migrate import create_all, scripts

PAGE = 4096
"""Bytes of a page of every journal."""


@dataclass(frozen=True)
class JournalTable:
    """One table.

    Attributes:
        columns: their names and types, in the order in which a new row lists them.
        key: columns of the primary key, in its order.
        bare: an SQL statement for a table of the same rows on disk, without indexes and constraints.
    """

    name: str
    columns: dict[str, str]
    key: tuple[str, ...]
    bare: str


def changes(connection: sqlite3.Connection, version: int) -> str | None:
    """The first difference of a file's schema from that of a version; tables and indexes of the user's are none."""
    found = set(connection.execute(_SCHEMA))
    missing = next((row for row in _schema(version) if row not in found), None)
    return None if missing is None else f"the schema has another {missing[0].decode()} {missing[1].decode()}"


@cache
def tables() -> tuple[JournalTable, ...]:
    """All tables, parents first."""
    with closing(_created()) as connection:
        names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid").fetchall()
        return tuple(_table(connection, name) for (name,) in names)


@cache
def layouts() -> tuple[dict[str, int], dict[str, int]]:
    """The number of each table's first page: in a file that grew from new, and in one that `VACUUM` has written."""
    with closing(_created()) as connection:
        grown = dict(connection.execute(ROOTS))
        connection.execute("VACUUM")
        return grown, dict(connection.execute(ROOTS))


def first_page(roots: dict[str, int], pages: int) -> bytes:
    """The first page of a file whose tables begin on these pages: it makes their rows readable without indexes."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {PAGE}")
        for table in tables():
            connection.execute(table.bare)
        connection.execute("PRAGMA writable_schema = ON")
        for name, page in roots.items():
            connection.execute("UPDATE sqlite_schema SET rootpage = ? WHERE name = ?", (page, name))
        whole = bytearray(connection.serialize()[:PAGE])
    whole[28:32] = pages.to_bytes(4, "big")
    return bytes(whole)


_SCHEMA = """
SELECT CAST(type AS BLOB), CAST(name AS BLOB), CAST(tbl_name AS BLOB), CAST(sql AS BLOB) FROM sqlite_schema
"""

ROOTS = "SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0"


@cache
def _schema(version: int) -> Sequence[tuple[bytes, ...]]:
    with closing(_created(version)) as connection:
        return connection.execute(_SCHEMA).fetchall()


def _created(version: int | None = None) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    create_all(connection, scripts()[:version])
    return connection


def _table(connection: sqlite3.Connection, name: str) -> JournalTable:
    info = connection.execute(f"PRAGMA table_info({name})").fetchall()
    columns = {column: kind for _, column, kind, *_ in info}
    key = tuple(column for _, column, *_, _ in sorted((row for row in info if row[5]), key=lambda row: row[5]))
    (plain,) = connection.execute("SELECT wr FROM pragma_table_list(?)", (name,)).fetchone()
    parts = [f"{column} DEFAULT {default}" if default else column for _, column, _, _, default, _ in info]
    if plain:
        parts.append(f"PRIMARY KEY({','.join(key)})")
    elif [columns[column] for column in key] == ["INTEGER"]:
        parts = [part if part != key[0] else f"{part} INTEGER PRIMARY KEY" for part in parts]
    return JournalTable(name, columns, key, f"CREATE TABLE {name}({','.join(parts)}){' WITHOUT ROWID' * plain}")
