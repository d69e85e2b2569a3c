"""`batcheval journal`: where the journal is, a copy of it, and queries to look into it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pytest_batcheval import journal
from pytest_batcheval.cli.new_file import check_new
from pytest_batcheval.cli.options import add_journal, open_reader, say
from pytest_batcheval.errors import UsageError
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.journal.address import JournalAddress

DESCRIPTION = """
path: print the path of the journal that the verbs would use. copy: write a copy of the journal to the new file TARGET,
readable by its owner only, checked, and complete in itself; also while a run sends. queries: print the path of a file
with queries for Datasette. Nothing is sent.
"""
QUERIES = Path(journal.__file__).with_name("datasette.yaml")
"""Canned queries for journal and outcomes, in the form of Datasette's metadata."""


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "journal",
        description=DESCRIPTION,
        epilog="example: batcheval journal copy before-the-holidays.sqlite",
    )
    parser.add_argument("action", choices=("path", "copy", "queries"), help="what to do with the journal, see above")
    parser.add_argument("target", type=Path, nargs="?", metavar="TARGET", help="for copy: the file to write")
    add_journal(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print a path, or copy.

    Raises:
        UsageError: TARGET is missing, exists already, or is not asked for; there is no journal.
        JournalError: the journal cannot be read, or the copy not written.
    """
    path, target = arguments.journal, arguments.target
    if (target is None) is (arguments.action == "copy"):
        raise UsageError("copy takes the file to write, and nothing else does: batcheval journal copy TARGET")
    if target is not None:
        _copy(path, target)
    else:
        say(str(QUERIES if arguments.action == "queries" else path.resolve() if isinstance(path, Path) else path))
    return int(ExitStatus.OK)


def _copy(path: JournalAddress, target: Path) -> None:
    if not isinstance(path, Path):
        dump = f"pg_dump --format=custom --schema={path.schema} --file={target} {path.url}"
        raise UsageError(f"the copy of a journal in PostgreSQL is a backup of its schema: {dump}")
    from pytest_batcheval.journal.copying import copy_journal

    open_reader(path).close()
    check_new(target)
    size = copy_journal(path, target)
    say(f"copied {path} to {target} ({size:,} bytes, checked)")
