"""No query reads a table of requests or answers from its beginning, but those that are to read all of it."""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from typing import Any

import pytest

from pytest_batcheval.journal import queries
from pytest_batcheval.journal.address import journal_address
from pytest_batcheval.journal.migrate import create_all, scripts
from pytest_batcheval.journal.postgres_dialect import statement
from pytest_batcheval.journal.store import Journal

LARGE = ("alias", "answer", "cell", "claim", "failure", "request")
"""Tables with a row for each request."""

SMALL = ("failure_by_batch", "refreshed_answer")
"""Indexes that may be read from end to end: of requests that fail, or were asked again."""

WHOLE = {
    "GONE": "`batcheval verify` reads everything",
    "STILL_OPEN": "`batcheval verify` reads all open claims",
    "FAILED": "all failures, for a report on all answers",
    "MEND": "repairs a journal with what was left of it",
    "NEWEST_ANSWERS": "ends after some rows",
    "NEWEST_KEYS": "ends after some rows",
}
"""Queries that read a table from its beginning or end, and why they may."""

INDEXES = re.findall(r"CREATE INDEX (\w+)", "".join(scripts()))
WORDS = {"table": "answer", "keys": "?, ?", "round": "batch.round = '1'", "columns": "id"}

Plan = Callable[[str], Iterator[str]]
"""From a query to the large tables that it reads from an end, as a database plans it."""


def statements() -> list[tuple[str, str]]:
    """Each query by its name, with its places filled."""
    found = []
    for name, value in vars(queries).items():
        if name.isupper() and not name.startswith("_") and isinstance(value, (str, tuple)) and name != "ADOPTED":
            which = "AND claim.key > '1'" if name == "GONE" else "failure.key > '1'"
            texts = [value] if isinstance(value, str) else value
            found += [(name, text.replace("{{keys}}", "{keys}").format(which=which, **WORDS)) for text in texts]
    return found


def readers(plan: Plan, whole: Collection[str] = WHOLE) -> dict[str, set[str]]:
    """The queries that read large tables from an end without a reason, with those tables."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, text in statements():
        for table in plan(text) if name not in whole and "VALUES (" not in text else ():
            found[name].add(table)
    return found


# -- SQLite -----------------------------------------------------------------------------------------------------


@pytest.fixture
def sqlite() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        create_all(connection, scripts())
        connection.create_function("checksum", 2, lambda *_: 0)
        yield connection


def of_sqlite(connection: sqlite3.Connection) -> Plan:
    def plan(text: str) -> Iterator[str]:
        named = {alias: table for table, alias in re.findall(r"(?:FROM|JOIN) (\w+) AS (\w+)", text)}
        text = re.sub(r"\?\d*|:[a-z_]+", "'1'", text)
        for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {text}"):
            scan = re.match(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?", step)
            if scan is not None and (table := named.get(scan[1], scan[1])) in LARGE and scan[2] not in SMALL:
                yield table

    return plan


def test_sqlite_reads_no_table_of_requests_from_an_end(sqlite):
    assert readers(of_sqlite(sqlite)) == {}


@pytest.mark.parametrize("index", INDEXES)
def test_without_an_index_sqlite_does(sqlite, index):
    sqlite.execute(f"DROP INDEX {index}")
    assert readers(of_sqlite(sqlite)) != {}


# -- PostgreSQL -------------------------------------------------------------------------------------------------

WHOLE_IN_POSTGRESQL = WHOLE | {
    "OLD_LINES": "`batcheval prune` reads all claims once: the planner takes them before the few batches",
    "REPEATED_COUNTS": "a report reads all claims once, for the same reason",
}


@pytest.fixture
def connection(postgres: str, tmp_path) -> Iterator[Any]:
    from psycopg.types.string import StrDumperUnknown

    with Journal.open(journal_address(postgres, tmp_path)) as journal:
        journal._connection.raw.adapters.register_dumper(str, StrDumperUnknown)  # any type takes it
        yield journal._connection


def of_postgres(connection: Any) -> Plan:
    def steps(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield node
        for inner in node.get("Plans", ()):
            yield from steps(inner)

    def plan(text: str) -> Iterator[str]:
        query, places = statement(text)
        of_batches = re.search(r"batch IN \(\?", text) is not None
        values = [[1 if of_batches else "1"] if isinstance(place, tuple) else "1" for place in places]
        (found,) = connection.raw.execute(f"EXPLAIN (FORMAT JSON) {query}", values).fetchone()
        for step in steps(found[0]["Plan"]):
            bounded = "Index Cond" in step or "Recheck Cond" in step or step.get("Index Name") in SMALL
            if step.get("Relation Name") in LARGE and step["Node Type"].endswith("Scan") and not bounded:
                yield step["Relation Name"]

    return plan


def test_postgresql_reads_no_table_of_requests_from_an_end(connection):
    assert readers(of_postgres(connection), WHOLE_IN_POSTGRESQL) == {}


def test_with_joins_by_merging_postgresql_reads_more(connection):
    connection.raw.execute("SET enable_mergejoin = on")
    assert readers(of_postgres(connection), WHOLE_IN_POSTGRESQL) != {}


def test_without_indexes_postgresql_does(connection):
    for index in INDEXES:
        connection.raw.execute(f"DROP INDEX {index}")
    assert readers(of_postgres(connection), WHOLE_IN_POSTGRESQL) != {}
