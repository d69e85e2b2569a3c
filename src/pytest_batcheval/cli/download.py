"""`batcheval download BATCH`: the results of a batch as JSON lines."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_batcheval.cli.options import add_backend, say
from pytest_batcheval.errors import UsageError
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.sanitize import safe_json_to_print

if TYPE_CHECKING:
    from pytest_batcheval.wire.objects import Answer

DESCRIPTION = """
Write the results of an ended batch, from output and error file, as the official output lines. No journal is needed or
changed. The status is 1 if a request has failed, and 10 while the batch runs.
"""


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "download",
        help="download the results of a batch",
        description=DESCRIPTION,
        epilog="example: batcheval download batch_68a1... --output results.jsonl",
    )
    parser.add_argument("batch", metavar="BATCH", help="the batch's id")
    parser.add_argument("--output", type=Path, metavar="FILE", help="a new file to write (default: stdout)")
    add_backend(parser)


def run(arguments: argparse.Namespace) -> int:
    """Download and write.

    Raises:
        UsageError: no API key, no such backend, or the file exists.
        UnfinishedError: the batch still runs.
        ProviderError: there is no such batch in this project, or its files are gone.
    """
    from pytest_batcheval.client import download_batch_results

    if arguments.output is not None and arguments.output.exists():
        raise UsageError(f"{arguments.output} already exists; name another file")
    answers = download_batch_results(arguments.batch, backend=arguments.backend)
    failed = sum(answer.error is not None for answer in answers)
    if arguments.output is None:
        _print(answers)
        return int(ExitStatus.FAILED if failed else ExitStatus.OK)
    arguments.output.write_text("".join(f"{_line(answer)}\n" for answer in answers), encoding="utf-8")
    say(f"{counted(len(answers), 'result')} in {arguments.output}, {failed} of them failed")
    return int(ExitStatus.FAILED if failed else ExitStatus.OK)


def _print(answers: Iterable[Answer]) -> None:
    """Print escaped to ASCII, because a model's words may contain terminal codes; `| head` is not an error."""
    try:
        for answer in answers:
            print(safe_json_to_print(_line(answer, ascii_only=True)))
        sys.stdout.flush()
    except BrokenPipeError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _line(answer: Answer, ascii_only: bool = False) -> str:
    error = None if answer.error is None or answer.response else {
        "code": answer.error.code, "message": answer.error.message
    }  # fmt: skip
    line = {
        "id": answer.line_id,
        "custom_id": answer.custom_id,
        "response": answer.response or None,
        "error": error,
    }
    return json.dumps(line, ensure_ascii=ascii_only)
