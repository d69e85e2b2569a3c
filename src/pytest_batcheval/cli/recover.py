"""`batcheval recover`: rebuild a lost journal from the provider."""

from __future__ import annotations

import argparse
from typing import Any

from pytest_batcheval.cli.collecting import add_options, collect_batches

DESCRIPTION = """
Look for every batch of this account that bears our mark and is not in the journal, and store what it holds. So a lost
journal is rebuilt, as long as the provider keeps the files (30 days at OpenAI). Nothing is sent.
"""


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser = verbs.add_parser(
        "recover",
        help="rebuild a lost journal from the provider",
        description=DESCRIPTION,
        epilog="example: batcheval recover",
    )
    add_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Collect what any journal of this account has begun."""
    return collect_batches(arguments, adopt=True)
