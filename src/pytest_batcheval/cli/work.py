"""`batcheval work`: make the individual calls that runs leave to workers."""

from __future__ import annotations

import argparse
import signal
from types import FrameType
from typing import Any

from pytest_batcheval.cli.collect import interruptible
from pytest_batcheval.cli.options import add_backend, add_journal, duration_of, say, say_progress
from pytest_batcheval.engine.concurrency import CAP
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.text.format import counted

DESCRIPTION = """\
Make the individual calls that runs leave to workers, until it is ended. A run with --batch-calls=individual and
--batch-workers=any leaves its calls to any number of workers, on any machines that reach the journal. The provider's
key is that of the worker's environment. Ctrl-C and SIGTERM let the calls under way end, for 15 seconds at most; what
was not called others call."""


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "work",
        help="make the individual calls that runs leave to workers",
        description=DESCRIPTION,
        epilog="example: batcheval work --journal postgresql://db.example/evaluations",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_journal(parser)
    add_backend(parser)
    ends = parser.add_mutually_exclusive_group()
    ends.add_argument("--until-idle", action="store_true", help="end when there is nothing to call")
    ends.add_argument("--for", dest="patience", type=duration_of, metavar="DURATION", help="start no call after that")
    parser.add_argument(
        "--concurrency", type=_count, default=CAP, metavar="N", help="most calls at once (default: %(default)s)"
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= CAP:
        raise argparse.ArgumentTypeError(f"must be an integer from 1 to {CAP}")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Work, and print what was done.

    Raises:
        UsageError, ProviderError, JournalError: see their exit statuses.
    """
    signal.signal(signal.SIGTERM, _terminated)
    return interruptible(
        lambda: _work(arguments),
        "interrupted; the answers that have come are stored, and other workers make the other calls",
    )


def _work(arguments: argparse.Namespace) -> int:
    from pytest_batcheval.engine.snapshot import changes
    from pytest_batcheval.engine.workers.call_worker import work_at

    say("waiting for calls to make" if not arguments.until_idle else "looking for calls to make")
    worked = work_at(
        arguments.backend,
        arguments.journal,
        changes(say_progress),
        most=arguments.concurrency,
        until_idle=arguments.until_idle,
        patience=arguments.patience,
    )
    say(f"{counted(worked.answered, 'request')} answered, {worked.failed:,} failed")
    if worked.unknown:
        say(f"at most {counted(worked.unknown, 'call')} of unknown outcome may be paid twice")
    return int(ExitStatus.OK)


def _terminated(number: int, frame: FrameType | None) -> None:
    """Take SIGTERM, which ends containers, for Ctrl-C."""
    signal.raise_signal(signal.SIGINT)
