"""Options that several verbs share, and how they print."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_batcheval.errors import UsageError
from pytest_batcheval.text.sanitize import escape_controls
from pytest_batcheval.wire.places import JOURNAL

if TYPE_CHECKING:
    from pytest_batcheval.engine.send_result import SendResult
    from pytest_batcheval.engine.snapshot import BatchSnapshot
    from pytest_batcheval.journal.reader import JournalReader
    from pytest_batcheval.recordings.answers import Recordings


ENDLESS = 10_000
"""Columns of a table that goes to a file or to another program."""


def add_journal(parser: argparse.ArgumentParser) -> None:
    """`--journal`."""
    parser.add_argument(
        "--journal", type=Path, default=JOURNAL, metavar="PATH", help="the journal (default: %(default)s)"
    )


def add_backend(parser: argparse.ArgumentParser) -> None:
    """`--backend`."""
    parser.add_argument(
        "--backend",
        default="openai",
        metavar="BACKEND",
        help="where the batches are: openai (default; OPENAI_API_KEY, OPENAI_BASE_URL) or a base URL (http.../v1)",
    )


def open_reader(path: Path) -> JournalReader:
    """The journal for reading.

    Raises:
        UsageError: there is none.
    """
    from pytest_batcheval.journal.store import Journal

    if not path.exists():
        raise UsageError(f"there is no journal {path}; name another with --journal, or rebuild it: batcheval recover")
    return Journal.read(path)


def open_recordings(cassettes: Path) -> Recordings:
    """The recorded answers.

    Raises:
        UsageError: there is no such folder.
    """
    from pytest_batcheval.recordings.answers import Recordings

    recordings = Recordings(cassettes)
    if not recordings.root.is_dir():
        raise UsageError(f"there is no {recordings.root} here; go to where pytest runs, or name it: --cassettes DIR")
    return recordings


def width() -> int:
    """Columns that a table may take: the terminal's, or as many as it wants where nobody sees it on one."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() or "COLUMNS" in os.environ else ENDLESS


def say(text: str) -> None:
    """Print a line whose text may come from elsewhere."""
    print(escape_controls(text), flush=True)


def say_progress(seen: BatchSnapshot) -> None:
    """Print how a batch stands."""
    if seen.ordinal or not seen.ended:  # the end of a pause is not worth a line
        say(str(seen))


def say_sent(sent: SendResult) -> None:
    """Print what a collection came to."""
    batches = "1 batch" if sent.batches == 1 else f"{sent.batches} batches"
    say(f"collected {batches}: {sent.answered} requests answered, {sent.failed} failed")
    for line in sent.notes:
        say(line)
