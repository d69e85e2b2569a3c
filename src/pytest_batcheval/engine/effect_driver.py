"""The one place where effects are performed: network calls in a small pool, the journal on this thread, one sleeper."""

from __future__ import annotations

import re
import shutil
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pytest_batcheval.backends.local_files import private_folder, refuse_link, storing, written
from pytest_batcheval.backends.protocol import Backend
from pytest_batcheval.engine import payment_text
from pytest_batcheval.engine.clock import Clock
from pytest_batcheval.engine.effects import (
    JOURNAL,
    Cancel,
    Commit,
    Create,
    DeleteFile,
    DownloadResults,
    Effect,
    FindFile,
    GetFile,
    ListBatches,
    Retrieve,
    Settle,
    Upload,
)
from pytest_batcheval.engine.metadata import LISTED, metadata
from pytest_batcheval.engine.results import KEEP, download_results, read_results
from pytest_batcheval.engine.scheduler import Scheduler
from pytest_batcheval.engine.thread_pool import OneByOne, Pool
from pytest_batcheval.engine.tracing import BatchSpans
from pytest_batcheval.errors import JournalError, UnfinishedError
from pytest_batcheval.journal.rows import OPEN, BatchRow
from pytest_batcheval.journal.store import Journal


class Driver:
    """Performs the effects that a scheduler asks for.

    Interrupting it anywhere, by Ctrl-C or by kill, leaves a journal from which the next run goes on.
    """

    def __init__(self, backend: Backend, journal: Journal, clock: Clock, threads: int = 4) -> None:
        self._backend = backend
        self._journal = journal
        self._clock = clock
        self._threads = threads
        self._downloads = 0
        self._waiting = deque[DownloadResults]()
        self._spans = BatchSpans(backend)
        self._folder = journal.path.with_name(journal.path.name + ".files")

    def run(self, scheduler: Scheduler, watch: Callable[[float], None], deadline: float | None = None) -> None:
        """Drive all machines of a scheduler until they are finished, or a failure stops the run.

        `watch` is called with the time, at first and after each change; `deadline` is the time on the clock until
        which batches are waited for, `None` for ever.

        Raises:
            UnfinishedError: batches are still running at the deadline.
            JournalError: the journal cannot be written.
        """
        pool: Pool[Effect] | OneByOne[Effect] = Pool(self._threads) if self._threads else OneByOne()
        try:
            now = self._clock.now()
            watch(now)
            while not scheduler.done:
                effects = scheduler.due(now)
                for effect in effects:
                    self._start(effect, scheduler, pool)
                while self._waiting and self._may_download():
                    self._start_call(self._waiting.popleft(), pool)
                self._collect(scheduler, pool, 0.0 if effects else 1.0)
                now = self._clock.now()
                watch(now)
                if not effects and not pool.busy and not self._waiting:
                    self._sleep(scheduler, now, deadline)
                    now = self._clock.now()
            self._remove_empty()  # only now: a download would make its folder in the one that is removed
        finally:
            pool.close()
            self._spans.end()

    def _start(self, effect: Effect, scheduler: Scheduler, pool: Pool[Effect] | OneByOne[Effect]) -> None:
        if isinstance(effect, JOURNAL):
            self._store(effect)
            scheduler.take(effect, None, self._clock.now())
        elif isinstance(effect, DownloadResults) and not self._may_download():
            self._waiting.append(effect)
        else:
            self._start_call(effect, pool)

    def _may_download(self) -> bool:
        """No more downloads than threads: the keys of one are in memory until it is collected, and then settled."""
        return self._downloads < max(self._threads, 1)

    def _start_call(self, effect: Effect, pool: Pool[Effect] | OneByOne[Effect]) -> None:
        self._downloads += isinstance(effect, DownloadResults)
        pool.start(effect, self._spans.around(effect, self._call(effect)))

    def _collect(self, scheduler: Scheduler, pool: Pool[Effect] | OneByOne[Effect], timeout: float) -> None:
        while pool.busy and (finished := pool.next(timeout)) is not None:
            self._downloads -= isinstance(finished[0], DownloadResults)
            scheduler.take(*finished, self._clock.now())
            timeout = 0.0

    def _sleep(self, scheduler: Scheduler, now: float, deadline: float | None) -> None:
        """Wait for the next effect. The deadline ends the wait for batches, never their submission."""
        wake = scheduler.wake()
        if wake is None or wake <= now:
            return
        rows = [machine.row for machine in scheduler.machines if not machine.finished]
        if deadline is not None and wake > deadline and all(row.state in ("created", "ended") for row in rows):
            if now < deadline:
                self._clock.sleep(deadline - now)
                return scheduler.poll_all(deadline)
            raise UnfinishedError(payment_text.still_running(len(rows), ", ".join(row.batch_id for row in rows)))
        return self._clock.sleep(wake - now)

    def _store(self, effect: Commit | Settle) -> None:
        row = effect.row
        if isinstance(effect, Commit):
            self._journal.commit(row)
            return self._spans.stored(row)
        try:
            found = len(effect.results.answered) + len(effect.results.failed)
            keys = self._requests(row.id)[0] if found < row.requests else ()
            with self._spans.settling(row, read_results(effect, keys)) as results:
                self._journal.settle(row, results)
        except JournalError as error:
            text = (
                f"{error}. The results of batch {row.batch_id or row.id} could not be stored; the next run stores them"
            )
            raise JournalError(text) from error
        if not effect.results.broken:
            shutil.rmtree(self.folder_of(row.id), ignore_errors=True)
        elif effect.results.rows is not None:
            effect.results.rows.unlink(missing_ok=True)  # a person reads the provider's files
        return None

    def tidy(self) -> None:
        """Remove the files that killed runs left behind of batches of this journal that are finished.

        Raises:
            JournalError: the folder of all files is a link; what it leads to is not ours.
        """
        with storing(self._folder):
            refuse_link(self._folder)
        if not self._folder.is_dir():
            return
        for row in self._journal.reader.batches():
            folder = self.folder_of(row.id)
            if row.state not in OPEN and folder.is_dir() and not (folder / KEEP).exists():
                shutil.rmtree(folder, ignore_errors=True)  # it refuses a link
        self._remove_empty()

    def _remove_empty(self) -> None:
        with suppress(OSError):
            self._folder.rmdir()

    def folder_of(self, number: int) -> Path:
        """The folder of a batch's files until it is settled; kept when some of its lines are broken."""
        return self._folder / str(number)

    def _call(self, effect: Effect) -> Callable[[], object]:
        """The network call of an effect; the data that it needs is read from the journal here, on this thread."""
        backend = self._backend
        match effect:
            case FindFile(row):
                return lambda: backend.find_file(row.file_name)
            case Upload(row):
                path = self._input_file(row.id, row.file_name)
                return lambda: backend.upload(path, row.file_name)
            case GetFile(row):
                return lambda: backend.get_file(row.file_id)
            case Create(row, marked):
                keys = self._journal.reader.keys(row.id) if row.requests <= LISTED else ()
                pairs = metadata(row, keys) if marked else {}
                key = row.file_name.removesuffix(".jsonl")
                return lambda: backend.create(row.file_id, row.endpoint, pairs, key)
            case ListBatches(enough):
                return lambda: backend.list_batches(enough)
            case Retrieve(row):
                return lambda: backend.retrieve(row.batch_id)
            case DownloadResults(row, partial):
                return self._download(row, partial)
            case DeleteFile(row):
                return lambda: backend.delete_file(row.file_id)
            case Cancel(row, twin):
                return lambda: backend.cancel(twin or row.batch_id)
        raise TypeError(f"{effect!r} is not a call")

    def _download(self, row: BatchRow, partial: bool) -> Callable[[], object]:
        """The download of a batch's results; its keys are a list, which takes thrice as much, only while it is read."""
        keys, names = self._requests(row.id)
        packed = " ".join(keys)
        each = (found[0] for found in re.finditer("[^ ]+", packed))
        return lambda: download_results(self._backend, row, each, self.folder_of(row.id), partial, names)

    def _requests(self, number: int) -> tuple[Sequence[str], Mapping[str, str]]:
        """The keys of a batch in the order of its input file, and the key of each `custom_id` that is none itself."""
        reader = self._journal.reader
        if aliases := reader.aliases(number):
            return [alias.key for alias in aliases], {alias.custom_id: alias.key for alias in aliases}
        return reader.keys(number), {}

    def _input_file(self, number: int, name: str) -> Path:
        folder = self.folder_of(number)
        private_folder(folder)
        path = folder / name
        written(path, (line + b"\n" for line in self._journal.reader.lines(number)))
        return path
