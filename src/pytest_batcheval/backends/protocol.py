"""The protocol of a Batch API backend, and the objects it returns, checked on arrival."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pytest_batcheval.backends.batch_words import TERMINAL
from pytest_batcheval.catalogue.providers import Capabilities

METADATA_NAME = "batcheval"
"""Name of the pair of metadata that marks a batch of ours."""

PENDING_FILE = ("pending", "processing", "running", "queued", "notrunning", "validating", "importing", "in_progress")
"""Statuses of a file with which no batch can be created yet."""


@dataclass(frozen=True)
class RemoteFile:
    """An uploaded file; `bytes` is `None` when the provider gave no size.

    Attributes:
        status: the provider's word for it, in lower case; empty when it gave none. `details` explains it.
    """

    id: str
    bytes: int | None = None
    filename: str = ""
    status: str = ""
    details: str = ""

    @property
    def pending(self) -> bool:
        """Whether the provider still works on it, so that a batch of it would be refused."""
        return self.status in PENDING_FILE


@dataclass(frozen=True)
class BatchError:
    """One entry of a batch's `errors`: `line` counts the input file's lines from 1."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None


@dataclass(frozen=True)
class RemoteBatch:
    """A batch as the provider reports it; ids that are missing or empty are `None`.

    Attributes:
        status: the API's word for its status; the provider's own where that means none of the API's.
        said: the provider's own word.
        completed, failed, total: the provider's counts, which may be wrong; `None` when absent.
        created_at: Unix seconds by the provider's clock.
        times: all times it reports, by their names (`created_at`, `in_progress_at` …).
    """

    id: str
    status: str
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    completed: int | None = None
    failed: int | None = None
    total: int | None = None
    errors: tuple[BatchError, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    created_at: float | None = None
    endpoint: str = ""
    times: Mapping[str, float] = field(default_factory=dict)
    said: str = field(default="", compare=False)

    @property
    def terminal(self) -> bool:
        """Whether it has ended; an unknown status counts as running."""
        return self.status in TERMINAL


class BatchList(list[RemoteBatch]):
    """The batches of an account.

    Attributes:
        gap: why others may exist that it does not show, so that nothing is absent by it; empty when it is complete.
    """

    def __init__(self, batches: Iterable[RemoteBatch] = (), gap: str = "") -> None:
        super().__init__(batches)
        self.gap = gap


def gap_of(batches: Sequence[RemoteBatch]) -> str:
    """The gap of a list of batches; a plain list has none."""
    return batches.gap if isinstance(batches, BatchList) else ""


class Backend(Protocol):
    """A provider's Batch API. Every method may raise a `ProviderFailure`; all are safe to call from threads.

    Attributes:
        origin: stored with its answers.
        scope: the account in the journal.
        base_url: of its API, without a password.
        capabilities: what its batches allow, by which requests are cut into batches and creates are looked for.
    """

    origin: str
    scope: str
    base_url: str
    capabilities: Capabilities

    def upload(self, path: Path, filename: str) -> RemoteFile:
        """Upload an input file under this name."""

    def find_file(self, filename: str) -> RemoteFile | None:
        """The uploaded input file of that name."""

    def get_file(self, file_id: str) -> RemoteFile:
        """Get an uploaded file."""

    def create(self, file_id: str, endpoint: str, metadata: Mapping[str, str], idempotency_key: str) -> RemoteBatch:
        """Create a batch, in exactly one HTTP request; without metadata none is sent.

        Raises:
            UnknownOutcome: it may or may not exist now.
        """

    def list_batches(self, enough: Collection[str] = ()) -> BatchList:
        """All batches of the account's project, every page, each once; what it cannot read is a gap.

        `enough` are ids with which the list may end early, when it has them all.
        """

    def retrieve(self, batch_id: str) -> RemoteBatch:
        """Get one batch."""

    def download(self, file_id: str, target: Path) -> None:
        """Write a file's whole content to `target`, or nothing."""

    def delete_file(self, file_id: str) -> None:
        """Delete a file."""

    def cancel(self, batch_id: str) -> RemoteBatch:
        """Ask the provider to stop a batch; finished lines stay paid."""

    def close(self) -> None:
        """Close connections."""
