"""`batcheval prune`: remove recordings that no test asks for, and what the journal does not need any more."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from pytest_batcheval.cli.options import open_reader, say
from pytest_batcheval.wire.errors import ExitStatus, UsageError
from pytest_batcheval.wire.places import CASSETTES, JOURNAL

DESCRIPTION = """
Remove what is not needed any more. --recordings: recorded answers that no test below the current folder asks for; the
tests are collected, not run. --journal: answers that a refresh has replaced; with --older-than also all answers, input
lines and failures of batches that old, whose requests a later run would pay for again unless they are recorded.
"""


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "prune",
        help="remove unused recordings, or old answers of the journal",
        description=DESCRIPTION,
        epilog="example: batcheval prune --recordings --dry-run",
    )
    parser.add_argument("--recordings", action="store_true", help="remove recorded answers that no test asks for")
    parser.add_argument(
        "--journal",
        nargs="?",
        const=Path(JOURNAL),
        type=Path,
        metavar="PATH",
        help="prune the journal (default: %(const)s)",
    )
    parser.add_argument("--older-than", type=float, metavar="DAYS", help="of the journal: forget older answers too")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    parser.add_argument(
        "--cassettes", type=Path, default=CASSETTES, metavar="DIR", help="the recordings (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Prune, and print what was removed.

    Raises:
        UsageError: nothing was named to prune, or the tests cannot be collected.
        RecordingError, JournalError: something stored cannot be read or written.
    """
    if not arguments.recordings and arguments.journal is None:
        raise UsageError("say what to prune: --recordings, --journal, or both")
    if arguments.recordings:
        _prune_recordings(arguments.cassettes, arguments.dry_run)
    if arguments.journal is not None:
        _prune_journal(arguments.journal, arguments.older_than, arguments.dry_run)
    return int(ExitStatus.OK)


def _prune_recordings(cassettes: Path, dry_run: bool) -> None:
    from pytest_batcheval.recordings.answers import Recordings

    recordings = Recordings(cassettes)
    unused = recordings.unused(_asked_keys())
    kind = "would be removed" if dry_run else "removed"
    for path, count in sorted(Counter(place.path for place in unused).items()):
        say(f"{path}: {count} recorded answers that no test asks for {kind}")
    if not unused:
        say("every recorded answer is asked for by a test")
    if not dry_run:
        recordings.drop(unused)


def _asked_keys() -> set[str]:
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder) / "asked.json"
        options = ["-q", "--batch=replay", "-p", "pytest_batcheval.asked", f"--batch-asked={asked}", "-p", "no:xdist"]
        ended = subprocess.run([sys.executable, "-m", "pytest", *options], capture_output=True, text=True, check=False)
        if not asked.exists():
            raise UsageError(f"the tests cannot be collected, so nothing was removed:\n{ended.stdout}{ended.stderr}")
        found = json.loads(asked.read_text(encoding="utf-8"))
    if found["left_out"]:
        raise UsageError(
            f"{found['left_out']} tests are left out by pytest's configuration or a conftest.py, and what they ask "
            "for is unknown; nothing was removed"
        )
    return set(found["keys"])


def _prune_journal(path: Path, days: float | None, dry_run: bool) -> None:
    from pytest_batcheval.journal.store import Journal

    open_reader(path).close()
    before = None if days is None else time.time() - days * 86_400
    with Journal.open(path) as journal, journal.lock.held(None):
        replaced, old = journal.prune(before, dry_run)
    kind = "would be removed" if dry_run else "removed"
    say(f"{path}: {replaced} answers that a refresh has replaced {kind}")
    if days is not None:
        say(f"{path}: {old} answers and failures older than {days:g} days {kind}; their input lines too")
