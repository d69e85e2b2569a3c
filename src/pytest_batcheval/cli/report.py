"""`batcheval report`: one HTML file on a run, to look at and to pass on."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_batcheval.cli.options import add_cassettes, add_journal, add_lang, language, say
from pytest_batcheval.cli.stored_run import stored_run
from pytest_batcheval.errors import UsageError
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.text.format import counted

if TYPE_CHECKING:
    from pytest_batcheval.journal.outcomes import Outcome
    from pytest_batcheval.report.changes import Changes

DESCRIPTION = """
Write a report on a run of tests, also of a replay: the outcomes by persona, question or whatever the axes are, where
tests fail and what they say, and every answer they used. It is one HTML file, which asks no other host for anything.
"""


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "report",
        description=DESCRIPTION,
        epilog="example: batcheval report --output report.html",
    )
    parser.add_argument(
        "run", nargs="?", default="", metavar="RUN", help="the run, or the beginning of its id (default: the newest)"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("report.html"), metavar="FILE", help="the file (default: %(default)s)"
    )
    parser.add_argument(
        "--against",
        metavar="RUN",
        help="show the changes since this run; `previous` for the newest earlier one with a test in common",
    )
    add_lang(parser)
    add_journal(parser)
    add_cassettes(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the report.

    Raises:
        UsageError: there is no such run, or the file cannot be written.
        RecordingError, JournalError: something stored cannot be read.
    """
    from pytest_batcheval.report.changes import changes_lines
    from pytest_batcheval.report.html import check_place, write_report
    from pytest_batcheval.report.stored_page import stored_page

    check_place(arguments.output)
    run = identifier, _, tests = stored_run(arguments.journal, arguments.run)
    since = _changes(arguments, identifier, tests)
    words = language(arguments)
    page = stored_page(arguments.journal, arguments.cassettes, run, since=since, words=words)
    write_report(page, arguments.output)
    say(f"{arguments.output}: {counted(len(tests), 'test')} of run {identifier[:8]}")
    for line in [*page.verdict, *(map(words, changes_lines(since)) if since is not None else ())]:
        say(line)
    return int(ExitStatus.OK)


def _changes(arguments: argparse.Namespace, run: str, tests: Sequence[Outcome]) -> Changes | None:
    """The changes since the run to compare with, if one is named."""
    from pytest_batcheval.journal.outcomes import Outcomes
    from pytest_batcheval.report.changes import changes, changes_since

    if arguments.against is None:
        return None
    if arguments.against != "previous":
        _, started, before = stored_run(arguments.journal, arguments.against)
        return changes(started, before, tests)
    found = changes_since(tests, Outcomes.beside(arguments.journal), run)
    if found is None:
        raise UsageError("no earlier run has a test of this one; `--against RUN` names another run")
    return found
