"""The common part of `resume`, `recover` and `adopt`: wait for batches and collect their answers, send nothing."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pytest_batcheval.cli.options import add_backend, add_journal, duration_of, say, say_progress, say_sent
from pytest_batcheval.exit_status import ExitStatus

INTERRUPTED = 130
"""Exit status after Ctrl-C, as in shells."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for journal, backend and waiting time."""
    add_journal(parser)
    add_backend(parser)
    parser.add_argument(
        "--wait",
        type=duration_of,
        metavar="DURATION",
        help="the longest time to wait (90, 90s, 15m, 12h, 2d); status 10 if batches still run then",
    )


def collect_batches(arguments: argparse.Namespace, adopt: bool) -> int:
    """Collect and print a summary; with `adopt` also batches that the journal does not know.

    Raises:
        UsageError, ProviderError, UnfinishedError, JournalError: see their exit statuses.
    """
    return interruptible(lambda: _collect(arguments, adopt))


CONTINUED = "interrupted; the batches continue at the provider and nothing is lost: the same command collects them"


def interruptible(work: Callable[[], int], interrupted: str = CONTINUED) -> int:
    """The exit status of some work that waits. Ctrl-C ends it with these words and status 130, a second one at once.

    Raises:
        UsageError, ProviderError, UnfinishedError, JournalError: see their exit statuses.
    """
    from pytest_batcheval.engine.interrupt import Interrupts

    interrupts = Interrupts(lambda: None)
    try:
        with interrupts:
            return work()
    except KeyboardInterrupt:
        say(interrupted)
        return INTERRUPTED
    finally:
        interrupts.restore()


@contextmanager
def opened(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Open backend and journal, and yield them with clock, progress and waiting time as `engine.send` takes them."""
    from pytest_batcheval.backends.connect import connect
    from pytest_batcheval.engine.snapshot import changes
    from pytest_batcheval.journal.lock import LockWait
    from pytest_batcheval.journal.store import Journal
    from pytest_batcheval.report.error_log import error_log
    from pytest_batcheval.report.progress_file import progress_file

    with (
        connect(arguments.backend) as connection,
        Journal.open(arguments.journal) as journal,
        journal.lock.held(LockWait(arguments.journal, arguments.wait, say)),
        progress_file(arguments.journal, "", connection.clock.speed, changes(say_progress)) as show,
        error_log(journal.reader, 1, show, say) as progress,
    ):
        yield {
            "backend": connection.backend,
            "journal": journal,
            "clock": connection.clock,
            "progress": progress,
            "patience": arguments.wait,
        }


def _collect(arguments: argparse.Namespace, adopt: bool) -> int:
    from pytest_batcheval.engine.send import collect

    with opened(arguments) as parts:
        sent = collect(adopt=adopt, **parts)
    say_sent(sent)
    return int(ExitStatus.OK)
