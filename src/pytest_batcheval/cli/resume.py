"""`batcheval resume`: bring batches that were begun to their end, send nothing."""

from __future__ import annotations

import argparse
from typing import Any

from pytest_batcheval.cli.collect import add_options, collect_batches

DESCRIPTION = """
Wait for the batches that the journal knows to be open, and store their answers. Nothing is sent: the next run of
pytest finds the answers in the journal.
"""


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser = verbs.add_parser(
        "resume", help="collect batches that were begun", description=DESCRIPTION, epilog="example: batcheval resume"
    )
    add_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Collect what this journal has begun."""
    return collect_batches(arguments, adopt=False)
