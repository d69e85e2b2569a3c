"""The one place where effects are done: network calls in a small pool, the journal on this thread, one sleeper."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pytest_batcheval.backends.protocol import Backend
from pytest_batcheval.engine.clock import Clock
from pytest_batcheval.engine.effects import (
    JOURNAL,
    Commit,
    Create,
    DeleteFile,
    Effect,
    FindFile,
    Harvest,
    ListBatches,
    Retrieve,
    Settle,
    Upload,
)
from pytest_batcheval.engine.harvest import harvest, results
from pytest_batcheval.engine.metadata import metadata
from pytest_batcheval.engine.pool import Pool
from pytest_batcheval.engine.protocol import Engine
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.wire.errors import JournalError, UnfinishedError


class Driver:
    """Does what an engine asks for.

    Interrupting it anywhere, by Ctrl-C or by kill, leaves a journal from which the next run goes on.
    """

    def __init__(self, backend: Backend, journal: Journal, clock: Clock) -> None:
        self._backend = backend
        self._journal = journal
        self._clock = clock
        self._folder = journal.path.with_name(journal.path.name + ".files")

    def run(self, engine: Engine, watch: Callable[[float], None], deadline: float | None = None) -> None:
        """Bring all jobs of an engine to their end, or to the fault that stops it.

        `watch` is called with the time after each change; `deadline` is the time on the clock until
        which batches are waited for, `None` for ever.

        Raises:
            UnfinishedError: batches still run at the deadline.
            JournalError: the journal cannot be written.
        """
        pool: Pool[Effect] = Pool()
        try:
            while not engine.done:
                effects = engine.due(self._clock.now())
                for effect in effects:
                    self._start(effect, engine, pool)
                self._collect(engine, pool, 0.0 if effects else 1.0)
                watch(self._clock.now())
                if not effects and not pool.busy:
                    self._sleep(engine, deadline)
        finally:
            pool.close()

    def _start(self, effect: Effect, engine: Engine, pool: Pool[Effect]) -> None:
        if isinstance(effect, JOURNAL):
            self._store(effect)
            engine.told(effect, None, self._clock.now())
        else:
            pool.start(effect, self._call(effect))

    def _collect(self, engine: Engine, pool: Pool[Effect], timeout: float) -> None:
        while pool.busy and (finished := pool.next(timeout)) is not None:
            engine.told(*finished, self._clock.now())
            timeout = 0.0

    def _sleep(self, engine: Engine, deadline: float | None) -> None:
        wake, now = engine.wake(), self._clock.now()
        if wake is None or wake <= now:
            return
        if deadline is not None and wake > deadline:
            names = [job.row.batch_id for job in engine.jobs if not job.finished and job.row.batch_id]
            raise UnfinishedError(
                f"{len(names)} batches still run ({', '.join(names)}); nothing is lost: "
                "the same command collects them, as soon as they are done"
            )
        self._clock.sleep(wake - now)

    def _store(self, effect: Commit | Settle) -> None:
        row = effect.row
        try:
            if isinstance(effect, Commit):
                self._journal.commit(row)
                return
            self._journal.settle(row, results(effect, self._journal.reader.keys(row.id)))
        except JournalError as error:
            if row.batch_id:
                error.add_note(f"batch {row.batch_id} exists at {row.origin}, made of file {row.file_id}")
            raise
        if not effect.account.broken:
            shutil.rmtree(self.folder_of(row.id), ignore_errors=True)
        with suppress(OSError):
            self._folder.rmdir()

    def folder_of(self, number: int) -> Path:
        """Where the files of a batch lie until it is settled; kept when some of its lines are broken."""
        return self._folder / str(number)

    def _call(self, effect: Effect) -> Callable[[], object]:
        """The network call of an effect; what it needs of the journal is read here, on this thread."""
        backend = self._backend
        match effect:
            case FindFile(row):
                return lambda: backend.find_file(row.file_name)
            case Upload(row):
                path = self._input_file(row.id, row.file_name)
                return lambda: backend.upload(path, row.file_name)
            case Create(row):
                pairs = metadata(row, self._journal.reader.keys(row.id))
                key = row.file_name.removesuffix(".jsonl")
                return lambda: backend.create(row.file_id, row.endpoint, pairs, key)
            case ListBatches():
                return backend.list_batches
            case Retrieve(row):
                return lambda: backend.retrieve(row.batch_id)
            case Harvest(row):
                keys = frozenset(self._journal.reader.keys(row.id))
                return lambda: harvest(backend, row, keys, self.folder_of(row.id))
            case DeleteFile(row):
                return lambda: backend.delete_file(row.file_id)
        raise TypeError(f"{effect!r} is no call")

    def _input_file(self, number: int, name: str) -> Path:
        folder = self.folder_of(number)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / name
        with path.open("wb") as stream:
            stream.writelines(line + b"\n" for line in self._journal.reader.lines(number))
        return path
