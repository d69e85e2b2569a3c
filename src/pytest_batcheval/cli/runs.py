"""`batcheval runs`: the runs of the journal, one per line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pytest_batcheval.cli.options import add_journal, open_reader, say, say_json, width
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.wire import real_time

if TYPE_CHECKING:
    from pytest_batcheval.report.figures import RunFigures

DESCRIPTION = """
List the runs of the journal, oldest first: start, id, origin, requests, answers, requests that still fail, cost and
state, and of several their total. The provider is not asked. A run is open (batches have not ended), failed, lost,
refused (all of its batches, unpaid), empty (nothing had to be sent) or done.
"""

_HEAD = ("when", "run", "origin", "requests", "answered", "failed", "cost", "state")
_LONGEST_ID = 16
_SHORT_ID = 12


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "runs", description=DESCRIPTION, epilog="example: batcheval runs --json"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_journal(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the runs.

    Raises:
        UsageError: there is no journal.
        JournalError: it cannot be read.
    """
    from pytest_batcheval.report.figures import Figures

    reader = open_reader(arguments.journal)
    try:
        runs = Figures(reader).runs()
    finally:
        reader.close()
    if arguments.json:
        say_json([plain(figures) for figures in runs])
    else:
        _say(runs)
    return int(ExitStatus.OK)


def plain(figures: RunFigures) -> dict[str, Any]:
    """Return a run's figures for `say_json`; sums of money are decimal numbers."""
    derived = {"failed": figures.failed, "paid_usd": figures.paid_usd, "state": figures.state}
    return {**asdict(figures), **derived}


def when(seconds: float) -> str:
    """Return a time in this machine's time zone, as text."""
    return real_time.local("%Y-%m-%d %H:%M:%S", seconds)


def _say(runs: Sequence[RunFigures]) -> None:
    from pytest_batcheval.text.table import table

    if not runs:
        say("the journal has no runs")
        return
    rows = [_HEAD, *(_row(figures) for figures in runs), *([_total(runs)] if len(runs) > 1 else [])]
    say("\n".join(table(rows, width(), left={0, 1, 2, 7}, give_way=(2, 1))))


def _row(figures: RunFigures) -> tuple[str, ...]:
    from pytest_batcheval.text.format import dollars

    counts = (f"{count:,}" for count in (figures.requests, figures.answers, figures.failed))
    name = figures.id if len(figures.id) <= _LONGEST_ID else figures.id[:_SHORT_ID]
    origins = [one.origin for one in figures.origins] or [figures.origin]
    where = ", ".join(origin.partition("://")[2] or origin for origin in origins)
    return (when(figures.started)[5:16], name, where, *counts, dollars(figures.paid_usd), figures.state)


def _total(runs: Sequence[RunFigures]) -> tuple[str, ...]:
    """The sums of all runs; not of what fails, since a request may fail in several."""
    from pytest_batcheval.text.format import dollars

    known = [figures.paid_usd for figures in runs if figures.paid_usd is not None]
    requests, answers = sum(one.requests for one in runs), sum(one.answers for one in runs)
    paid = sum(known, Decimal(0)) if len(known) == len(runs) else None
    return ("", "total", "", f"{requests:,}", f"{answers:,}", "", dollars(paid), "")
