"""`batcheval export`: the requests of selected tests as batch input files."""

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
from pytest_batcheval.cli.options import say
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
"""


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "export",
        help="write the requests of selected tests as batch input files",
        description=DESCRIPTION,
        usage="%(prog)s [-h] --output DIR_or_FILE [PYTEST ARGS ...]",
        epilog="example: batcheval export --output requests -k chief tests/scenarios",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="DIR_or_FILE",
        help="a new or empty folder; or, if all requests fit into one batch, a new file ending in .jsonl",
    )


@dataclass(frozen=True)
class SelectedRequests:
    """The requests of the selected tests; see `pytest_batcheval.plugin.request_dump`."""

    requests: list[Request]
    unfinished: int
    skipped: int
    origins: list[str]


def run(arguments: argparse.Namespace) -> int:
    """Collect the tests, write the files and print their contents.

    Raises:
        UsageError: the tests cannot be collected, none asks for answers, or the output already exists.
    """
    from pytest_batcheval.engine.estimate import plan
    from pytest_batcheval.engine.split import Limits, split

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
