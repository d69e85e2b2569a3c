"""`batcheval status BATCH`: a batch as the provider reports it; `--run RUN`: a run from the journal."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pytest_batcheval.cli.options import add_backend, add_journal, open_reader, say, say_json, say_painted, width
from pytest_batcheval.cli.runs import plain, when
from pytest_batcheval.errors import UsageError
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.wire import real_time

if TYPE_CHECKING:
    from pytest_batcheval.backends.protocol import Backend
    from pytest_batcheval.batch_status import BatchStatus
    from pytest_batcheval.cli.watch import WatchedState
    from pytest_batcheval.engine.snapshot import BatchSnapshot
    from pytest_batcheval.journal.address import JournalAddress
    from pytest_batcheval.journal.reader import JournalReader
    from pytest_batcheval.journal.rows import StageRow
    from pytest_batcheval.report.figures import BatchFigures, RunFigures
    from pytest_batcheval.report.live_line import LiveLines


DESCRIPTION = """
BATCH: ask the provider for the status, counts, times, files and errors of a batch; no journal is needed. The exit
status is 0 if the batch has ended, and 10 while it runs. --run RUN: show the batches, errors, cost, stages and resource
use of a run in the journal (without RUN and BATCH: the newest one that sent something); the provider is not asked. The
exit status is 0 if it is done, 10 while batches of it are open, and 1 if requests failed, were refused or are lost.
--watch: poll until it has ended; nothing is collected or changed.
"""
RUN_SECONDS = 1.0
BATCH_SECONDS = 30.0
"""Default seconds between two polls: the journal costs nothing, the provider limits calls."""

MOST_LIVE = 12
"""Live lines of batches that are shown of a run."""


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "status",
        description=DESCRIPTION,
        epilog="example: batcheval status batch_68a1... --watch",
    )
    parser.add_argument("batch", metavar="BATCH", nargs="?", help="the batch's id")
    parser.add_argument("--run", metavar="RUN", help="a run's id, or the beginning of it (see batcheval runs)")
    parser.add_argument("--json", action="store_true", help="print JSON; with --watch one line per change")
    parser.add_argument(
        "--watch",
        action="store_true",
        help="poll until it has ended: redrawn on a terminal, else one line per change, at most one per minute",
    )
    parser.add_argument(
        "--interval",
        type=_seconds,
        metavar="SECONDS",
        help=f"time between two polls of --watch (default: {RUN_SECONDS:g} for a run, {BATCH_SECONDS:g} for a batch)",
    )
    add_backend(parser)
    add_journal(parser)


def run(arguments: argparse.Namespace) -> int:
    """Ask and print.

    Raises:
        UsageError: no API key, no such backend, no such run, BATCH and --run, or --interval without --watch.
        ProviderError: there is no such batch in this project, or the provider is unreachable.
        JournalError: the journal cannot be read.
    """
    if arguments.batch is not None and arguments.run is not None:
        raise UsageError("name either BATCH or --run, not both")
    if arguments.watch:
        return int(_watch(arguments))
    if arguments.interval is not None:
        raise UsageError("--interval requires --watch")
    if arguments.batch is None:
        return int(_show_run(arguments.journal, arguments.run, arguments.json))
    from pytest_batcheval.client import check_batch_status

    status = check_batch_status(arguments.batch, backend=arguments.backend)
    if arguments.json:
        say_json(status.to_dict())
    else:
        say("\n".join(_lines(status)))
    return int(_exit_status(status))


def _watch(arguments: argparse.Namespace) -> ExitStatus:
    from pytest_batcheval.cli.watch import interruptible

    if arguments.batch is not None:
        continues = f"the batch continues at the provider: batcheval status {arguments.batch}"
        return interruptible(lambda: _watch_batch(arguments), continues)
    continues = "the run and its batches continue; if no process waits for them, collect them: batcheval resume"
    return interruptible(lambda: _watch_run(arguments), continues)


def _watch_batch(arguments: argparse.Namespace) -> ExitStatus:
    from pytest_batcheval.backends.connect import connect
    from pytest_batcheval.cli.watch import display, watch

    with connect(arguments.backend) as connection:
        return watch(
            lambda: _poll_batch(connection.backend, arguments.batch),
            connection.clock,
            arguments.interval or BATCH_SECONDS,
            display(arguments.json),
        )


def _watch_run(arguments: argparse.Namespace) -> ExitStatus:
    from pytest_batcheval.backends.clocks import SystemClock
    from pytest_batcheval.cli.watch import display, watch

    name = arguments.run

    def poll() -> WatchedState:
        nonlocal name
        seen = _poll_run(arguments.journal, name)
        name = seen.data["id"]  # a later run's id may begin with the same text
        return seen

    return watch(poll, SystemClock(), arguments.interval or RUN_SECONDS, display(arguments.json))


def _poll_batch(backend: Backend, batch: str) -> WatchedState:
    from pytest_batcheval.batch_status import status_of
    from pytest_batcheval.cli.watch import WatchedState
    from pytest_batcheval.text.table import one_line

    status = status_of(backend, batch)
    lines = _lines(status)
    line = one_line(f"{lines[0]}, {lines[1]}")
    return WatchedState("\n".join(lines), line, status.to_dict(), _exit_status(status))


def _poll_run(journal: JournalAddress, start: str | None) -> WatchedState:
    from pytest_batcheval.cli.watch import WatchedState
    from pytest_batcheval.report.run_text import open_text

    seen = _read_run(journal, start)
    data, page = seen.to_dict(), "\n".join(_run_page(seen, journal))
    going = data["waiting"] or _is_sending(journal, data)
    state = "open" if going else data["state"]
    counts = f"{data['answers']:,} answered, {data['failed']:,} failed, {open_text(data['waiting'], seen.done)}"
    line = f"run {data['id']}: {state}, requests: {data['requests']:,}, {counts}"
    return WatchedState(page, line, data, _run_exit_status(state))


def _is_sending(journal: JournalAddress, run: dict[str, Any]) -> bool:
    """Return whether its process still sends from the journal: between two waves no batch is open."""
    from pytest_batcheval.journal.address import real
    from pytest_batcheval.journal.choose_database import database_at

    if run["argv"] not in [list(holder.argv) for holder in database_at(real(journal)).senders()]:
        return False
    reader = open_reader(journal)
    try:
        same = [row for row in reader.runs() if json.loads(row.argv) == run["argv"]]
    finally:
        reader.close()
    return bool(same) and same[-1].id == run["id"]


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number of seconds above 0, not {text}")
    return seconds


def _exit_status(status: BatchStatus) -> ExitStatus:
    return ExitStatus.OK if status.ended else ExitStatus.UNFINISHED


def _lines(status: BatchStatus) -> list[str]:
    counts = status.request_counts
    shown = {name: "?" if count is None else count for name, count in counts.items()}
    lines = [
        f"{status.id}: {status.status} ({status.endpoint})",
        f"  requests: {shown['completed']} completed, {shown['failed']} failed, of {shown['total']}",
    ]
    for name, seconds in sorted(status.times.items(), key=lambda item: item[1]):
        when = real_time.local("%Y-%m-%d %H:%M:%S", seconds)
        lines.append(f"  {name.removesuffix('_at').replace('_', ' ')}: {when}")
    files = {kind: getattr(status, f"{kind}_file_id") for kind in ("input", "output", "error")}
    lines += [f"  {kind} file: {file_id}" for kind, file_id in files.items() if file_id]
    lines += [f"  refused: {error}" for error in status.errors]
    if status.ended and (status.output_file_id or status.error_file_id):
        lines.append(f"to get its results: batcheval download {status.id}")
    return lines


_BATCHES = ("batch", "state", "requests", "answered", "failed", "cost")
_STAGES = ("wave", "stage", "time", "CPU", "memory", "sent", "received")


def _show_run(journal: JournalAddress, start: str | None, as_json: bool) -> ExitStatus:
    """Print the status of a run; `start` is its id, or the beginning of it, `None` the newest that sent something."""
    seen = _read_run(journal, start)
    if as_json:
        say_json(seen.to_dict())
    else:
        for line in _run_page(seen, journal):
            say_painted(line)
    return _run_exit_status(seen.run.state)


def _run_exit_status(state: str) -> ExitStatus:
    if state == "open":
        return ExitStatus.UNFINISHED
    return ExitStatus.OK if state in ("done", "empty") else ExitStatus.FAILED


@dataclass(frozen=True)
class _SeenRun:
    """A run, its batches, the lines of the process that waits for them, if there is one, and its backends by origin."""

    run: RunFigures
    batches: Sequence[BatchFigures]
    live: LiveLines | None
    values: Mapping[str, str]

    @property
    def standing(self) -> dict[str, BatchSnapshot]:
        """The last snapshot of each batch by that process, by its id."""
        return {} if self.live is None else {seen.batch_id: seen for seen in self.live.under_way if seen.ordinal}

    @property
    def done(self) -> int | None:
        """Requests of open batches that the provider has done; `None` where no process waits for them."""
        return None if self.live is None else sum(seen.done for seen in self.standing.values())

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as JSON can hold it."""
        counts = ("batch_id", "status", "done", "failed", "total")
        progress = [{name: getattr(seen, name) for name in counts} for seen in self.standing.values()]
        whole = plain(self.run) | {"held": [asdict(batch) for batch in self.batches], "progress": progress}
        data: dict[str, Any] = json.loads(json.dumps(whole, default=float))
        return data


def _read_run(journal: JournalAddress, start: str | None) -> _SeenRun:
    """Return the figures of a run and of its batches.

    Raises:
        UsageError: there is no journal, or not exactly one such run.
        JournalError: it cannot be read.
    """
    from pytest_batcheval.report.figures import Figures

    reader = open_reader(journal)
    try:
        figures = Figures(reader)
        run = _the_one(figures.runs(), start)
        batches = figures.batches(run.id)
        live = _live(journal, run, {batch.batch_id for batch in batches}, reader)
        return _SeenRun(run, batches, live, reader.run_values(run.id))
    finally:
        reader.close()


def _live(journal: JournalAddress, run: RunFigures, ids: set[str], reader: JournalReader) -> LiveLines | None:
    """Return the lines of the process that sends this run or waits for its batches; `None` without one."""
    from pytest_batcheval.report.eta import Eta
    from pytest_batcheval.report.progress_file import progress_now

    found = progress_now(journal, lambda: Eta(reader.batches(run.origin)))
    if found is None:
        return None
    theirs = {seen.batch_id for seen in found.board.under_way} - {""}
    return found.board if found.run == run.id or theirs & ids else None


def _the_one(runs: Sequence[RunFigures], start: str | None) -> RunFigures:
    if not runs:
        raise UsageError("the journal has no runs")
    if start is None:
        return next((run for run in reversed(runs) if run.requests), runs[-1])
    found = [run for run in runs if run.id == start] or [run for run in runs if run.id.startswith(start)]
    if len(found) != 1:
        listed = ", ".join(run.id for run in found[:5])
        many = f"{len(found)} runs begin with {start!r}: {listed}" if found else f"no run begins with {start!r}"
        raise UsageError(f"{many}; to list the runs: batcheval runs")
    return found[0]


def _run_page(seen: _SeenRun, journal: JournalAddress) -> list[str]:
    """Return the lines about a run, as wide as stdout."""
    from pytest_batcheval.report.run_text import error_lines
    from pytest_batcheval.text.table import table

    run = seen.run
    lines = _head(seen)
    if seen.live is not None:
        lines += ["", *seen.live.lines(real_time.now(), width() - 1, MOST_LIVE)]
    if seen.batches:
        rows = (_batch_row(batch, seen.standing) for batch in seen.batches)
        lines += ["", *table([_BATCHES, *rows], width(), left={0, 1}, give_way=(0,))]
    if run.stages:
        names = [f"virtual {name}" if name == "time" and run.simulated else name for name in _STAGES]
        lines += ["", *table([names, *map(_stage_row, run.stages)], width(), left={1}, give_way=())]
    if run.failures:
        lines += ["", *(f"  {line}" for line in error_lines(run.failures))]
    if run.waiting and seen.live is None:
        lines += [f"to collect what has ended: {command}" for command in _resume(seen, journal)]
    return lines


def _resume(seen: _SeenRun, journal: JournalAddress) -> list[str]:
    """Return the commands that collect the batches of this run, one for each backend."""
    from pytest_batcheval.backends.connect import OPENAI
    from pytest_batcheval.journal.rows import OPEN
    from pytest_batcheval.report.commands import resume_command
    from pytest_batcheval.wire.origin import DEFAULT_BASE_URL

    url = seen.run.base_url.rstrip("/")
    usual = OPENAI if url in ("", DEFAULT_BASE_URL) else url
    origins = dict.fromkeys(batch.origin for batch in seen.batches if batch.state in OPEN)
    return [resume_command(journal, seen.values.get(origin) or usual) for origin in origins]


def _head(seen: _SeenRun) -> list[str]:
    from pytest_batcheval.report.run_text import run_lines
    from pytest_batcheval.text.table import one_line

    run = seen.run
    return [
        one_line(f"run {run.id}: {run.state}, started {when(run.started)}, sent to {run.sent_to}"),
        f"  command: {one_line(' '.join(run.argv))}",
        *(f"  {label}: {text}" for label, text in run_lines(run, seen.done)),
    ]


def _batch_row(batch: BatchFigures, standing: Mapping[str, BatchSnapshot]) -> tuple[str, ...]:
    """Return the cells of a batch; of one that is waited for with what the provider has said last."""
    from pytest_batcheval.text.format import dollars

    name = "individual calls" if batch.calls == "individual" else batch.batch_id or f"{batch.number} (no id)"
    numbers, state = (batch.requests, batch.answers, batch.failed), batch.state
    if (seen := standing.get(batch.batch_id)) is not None:
        numbers, state = (batch.requests, seen.done, seen.failed), seen.status
    return (name, state, *(f"{number:,}" for number in numbers), dollars(batch.usd))


def _stage_row(stage: StageRow) -> tuple[str, ...]:
    from pytest_batcheval.text.format import duration, size

    times = (duration(seconds, tenths=True) for seconds in (stage.wall, stage.cpu))
    return (str(stage.wave), stage.name, *times, *map(size, (stage.memory, stage.sent, stage.received)))
