"""`batcheval cancel BATCH`: stop a batch at the provider."""

from __future__ import annotations

import argparse
from typing import Any

from pytest_batcheval.cli.options import add_backend, say
from pytest_batcheval.errors import ExitStatus, ProviderError

DESCRIPTION = """
Ask the provider to stop a batch. Lines that are finished stay paid, and are collected like those of any other batch by
the next run or by batcheval resume; the others are sent again by a run that asks for them.
"""


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "cancel", help="stop a batch", description=DESCRIPTION, epilog="example: batcheval cancel batch_68a1..."
    )
    parser.add_argument("batch", metavar="BATCH", help="the batch's id")
    add_backend(parser)


def run(arguments: argparse.Namespace) -> int:
    """Cancel, and print what the provider says of the batch then.

    Raises:
        UsageError: no API key, no such backend.
        ProviderError: it refused, or cannot be reached.
    """
    from pytest_batcheval.backends.connect import connect
    from pytest_batcheval.backends.errors import ProviderFailure

    with connect(arguments.backend) as connection:
        try:
            batch = connection.backend.cancel(arguments.batch)
        except ProviderFailure as fault:
            raise ProviderError(f"batch {arguments.batch} was not cancelled: {fault}") from None
    say(f"{batch.id} is {batch.status}; collect what it has finished with: batcheval resume")
    return int(ExitStatus.OK)
