"""The part of `batcheval import` that takes the results of a batch from files into the journal."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_batcheval.cli.options import LISTED, say, say_json
from pytest_batcheval.errors import UsageError
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.text.format import counted
from pytest_batcheval.wire.file_form import INPUT, RESULTS, form_of_file
from pytest_batcheval.wire.origin import is_simulator, provider_origin

if TYPE_CHECKING:
    from pytest_batcheval.engine.import_results import ImportedResults


def take_results(arguments: argparse.Namespace) -> int:
    """Store the results and print their counts.

    Raises:
        UsageError: the files are not one input file and results of it, or an option belongs to input files only.
        JournalError: the journal cannot be used.
    """
    from pytest_batcheval.engine.import_results import import_results
    from pytest_batcheval.journal.lock import LockWait
    from pytest_batcheval.journal.store import Journal

    given, results = _sorted(arguments)
    with Journal.open(arguments.journal) as journal:
        wait = LockWait(arguments.journal, None, say)
        try:
            found = import_results(given, results, origin=_origin(arguments.origin), journal=journal, wait=wait)
        except OSError as error:
            raise UsageError(f"{error.filename} cannot be read ({error.strerror})") from None
    if arguments.json:
        say_json(_data(found), indent=None)
    else:
        for line in _said(found):
            say(line)
    return int(ExitStatus.FAILED if found.sent.bad or found.results.broken else ExitStatus.OK)


def _sorted(arguments: argparse.Namespace) -> tuple[Path, Sequence[Path]]:
    """The input file and the files of results, by their content: nobody needs to remember which is which."""
    if wrong := [name for name in ("output", "model", "strict", "skip_bad") if getattr(arguments, name)]:
        raise UsageError(f"--{wrong[0].replace('_', '-')} is for checking an input file, not for taking results")
    files = [*arguments.files, *([arguments.input] if arguments.input is not None else [])]
    forms = {path: form_of_file(path) for path in dict.fromkeys(files)}
    for path, form in forms.items():
        if not path.exists():
            raise UsageError(f"{path} does not exist")
        if form.kind not in (INPUT, RESULTS) and not (form.lines and path == arguments.input):
            raise UsageError(f"{path} is {form.what or 'neither an input file nor results of a batch'}")
    results = [path for path, form in forms.items() if form.kind == RESULTS]
    given = [path for path in forms if path not in results]
    if len(given) != 1 or not results:
        raise UsageError(
            f"{counted(len(given), 'input file')} and {counted(len(results), 'file')} of results; give the one input "
            "file of the batch and its results: batcheval import RESULTS... --input INPUT"
        )
    return given[0], results


def _origin(text: str) -> str:
    if is_simulator(text):
        return text
    if not text.startswith(("http://", "https://")):
        raise UsageError(f"--origin {text!r} is no base URL (http…/v1)")
    return provider_origin(text)


def _said(found: ImportedResults) -> Iterator[str]:
    row, results, sent = found.row, found.results, found.sent
    if found.known:
        yield f"these results are in the journal already: {counted(row.requests, 'request')}, {row.answers:,} answered"
        return
    yield (
        f"{counted(row.requests, 'request')} taken into the journal: {row.answers:,} answered, "
        f"{len(results.failed):,} failed; nothing was sent"
    )
    yield f"origin {row.origin}, taken on trust: nothing in a file proves where it came from"
    if found.missing:
        yield (
            f"{counted(found.missing, 'request')} of the input file without a result, not taken: a run sends them. "
            "Is there an error file too?"
        )
    if found.again:
        yield f"{found.again:,} of them were in a batch of this journal before; these answers count"
    left_out = [f"input line {line.number} was left out: it {line.reason}" for line in sent.bad]
    yield from [*left_out, *results.broken][:LISTED]
    if (more := len(left_out) + len(results.broken) - LISTED) > 0:
        yield f"… and {more:,} more"


def _data(found: ImportedResults) -> dict[str, object]:
    return {
        "known": found.known,
        "origin": found.row.origin,
        "requests": found.row.requests,
        "answered": found.row.answers,
        "failed": len(found.results.failed),
        "missing": found.missing,
        "bad": [{"line": line.number, "reason": line.reason} for line in found.sent.bad],
        "broken": list(found.results.broken),
    }
