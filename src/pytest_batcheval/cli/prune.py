"""`batcheval prune`: remove recordings that no test asks for, and old entries of the journal."""

from __future__ import annotations

import argparse
import math
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_batcheval.cli.collected_tests import dump
from pytest_batcheval.cli.options import open_reader, open_recordings, say
from pytest_batcheval.errors import UsageError
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.text.format import counted
from pytest_batcheval.wire.default_paths import CASSETTES, JOURNAL

if TYPE_CHECKING:
    from pytest_batcheval.recordings.answers import Recordings

DESCRIPTION = """
Remove what is no longer needed. --recordings: recorded answers that no test below the current folder asks for; the
tests are collected, not run. --journal: answers that a refresh has replaced; with --older-than also all answers, input
lines and failures of older batches, whose requests a later run would pay for again unless they are recorded.
"""


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "prune",
        help="remove unused recordings, or old answers in the journal",
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
    parser.add_argument("--older-than", type=_days, metavar="DAYS", help="with --journal: also remove older answers")
    parser.add_argument("--dry-run", action="store_true", help="only print what would be removed")
    parser.add_argument(
        "--cassettes", type=Path, default=CASSETTES, metavar="DIR", help="the recordings (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Prune and print what was removed.

    Raises:
        UsageError: nothing was selected to prune, or the tests cannot be collected.
        RecordingError, JournalError: something stored cannot be read or written.
    """
    if not arguments.recordings and arguments.journal is None:
        raise UsageError("nothing to prune: pass --recordings, --journal, or both")
    if arguments.older_than is not None and arguments.journal is None:
        raise UsageError("--older-than requires --journal")
    if arguments.recordings:
        _prune_recordings(arguments.cassettes, arguments.dry_run)
    if arguments.journal is not None:
        _prune_journal(arguments.journal, arguments.older_than, arguments.dry_run)
    return int(ExitStatus.OK)


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = math.nan
    if not 0 <= days < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number of days, at least 0, not {text}")
    return days


def _prune_recordings(cassettes: Path, dry_run: bool) -> None:
    recordings = open_recordings(cassettes)
    asked = _asked()
    unused = recordings.unused(set(asked["keys"]))
    _check_collected(recordings, {place.path for place in unused}, asked)
    kind = "would be removed" if dry_run else "removed"
    for path, count in sorted(Counter(place.path for place in unused).items()):
        say(f"{path}: {counted(count, 'recorded answer')} that no test asks for {kind}")
    if not unused:
        say("no unused recordings: tests ask for all of them")
    if not dry_run:
        recordings.drop(unused)


def _check_collected(recordings: Recordings, paths: Iterable[Path], asked: dict[str, Any]) -> None:
    """Refuse to remove the recordings of a test module that exists but was not collected.

    Raises:
        UsageError: names such modules.
    """
    collected = {recordings.path_of(module) for module in asked["modules"]}
    there = {recordings.module_of(path) for path in set(paths) - collected}
    if missed := sorted(str(module) for module in there if (Path(asked["root"]) / module).exists()):
        raise UsageError(
            f"{', '.join(missed)}: not collected from {Path.cwd()}, so its requests are unknown; nothing was removed. "
            "Collect all tests (testpaths, --ignore, collect_ignore), or delete its recording yourself"
        )


def _asked() -> dict[str, Any]:
    """Return the keys that the tests ask for; see `pytest_batcheval.plugin.request_dump`."""
    found = dump("--batch-dump-keys", (), "nothing was removed")
    if found["left_out"]:
        raise UsageError(
            f"{counted(found['left_out'], 'test')} left out by pytest's configuration or a conftest.py, whose requests "
            "are unknown; nothing was removed"
        )
    return found


def _prune_journal(path: Path, days: float | None, dry_run: bool) -> None:
    from pytest_batcheval.journal.store import Journal

    open_reader(path).close()
    before = None if days is None else time.time() - days * 86_400
    with Journal.open(path) as journal, journal.lock.held(None):
        replaced, old = journal.prune(before, dry_run)
    kind = "would be removed" if dry_run else "removed"
    say(f"{path}: {counted(replaced, 'answer')} replaced by a refresh {kind}")
    if days is not None:
        old_ones = counted(old, "answer or failure", "answers and failures")
        say(f"{path}: {old_ones} older than {days:g} days {kind}, with their input lines")
