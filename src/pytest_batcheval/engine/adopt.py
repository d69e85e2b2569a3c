"""Batches of ours that this journal does not know: another machine made them, or the journal was lost.

They are recognised by their metadata. Their requests are read from their input file: every `custom_id` there
is the hash of its own line, so that nothing has to be taken on trust.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from pytest_batcheval.backends.errors import ProviderFailure, Refused
from pytest_batcheval.backends.protocol import BatchList, RemoteBatch, gap_of
from pytest_batcheval.engine import payment_text
from pytest_batcheval.engine.batch_handlers import NO_LIST
from pytest_batcheval.engine.batch_outcome import MissingBatch, refused_whole
from pytest_batcheval.engine.metadata import known_to, may_hold, our_metadata
from pytest_batcheval.engine.patient_reader import PatientReader
from pytest_batcheval.engine.send_policy import SendContext
from pytest_batcheval.engine.snapshot import NoticeSnapshot
from pytest_batcheval.engine.spool import Wanted
from pytest_batcheval.errors import ProviderError, UnfinishedError
from pytest_batcheval.journal.rows import BatchRow
from pytest_batcheval.wire.key import sample_of
from pytest_batcheval.wire.lines import chunks, split_lines
from pytest_batcheval.wire.result_file import read_lines
from pytest_batcheval.wire.sent_lines import SentLine, official, sent_line

POLL_EVERY = 60.0
"""Seconds between two polls of a batch whose input file is gone."""

Lines = dict[str, bytes | None]
"""What a file holds by `custom_id`: the line of a request of ours, `None` for any other line."""


class Adoption:
    """Takes over batches of an account that a journal does not know.

    Attributes:
        seen: all batches of the account when they were listed, by their ids.
        remarks: why batches of other machines may have been overlooked.
    """

    def __init__(self, context: SendContext, round_name: str = "") -> None:
        """Adopt for a run; one of a round leaves the batches of others alone."""
        self.seen: dict[str, RemoteBatch] = {}
        self.remarks: dict[str, None] = {}
        self._context = context
        self._backend, self._journal, self._clock = context.backend, context.journal, context.clock
        self._round = round_name
        self._reader = PatientReader(context, self._unlisted)

    def unknown_batches(self, wanted: Wanted | None = None) -> list[RemoteBatch]:
        """Batches with our metadata that this journal does not know, oldest first.

        With `wanted` only those that may hold one of these requests.

        Raises:
            ProviderError: the batches cannot be read.
        """
        batches = self._list(required=wanted is None)
        self.seen |= {batch.id: batch for batch in batches}
        known = known_to(self._journal.reader.batches(self._backend.origin))
        others = (batch for batch in batches if not known(batch) and not refused_whole(batch))
        found = [batch for batch in others if self._is_wanted(batch, wanted)]
        return sorted(found, key=lambda batch: (batch.created_at or 0.0, batch.id))

    def wait_for_unknown(self) -> None:
        """Wait until no batch runs that this journal does not know, at a provider whose batches say whose they are when
        they have ended.

        Raises:
            ProviderError: the batches cannot be read.
            UnfinishedError: some still run at the deadline.
        """
        said = False
        while running := self._unknown_running():
            text = payment_text.nobodys(running)
            if (deadline := self._context.deadline) is not None and self._clock.now() + POLL_EVERY > deadline:
                raise UnfinishedError(text)
            if not said:
                self._context.progress(NoticeSnapshot.of_text(f"waiting: {text}"))
            said = True
            self._clock.sleep(POLL_EVERY)

    def _unknown_running(self) -> list[str]:
        known = known_to(self._journal.reader.batches(self._backend.origin))
        return [b.id for b in self._list(required=False) if not (b.terminal or b.metadata or known(b))]

    def _is_wanted(self, batch: RemoteBatch, wanted: Wanted | None) -> bool:
        ours = our_metadata(batch.metadata)
        if ours is None or wanted is None:
            return ours is not None
        return self._round in ("", ours.round) and any(may_hold(batch.metadata, wanted.keys()))

    def _list(self, required: bool) -> BatchList:
        """All batches of the account; where the provider does not list them and need not, none, with a remark."""
        try:
            batches = self._reader.patiently(self._backend.list_batches)
        except Refused as failure:
            if required or failure.status_code not in NO_LIST:
                raise self._unlisted(failure) from None
            batches = BatchList(gap="the provider does not list batches")
        if gap := gap_of(batches):
            self.remarks[f"{gap}; a batch that another machine or a lost journal has sent may be overlooked"] = None
        return batches

    def adopt(self, batches: Iterable[RemoteBatch], wanted: Wanted | None = None) -> list[BatchRow]:
        """Store these batches with their requests, in state `created`; those whose requests are unknown are left out.

        A batch that vanishes before its requests are known is stored as `lost`, with those of `wanted` that
        its metadata says it may hold.

        Raises:
            ProviderError: the batches cannot be read.
            UnfinishedError: the requests of a batch are known only when it has ended, and it has not.
            JournalError: the journal cannot be written.
        """
        rows = []
        for batch in batches:
            ours = our_metadata(batch.metadata)
            expected = ours.requests if ours else 0
            held = self._reader.whole(partial(self._input, batch), expected)
            lines = {key: line for key, line in (held or {}).items() if line is not None}
            if held is None or len(held) < expected:
                # Its file was deleted, to stop a create that was thought to be lost: only its results name its keys.
                ended = self._ended(batch)
                lines = dict.fromkeys(self._reader.whole(partial(self._results, ended), expected) or (), b"") | lines
                if not ended.terminal:
                    self._lose(batch, wanted)
            if lines:
                rows.append(self._journal.adopt(self._row(batch, lines), lines))
        return rows

    def _lose(self, batch: RemoteBatch, wanted: Wanted | None) -> None:
        held = dict.fromkeys(may_hold(batch.metadata, () if wanted is None else wanted.keys()), b"")
        if held:
            note = payment_text.lost(batch.id, "another journal made it, and the provider does not have it any more")
            self._journal.adopt(replace(self._row(batch, held), state="lost", note=note), held)

    def _row(self, batch: RemoteBatch, keys: Collection[str]) -> BatchRow:
        ours = our_metadata(batch.metadata)
        assert ours is not None
        generation, reader, origin = ours.generation, self._journal.reader, self._backend.origin
        if reader.has_other_rounds(origin, ours.round):
            # Another round may have answers of the generation that this one has in its own journal.
            newest = max((number for number, _ in reader.tries(list(keys), origin).values()), default=0)
            generation = max(generation, newest + 1)
        return BatchRow(
            origin=origin,
            scope=self._backend.scope,
            endpoint=batch.endpoint,
            identity=ours.identity,
            attempt=ours.attempt,
            generation=generation,
            round=ours.round,
            requests=len(keys),
            file_name=f"{ours.create or f'batcheval-{ours.identity[:16]}-adopted'}.jsonl",
            run=self._context.run,
            state="created",
            file_id=batch.input_file_id or "",
            batch_id=batch.id,
            note="made by another journal",
        )

    def _input(self, batch: RemoteBatch) -> Lines | None:
        """The lines a batch holds; `None` when its input file is gone, or may not be read."""
        read = partial(_input_lines, endpoint=batch.endpoint)
        return self._reader.file(batch.input_file_id, read) if batch.input_file_id else None

    def _ended(self, batch: RemoteBatch) -> RemoteBatch:
        """The batch once it has ended, or as it was seen last when the provider no longer has it."""
        absence = MissingBatch()
        if not batch.terminal:
            text = f"waiting until batch {batch.id}, made by another journal, has ended: its input file is gone"
            self._context.progress(NoticeSnapshot.of_text(text))
        while not batch.terminal and not absence.long(self._clock.now()):
            if (deadline := self._context.deadline) is not None and self._clock.now() + POLL_EVERY > deadline:
                raise UnfinishedError(
                    f"batch {batch.id}, made by another journal, is still running; the same command collects it"
                )
            self._clock.sleep(POLL_EVERY)
            try:
                batch = self._reader.patiently(partial(self._backend.retrieve, batch.id))
                absence = MissingBatch()
            except Refused:
                absence.missed(self._clock.now())
        return batch

    def _unlisted(self, failure: ProviderFailure) -> ProviderError:
        text = f"cannot look for batches of other machines at {self._backend.base_url}: {failure}"
        return ProviderError(f"{text}; nothing is sent before that works: run the same command again then")

    def _results(self, batch: RemoteBatch) -> Lines:
        """The keys that the results of a batch name, without their lines."""
        keys: Lines = {}
        for file_id in filter(None, (batch.output_file_id, batch.error_file_id)):
            keys |= self._reader.file(file_id, _named_keys) or {}
        return keys


def _input_lines(path: Path, endpoint: str = "") -> Lines:
    """The lines of an input file, whole; those are ours whose `custom_id` is their own hash."""
    found: Lines = {}
    with path.open("rb") as stream:
        for _, text, _ in split_lines(chunks(stream)):
            if (line := sent_line(text, endpoint)) is not None:
                found[line.custom_id] = official(text, line) if _is_ours(line) else None
    return found


def _named_keys(path: Path) -> Lines:
    with path.open("rb") as stream:
        lines = read_lines(chunks(stream))
        return {line.custom_id: None for line in lines if line.custom_id}


def _is_ours(line: SentLine) -> bool:
    try:
        return sample_of(line.custom_id, line.method, line.url, line.body) is not None
    except ValueError:
        return False
