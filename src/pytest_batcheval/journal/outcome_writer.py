"""Writes the outcomes of a run of tests, and the tables of their file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import astuple
from pathlib import Path

from pytest_batcheval.journal.location import make_folder, private_file
from pytest_batcheval.journal.outcomes import BUSY_SECONDS, KeptResult, Outcome
from pytest_batcheval.text.streams import encodable

SCHEMA = """
CREATE TABLE IF NOT EXISTS run (
    id      TEXT PRIMARY KEY,
    started REAL NOT NULL,             -- Unix seconds
    mode    TEXT NOT NULL,             -- of --batch
    argv    TEXT NOT NULL,             -- JSON array
    tests   INTEGER NOT NULL,
    failing INTEGER NOT NULL,          -- of them failed or in error
    unrecorded INTEGER NOT NULL        -- of them without an answer
) STRICT;

CREATE TABLE IF NOT EXISTS outcome (
    run     TEXT NOT NULL REFERENCES run (id),
    test    TEXT NOT NULL,             -- its id
    module  TEXT NOT NULL,             -- its path below the root of the suite
    outcome TEXT NOT NULL,             -- passed, failed, error, skipped, xfailed, xpassed or unrecorded
    message TEXT NOT NULL,             -- of a failure, on one line
    seconds REAL NOT NULL,
    PRIMARY KEY (test, run)
) STRICT, WITHOUT ROWID;

-- The answers that a test used, or has none of.
CREATE TABLE IF NOT EXISTS used (
    key  TEXT NOT NULL,
    run  TEXT NOT NULL,
    test TEXT NOT NULL,
    cell TEXT NOT NULL,                -- JSON object: ids by axis
    PRIMARY KEY (key, test, run)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS used_by_run ON used (run, test);

-- The answers of each id of an axis.
CREATE TABLE IF NOT EXISTS cell (
    axis TEXT NOT NULL,
    id   TEXT NOT NULL,
    key  TEXT NOT NULL,
    PRIMARY KEY (axis, id, key)
) STRICT, WITHOUT ROWID;

-- The newest run of each test.
CREATE TABLE IF NOT EXISTS newest (
    test    TEXT PRIMARY KEY,
    run     TEXT NOT NULL REFERENCES run (id),
    module  TEXT NOT NULL,
    outcome TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Of the package `quality`, in the order in which a test computed them.
CREATE TABLE IF NOT EXISTS result (
    run     TEXT NOT NULL REFERENCES run (id),
    test    TEXT NOT NULL,
    number  INTEGER NOT NULL,
    kind    TEXT NOT NULL,             -- its class
    summary TEXT NOT NULL,             -- its `repr`
    words   TEXT NOT NULL,             -- its `explain()`
    figures TEXT NOT NULL,             -- its `to_dict()`, JSON
    PRIMARY KEY (run, test, number)
) STRICT, WITHOUT ROWID;

-- What each test says something about.
CREATE TABLE IF NOT EXISTS item (
    run     TEXT NOT NULL REFERENCES run (id),
    test    TEXT NOT NULL,
    item    TEXT NOT NULL,             -- the test's id without the number of its sample
    model   TEXT NOT NULL,             -- of its answers; empty where there are several, or none
    passed  INTEGER,                   -- of the samples that it judges; NULL where it takes one answer, or a table
    failed  INTEGER,
    verdict TEXT,                      -- passed, failed or undecided
    PRIMARY KEY (run, test)
) STRICT, WITHOUT ROWID;

-- The texts of a result in another language.
CREATE TABLE IF NOT EXISTS translation (
    run    TEXT NOT NULL REFERENCES run (id),
    test   TEXT NOT NULL,
    number INTEGER NOT NULL,
    lang   TEXT NOT NULL,
    texts  TEXT NOT NULL,              -- JSON object: by the English text
    PRIMARY KEY (run, test, number, lang)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS result_by_test ON result (test, kind, number);

CREATE INDEX IF NOT EXISTS outcome_by_run ON outcome (run);

CREATE INDEX IF NOT EXISTS run_by_start ON run (started);
"""

# Of two runs at once the one that is stored last.
_SET_NEWEST = """
INSERT INTO newest SELECT :test, :run, :module, :outcome WHERE 1 ON CONFLICT (test) DO UPDATE
SET run = excluded.run, module = excluded.module, outcome = excluded.outcome
WHERE (SELECT started FROM run WHERE id = newest.run) <= :started
"""


def add_outcomes(path: Path, run: str, started: float, mode: str, argv: Sequence[str], rows: Iterable[Outcome]) -> None:
    """Add a run with its outcomes to the file; create it, private, if it is missing.

    Raises:
        OSError, sqlite3.Error: it cannot be written.
    """
    make_folder(path.parent)
    if not path.exists():
        private_file(path)
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection, connection:
        connection.executescript(SCHEMA)
        rows = list(rows)
        counts = (len(rows), sum(row.failing for row in rows), sum(row.outcome == "unrecorded" for row in rows))
        head = (run, started, mode, json.dumps(list(argv)), *counts)
        connection.execute("INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?)", head)
        for row in rows:
            # names of files may have what UTF-8 does not have
            test, module, message = (encodable(text, "utf-8") for text in (row.test, row.module, row.message))
            values = (run, test, module, row.outcome, message, row.seconds)
            connection.execute("INSERT OR REPLACE INTO outcome VALUES (?, ?, ?, ?, ?, ?)", values)
            cells = ((key, run, test, json.dumps(cell)) for key, cell in row.cells.items())
            connection.executemany("INSERT OR REPLACE INTO used VALUES (?, ?, ?, ?)", cells)
            ids = ((axis, name, key) for key, cell in row.cells.items() for axis, name in cell.items())
            connection.executemany("INSERT OR IGNORE INTO cell VALUES (?, ?, ?)", ids)
            newest = {"test": test, "run": run, "module": module, "outcome": row.outcome, "started": started}
            connection.execute(_SET_NEWEST, newest)
            for number, result in enumerate(row.results):
                _add_result(connection, (run, test, number), result)
            judged = astuple(row.samples) if row.samples else (None, None, None)
            item = (run, test, encodable(row.item, "utf-8"), encodable(row.model, "utf-8"), *judged)
            connection.execute("INSERT OR REPLACE INTO item VALUES (?, ?, ?, ?, ?, ?, ?)", item)


def _add_result(connection: sqlite3.Connection, place: tuple[str, str, int], result: KeptResult) -> None:
    summary, words = (encodable(text, "utf-8") for text in (result.summary, result.words))
    values = (*place, result.kind, summary, words, json.dumps(result.figures))
    connection.execute("INSERT OR REPLACE INTO result VALUES (?, ?, ?, ?, ?, ?, ?)", values)
    for lang, found in result.translations.items():
        texts = {encodable(text, "utf-8"): encodable(other, "utf-8") for text, other in found.items()}
        row = (*place, lang, json.dumps(texts, ensure_ascii=False))
        connection.execute("INSERT OR REPLACE INTO translation VALUES (?, ?, ?, ?, ?)", row)
