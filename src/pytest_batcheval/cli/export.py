"""`batcheval export`: the requests of selected tests as batch input files, or a run as an Inspect log."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_batcheval.cli.batch_files import estimate_notes, file_line
from pytest_batcheval.cli.collected_tests import dump
from pytest_batcheval.cli.new_file import check_new, new_file, new_folder
from pytest_batcheval.cli.options import add_cassettes, add_journal, say
from pytest_batcheval.cli.stored_run import stored_run
from pytest_batcheval.errors import UsageError
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.text.format import counted

if TYPE_CHECKING:
    from pytest_batcheval.engine.estimate import PlannedFile
    from pytest_batcheval.wire.objects import Request

PASSES_ON = True
"""Unknown arguments are passed on to pytest."""

DESCRIPTION = """
Write the requests of the selected tests as official batch input files, cut by endpoint, model and limits as for
sending, including requests that are already answered. The tests are collected, not run; nothing is sent and no key is
needed. All arguments except --output go to pytest. A prompt of several turns is followed as far as answers are stored.

With --inspect, write a run of tests that was made here, also a replay, as an Inspect log: every answer with its
messages and what the tests made of it, to be opened with `inspect view`. No test is collected.
"""


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "export",
        description=DESCRIPTION,
        usage="%(prog)s [-h] --output DIR_or_FILE [PYTEST ARGS ...]\n"
        "       %(prog)s [-h] --inspect FILE.eval [--run RUN] [--journal PATH] [--cassettes DIR]",
        epilog="example: batcheval export --output requests -k chief tests/scenarios",
        allow_abbrev=False,
    )
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument(
        "--output",
        type=Path,
        metavar="DIR_or_FILE",
        help="a new or empty folder; or, if all requests fit into one batch, a new file ending in .jsonl",
    )
    place.add_argument("--inspect", type=Path, metavar="FILE.eval", help="a new file for a run's answers and outcomes")
    parser.add_argument(
        "--run",
        default="",
        metavar="RUN",
        help="for --inspect: a run, or the beginning of its id (default: the newest)",
    )
    add_journal(parser)
    add_cassettes(parser)


@dataclass(frozen=True)
class SelectedRequests:
    """The requests of the selected tests; see `pytest_batcheval.plugin.request_dump`."""

    requests: list[Request]
    unfinished: int
    skipped: int
    origins: list[str]


def run(arguments: argparse.Namespace) -> int:
    """Collect the tests, write the files and print their contents; or write the log of a run.

    Raises:
        UsageError: the tests cannot be collected, none asks for answers, there is no such run, or the output exists.
        RecordingError, JournalError: something stored cannot be read.
    """
    from pytest_batcheval.engine.estimate import plan
    from pytest_batcheval.engine.split import Limits, split

    if arguments.inspect is not None:
        return _export_log(arguments)
    if arguments.run:
        raise UsageError("--run chooses a run for --inspect; requests are exported of tests")
    _check_place(arguments.output)
    exported = _collected(arguments.passed_on)
    if not exported.requests:
        skipped = f" ({exported.skipped} skipped by their marks)" if exported.skipped else ""
        raise UsageError(f"no selected test asks for answers{skipped}; nothing was written")
    parts = list(split(exported.requests, Limits()))
    files = dict(zip(_write(arguments.output, parts), plan(exported.requests), strict=True))
    for path, file in files.items():
        say(f"{path}: {file_line(file)}")
    for note in _notes(exported, files.values()):
        say(note)
    return int(ExitStatus.OK)


def _export_log(arguments: argparse.Namespace) -> int:
    from pytest_batcheval.recordings.answers import Recordings
    from pytest_batcheval.report.answer_list import listed_answers, used_by
    from pytest_batcheval.report.inspect_log import inspect_log, write_log

    if arguments.passed_on:
        raise UsageError(
            f"--inspect writes a run that has been, and collects no tests: {' '.join(arguments.passed_on)}"
        )
    if arguments.inspect.suffix != ".eval":
        raise UsageError(f"{arguments.inspect}: the name of an Inspect log must end in .eval")
    check_new(arguments.inspect)
    run, started, tests = stored_run(arguments.journal, arguments.run)
    log = inspect_log(
        run, started, tests, listed_answers(Recordings(arguments.cassettes), arguments.journal, used_by(tests))
    )
    with new_file(arguments.inspect) as stream:
        write_log(log, stream)
    say(
        f"{arguments.inspect}: {counted(len(log['samples']), 'sample')} of {counted(len(tests), 'test')}, run {run[:8]}"
    )
    say(f"next: inspect view --log-dir {arguments.inspect.parent} (inspect-ai)")
    return int(ExitStatus.OK)


def _check_place(output: Path) -> None:
    """Check the output before tests are collected."""
    if output.suffix == ".jsonl":
        check_new(output)
    elif output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UsageError(f"{output} is not empty; name another folder, or empty it")


def _collected(arguments: Sequence[str]) -> SelectedRequests:
    from pytest_batcheval.wire.objects import Request

    found = dump("--batch-dump-requests", arguments, "nothing was written")
    found["requests"] = [Request(**entry) for entry in found["requests"]]
    return SelectedRequests(**found)


def _write(output: Path, parts: Sequence[list[Request]]) -> list[Path]:
    """Write all files or none, and return their paths."""
    if output.suffix == ".jsonl":
        if len(parts) > 1:
            raise UsageError(
                f"the requests need {counted(len(parts), 'batch', 'batches')}; name a folder instead of {output}"
            )
        with new_file(output) as stream:
            stream.writelines(request.line() + b"\n" for request in parts[0])
        return [output]
    names = [_name(number, part[0]) for number, part in enumerate(parts, start=1)]
    with new_folder(output) as folder:
        for name, part in zip(names, parts, strict=True):
            with new_file(folder / name) as stream:
                stream.writelines(request.line() + b"\n" for request in part)
    return [output / name for name in names]


def _name(number: int, first: Request) -> str:
    endpoint = first.url.removeprefix("/v1/").replace("/", "-")
    return f"{number:02d}-{endpoint}-{re.sub(r'[^A-Za-z0-9._-]+', '-', first.model)[:80]}.jsonl"


def _notes(exported: SelectedRequests, files: Iterable[PlannedFile]) -> Iterator[str]:
    if exported.unfinished:
        yield (
            f"{counted(exported.unfinished, 'prompt')} with further turns, whose requests depend on an answer that is "
            "not stored yet"
        )
    if exported.origins:
        yield f"later turns are built from stored answers of {', '.join(exported.origins)}"
    if exported.skipped:
        yield f"left out: the requests of {counted(exported.skipped, 'test')} skipped by their marks"
    yield from estimate_notes(files)
    yield "next: upload each file with purpose `batch` and create a batch of it; pytest --batch=send does both"
