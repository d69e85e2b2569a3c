"""`batcheval report`: one HTML file on a run, to look at and to pass on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pytest_batcheval.cli.options import add_cassettes, add_journal, say
from pytest_batcheval.errors import UsageError
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.text.format import counted

DESCRIPTION = """
Write a report on a run of tests, also of a replay: the outcomes by persona, question or whatever the axes are, where
tests fail and what they say, and every answer they used. It is one HTML file, which asks no other host for anything.
"""


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "report",
        help="write an HTML report on a run",
        description=DESCRIPTION,
        epilog="example: batcheval report --output report.html",
    )
    parser.add_argument(
        "run", nargs="?", default="", metavar="RUN", help="the run, or the beginning of its id (default: the newest)"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("report.html"), metavar="FILE", help="the file (default: %(default)s)"
    )
    add_journal(parser)
    add_cassettes(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the report.

    Raises:
        UsageError: there is no such run, or the file cannot be written.
        RecordingError, JournalError: something stored cannot be read.
    """
    from pytest_batcheval.journal.outcomes import Outcomes
    from pytest_batcheval.recordings.answers import Recordings
    from pytest_batcheval.report.answer_list import listed_answers
    from pytest_batcheval.report.html import check_place, write_report
    from pytest_batcheval.report.page import report_page

    check_place(arguments.output)
    outcomes = Outcomes.beside(arguments.journal)
    found = outcomes.runs(arguments.run)
    if not found:
        which = f"no run of tests begins with {arguments.run!r}" if arguments.run else "no run of tests is stored"
        raise UsageError(f"{which} beside the journal {arguments.journal}; run pytest -m batch first")
    if arguments.run and len(found) > 1:
        listed = ", ".join(identifier for identifier, _ in found[:5])
        raise UsageError(f"several runs begin with {arguments.run!r}: {listed}; give more characters")
    identifier, started = found[0]
    tests = outcomes.of_run(identifier)
    answers = listed_answers(Recordings(arguments.cassettes), arguments.journal)
    write_report(report_page(tests, answers, started), arguments.output)
    say(f"{arguments.output}: {counted(len(tests), 'test')} of run {identifier[:8]}")
    return int(ExitStatus.OK)
