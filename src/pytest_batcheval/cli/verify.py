"""`batcheval verify`: check the journal."""

from __future__ import annotations

import argparse
from typing import Any

from pytest_batcheval.cli.options import add_journal, open_reader, say
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.text.format import counted

DESCRIPTION = """
Check the journal: SQLite's structure, and the checksum of every answer and request. The exit status is 12 if something
is wrong; nothing is changed. --quick takes a tenth of the time, and finds no answer or request that was changed.
"""


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "verify", description=DESCRIPTION, epilog="example: batcheval verify"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="check the structure of the file, its version, and the batches and what they hold, not each row",
    )
    add_journal(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check the journal and print its batches and errors.

    Raises:
        UsageError: there is no journal.
        JournalError: it cannot be read at all.
    """
    reader = open_reader(arguments.journal)
    try:
        batches = reader.batches()
        wrong = reader.verify(arguments.quick)
    finally:
        reader.close()
    waiting = [batch for batch in batches if batch.state not in ("settled", "void")]
    say(f"{arguments.journal}: {counted(len(batches), 'batch', 'batches')}, {len(waiting)} of them not settled")
    for batch in waiting:
        requests = counted(batch.requests, "request")
        say(f"  {batch.batch_id or batch.file_name}: {batch.state}, {requests}, {batch.origin}")
    for text in wrong:
        say(f"wrong: {text}")
    if wrong:
        from pytest_batcheval.journal.address import PostgresAddress

        backup = "restore a backup of the database, then run: batcheval recover"
        in_database = isinstance(arguments.journal, PostgresAddress)
        say(backup if in_database else "to repair it, with what the provider still has: batcheval recover")
    return int(ExitStatus.JOURNAL if wrong else ExitStatus.OK)
