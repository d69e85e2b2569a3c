"""Options and output functions that several verbs share."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from pytest_batcheval.errors import UsageError
from pytest_batcheval.text.colour import painter
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.sanitize import safe_json_to_print, safe_to_print
from pytest_batcheval.text.streams import discard
from pytest_batcheval.wire.default_paths import CASSETTES, JOURNAL

if TYPE_CHECKING:
    from pytest_batcheval.engine.send_result import SendResult
    from pytest_batcheval.engine.snapshot import BatchSnapshot
    from pytest_batcheval.journal.address import JournalAddress
    from pytest_batcheval.journal.reader import JournalReader
    from pytest_batcheval.recordings.answers import Recordings
    from pytest_batcheval.report.language import Language


LISTED = 10
"""Most lines of a file that a verb names one by one."""

ENDLESS = 10_000
"""Columns of a table that is not printed on a terminal."""


def add_journal(parser: argparse.ArgumentParser) -> None:
    """Add `--journal`."""
    parser.add_argument(
        "--journal", type=journal, default=JOURNAL, metavar="PATH", help="the journal (default: %(default)s)"
    )


def journal(text: str) -> JournalAddress:
    """The address of a journal: a path, or `postgresql://host/database`."""
    from pytest_batcheval.journal.address import journal_address

    try:
        return journal_address(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def duration_of(text: str) -> float:
    """The seconds of a duration such as `90`, `15m` or `2d`."""
    from pytest_batcheval.text.format import seconds

    try:
        return seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_cassettes(parser: argparse.ArgumentParser) -> None:
    """Add `--cassettes`."""
    parser.add_argument(
        "--cassettes", type=Path, default=CASSETTES, metavar="DIR", help="the recordings (default: %(default)s)"
    )


def add_lang(parser: argparse.ArgumentParser) -> None:
    """Add `--lang`."""
    from pytest_batcheval.text.phrase import LANGUAGES

    text = "language of results and of the words around them (default: that of the ini key batch_lang, or en)"
    parser.add_argument("--lang", choices=LANGUAGES, help=text)


def language(arguments: argparse.Namespace) -> Language:
    """The language to say things in: that of `--lang`, or of the project's configuration.

    Raises:
        UsageError: the configuration cannot be read, or names no language.
    """
    from pytest_batcheval.cli.pytest_ini import declared_language
    from pytest_batcheval.report.language import Language

    return Language.of(arguments.lang or declared_language(Path.cwd()))


def axis_and_id(text: str, option: str) -> tuple[str, str]:
    """Return the parts of `question=goals`.

    Raises:
        UsageError: it has another form; the message names the option.
    """
    name, equals, identifier = text.partition("=")
    if not (name and equals and identifier):
        raise UsageError(f"{option} {text}: expected <axis>=<id>, such as question=goals")
    return name, identifier


def add_backend(parser: argparse.ArgumentParser) -> None:
    """Add `--backend`."""
    parser.add_argument(
        "--backend",
        default="openai",
        metavar="BACKEND",
        help="the provider: openai (default; OPENAI_API_KEY, OPENAI_BASE_URL) or a base URL (http.../v1)",
    )


def open_reader(path: JournalAddress) -> JournalReader:
    """Open the journal for reading.

    Raises:
        UsageError: there is none.
        JournalError: it is no file.
    """
    from pytest_batcheval.journal.address import real
    from pytest_batcheval.journal.store import Journal

    reader = Journal.read(real(path))
    if not reader.exists():
        raise UsageError(
            f"there is no journal {path}; name another with --journal, or rebuild it with batcheval recover"
        )
    return reader


def open_recordings(cassettes: Path) -> Recordings:
    """Open the recorded answers.

    Raises:
        UsageError: there is no such folder.
    """
    from pytest_batcheval.recordings.answers import Recordings

    recordings = Recordings(cassettes)
    if not recordings.root.is_dir():
        raise UsageError(
            f"there is no {recordings.root} here; change to the folder where pytest runs, or pass --cassettes DIR"
        )
    return recordings


def width() -> int:
    """Return the width of a table: the terminal's columns, or no limit if stdout is not a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() or "COLUMNS" in os.environ else ENDLESS


def say(text: str) -> None:
    """Print a text, safe for a terminal and for GitHub Actions; a verb goes on where nobody reads it (`| head`)."""
    _print(safe_to_print(text), sys.stdout)


def say_painted(text: str) -> None:
    """Print a text as `say` does, in colours where stdout takes them."""
    _print(painter(sys.stdout)(safe_to_print(text)), sys.stdout)


def say_error(text: str) -> None:
    """Print a text to stderr, as safe as `say` does."""
    _print(safe_to_print(text), sys.stderr)


def say_json(data: Any, indent: int | None = 2) -> None:
    """Print data as JSON in ASCII: a model's words may contain terminal codes."""
    _print(safe_json_to_print(json.dumps(data, ensure_ascii=True, indent=indent, default=float)), sys.stdout)


def _print(text: str, stream: TextIO) -> None:
    try:
        print(text, file=stream, flush=True)
    except OSError as error:
        if stream is not sys.stderr and not isinstance(error, BrokenPipeError):
            raise
        discard(stream)


def say_progress(seen: BatchSnapshot) -> None:
    """Print the state of a batch."""
    if seen.ordinal or not seen.ended:  # the end of a pause is not worth a line
        say(str(seen))


def say_sent(sent: SendResult) -> None:
    """Print the outcome of a collection."""
    batches = counted(sent.batches, "batch", "batches")
    say(f"collected {batches}: {counted(sent.answered, 'request')} answered, {sent.failed:,} failed")
    for line in sent.notes:
        say(line)
