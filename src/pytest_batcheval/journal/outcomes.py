"""Outcomes of the tests that ask for answers, of every run, in a file beside the journal.

Nothing that is paid depends on it: a run goes on where it cannot be written, and it may be deleted.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_batcheval.errors import JournalError
from pytest_batcheval.journal.address import JournalAddress, beside
from pytest_batcheval.journal.queries import CHUNK, of_keys
from pytest_batcheval.text.streams import encodable

FILE = "outcomes.sqlite"
"""Its name, in the journal's folder."""

BUSY_SECONDS = 5.0
"""Seconds that a statement waits for another process."""


FAILING = ("failed", "error")

# Of each test that used an answer, its newest run, if it still used it then.
_USES = """
SELECT used.key, used.cell, outcome.test, outcome.module, outcome.outcome, outcome.message, outcome.seconds
FROM used JOIN newest ON newest.test = used.test AND newest.run = used.run
JOIN outcome ON outcome.test = used.test AND outcome.run = used.run
WHERE used.key IN ({keys})
ORDER BY outcome.test
"""

# One look into the index for each axis, instead of one at every cell.
_AXES = """
WITH RECURSIVE found(axis) AS (
    SELECT min(axis) FROM cell
    UNION ALL SELECT (SELECT min(axis) FROM cell WHERE cell.axis > found.axis) FROM found WHERE axis IS NOT NULL
)
SELECT axis FROM found WHERE axis IS NOT NULL
"""

_KEYS_OF_CELL = "SELECT key FROM cell WHERE axis = ? AND id = ?"

# An answer that only earlier runs of a test used is in no cell any more.
_KEYS_IN_USE = """
SELECT used.key FROM ({keys}) AS found CROSS JOIN used ON used.key = found.key
CROSS JOIN newest ON newest.test = used.test AND newest.run = used.run
"""

_KEYS_OF_TEST = """
SELECT key FROM newest CROSS JOIN used ON used.run = newest.run AND used.test = newest.test
WHERE newest.test = ? OR newest.module = ?
   OR (newest.test >= ? AND newest.test < ?) OR (newest.test >= ? AND newest.test < ?)
"""

_KEYS_OF_FAILED = """
SELECT key FROM newest CROSS JOIN used ON used.run = newest.run AND used.test = newest.test
WHERE newest.outcome NOT IN ('passed', 'xfailed', 'skipped')
"""

_BEFORE = """
SELECT run.id, run.started FROM run
WHERE run.rowid < coalesce((SELECT rowid FROM run WHERE id = ?), 1 << 62)
AND EXISTS (SELECT 1 FROM outcome WHERE outcome.run = run.id AND outcome.test IN ({tests}))
ORDER BY run.started DESC, run.rowid DESC LIMIT 1
"""

_ITEMS = "SELECT test, item, model, passed, failed, verdict FROM item WHERE run = ?"

_RESULTS = "SELECT test, number, kind, summary, words, figures FROM result WHERE run = ? ORDER BY test, number"

_TRANSLATIONS = "SELECT test, number, lang, texts FROM translation WHERE run = ?"


@dataclass(frozen=True)
class StoredRun:
    """A run of tests; `started` in Unix seconds, `failing` and `unrecorded` of its `tests`."""

    id: str
    started: float
    mode: str
    tests: int
    failing: int
    unrecorded: int


@dataclass(frozen=True)
class KeptResult:
    """A quality result as data: its class, `repr`, `explain()` and `to_dict()`.

    `translations` has, by language, its texts by the English ones.
    """

    kind: str
    summary: str
    words: str
    figures: Mapping[str, Any]
    translations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Samples:
    """The samples that one test judges: numbers of those that passed and failed, and the verdict."""

    passed: int
    failed: int
    verdict: str


@dataclass(frozen=True)
class Outcome:
    """The outcome of one test in one run.

    Attributes:
        outcome: `passed`, `failed`, `error`, `skipped`, `xfailed`, `xpassed` or `unrecorded`.
        message: of a failure; one line.
        seconds: the time of set-up, call and teardown.
        cells: by key the cell (ids by axis) of each answer that it used, or has none of.
        results: the quality results that it computed.
        item: the test's id without the number of its sample; empty in a file of an older version.
        model: the requested model of its answers; empty where they have several.
        samples: of a test that judges several.
    """

    test: str
    module: str
    outcome: str
    message: str = ""
    seconds: float = 0.0
    cells: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    results: Sequence[KeptResult] = ()
    item: str = ""
    model: str = ""
    samples: Samples | None = None

    @property
    def failing(self) -> bool:
        """Whether the test says something against the answer, or could not say it."""
        return self.outcome in FAILING

    @property
    def passed(self) -> bool:
        """Whether the test ended as it should."""
        return self.outcome in ("passed", "xfailed", "skipped")


class Outcomes:
    """The stored outcomes of the tests beside a journal; a missing file has none."""

    def __init__(self, path: Path) -> None:
        """`path` is the file, `outcomes.sqlite`."""
        self._path = path

    @classmethod
    def beside(cls, journal: JournalAddress) -> Outcomes:
        """Those beside a journal."""
        return cls(beside(journal).parent / FILE)

    def runs(self, start: str = "") -> list[tuple[str, float]]:
        """(id, Unix seconds of the start) of each run whose id begins so, the newest first.

        Raises:
            JournalError: the file cannot be read.
        """
        query = "SELECT id, started FROM run WHERE substr(id, 1, length(?1)) = ?1 ORDER BY started DESC, rowid DESC"
        with self._reading() as connection:
            return [] if connection is None else connection.execute(query, (start,)).fetchall()

    def page(self, first: int, most: int) -> list[StoredRun]:
        """At most so many runs, the newest first, after the `first` newest.

        Raises:
            JournalError: the file cannot be read.
        """
        query = """SELECT id, started, mode, tests, failing, unrecorded FROM run
                   ORDER BY started DESC, rowid DESC LIMIT ? OFFSET ?"""
        with self._reading() as connection:
            found = [] if connection is None else connection.execute(query, (most, first)).fetchall()
            return [StoredRun(*row) for row in found]

    def count(self) -> int:
        """The number of runs.

        Raises:
            JournalError: the file cannot be read.
        """
        with self._reading() as connection:
            return 0 if connection is None else int(connection.execute("SELECT count(*) FROM run").fetchone()[0])

    def measured(self) -> list[tuple[str, str, int]]:
        """(test, kind, number) of the quality results of any run.

        Raises:
            JournalError: the file cannot be read.
        """
        query = "SELECT DISTINCT test, kind, number FROM result WHERE kind <> 'Verdicts' ORDER BY test, number"
        with self._reading() as connection:
            return [] if connection is None else connection.execute(query).fetchall()

    def results(self, test: str, kind: str, number: int) -> list[tuple[str, float, Mapping[str, Any]]]:
        """(run, its start in Unix seconds, figures) of one quality result of a test in each run, the oldest first.

        Raises:
            JournalError: the file cannot be read.
        """
        query = """SELECT run.id, run.started, result.figures FROM result JOIN run ON run.id = result.run
                   WHERE test = ? AND kind = ? AND number = ? ORDER BY run.started, run.rowid"""
        with self._reading() as connection:
            rows = [] if connection is None else connection.execute(query, (test, kind, number)).fetchall()
            return [(run, started, json.loads(figures)) for run, started, figures in rows]

    def before(self, run: str, tests: Sequence[str]) -> tuple[str, float, list[Outcome]] | None:
        """(id, Unix seconds of the start, outcomes) of the newest run before this one that has one of these tests.

        This one need not be stored yet.

        Raises:
            JournalError: the file cannot be read.
        """
        with self._reading() as connection:
            if connection is None:
                return None
            given = [encodable(test, "utf-8") for test in tests[:CHUNK]]
            query = _BEFORE.format(tests=", ".join("?" * len(given)))
            found = connection.execute(query, (run, *given)).fetchone()
        return None if found is None else (*found, self.of_run(found[0]))

    def of_run(self, run: str) -> list[Outcome]:
        """The outcomes of a run in the order of the tests' ids, with the cells of their answers.

        Raises:
            JournalError: the file cannot be read.
        """
        with self._reading() as connection:
            if connection is None:
                return []
            cells: dict[str, dict[str, dict[str, str]]] = {}
            for test, key, cell in connection.execute("SELECT test, key, cell FROM used WHERE run = ?", (run,)):
                cells.setdefault(test, {})[key] = json.loads(cell)
            results, items = _results(connection, run), _items(connection, run)
            rows = connection.execute(
                "SELECT test, module, outcome, message, seconds FROM outcome WHERE run = ? ORDER BY test", (run,)
            )
            return [
                replace(_outcome(row, cells.get(row[0], {}), results.get(row[0], ())), **items.get(row[0], {}))
                for row in rows
            ]

    def axes(self) -> set[str]:
        """The axes of all cells.

        Raises:
            JournalError: the file cannot be read.
        """
        with self._reading() as connection:
            return set() if connection is None else {axis for (axis,) in connection.execute(_AXES)}

    def ids(self, axis: str, most: int = CHUNK) -> set[str]:
        """Ids on an axis, at most so many.

        Raises:
            JournalError: the file cannot be read.
        """
        query = "SELECT DISTINCT id FROM cell WHERE axis = ? LIMIT ?"
        with self._reading() as connection:
            return set() if connection is None else {found for (found,) in connection.execute(query, (axis, most))}

    def keys(self, where: Mapping[str, str], test: str = "", failed: bool = False) -> set[str]:
        """Keys of the answers in these cells, of a test (of all its parameters, or a module), whose test did not pass.

        Raises:
            JournalError: the file cannot be read.
        """
        texts = [_KEYS_IN_USE.format(keys=" INTERSECT ".join([_KEYS_OF_CELL] * len(where)))] if where else []
        values = [text for pair in where.items() for text in pair]
        if test:
            texts.append(_KEYS_OF_TEST)  # a range ends at the next character
            values += [
                test,
                test,
                f"{test}[",
                f"{test}\\",
                f"{test}::",
                f"{test}:;",
            ]
        if failed:
            texts.append(_KEYS_OF_FAILED)
        with self._reading() as connection:
            if connection is None or not texts:
                return set()
            return {key for (key,) in connection.execute(" INTERSECT ".join(texts), values)}

    def newest(self, keys: Collection[str], most: int) -> list[str]:
        """As many of these keys, those whose answers the newest runs used.

        Raises:
            JournalError: the file cannot be read.
        """
        found: dict[str, None] = {}
        with self._reading() as connection:
            if connection is None:
                return []
            for (run,) in connection.execute("SELECT id FROM run ORDER BY started DESC, rowid DESC").fetchall():
                used = connection.execute("SELECT key FROM used WHERE run = ? ORDER BY test, key", (run,))
                found |= dict.fromkeys(key for (key,) in used if key in keys)
                if len(found) >= most:
                    break
        return list(found)[:most]

    def by_key(self, keys: Sequence[str]) -> dict[str, list[Outcome]]:
        """For each key the newest outcomes of the tests that used its answer, with that answer's cell.

        Raises:
            JournalError: the file cannot be read.
        """
        found: dict[str, list[Outcome]] = {}
        with self._reading() as connection:
            if connection is None:
                return found
            for query, part in of_keys(_USES, keys):
                for key, cell, *row in connection.execute(query, part):
                    found.setdefault(key, []).append(_outcome(row, {key: json.loads(cell)}))
        return found

    def of_answers(self, keys: Sequence[str]) -> list[Outcome]:
        """The newest outcomes, whole, of the tests that used one of these answers.

        Raises:
            JournalError: the file cannot be read.
        """
        tests = {one.test for found in self.by_key(keys).values() for one in found}
        with self._reading() as connection:
            rows = [] if connection is None else connection.execute("SELECT test, run FROM newest").fetchall()
        newest: dict[str, set[str]] = {}
        for test, run in rows:
            if test in tests:
                newest.setdefault(run, set()).add(test)
        return [one for run, used in newest.items() for one in self.of_run(run) if one.test in used]

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        if not self._path.exists():
            yield None
            return
        try:
            name = f"{self._path.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(name, timeout=BUSY_SECONDS, uri=True)) as connection:
                yield connection
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                raise JournalError(f"{self._path} cannot be read: another process writes it; try again") from None
            raise JournalError(f"{self._path} cannot be read: {error}; delete it, no answer is lost with it") from None


def _results(connection: sqlite3.Connection, run: str) -> dict[str, list[KeptResult]]:
    """The quality results of a run by test."""
    found: dict[str, list[KeptResult]] = {}
    said: dict[tuple[str, int], dict[str, dict[str, str]]] = {}
    if _has_table(connection, "translation"):
        for test, number, lang, texts in connection.execute(_TRANSLATIONS, (run,)):
            said.setdefault((test, number), {})[lang] = json.loads(texts)
    for test, number, kind, summary, words, figures in connection.execute(_RESULTS, (run,)):
        kept = KeptResult(kind, summary, words, json.loads(figures), said.get((test, number), {}))
        found.setdefault(test, []).append(kept)
    return found


def _has_table(connection: sqlite3.Connection, name: str) -> bool:
    """Whether the file has a table that those of earlier versions lack."""
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchone() is not None


def _items(connection: sqlite3.Connection, run: str) -> dict[str, dict[str, Any]]:
    """The fields of a run's tests about items and samples; a file of an older version has none."""
    if not _has_table(connection, "item"):
        return {}
    return {
        test: {"item": item, "model": model, "samples": None if verdict is None else Samples(passed, failed, verdict)}
        for test, item, model, passed, failed, verdict in connection.execute(_ITEMS, (run,))
    }


def _outcome(row: Sequence[Any], cells: Mapping[str, Mapping[str, str]], results: Sequence[KeptResult] = ()) -> Outcome:
    test, module, outcome, message, seconds = row
    return Outcome(test, module, outcome, message, seconds, cells, results)
