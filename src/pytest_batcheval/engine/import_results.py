"""Results of a batch in local files, with the input file that made them: into the journal as a settled batch."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from pytest_batcheval.engine.adopt_unmarked import aliases_of, read_input, row_of
from pytest_batcheval.engine.effects import ResultSummary, Settle
from pytest_batcheval.engine.results import ROWS, read_results, summarise
from pytest_batcheval.errors import UsageError
from pytest_batcheval.journal.lock import Holder, wait_a_second
from pytest_batcheval.journal.rows import BatchRow
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.wire.sent_lines import SentFile

SCOPE = "imported"
"""The account of such batches: nobody knows it."""


@dataclass(frozen=True)
class ImportedResults:
    """Results that are in the journal now.

    Attributes:
        known: whether they were there before.
        sent: the input file.
        again: number of requests that another batch of this journal has too.
    """

    row: BatchRow
    sent: SentFile
    results: ResultSummary
    known: bool
    again: int

    @property
    def missing(self) -> int:
        """Number of requests of the input file without a result, which are not in the journal."""
        return len(self.sent.lines) - self.row.requests


def import_results(
    given: Path,
    results: Sequence[Path],
    *,
    origin: str,
    journal: Journal,
    wait: Callable[[Holder | None], None] = wait_a_second,
) -> ImportedResults:
    """Store the results of a batch from files.

    Requests without a result are left out, since nobody knows what became of them. The same files once more
    change nothing.

    Args:
        given: the batch's input file.
        results: its output and error file.
        origin: where the answers came from, taken on trust.
        journal: takes them; its lock is held meanwhile.
        wait: called while another process holds the lock; it sleeps or raises.

    Raises:
        UsageError: no result is of a request of the input file.
        JournalError: the journal cannot be used.
        OSError: a file cannot be read.
    """
    with journal.lock.held(wait), TemporaryDirectory() as folder:
        sent = read_input("", given)
        summary = summarise(results, sent.lines, sent.url, Path(folder) / ROWS, sent.names)
        kept = _kept(sent, summary.answered | summary.failed)
        if not kept.requests:
            raise UsageError(f"no result is of a request in {given}: are they of one batch?")
        name = _name(given, results)
        known = [row for row in journal.reader.batches(origin) if row.file_name == name]
        if known:
            return ImportedResults(known[0], sent, summary, known=True, again=0)
        tried = journal.reader.tries(list(kept.lines), origin)
        row = replace(_row(kept, tried, origin, summary), file_name=name)
        journal.add_run(row.run, origin)
        stored = journal.adopt(row, kept.lines, aliases_of(kept), read_results(Settle(row, summary)))
        return ImportedResults(stored, sent, summary, known=False, again=len(tried))


def _kept(sent: SentFile, keys: Set[str]) -> SentFile:
    return SentFile({name: request for name, request in sent.requests.items() if request.key in keys})


def _row(sent: SentFile, tried: dict[str, tuple[int, int]], origin: str, summary: ResultSummary) -> BatchRow:
    return replace(
        row_of(sent, tried, origin, SCOPE, f"import-{secrets.token_hex(4)}", ""),
        state="settled",
        status="completed",
        completed=len(summary.answered),
        failed=len(summary.failed),
        note="imported from files; its origin is taken on trust",
    )


def _name(given: Path, results: Sequence[Path]) -> str:
    """A name that the same files have again, wherever they lie."""
    parts = []
    for path in (given, *results):
        with path.open("rb") as stream:
            parts.append(hashlib.file_digest(stream, "sha256").hexdigest())
    return f"imported-{hashlib.sha256(' '.join([parts[0], *sorted(parts[1:])]).encode()).hexdigest()[:32]}"
