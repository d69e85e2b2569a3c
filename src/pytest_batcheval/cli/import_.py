"""`batcheval import FILE`: check a batch input file and write it as official lines."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pytest_batcheval.cli.batch_files import estimate_notes, file_data, file_line
from pytest_batcheval.cli.new_file import check_new, new_file
from pytest_batcheval.cli.options import add_journal, say, say_json
from pytest_batcheval.errors import UsageError
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.text.format import counted
from pytest_batcheval.wire.origin import DEFAULT_BASE_URL

if TYPE_CHECKING:
    from pytest_batcheval.cli.batch_files import FileTotals
    from pytest_batcheval.wire.input_file import BadLine, InputLines

DESCRIPTION = """
Check one batch input file of official lines (custom_id, method, url, body) or simplified ones (model, input: one user
message each). Print its contents and estimated cost; send nothing and need no key. With --output, write official lines
whose custom_id is the request's key. A bad line ends it with status 4 and nothing is written, unless --skip-bad moves
such lines to another file; then the status is 1. With --input, the files are the results of a batch (its output and
error file), INPUT is the file that made it, and the answers go into the journal, as those of an adopted batch do; their
origin is taken on trust. With --from, FILE is an evaluation of another tool, which --output writes as tests and axis
files to a new folder.
"""
TOOLS = ("promptfoo", "openai-evals", "deepeval", "inspect")
"""The tools that --from knows; `import_from.READERS` has the reader of each."""


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "import",
        description=DESCRIPTION,
        epilog="example: batcheval import batchinput.jsonl --output requests.jsonl",
    )
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="the batch input file; with --input, files of results"
    )
    parser.add_argument(
        "--from", choices=TOOLS, dest="tool", help="the tool whose evaluation FILE is, to write it as tests"
    )
    parser.add_argument("--input", type=Path, metavar="INPUT", help="the input file that made the results in FILE")
    parser.add_argument(
        "--origin",
        default=DEFAULT_BASE_URL,
        metavar="ORIGIN",
        help="the base URL that gave the results, by which runs find them (default: %(default)s)",
    )
    add_journal(parser)
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="where to write official lines (with --from, the folder of tests); it must not exist",
    )
    parser.add_argument("--model", metavar="MODEL", help="the model for lines without one; with --from, the one to ask")
    parser.add_argument(
        "--strict",
        action="store_true",
        help="refuse a file that is not one batch: more than 50,000 requests or 200 MB, a second model or endpoint, a "
        "repeated custom_id",
    )
    parser.add_argument(
        "--skip-bad",
        type=Path,
        metavar="BADFILE",
        help="write bad lines to this file, unchanged, and continue without them",
    )
    parser.add_argument("--json", action="store_true", help="print the contents as one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Read, write and print.

    Raises:
        InputFileError: the file cannot be read, is empty, or has bad lines (with --skip-bad: no others).
        UsageError: an output file already exists or cannot be written; results without their input file.
        JournalError: the journal cannot be used.
    """
    if arguments.tool is not None:
        from pytest_batcheval.cli.import_from import take_evaluation

        return take_evaluation(arguments)
    if arguments.input is not None or len(arguments.files) > 1:
        from pytest_batcheval.cli.import_results import take_results

        return take_results(arguments)
    (arguments.file,) = arguments.files
    return _check(arguments)


def _check(arguments: argparse.Namespace) -> int:
    from pytest_batcheval.cli.batch_files import FileTotals
    from pytest_batcheval.wire.input_file import InputLines
    from pytest_batcheval.wire.objects import Request

    _check_places(arguments)
    _check_form(arguments.file)
    bad: list[BadLine] = []
    lines = InputLines(
        arguments.file,
        Request,
        model=arguments.model,
        strict=arguments.strict,
        on_bad=bad.append if arguments.skip_bad is not None else None,
    )
    tally = FileTotals()
    with _maybe_new(arguments.output) as output:
        _read(lines, tally, output, hint=arguments.skip_bad is None)
        if bad:
            _put_aside(arguments.file, bad, arguments.skip_bad)
    if arguments.json:
        say_json(_data(arguments, lines, tally, bad), indent=None)
    else:
        _say_found(arguments, lines, tally, bad)
    return int(ExitStatus.FAILED if bad else ExitStatus.OK)


def _check_places(arguments: argparse.Namespace) -> None:
    places = [path for path in (arguments.output, arguments.skip_bad) if path is not None]
    for path in places:
        check_new(path)
    if len(places) == 2 and places[0].resolve() == places[1].resolve():
        raise UsageError(f"--output and --skip-bad both name {places[0]}; name two files")
    if arguments.skip_bad is not None and arguments.file.exists() and not arguments.file.is_file():
        raise UsageError(f"--skip-bad reads bad lines twice, but {arguments.file} is not a regular file; save it first")


@contextmanager
def _maybe_new(path: Path | None) -> Iterator[IO[bytes] | None]:
    with nullcontext() if path is None else new_file(path) as stream:
        yield stream


def _read(lines: InputLines, tally: FileTotals, output: IO[bytes] | None, hint: bool) -> None:
    from pytest_batcheval.wire.input_file import InputFileError

    try:
        for line in lines:
            text = line.request.line() + b"\n"
            tally.add(line.request, len(text))
            if output is not None:
                output.write(text)
    except InputFileError as error:
        said = _with_form(Path(lines.name), str(error)) if error.bad else str(error)
        advice = "\nfix them, or continue without: --skip-bad BADFILE" if hint and error.bad else ""
        raise InputFileError(f"{said}{advice}", error.bad) from None


def _check_form(path: Path) -> None:
    """Refuse a file that does not consist of JSON lines, in one sentence."""
    from pytest_batcheval.wire.file_form import form_of_file
    from pytest_batcheval.wire.input_file import InputFileError

    form = form_of_file(path)
    if form.what and not form.lines:
        raise InputFileError(f"{path} is {form.what}")


def _with_form(path: Path, text: str) -> str:
    """The text about bad lines, after the form that they have, where that is known."""
    from pytest_batcheval.wire.file_form import RESULTS, form_of_file

    form = form_of_file(path)
    advice = f"; to take them into the journal: batcheval import {path} --input INPUT" if form.kind == RESULTS else ""
    return f"{path} is {form.what}{advice}\n{text}" if form.what else text


def _put_aside(source: Path, bad: Iterable[BadLine], path: Path) -> None:
    """Copy bad lines byte for byte, in pieces: one may be too long for memory."""
    with source.open("rb") as given, new_file(path) as aside:
        for line in bad:
            given.seek(line.offset)
            left = line.length
            while left and (piece := given.read(min(left, 2**20))):
                aside.write(piece)
                left -= len(piece)
            aside.write(b"\n")


def _notes(tally: FileTotals) -> Iterator[str]:
    files = tally.files()
    if len(files) > 1:
        yield f"{counted(len(files), 'combination')} of endpoint and model: each becomes a batch of its own when sent"
    if any(tally.batches(file) > 1 for file in files):
        yield "more than fits into one batch (50,000 requests, 200 MB): it is split when sent"
    if tally.samples:
        yield f"{counted(tally.samples, 'request')} with the body of another custom_id, kept as further samples of it"
    yield from estimate_notes(files)


def _next(arguments: argparse.Namespace) -> str:
    if arguments.output is None:
        return f"to write official lines: batcheval import {arguments.file} --output requests.jsonl"
    return (
        f"to send it, each request paid once: BatchClient().run(line.request for line in "
        f"Request.from_jsonl({str(arguments.output)!r})); or upload it yourself with purpose `batch`"
    )


def _say_found(arguments: argparse.Namespace, lines: InputLines, tally: FileTotals, bad: list[BadLine]) -> None:
    from pytest_batcheval.wire.input_file import LISTED

    counts = f"{counted(lines.requests, 'request')}, {lines.repeated:,} repeated, {len(bad):,} bad"
    say(f"{lines.name}: {counted(lines.lines, 'line')}, {counts}")
    for line in bad[:LISTED]:
        say(f"  {lines.name}:{line.number}: {line.reason}")
    if len(bad) > LISTED:
        say(f"  … and {len(bad) - LISTED} more")
    for file in tally.files():
        say(f"  {file_line(file)}")
    for note in _notes(tally):
        say(note)
    if bad:
        say(f"the bad lines are in {arguments.skip_bad}; fix them and import that file too")
    if arguments.output is not None:
        say(f"written to {arguments.output}")
    say(f"next: {_next(arguments)}")


def _data(arguments: argparse.Namespace, lines: InputLines, tally: FileTotals, bad: list[BadLine]) -> dict[str, Any]:
    return {
        "file": lines.name,
        "lines": lines.lines,
        "requests": lines.requests,
        "repeated": lines.repeated,
        "samples": tally.samples,
        "bad": [{"line": line.number, "reason": line.reason} for line in bad],
        "files": [file_data(file) for file in tally.files()],
        "notes": list(_notes(tally)),
        "output": None if arguments.output is None else str(arguments.output),
        "next": _next(arguments),
    }
