"""Any batch as the provider reports it: its status and its results, without a journal."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_batcheval.errors import ProviderError, UnfinishedError
from pytest_batcheval.wire.objects import Answer, Request, RequestError
from pytest_batcheval.wire.sent_lines import sent_line

if TYPE_CHECKING:
    from pytest_batcheval.backends.protocol import Backend, RemoteBatch
    from pytest_batcheval.wire.result_file import BrokenLine, ResultLine

T = TypeVar("T")


@dataclass(frozen=True)
class BatchStatus:
    """A batch as the provider reports it.

    Attributes:
        status: the provider's status: `validating`, `in_progress`, `finalizing`, `completed`, `failed`, `expired` …
        request_counts: `total`, `completed`, `failed`; `None` if the provider reports none.
        times: Unix seconds by the API's names (`created_at`, `in_progress_at`, `expires_at` …), those that are set.
        errors: the reasons that the whole batch was refused, with the line number of the input file if there is one.
        ended: whether its status is final.
    """

    id: str
    status: str
    endpoint: str
    request_counts: Mapping[str, int | None]
    times: Mapping[str, float]
    input_file_id: str | None
    output_file_id: str | None
    error_file_id: str | None
    errors: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    ended: bool = False

    def __repr__(self) -> str:
        counts = ", ".join(f"{count or 0:,} {name}" for name, count in self.request_counts.items())
        return f"<BatchStatus {self.id}: {self.status}{f', {counts}' if counts else ''}>"

    def to_dict(self) -> dict[str, Any]:
        """Return the status as JSON data."""
        return asdict(self) | {"errors": list(self.errors)}


@dataclass(frozen=True, eq=False)
class ForeignRequest(Request):
    """A request of a batch that somebody else created, with the `custom_id` that they chose."""

    name: str = ""

    @property
    def custom_id(self) -> str:
        """The `custom_id` in its batch."""
        return self.name


def status_of(backend: Backend, batch_id: str) -> BatchStatus:
    """Return the status of a batch.

    Raises:
        ProviderError: there is no such batch in this project, or the provider is unreachable.
    """
    return _status(_called(batch_id, lambda: backend.retrieve(batch_id), backend))


def cancelled(backend: Backend, batch_id: str) -> BatchStatus:
    """Ask the provider to stop a batch; one that has ended stays as it is.

    Raises:
        ProviderError: there is no such batch in this project, or the provider is unreachable.
    """
    return _status(_called(batch_id, lambda: backend.cancel(batch_id), backend))


def results(backend: Backend, batch_id: str) -> list[Answer]:
    """Return the answers of an ended batch, in the order of its files; failed requests have an `error`.

    A line that cannot be read is a failure with the code `broken_line`, of a request without a name if its key cannot
    be read either.

    Raises:
        UnfinishedError: it still runs.
        ProviderError: there is no such batch in this project, or its files are gone.
    """
    return list(each_result(backend, batch_id))


def each_result(backend: Backend, batch_id: str, with_requests: bool = True) -> Iterator[Answer]:
    """Yield the same one by one, holding one line at a time; `with_requests` reads and holds the input file first.

    Raises:
        UnfinishedError, ProviderError: as `results`.
    """
    batch = _called(batch_id, lambda: backend.retrieve(batch_id), backend)
    if not batch.terminal:
        raise UnfinishedError(f"batch {batch_id} is {batch.status}; its results are available when it has ended")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        requests = dict(_requests(backend, batch, folder)) if with_requests else {}
        for file_id in filter(None, (batch.output_file_id, batch.error_file_id)):
            for line in _lines(backend, batch, file_id, folder):
                yield _answer(line, requests.get(line.custom_id), backend.origin, file_id)


def _called(what: str, call: Callable[[], T], backend: Backend) -> T:
    from pytest_batcheval.backends.errors import ProviderFailure

    try:
        return call()
    except ProviderFailure as failure:
        hint = f" (batches belong to a project: does the key for {backend.base_url} belong to it?)"
        raise ProviderError(f"batch {what}: {failure}{hint if failure.status_code == 404 else ''}") from None


def _status(batch: RemoteBatch) -> BatchStatus:
    return BatchStatus(
        id=batch.id,
        status=batch.status,
        endpoint=batch.endpoint,
        request_counts={"total": batch.total, "completed": batch.completed, "failed": batch.failed},
        times=batch.times,
        input_file_id=batch.input_file_id,
        output_file_id=batch.output_file_id,
        error_file_id=batch.error_file_id,
        errors=tuple(f"{f'line {e.line}: ' if e.line else ''}{e.code}: {e.message}" for e in batch.errors),
        metadata=batch.metadata,
        ended=batch.terminal,
    )


def _requests(backend: Backend, batch: RemoteBatch, folder: Path) -> Iterator[tuple[str, Request]]:
    """Yield the requests by `custom_id`; nothing if the input file is gone."""
    from pytest_batcheval.backends.errors import Refused
    from pytest_batcheval.wire.lines import chunks, split_lines

    target = folder / "input.jsonl"
    try:
        if batch.input_file_id:
            backend.download(batch.input_file_id, target)
    except Refused:
        return
    if not target.exists():
        return
    with target.open("rb") as stream:
        for _, text, _ in split_lines(chunks(stream)):
            if (line := sent_line(text, batch.endpoint)) is not None:
                yield line.custom_id, ForeignRequest(line.body, line.url, line.method, name=line.custom_id)


def _lines(backend: Backend, batch: RemoteBatch, file_id: str, folder: Path) -> Iterator[ResultLine | BrokenLine]:
    from pytest_batcheval.wire.lines import chunks
    from pytest_batcheval.wire.result_file import read_lines

    target = folder / "results.jsonl"
    _called(f"{batch.id}: file {file_id}", lambda: backend.download(file_id, target), backend)
    with target.open("rb") as stream:
        yield from read_lines(chunks(stream), batch.endpoint)


def _answer(line: ResultLine | BrokenLine, request: Request | None, origin: str, file_id: str) -> Answer:
    from pytest_batcheval.engine.retry import BROKEN_LINE, failure_of
    from pytest_batcheval.wire.result_file import BrokenLine

    asked = request or ForeignRequest({}, name=line.custom_id)
    if isinstance(line, BrokenLine):
        text = line.excerpt[:80].decode("utf-8", "replace")
        message = f"file {file_id} cannot be read at byte {line.offset} ({line.reason}): {text!r}"
        return Answer(asked, origin, error=RequestError(BROKEN_LINE, message, retryable=False), source="provider")
    response = line.response.to_dict() if line.response is not None else {}
    error = None
    if not line.succeeded:
        failure = failure_of(line)
        error = RequestError(failure.code, failure.message, failure.status_code, failure.retryable)
    return Answer(asked, origin, response, error, source="provider", line_id=line.id, remark=line.remark)
