"""`batcheval answers`: the stored answers, to look at and to take away."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_batcheval.cli.new_file import check_new, new_file
from pytest_batcheval.cli.options import ENDLESS, LISTED, add_cassettes, add_journal, axis_and_id, say
from pytest_batcheval.errors import UsageError
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.sanitize import safe_to_print
from pytest_batcheval.wire.origin import describe

if TYPE_CHECKING:
    from pytest_batcheval.report.answer_list import AnswerFilter, ListedAnswer

DESCRIPTION = """
List the answers in recordings and journal: what was asked of whom, what was answered, and what became of the tests that
used it when they ran last. Files hold everything, a table what fits on the terminal and the newest 500 of a journal.
"""
MOST_ROWS = 500
"""Answers of the journal in a table; files and other formats have all."""

SUFFIXES = {".csv": "csv", ".jsonl": "jsonl", ".md": "markdown", ".parquet": "parquet", ".xlsx": "xlsx"}


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "answers",
        description=DESCRIPTION,
        epilog="example: batcheval answers --where persona=independent-creative --output answers.xlsx",
    )
    add_filter(parser)
    parser.add_argument(
        "--format",
        choices=("table", *SUFFIXES.values()),
        help="the format (default: by the name of the output; table)",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="a new file to write instead of stdout")
    add_journal(parser)
    add_cassettes(parser)


def add_filter(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose answers."""
    parser.add_argument("--where", action="append", default=[], metavar="AXIS=ID", help="only these cells (repeatable)")
    parser.add_argument(
        "--test", default="", metavar="ID", help="only answers of this test, of all its parameters, or of a test module"
    )
    parser.add_argument(
        "--failed", action="store_true", help="only failed requests, and answers of tests that did not pass"
    )
    parser.add_argument("--model", default="", metavar="NAME", help="only answers of this requested model")


def run(arguments: argparse.Namespace) -> int:
    """List the answers.

    Raises:
        UsageError: an option is wrong, nothing matches, or the output exists.
        RecordingError, JournalError: something stored cannot be read.
    """
    from pytest_batcheval.recordings.answers import Recordings
    from pytest_batcheval.report.answer_list import listed_answers, newest, stored_axes

    if arguments.output is not None:
        check_new(arguments.output)
    form = _format(arguments)
    chosen, stored = _chosen(arguments), 0
    if form == "table" and not chosen.failed and not chosen.model:
        chosen, stored = newest(arguments.journal, chosen, MOST_ROWS)
    recordings = Recordings(arguments.cassettes)
    found = listed_answers(recordings, arguments.journal, chosen)
    if not found:
        raise UsageError(_nothing(arguments, stored_axes(recordings, arguments.journal, _chosen(arguments).where)))
    if form == "table":
        _say_table(found, arguments.failed)
        if stored > MOST_ROWS:
            say(f"the newest {MOST_ROWS:,} of {counted(stored, 'answer')} in {arguments.journal}; "
                "all of them: --output answers.csv")  # fmt: skip
    else:
        _write(found, form, arguments.output)
    return int(ExitStatus.OK)


def _format(arguments: argparse.Namespace) -> str:
    if arguments.format is not None:
        if arguments.format == "table" and arguments.output is not None:
            raise UsageError(f"--format table is for the terminal; name {arguments.output} with one of "
                             f"{', '.join(SUFFIXES)}, or choose another format")  # fmt: skip
        return str(arguments.format)
    if arguments.output is None:
        return "table"
    suffix = arguments.output.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"{arguments.output}: the name must end in {', '.join(SUFFIXES)}, or choose with --format")
    return SUFFIXES[suffix]


def _chosen(arguments: argparse.Namespace) -> AnswerFilter:
    from pytest_batcheval.report.answer_list import AnswerFilter

    where = dict(axis_and_id(text, "--where") for text in arguments.where)
    return AnswerFilter(where, arguments.test, arguments.failed, arguments.model)


def _nothing(arguments: argparse.Namespace, axes: Mapping[str, Sequence[str]] | None) -> str:
    places = f"the recordings in {arguments.cassettes} and the journal {arguments.journal}"
    if axes is None:
        return f"there are no answers in {places}; name others with --cassettes and --journal"
    if arguments.failed:
        return "no failed answer matches; outcomes are known of tests that have run here: pytest -m batch"
    known = "; ".join(f"{axis} is one of {_listed(ids)}" for axis, ids in axes.items() if ids)
    return f"none of the answers in {places} matches; their axes are {', '.join(axes) or '-'}{known and f'; {known}'}"


def _listed(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - LISTED} more" if len(ids) > LISTED else ""
    return f"{', '.join(ids[:LISTED])}{more}"


def _say_table(found: list[ListedAnswer], by_axis: bool) -> None:
    """Say a row an answer, with `by_axis` the number of them for each id, and their origins."""
    from pytest_batcheval.report.answer_formats import as_table
    from pytest_batcheval.text.table import cut

    axes = list(dict.fromkeys(axis for one in found for axis in one.answer.cell))
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else ENDLESS
    for line in as_table([one.record() for one in found], axes, width):
        say(line)
    for axis in axes if by_axis else ():
        ids = Counter(name for one in found if (name := one.answer.cell.get(axis)) is not None).most_common()
        say(cut(f"by {axis}: {', '.join(f'{name} {number:,}' for name, number in ids)}", width))
    origins = Counter(one.answer.origin for one in found)
    say(", ".join(f"{counted(number, 'answer')} from {describe(origin)}" for origin, number in sorted(origins.items())))


def _write(found: list[ListedAnswer], form: str, output: Path | None) -> None:
    from pytest_batcheval.report.answer_formats import BINARY, FORMATS, too_long

    if output is None and form in BINARY:
        raise UsageError(f"--format {form} requires --output FILE")
    records = [one.record() for one in found]
    data = FORMATS[form](records)
    if output is not None:
        with new_file(output) as stream:
            stream.write(data)
        say(f"{output}: {counted(len(found), 'answer')}")
        if form == "xlsx" and (long := too_long(records)):
            verb = "is" if long == 1 else "are"
            say(f"{counted(long, 'text')} {verb} longer than a cell of Excel holds and {verb} cut; "
                ".csv and .jsonl have all of it")  # fmt: skip
    else:
        sys.stdout.write(safe_to_print(data.decode("utf-8-sig")))
