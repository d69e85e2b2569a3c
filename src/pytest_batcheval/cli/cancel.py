"""`batcheval cancel BATCH`: stop a batch at the provider."""

from __future__ import annotations

import argparse
from typing import Any

from pytest_batcheval.cli.options import add_backend, say
from pytest_batcheval.errors import ProviderError
from pytest_batcheval.exit_status import ExitStatus

DESCRIPTION = """
Ask the provider to stop a batch. Finished requests are still paid for, and the next run or batcheval resume collects
their answers; the others are sent again by the next run that needs them.
"""


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "cancel", description=DESCRIPTION, epilog="example: batcheval cancel batch_68a1..."
    )
    parser.add_argument("batch", metavar="BATCH", help="the batch's id")
    add_backend(parser)


def run(arguments: argparse.Namespace) -> int:
    """Cancel the batch and print its status at the provider.

    Raises:
        UsageError: no API key, no such backend.
        ProviderError: it refused, or cannot be reached.
    """
    from pytest_batcheval.backends.connect import connect
    from pytest_batcheval.backends.errors import ProviderFailure

    with connect(arguments.backend) as connection:
        try:
            batch = connection.backend.cancel(arguments.batch)
        except ProviderFailure as failure:
            raise ProviderError(f"batch {arguments.batch} was not cancelled: {failure}") from None
    say(f"{batch.id} is {batch.status}; to collect the finished answers: batcheval resume")
    return int(ExitStatus.OK)
