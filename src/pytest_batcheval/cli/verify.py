"""`batcheval verify`: check the journal."""

from __future__ import annotations

import argparse
from typing import Any

from pytest_batcheval.cli.options import add_journal, open_reader, say
from pytest_batcheval.errors import ExitStatus

DESCRIPTION = """
Check the journal: SQLite's own structure, and the checksum of every answer and request. Ends with status 12 when
something is wrong; nothing is changed.
"""


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "verify", help="check the journal", description=DESCRIPTION, epilog="example: batcheval verify"
    )
    add_journal(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check, and print what is there and what is wrong.

    Raises:
        UsageError: there is no journal.
        JournalError: it cannot be read at all.
    """
    reader = open_reader(arguments.journal)
    try:
        batches = reader.batches()
        wrong = reader.verify()
    finally:
        reader.close()
    waiting = [batch for batch in batches if batch.state not in ("settled", "void")]
    say(f"{arguments.journal}: {len(batches)} batches, {len(waiting)} of them not settled")
    for batch in waiting:
        say(f"  {batch.batch_id or batch.file_name}: {batch.state}, {batch.requests} requests, {batch.origin}")
    for text in wrong:
        say(f"wrong: {text}")
    if wrong:
        say("mend it, with what the provider still has: batcheval recover")
    return int(ExitStatus.JOURNAL if wrong else ExitStatus.OK)
