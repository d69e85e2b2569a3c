"""Batches without our metadata that have requests which are to be sent: nobody pays for them twice unasked.

Those that run count, and those that ended with answers and have as many lines as requests are to be sent.

The list of batches says which of them may; only the bodies in their input files prove it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pytest_batcheval.backends.errors import ProviderFailure, Refused
from pytest_batcheval.backends.protocol import METADATA_NAME, RemoteBatch
from pytest_batcheval.engine import payment_text
from pytest_batcheval.engine.adopt_unmarked import read_input
from pytest_batcheval.engine.metadata import known_to
from pytest_batcheval.engine.patient_reader import PatientReader
from pytest_batcheval.engine.send_policy import SendContext
from pytest_batcheval.engine.spool import Wanted
from pytest_batcheval.errors import ProviderError, UsageError
from pytest_batcheval.text.format import counted
from pytest_batcheval.wire.default_paths import JOURNAL
from pytest_batcheval.wire.origin import DEFAULT_BASE_URL
from pytest_batcheval.wire.sent_lines import SentFile

MOST_READ = 10
"""Input files that are read at most: first of batches with as many lines as are wanted, then of the newest."""

MOST_BYTES = 20_000_000
"""Bytes of an input file that is read although its batch has another number of lines."""


@dataclass(frozen=True)
class SharedRequests:
    """A batch without our metadata, and how many of the wanted requests it has, bodies compared."""

    batch: RemoteBatch
    shared: int


class UnmarkedSearch:
    """Looks for wanted requests in the batches of others.

    Attributes:
        remarks: batches of which it is not certain.
    """

    def __init__(self, context: SendContext, wanted: Wanted) -> None:
        """Look for these requests, which are about to be sent."""
        self.remarks: dict[str, None] = {}
        self._context = context
        self._wanted, self._models, self._counts = wanted, wanted.models(), wanted.urls()
        self._reader = PatientReader(context, _unread)
        # where batches are not marked, ours of another machine are among them
        self._countless = context.backend.capabilities.mark == "file"

    def refuse(self, batches: Iterable[RemoteBatch]) -> None:
        """End the run when one of these batches has wanted requests.

        Raises:
            UsageError: one has; the message names the commands to choose from.
            ProviderError: its input file cannot be read for a passing reason.
        """
        if found := list(self._found(batches)):
            raise UsageError(_choice(found, self._context, len(self._wanted)))

    def _found(self, batches: Iterable[RemoteBatch]) -> Iterator[SharedRequests]:
        candidates = self._candidates(batches)
        if (rest := len(candidates) - MOST_READ) > 0:
            self.remarks[f"{counted(rest, 'batch', 'batches')} of other tools may have the same requests; not read"] = (
                None
            )
        for batch in filter(self._is_readable, candidates[:MOST_READ]):
            sent = self._input(batch)
            shared = len(self._wanted.held(sent.lines)) if sent is not None else 0
            if shared:
                yield SharedRequests(batch, shared)
            elif self._is_alike(batch) and not batch.terminal:
                self._remark(batch, sent)

    def _candidates(self, batches: Iterable[RemoteBatch]) -> list[RemoteBatch]:
        """Those that may have wanted requests, by what the list says; strangers' with fields left out never do."""
        known = known_to(self._context.journal.reader.batches(self._context.backend.origin))
        found = [
            batch
            for batch in batches
            if METADATA_NAME not in batch.metadata
            and batch.endpoint in self._counts
            and (batch.total is not None or self._countless)
            and batch.input_file_id
            and (not batch.terminal or (batch.output_file_id and self._is_alike(batch)))
            and not known(batch)
        ]
        found.sort(key=lambda batch: (not self._is_alike(batch), -(batch.created_at or 0.0), batch.id))
        return found

    def _is_alike(self, batch: RemoteBatch) -> bool:
        """Whether it has as many lines as requests of its endpoint are wanted, or may have."""
        return batch.total == self._counts[batch.endpoint] or (batch.total is None and self._countless)

    def _is_readable(self, batch: RemoteBatch) -> bool:
        """Whether its input file is worth reading: of as many lines, or small."""
        if self._is_alike(batch):
            return True
        try:
            file = self._reader.patiently(partial(self._context.backend.get_file, batch.input_file_id or ""))
        except Refused:
            return False
        return file.bytes is not None and file.bytes <= MOST_BYTES

    def _input(self, batch: RemoteBatch) -> SentFile | None:
        return self._reader.file(batch.input_file_id or "", partial(read_input, batch.endpoint))

    def _remark(self, batch: RemoteBatch, sent: SentFile | None) -> None:
        what = f"batch {batch.id} ({batch.status}), made by other tools, has as many lines as were to be sent"
        if sent is None:
            self.remarks[f"{what}; its input file cannot be read, so it is not known whether of the same requests"] = (
                None
            )
        elif sent.model in self._models:
            self.remarks[f"{what}, of the same model; none has an equal body, so it is taken for a stranger's"] = None


def _choice(found: Sequence[SharedRequests], context: SendContext, wanted: int) -> str:
    each = "; ".join(f"{some.batch.id} ({some.batch.status}) has {some.shared:,} of them" for some in found)
    return payment_text.shared_requests(wanted, each, adopt_command([some.batch.id for some in found], context))


def adopt_command(ids: Collection[str], context: SendContext) -> str:
    """The command that adopts batches into this journal."""
    words = ["batcheval", "adopt", *ids]
    address = context.journal.address
    path = os.path.relpath(address) if isinstance(address, Path) else str(address)
    words += [] if path == os.path.normpath(JOURNAL) else ["--journal", path]
    base_url = context.backend.base_url.rstrip("/")
    return shlex.join(words if base_url == DEFAULT_BASE_URL else [*words, "--backend", base_url])


def _unread(failure: ProviderFailure) -> ProviderError:
    return ProviderError(f"cannot read the input file of another open batch: {failure}; nothing was sent, run again")
