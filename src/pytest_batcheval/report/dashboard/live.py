"""The state of a journal for the live page: the process that sends, batches, causes, use of the machine, answers."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_batcheval.engine.snapshot import BatchSnapshot
from pytest_batcheval.journal.address import JournalAddress, PostgresAddress, real
from pytest_batcheval.journal.reader import JournalReader
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.report.answer_text import answered_text, asked_text
from pytest_batcheval.report.eta import Eta
from pytest_batcheval.report.figures import BatchFigures, Figures, RunFigures
from pytest_batcheval.report.progress_file import SeenProgress, progress_now
from pytest_batcheval.report.run_text import error_lines, run_lines
from pytest_batcheval.text.format import size
from pytest_batcheval.text.phrase import Phrase
from pytest_batcheval.text.table import cut, one_line
from pytest_batcheval.wire import real_time
from pytest_batcheval.wire.origin import describe

SAMPLES = 600
"""Looks that are drawn, one a second."""

NEWEST = 10
LINE = 200
TEXT = 160
"""Columns of an answer on the page."""


@dataclass(frozen=True)
class Look:
    """One look at the process that sends, and at the machine; `None` where nothing sends, or without psutil.

    Attributes:
        at: seconds since the first look.
        errors: the share of the ended requests that have failed, of the batches that are waited for.
        cpu: of that process, in percent of one core; `memory` in bytes.
        sent, received: bytes a second of the machine's network.
    """

    at: float
    errors: float | None = None
    cpu: float | None = None
    memory: int | None = None
    sent: float | None = None
    received: float | None = None


@dataclass(frozen=True)
class LiveState:
    """The contents of the page, as texts and numbers.

    Attributes:
        sending: whether a process sends or waits for batches now.
        heading, outlook: that process in a few words, and with rate, expected end and next look at the provider.
        done, failed, total: requests of the batches that it waits for.
        batches: those batches.
        run: (label, text) of the newest run that sent something, and `causes` of its failures.
        rates: (Unix seconds, share of ended requests that fail) at the end of each of its batches, by their clock.
        stages: its stages.
        answers: (request, answer, model, origin, key) of the newest answers.
    """

    sending: bool = False
    heading: str = Phrase("Nothing is being sent.")
    outlook: str = ""
    done: int = 0
    failed: int = 0
    total: int = 0
    batches: Sequence[BatchSnapshot] = ()
    run: Sequence[tuple[str, str]] = ()
    causes: Sequence[str] = ()
    rates: Sequence[tuple[float, float]] = ()
    stages: Sequence[dict[str, Any]] = ()
    answers: Sequence[dict[str, str]] = ()


@dataclass
class LiveJournal:
    """Reads the state of a journal; what is costly only when the journal has changed."""

    path: JournalAddress
    looks: deque[Look] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    _seen: tuple[object, ...] = ()
    _stored: dict[str, Any] = field(default_factory=dict)
    _traffic: tuple[float, int, int] | None = None
    _process: Any = None
    _began: float | None = None

    def state(self) -> LiveState:
        """The state now.

        Raises:
            JournalError: the journal cannot be read.
        """
        reader = Journal.read(real(self.path))
        try:
            signature = _signature(real(self.path), reader)
            if signature != self._seen:
                self._stored, self._seen = _stored(reader), signature
            found = progress_now(self.path, lambda: Eta(reader.batches()))
        finally:
            reader.close()
        self._look(found)
        if found is None:
            return LiveState(**self._stored)
        board, now = found.board, real_time.now()
        done, failed, total = board.sums()
        lines = " · ".join(map(one_line, board.lines(now, LINE, 1)))
        return LiveState(True, board.heading(), lines, done, failed, total, board.under_way, **self._stored)

    def _look(self, found: SeenProgress | None) -> None:
        """Add a look; without psutil it is at the requests alone."""
        now = real_time.now()
        self._began = now if self._began is None else self._began
        errors = None if found is None else _share(*found.board.sums()[:2])
        try:
            import psutil
        except ImportError:
            self.looks.append(Look(now - self._began, errors))
            return
        counters = psutil.net_io_counters()
        before = self._traffic or (now, counters.bytes_sent, counters.bytes_recv)
        self._traffic = (now, counters.bytes_sent, counters.bytes_recv)
        seconds = max(now - before[0], 0.1)
        rates = [(new - old) / seconds for new, old in zip(self._traffic[1:], before[1:], strict=True)]
        cpu, memory = self._use(psutil, None if found is None else found.pid)
        self.looks.append(Look(now - self._began, errors, cpu, memory, *rates))

    def _use(self, psutil: Any, pid: int | None) -> tuple[float | None, int | None]:
        if pid is None:
            self._process = None
            return None, None
        try:
            if self._process is None or self._process.pid != pid:
                self._process = psutil.Process(pid)
            return self._process.cpu_percent(), self._process.memory_info().rss
        except psutil.Error:  # it has just ended
            self._process = None
            return None, None


def _signature(path: JournalAddress, reader: JournalReader) -> tuple[object, ...]:
    """A value that changes with the journal: sizes and times of its files, or the states of its batches."""
    if isinstance(path, PostgresAddress):
        return tuple((row.id, row.state, row.answers) for row in reader.batches())
    found: list[object] = []
    for suffix in ("", "-wal"):
        try:
            stat = path.with_name(path.name + suffix).stat()
            found += [stat.st_size, stat.st_mtime_ns]
        except OSError:
            found.append(None)
    return tuple(found)


def _stored(reader: JournalReader) -> dict[str, Any]:
    figures = Figures(reader)
    newest = next((run for run in reversed(figures.runs()) if run.requests), None)
    return {
        "run": [] if newest is None else list(_run(newest)),
        "causes": [] if newest is None else list(error_lines(newest.failures)),
        "rates": [] if newest is None else list(_rates(reader, figures.batches(newest.id))),
        "stages": [] if newest is None else [_stage(row) for row in newest.stages],
        "answers": [_answer(answer) for answer in reader.newest_answers(NEWEST)],
    }


def _run(run: RunFigures) -> list[tuple[str, str]]:
    started = real_time.local("%Y-%m-%d %H:%M:%S", run.started)
    share = run.failed / run.requests
    return [(Phrase("run"), run.id), (Phrase("started"), started), (Phrase("sent to"), run.sent_to),
            (Phrase("state"), Phrase.known(run.state, "state")), *run_lines(run),
            (Phrase("error rate"), Phrase("{share:.1%} of its requests", share=share))]  # fmt: skip


def _rates(reader: JournalReader, batches: Sequence[BatchFigures]) -> Iterator[tuple[float, float]]:
    """The error rate of a run at the end of each of its batches, the first to end first."""
    numbers = {one.number for one in batches}
    rows = (row for row in reader.batches() if row.id in numbers and row.times)
    stored = {row.id: json.loads(row.times).values() for row in rows}
    ends: dict[int, float] = {number: max(times) for number, times in stored.items() if times}
    ended = sorted((one for one in batches if one.number in ends), key=lambda one: ends[one.number])
    answers = failed = 0
    for one in ended:
        answers, failed = answers + one.answers, failed + one.failed
        if (share := _share(answers, failed)) is not None:
            yield ends[one.number], share


def _share(answered: int, failed: int) -> float | None:
    return failed / (answered + failed) if answered or failed else None


def _stage(row: Any) -> dict[str, Any]:
    return {"wave": row.wave, "name": Phrase.known(row.name, "stage"), "wall": f"{row.wall:.1f} s",
            "cpu": f"{row.cpu:.1f} s", "memory": size(row.memory), "sent": size(row.sent),
            "received": size(row.received)}  # fmt: skip


def _answer(answer: Any) -> dict[str, str]:
    return {
        "asked": cut(one_line(asked_text(answer.request.body)), TEXT),
        "answered": cut(one_line(answered_text(answer)), TEXT),
        "model": answer.request.model,
        "origin": describe(answer.origin),
        "key": answer.custom_id,
    }
