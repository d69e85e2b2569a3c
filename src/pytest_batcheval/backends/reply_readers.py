"""Batches, files and pages of lists, read from what a provider replied.

A reply is believed for what it is: a field that is missing, null, of another type or spelled in another way takes
nothing from the rest. Only an object without an id is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from pytest_batcheval.backends.batch_words import api_status
from pytest_batcheval.backends.fields import Fields, count, is_false, read_mapping, text
from pytest_batcheval.backends.protocol import BatchError, RemoteBatch, RemoteFile
from pytest_batcheval.text.sanitize import storable, without_secrets

_ENVELOPES = ("data", "batch", "file", "result", "response", "object")
"""Names under which a gateway may hide the object."""

_REASONS = ("error", "error_message", "failure_reason", "failed_reason", "status_message", "status_details", "reason")
"""Names, other than `errors`, under which a provider says why a batch has failed."""


def read_batch(seen: object, asked: str = "") -> RemoteBatch | None:
    """A `RemoteBatch` from parsed JSON; `None` when it has no id.

    `asked` is the id that was asked for: then the object needs a status, and its own id plays no part.
    """
    fields = _unwrapped(seen, "status" if asked else "batch_id")
    batch_id = text(fields.get("id", "batch_id"))
    if asked:
        batch_id = asked if batch_id or fields.get("status", "state") else None
    if batch_id is None:
        return None
    counts = Fields(read_mapping(fields.get("request_counts")))
    times = fields.times()
    output, error = text(fields.get("output_file_id")), text(fields.get("error_file_id"))
    errors = tuple(_errors(fields))
    said = storable(str(fields.get("status", "state") or ""))
    return RemoteBatch(
        id=batch_id,
        status=api_status(said, times, bool(output or error), bool(errors)),
        said=said,
        input_file_id=text(fields.get("input_file_id")),
        output_file_id=output,
        error_file_id=error,
        completed=count(counts.get("completed", "succeeded")),
        failed=count(counts.get("failed", "errored")),
        total=count(counts.get("total")),
        errors=errors,
        metadata=_metadata(fields),
        created_at=times.get("created_at"),
        endpoint=text(fields.get("endpoint")) or "",
        times=times,
    )


def read_metadata(seen: object) -> dict[str, str]:
    """The metadata of a batch; empty when it cannot be read."""
    return _metadata(Fields(read_mapping(seen)))


def _metadata(fields: Fields) -> dict[str, str]:
    pairs = read_mapping(fields.get("metadata"))
    return {storable(str(name)): storable(str(value)) for name, value in pairs.items() if value is not None}


def read_file(seen: object) -> RemoteFile | None:
    """A `RemoteFile` from parsed JSON; `None` when it has no id."""
    fields = _unwrapped(seen, "file_id")
    file_id = text(fields.get("id", "file_id"))
    if file_id is None:
        return None
    status, details = (without_secrets(storable(str(fields.get(name) or ""))) for name in ("status", "status_details"))
    return RemoteFile(file_id, count(fields.get("bytes")), str(fields.get("filename") or ""), status.lower(), details)


class Page:
    """One page of a list.

    Attributes:
        items: its entries as they came.
        readable: whether it had a list of entries at all.
        last: whether it says that no page follows; `None` when it does not say.
        ids: the id of each entry; empty for one that has none.
        cursor: the id after which the next page begins; empty when nothing can be asked for.
    """

    def __init__(self, seen: object) -> None:
        fields = Fields(read_mapping(seen))
        found = seen if isinstance(seen, list) else fields.get("data", "items", "batches", "files")
        self.readable = isinstance(found, list)
        self.items: list[Any] = found if isinstance(found, list) else []
        more = fields.get("has_more")
        self.last = True if isinstance(seen, list) else None if more is None else is_false(more)
        self.ids = [text(Fields(read_mapping(item)).get("id", "batch_id", "file_id")) or "" for item in self.items]
        self.cursor = text(fields.get("last_id")) or next((name for name in reversed(self.ids) if name), "")


def _unwrapped(seen: object, other_id: str) -> Fields:
    """The fields of the object itself, which a gateway may have put into another one."""
    data = read_mapping(seen)
    inner = (read_mapping(data.get(name)) for name in _ENVELOPES)
    outer = Fields(data)
    found = (fields for fields in chain((outer,), map(Fields, inner)) if fields.get("id", other_id) is not None)
    return next(found, outer)


def _errors(fields: Fields) -> Iterator[BatchError]:
    """The reasons why the whole batch was refused: a list, an object or a text, under any of its names."""
    found = fields.get("errors")
    if isinstance(found, Mapping) and "data" in found:
        found = found["data"]
    if not found:
        found = next((value for value in (fields.get(name) for name in _REASONS) if value), None)
    for entry in found if isinstance(found, list) else [found] if found else []:
        if isinstance(entry, Mapping):
            yield _error(Fields(entry))
        elif isinstance(entry, str):
            yield BatchError("error", without_secrets(storable(entry)))


def _error(fields: Fields) -> BatchError:
    message = fields.get("message", "detail", "description", "reason")
    return BatchError(
        without_secrets(text(fields.get("code", "type")) or "error"),
        without_secrets(storable(str(message or ""))),
        count(fields.get("line")),
        text(fields.get("param")),
    )
