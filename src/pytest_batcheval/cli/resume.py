"""`batcheval resume`: collect the answers of batches that were created, without sending anything."""

from __future__ import annotations

import argparse
from typing import Any

from pytest_batcheval.cli.collect import add_options, collect_batches

DESCRIPTION = """
Wait for the open batches of the journal and store their answers. Nothing is sent: the next run of pytest finds the
answers in the journal.
"""


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser = verbs.add_parser(
        "resume",
        description=DESCRIPTION,
        epilog="example: batcheval resume",
    )
    add_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Collect the open batches of this journal."""
    return collect_batches(arguments, adopt=False)
