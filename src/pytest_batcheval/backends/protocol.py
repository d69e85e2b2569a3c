"""The protocol of a Batch API backend, and the objects it returns, checked on arrival."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pytest_batcheval.text.sanitize import redacted, storable

TERMINAL = ("completed", "failed", "expired", "cancelled")
"""Statuses after which a batch does not change."""


@dataclass(frozen=True)
class RemoteFile:
    """An uploaded file; `bytes` is `None` when the provider gave no size."""

    id: str
    bytes: int | None = None
    filename: str = ""


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

    @property
    def terminal(self) -> bool:
        """Whether it has ended; an unknown status counts as running."""
        return self.status in TERMINAL


class Backend(Protocol):
    """A provider's Batch API. Every method may raise a `ProviderFailure`; all are safe to call from threads."""

    origin: str
    scope: str
    base_url: str

    def upload(self, path: Path, filename: str) -> RemoteFile:
        """Upload an input file under this name."""

    def find_file(self, filename: str) -> RemoteFile | None:
        """The uploaded input file of that name."""

    def create(self, file_id: str, endpoint: str, metadata: Mapping[str, str], idempotency_key: str) -> RemoteBatch:
        """Create a batch, in exactly one HTTP request.

        Raises:
            UnknownOutcome: it may or may not exist now.
        """

    def list_batches(self, enough: Collection[str] = ()) -> list[RemoteBatch]:
        """All batches of the account's project, every page, each once.

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


def read_batch(seen: object) -> RemoteBatch | None:
    """A `RemoteBatch` from parsed JSON; `None` when it is not a batch."""
    data = _mapping(seen)
    if not isinstance(data.get("id"), str) or not data["id"] or not isinstance(data.get("status"), str):
        return None
    counts = _mapping(data.get("request_counts"))
    metadata = _mapping(data.get("metadata"))
    return RemoteBatch(
        id=storable(data["id"]),
        status=storable(data["status"].lower()),
        input_file_id=_text(data.get("input_file_id")),
        output_file_id=_text(data.get("output_file_id")),
        error_file_id=_text(data.get("error_file_id")),
        completed=_count(counts.get("completed")),
        failed=_count(counts.get("failed")),
        total=_count(counts.get("total")),
        errors=_errors(_mapping(data.get("errors")).get("data")),
        metadata={storable(str(name)): storable(str(value)) for name, value in metadata.items()},
        created_at=float(data["created_at"]) if _is_number(data.get("created_at")) else None,
        endpoint=_text(data.get("endpoint")) or "",
        times={
            str(name): float(value) for name, value in data.items() if str(name).endswith("_at") and _is_number(value)
        },
    )


def read_file(seen: object) -> RemoteFile | None:
    """A `RemoteFile` from parsed JSON; `None` when it is not a file."""
    data = _mapping(seen)
    if not isinstance(data.get("id"), str) or not data["id"]:
        return None
    return RemoteFile(storable(data["id"]), _count(data.get("bytes")), str(data.get("filename") or ""))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return storable(value) if isinstance(value, str) and value else None


def _count(value: object) -> int | None:
    """A number that the journal, whose integers have 64 bits, can store."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2**63


def _errors(entries: object) -> tuple[BatchError, ...]:
    if not isinstance(entries, Sequence) or isinstance(entries, str):
        return ()
    found = (_mapping(entry) for entry in entries)
    return tuple(
        BatchError(
            redacted(storable(str(e.get("code") or "error"))),
            redacted(storable(str(e.get("message") or ""))),
            _count(e.get("line")),
            _text(e.get("param")),
        )
        for e in found
    )
