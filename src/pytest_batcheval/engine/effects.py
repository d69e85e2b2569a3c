"""Effects that a batch machine asks for. Each is a place where a crash may happen."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from pytest_batcheval.backends.protocol import BatchError
from pytest_batcheval.journal.rows import BatchRow


@dataclass(frozen=True)
class ResultSummary:
    """Contents of a batch's result files by `custom_id`; the provider's counts play no part.

    Attributes:
        answered, failed: disjoint sets of keys; `failed` includes those of unreadable lines.
        broken: what is wrong with each unreadable, foreign or contradicting line, and with missing files.
        nameless: number of lines without a readable key; they may belong to any request.
        files: the files on disk, output file first.
        cut: whether a file ends within a line, so that more of it may come.
        rows: the file of the answers and failures to be stored; `None` where there are none.
    """

    answered: Set[str] = frozenset()
    failed: Set[str] = frozenset()
    broken: tuple[str, ...] = ()
    nameless: int = 0
    files: tuple[Path, ...] = ()
    cut: bool = False
    rows: Path | None = None


@dataclass(frozen=True)
class Unaccounted:
    """The failure that is stored for requests of a batch without a line."""

    code: str
    message: str
    retryable: bool


@dataclass(frozen=True)
class Commit:
    """Journal: store this row. Outcome: `None`."""

    row: BatchRow


@dataclass(frozen=True)
class FindFile:
    """Network: look for the input file of a batch whose upload may have happened. Outcome: the file or `None`."""

    row: BatchRow


@dataclass(frozen=True)
class Upload:
    """Network: upload the input file. Outcome: the file."""

    row: BatchRow


@dataclass(frozen=True)
class GetFile:
    """Network: look whether the provider has processed the input file. Outcome: the file."""

    row: BatchRow


@dataclass(frozen=True)
class Create:
    """Network: create the batch, exactly once. Outcome: the batch.

    Attributes:
        marked: with metadata, by which other machines recognise it.
    """

    row: BatchRow
    marked: bool = True


@dataclass(frozen=True)
class ListBatches:
    """Network: all batches of the account. Outcome: a list of batches.

    Attributes:
        enough: ids with which the list may end before its last page; without any it must not.
    """

    enough: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Retrieve:
    """Network: poll the batch. Outcome: the batch."""

    row: BatchRow


@dataclass(frozen=True)
class DownloadResults:
    """Network: download the result files and count their keys. Outcome: a `ResultSummary`.

    Attributes:
        partial: take what is still there; otherwise a missing file is a failure.
    """

    row: BatchRow
    partial: bool = False


@dataclass(frozen=True)
class DeleteFile:
    """Network: delete the input file, so that a create still under way fails unpaid. Outcome: `None`."""

    row: BatchRow


@dataclass(frozen=True)
class Cancel:
    """Network: ask the provider to stop the batch. Outcome: the batch.

    Attributes:
        twin: id of another batch that its create has made, which is the one to stop; empty for the batch itself.
    """

    row: BatchRow
    twin: str = ""


@dataclass(frozen=True)
class Settle:
    """Journal: answers, failures, claims and the last state in one transaction. Outcome: `None`.

    Attributes:
        errors: the provider's errors about single lines of the input file.
        unaccounted: the failure stored for requests without a line; `None` stores none.
    """

    row: BatchRow
    results: ResultSummary = ResultSummary()
    errors: tuple[BatchError, ...] = ()
    unaccounted: Unaccounted | None = None


Effect = (
    Commit
    | FindFile
    | Upload
    | GetFile
    | Create
    | ListBatches
    | Retrieve
    | DownloadResults
    | DeleteFile
    | Cancel
    | Settle
)

JOURNAL = (Commit, Settle)
"""Effects on the journal; all others are calls to the provider."""
