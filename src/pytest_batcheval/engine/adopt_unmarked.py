"""Batches that anybody made, taken into the journal by their ids; their input file has their requests.

Their `custom_id`s are no keys, so the journal keeps the key of each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pytest_batcheval.backends.errors import ProviderFailure, Refused
from pytest_batcheval.backends.protocol import RemoteBatch
from pytest_batcheval.engine import payment_text
from pytest_batcheval.engine.adopt import Adoption
from pytest_batcheval.engine.batch_outcome import reason, refused_whole
from pytest_batcheval.engine.metadata import identity, known_to, our_metadata
from pytest_batcheval.engine.patient_reader import PatientReader
from pytest_batcheval.engine.send_policy import SendContext
from pytest_batcheval.errors import ProviderError, UsageError
from pytest_batcheval.journal.rows import ADOPTED, AliasRow, BatchRow
from pytest_batcheval.wire.endpoints import PROMPTS
from pytest_batcheval.wire.input_file import BadLine
from pytest_batcheval.wire.lines import chunks
from pytest_batcheval.wire.sent_lines import SentFile, read_sent


@dataclass(frozen=True)
class AdoptedBatch:
    """A batch that is in the journal now.

    Attributes:
        known: whether it was there before.
        bad: lines of its input file that cannot be read and were left out.
        again: number of its requests that another batch of this journal has too.
    """

    row: BatchRow
    known: bool = False
    bad: Sequence[BadLine] = ()
    again: int = 0


class NamedAdoption:
    """Takes batches into the journal by their ids, under its lock."""

    def __init__(self, context: SendContext) -> None:
        self._context = context
        self._backend, self._journal = context.backend, context.journal
        self._reader = PatientReader(context, _unread)

    def adopt(self, batch_id: str) -> AdoptedBatch:
        """Store one with its requests; one that is there already stays as it is.

        Raises:
            UsageError: it failed before any line ran, or nothing of its input file can be read.
            ProviderError: there is no such batch, its input file is gone, or the provider cannot be reached.
            UnfinishedError: it is ours, its requests are known only when it has ended, and it has not.
            JournalError: the journal cannot be written.
        """
        rows = self._journal.reader.batches(self._backend.origin)
        # One that was void and is not refused as a whole runs after all.
        known = next((row for row in reversed(rows) if row.batch_id == batch_id and row.state != "void"), None)
        if known is not None:
            return AdoptedBatch(known, known=True)
        batch = self._retrieved(batch_id)
        if known_to(rows)(batch):
            raise UsageError(f"batch {batch_id} is one that this journal made and looks for: batcheval resume takes it")
        if refused_whole(batch):
            raise UsageError(payment_text.nothing_to_adopt(batch_id, reason(batch)))
        return self._marked(batch) if our_metadata(batch.metadata) else self._unmarked(batch)

    def _retrieved(self, batch_id: str) -> RemoteBatch:
        try:
            return self._reader.patiently(partial(self._backend.retrieve, batch_id))
        except Refused as failure:
            hint = f"batches belong to a project: does the key for {self._backend.base_url} belong to it?"
            raise ProviderError(f"there is no batch {batch_id} to adopt: {failure} ({hint})") from None

    def _marked(self, batch: RemoteBatch) -> AdoptedBatch:
        if rows := Adoption(self._context).adopt([batch]):
            return AdoptedBatch(rows[0])
        raise ProviderError(f"batch {batch.id} is one of ours, but neither its input nor its results name its requests")

    def _unmarked(self, batch: RemoteBatch) -> AdoptedBatch:
        if batch.endpoint and batch.endpoint not in PROMPTS:
            raise UsageError(f"batch {batch.id} is of {batch.endpoint}; these can be adopted: {', '.join(PROMPTS)}")
        sent = self._input(batch)
        if not sent.requests:
            bad = "; ".join(f"line {line.number} {line.reason}" for line in sent.bad[:3])
            raise UsageError(f"no line of the input file of batch {batch.id} is a request: {bad or 'it is empty'}")
        tried = self._journal.reader.tries(list(sent.lines), self._backend.origin)
        row = replace(
            row_of(sent, tried, self._backend.origin, self._backend.scope, self._context.run, batch.endpoint),
            batch_id=batch.id,
            file_name=f"{ADOPTED}{batch.id}",
        )
        return AdoptedBatch(self._journal.adopt(row, sent.lines, aliases_of(sent)), bad=sent.bad, again=len(tried))

    def _input(self, batch: RemoteBatch) -> SentFile:
        file_id = batch.input_file_id
        read = partial(read_input, batch.endpoint)
        found = self._reader.whole(lambda: self._reader.file(file_id, read), batch.total or 0) if file_id else None
        if found is None:
            raise ProviderError(
                f"the input file of batch {batch.id} ({file_id or 'no id'}) is gone at the provider, deleted or "
                "expired, so that its requests are not known. With a copy of it: "
                f"batcheval download {batch.id} --output results.jsonl, then "
                "batcheval import results.jsonl --input INPUT"
            )
        return found


def row_of(
    sent: SentFile, tried: Mapping[str, tuple[int, int]], origin: str, scope: str, run: str, endpoint: str
) -> BatchRow:
    """The row of a batch of these requests that was not made here, in state `created`.

    Its answers are a generation of their own, newer than any other: `tried` has the newest of each key, as
    `JournalReader.tries` gives it. It has no input file of ours, so that nothing is found, or deleted, by that.
    """
    generation = 1 + max((number for number, _ in tried.values()), default=0)
    first = next(iter(sent.requests.values()))
    return BatchRow(
        origin=origin,
        scope=scope,
        endpoint=endpoint or first.url,
        identity=identity(list(sent.lines), 1, generation),
        attempt=1,
        generation=generation,
        requests=len(sent.lines),
        file_name="",
        run=run,
        state="created",
        model=sent.model,
        note="not made by this journal",
    )


def aliases_of(sent: SentFile) -> list[AliasRow]:
    """The rows of the file's `custom_id`s."""
    return [AliasRow(request.custom_id, request.key, request.number) for request in sent.requests.values()]


def read_input(endpoint: str, path: Path) -> SentFile:
    """The requests of an input file on disk."""
    with path.open("rb") as stream:
        return read_sent(chunks(stream), endpoint)


def _unread(failure: ProviderFailure) -> ProviderError:
    return ProviderError(f"nothing can be adopted: {failure}; {payment_text.KEPT}, run the same command again")
