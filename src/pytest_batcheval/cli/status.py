"""`batcheval status BATCH`: how a batch stands at the provider; `--run RUN`: how a run stands, by the journal."""

from __future__ import annotations

import argparse
import json
import time
from typing import TYPE_CHECKING, Any

from pytest_batcheval.cli.options import add_backend, add_journal, say
from pytest_batcheval.cli.run_status import show_run
from pytest_batcheval.wire.errors import ExitStatus, UsageError

if TYPE_CHECKING:
    from pytest_batcheval.batches import BatchStatus

DESCRIPTION = """
BATCH: ask the provider how a batch stands: status, counts, times, files, errors; no journal is needed. Ends with status
0 when the batch has ended, and 10 while it runs. --run RUN: show the batches, errors and cost of a run that the journal
knows; the provider is not asked. Ends with 0 when it is done, 10 while batches of it are open, and 1 when requests of
it failed, were refused or are lost.
"""


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "status",
        help="how a batch or a run stands",
        description=DESCRIPTION,
        epilog="example: batcheval status batch_68a1...",
    )
    parser.add_argument("batch", metavar="BATCH", nargs="?", help="the batch's id")
    parser.add_argument("--run", metavar="RUN", help="a run's id, or the beginning of it (see batcheval runs)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_backend(parser)
    add_journal(parser)


def run(arguments: argparse.Namespace) -> int:
    """Ask, and print.

    Raises:
        UsageError: no API key, no such backend, no such run, or not one of BATCH and --run.
        ProviderError: there is no such batch in this project, or the provider cannot be asked.
        JournalError: the journal cannot be read.
    """
    if (arguments.batch is None) == (arguments.run is None):
        raise UsageError("name either a BATCH or a --run")
    if arguments.run is not None:
        return show_run(arguments.journal, arguments.run, arguments.json)
    from pytest_batcheval.client import check_batch_status

    status = check_batch_status(arguments.batch, backend=arguments.backend)
    if arguments.json:
        print(json.dumps(status.to_dict(), ensure_ascii=True, indent=2))
    else:
        _say(status)
    return int(ExitStatus.OK if status.ended else ExitStatus.UNFINISHED)


def _say(status: BatchStatus) -> None:
    counts = status.request_counts
    shown = {name: "?" if count is None else count for name, count in counts.items()}
    say(f"{status.id}: {status.status} ({status.endpoint})")
    say(f"  requests: {shown['completed']} completed, {shown['failed']} failed, of {shown['total']}")
    for name, seconds in sorted(status.times.items(), key=lambda item: item[1]):
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
        say(f"  {name.removesuffix('_at').replace('_', ' ')}: {when}")
    for name in ("input_file_id", "output_file_id", "error_file_id"):
        if file_id := getattr(status, name):
            say(f"  {name.removesuffix('_file_id')} file: {file_id}")
    for error in status.errors:
        say(f"  refused: {error}")
    if status.ended and (status.output_file_id or status.error_file_id):
        say(f"its results: batcheval download {status.id}")
