"""`batcheval adopt BATCH`: take a batch that somebody else made into the journal."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from pytest_batcheval.cli.collect import add_options, interruptible, opened
from pytest_batcheval.cli.options import LISTED, say, say_error
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.text.format import counted

if TYPE_CHECKING:
    from pytest_batcheval.engine.adopt_unmarked import AdoptedBatch
    from pytest_batcheval.errors import BatchEvalError

DESCRIPTION = """
Take batches that anybody made, such as a notebook, into the journal: the bodies in their input file are the requests,
their results the answers. One that still runs is waited for, and its requests are not sent meanwhile; with --wait=0 the
next run or batcheval resume collects it. Nothing is sent. A batch that is in the journal already stays as it is.
"""


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "adopt",
        description=DESCRIPTION,
        epilog="example: batcheval adopt batch_68a1...",
    )
    parser.add_argument("batches", nargs="+", metavar="BATCH", help="the batch's id")
    add_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Adopt, wait and print.

    Raises:
        UsageError, ProviderError, UnfinishedError, JournalError: see their exit statuses.
    """
    return interruptible(lambda: _adopt(arguments))


def _adopt(arguments: argparse.Namespace) -> int:
    from pytest_batcheval.engine.send import adopt
    from pytest_batcheval.errors import BatchEvalError

    errors: list[BatchEvalError] = []

    def seen(found: AdoptedBatch | BatchEvalError) -> None:
        if isinstance(found, BatchEvalError):
            errors.append(found)
            say_error(f"batcheval adopt: {found}")
        else:
            _say_adopted(found)

    with opened(arguments) as parts:
        sent = adopt(arguments.batches, seen=seen, **parts)
    if sent.batches:
        say(f"{counted(sent.answered, 'request')} answered, {sent.failed:,} failed; nothing was sent")
    for line in sent.notes:
        say(line)
    return int(errors[0].exit_status if errors else ExitStatus.OK)


def _say_adopted(found: AdoptedBatch) -> None:
    row = found.row
    requests = counted(row.requests, "request")
    if found.known:
        say(f"{row.batch_id} is in the journal already ({row.state}, {requests}, {row.answers:,} answered)")
        return
    say(f"{row.batch_id}: {requests} adopted, {row.endpoint}, origin {row.origin}")
    if found.again:
        say(f"  {found.again:,} of them were in a batch of this journal before; the answers of this one count")
    for line in found.bad[:LISTED]:
        say(f"  line {line.number} of its input file was left out: it {line.reason}")
    if len(found.bad) > LISTED:
        say(f"  … and {counted(len(found.bad) - LISTED, 'more line')}")
