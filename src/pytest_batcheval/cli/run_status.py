"""`batcheval status --run RUN`: one run's batches, errors and cost, by the journal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_batcheval.cli.options import open_reader, say, width
from pytest_batcheval.cli.runs import plain, when
from pytest_batcheval.wire.errors import ExitStatus, UsageError
from pytest_batcheval.wire.origin import describe

if TYPE_CHECKING:
    from pytest_batcheval.journal.rows import StageRow
    from pytest_batcheval.report.figures import BatchFigures, RunFigures

_BATCHES = ("batch", "state", "requests", "answered", "failed", "cost")
_STAGES = ("wave", "stage", "time", "CPU", "memory", "sent", "received")


def show_run(journal: Path, start: str | None, as_json: bool) -> int:
    """Print how a run stands; `start` is its id, or the beginning of it, `None` the newest run.

    Returns:
        10 while batches of it are open, 1 when requests of it failed, were refused or are lost, else 0.

    Raises:
        UsageError: there is no journal, or not exactly one such run.
        JournalError: it cannot be read.
    """
    from pytest_batcheval.report.figures import Figures

    reader = open_reader(journal)
    try:
        figures = Figures(reader)
        found = _the_one(figures.runs(), start)
        batches = figures.batches(found.id)
    finally:
        reader.close()
    if as_json:
        whole = plain(found) | {"held": [asdict(batch) for batch in batches]}
        print(json.dumps(whole, ensure_ascii=True, indent=2, default=float))
    else:
        _say(found, batches, journal)
    if found.waiting:
        return int(ExitStatus.UNFINISHED)
    return int(ExitStatus.OK if found.state in ("done", "empty") else ExitStatus.FAILED)


def _the_one(runs: Sequence[RunFigures], start: str | None) -> RunFigures:
    if not runs:
        raise UsageError("the journal has no runs")
    if start is None:
        return runs[-1]
    found = [run for run in runs if run.id == start] or [run for run in runs if run.id.startswith(start)]
    if len(found) != 1:
        listed = ", ".join(run.id for run in found[:5])
        many = f"{len(found)} runs begin with {start!r}: {listed}" if found else f"no run begins with {start!r}"
        raise UsageError(f"{many}; the runs are listed by: batcheval runs")
    return found[0]


def _say(run: RunFigures, batches: Sequence[BatchFigures], journal: Path) -> None:
    from pytest_batcheval.report.run_text import error_lines
    from pytest_batcheval.report.table import table

    for line in _head(run):
        say(line)
    if batches:
        say("")
        for line in table([_BATCHES, *map(_batch_row, batches)], width(), left={0, 1}, give_way=(0,)):
            say(line)
    if run.stages:
        say("")
        for line in table([_STAGES, *map(_stage_row, run.stages)], width(), left={1}, give_way=()):
            say(line)
    if run.failures:
        say("")
        for line in error_lines(run.failures):
            say(f"  {line}")
    if run.waiting:
        say(f"collect what has ended: {_resume(run, journal)}")


def _resume(run: RunFigures, journal: Path) -> str:
    """The command that collects what this run has begun."""
    from pytest_batcheval.backends.connect import DEFAULT_BASE_URL, OPENAI
    from pytest_batcheval.report.commands import resume_command

    url = run.base_url.rstrip("/")
    return resume_command(journal, OPENAI if url in ("", DEFAULT_BASE_URL) else url)


def _head(run: RunFigures) -> list[str]:
    from pytest_batcheval.report.run_text import run_lines
    from pytest_batcheval.report.table import one_line

    return [
        one_line(f"run {run.id}: {run.state}, started {when(run.started)}, sent to {describe(run.origin)}"),
        f"  command: {one_line(' '.join(run.argv))}",
        *(f"  {label}: {text}" for label, text in run_lines(run)),
    ]


def _batch_row(batch: BatchFigures) -> tuple[str, ...]:
    from pytest_batcheval.report.quantities import dollars

    name = "individual calls" if batch.calls == "individual" else batch.batch_id or f"{batch.number} (no id)"
    numbers = (batch.requests, batch.answers, batch.failed)
    return (name, batch.state, *(f"{number:,}" for number in numbers), dollars(batch.usd))


def _stage_row(stage: StageRow) -> tuple[str, ...]:
    from pytest_batcheval.report.quantities import duration, size

    times = (duration(seconds, tenths=True) for seconds in (stage.wall, stage.cpu))
    return (str(stage.wave), stage.name, *times, *map(size, (stage.memory, stage.sent, stage.received)))
