"""`batcheval download BATCH`: the results of a batch as JSON lines."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_batcheval.cli.options import add_backend, add_journal, say, say_error
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.sanitize import safe_json_to_print
from pytest_batcheval.text.streams import discard

if TYPE_CHECKING:
    from pytest_batcheval.journal.address import JournalAddress
    from pytest_batcheval.wire.objects import Answer

DESCRIPTION = """
Write the results of an ended batch, from output and error file, as the official output lines. No journal is needed or
changed; where it knows the batch by other custom_ids than the keys of its requests, each line has the key too. The
status is 1 if a request has failed, and 10 while the batch runs.
"""


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "download",
        description=DESCRIPTION,
        epilog="example: batcheval download batch_68a1... --output results.jsonl",
    )
    parser.add_argument("batch", metavar="BATCH", help="the batch's id")
    parser.add_argument("--output", type=Path, metavar="FILE", help="a new file to write (default: stdout)")
    add_journal(parser)
    add_backend(parser)


def run(arguments: argparse.Namespace) -> int:
    """Download and write.

    Raises:
        UsageError: no API key, no such backend, or the file exists.
        UnfinishedError: the batch still runs.
        ProviderError: there is no such batch in this project, or its files are gone.
    """
    from pytest_batcheval.backends.connect import connect
    from pytest_batcheval.batch_status import each_result
    from pytest_batcheval.cli.new_file import check_new, new_file

    if arguments.output is not None:
        check_new(arguments.output)
    counts, keys = Counter[str](), _keys(arguments.journal, arguments.batch)
    with connect(arguments.backend) as connection:
        answers = _counting(each_result(connection.backend, arguments.batch, with_requests=False), counts)
        if arguments.output is None:
            _print(answers, keys)
        else:
            with new_file(arguments.output) as stream:
                stream.writelines(f"{_line(answer, keys)}\n".encode() for answer in answers)
    if arguments.output is not None:
        say(f"{counted(counts['all'], 'result')} in {arguments.output}, {counts['failed']} of them failed")
    return int(ExitStatus.FAILED if counts["failed"] else ExitStatus.OK)


def _keys(journal: JournalAddress, batch_id: str) -> Mapping[str, str]:
    """The key of each `custom_id` of an adopted batch, as far as the journal can be read and has it."""
    from pytest_batcheval.errors import JournalError
    from pytest_batcheval.journal.store import Journal

    with contextlib.closing(Journal.read(journal)) as reader, contextlib.suppress(JournalError):
        rows = [row for row in reader.batches() if row.batch_id == batch_id]
        aliases = [alias for row in rows for alias in reader.aliases(row.id)]
        return {alias.custom_id: alias.key for alias in aliases if alias.custom_id != alias.key}
    return {}


def _counting(answers: Iterable[Answer], counts: Counter[str]) -> Iterator[Answer]:
    """Yield the answers, count them, and print the remarks on them to stderr."""
    for answer in answers:
        counts["all"] += 1
        counts["failed"] += answer.error is not None
        if answer.remark:
            say_error(f"the line of {answer.custom_id} was read with a change: {answer.remark}")
        yield answer


def _print(answers: Iterable[Answer], keys: Mapping[str, str]) -> None:
    """Print escaped to ASCII, because a model's words may contain terminal codes; `| head` is not an error."""
    try:
        for answer in answers:
            print(safe_json_to_print(_line(answer, keys, ascii_only=True)))
        sys.stdout.flush()
    except BrokenPipeError:
        discard(sys.stdout)


def _line(answer: Answer, keys: Mapping[str, str], ascii_only: bool = False) -> str:
    error = None if answer.error is None or answer.response else {
        "code": answer.error.code, "message": answer.error.message
    }  # fmt: skip
    line = {
        "id": answer.line_id,
        "custom_id": answer.custom_id,
        "response": answer.response or None,
        "error": error,
    }
    if answer.custom_id in keys:
        line["key"] = keys[answer.custom_id]
    return json.dumps(line, ensure_ascii=ascii_only)
