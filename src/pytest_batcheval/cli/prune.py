"""`batcheval prune`: remove recordings that no test asks for, and old entries of the journal."""

from __future__ import annotations

import argparse
import math
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_batcheval.catalogue.models import LARGER, MODEL
from pytest_batcheval.cli.collected_tests import dump
from pytest_batcheval.cli.options import LISTED, add_cassettes, journal, open_reader, open_recordings, say
from pytest_batcheval.errors import UsageError
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.text.format import counted
from pytest_batcheval.wire import real_time
from pytest_batcheval.wire.default_paths import JOURNAL
from pytest_batcheval.wire.origin import describe

if TYPE_CHECKING:
    from pytest_batcheval.journal.address import JournalAddress
    from pytest_batcheval.recordings.answers import RecordingPlace, Recordings
    from pytest_batcheval.recordings.unused import UnusedAnswers

GROUPS = True
"""Arguments of pytest stand behind `--`, for each collection behind one of its own."""

FOLDER = Path(JOURNAL).parent
"""Ours, next to the recordings; git ignores it."""

DESCRIPTION = """
Remove what is no longer needed. --recordings: recorded answers that no test asks for, listed first. The tests are
collected, not run: all that pytest finds without arguments, or, for each --, those of the arguments behind it. --undo
brings back what was removed last. --journal: answers that a refresh has replaced; with --older-than also all answers,
input lines and failures of older batches, whose requests a later run would pay for again unless they are recorded.
"""


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "prune",
        description=DESCRIPTION,
        usage="%(prog)s [OPTIONS] [-- PYTEST ARGS ...] [-- PYTEST ARGS ...]",
        epilog=f"example: batcheval prune --recordings --dry-run -- tests --model={MODEL} -- tests --model={LARGER}",
    )
    parser.add_argument("--recordings", action="store_true", help="remove recorded answers that no test asks for")
    parser.add_argument(
        "--other-models",
        choices=("keep", "remove"),
        help="with --recordings: keep or remove answers in cells that ask another model now; if there are any, nothing "
        "is removed without this option, since an option of pytest may choose the model",
    )
    parser.add_argument(
        "--deleted-modules", action="store_true", help="with --recordings: also those of test modules that are gone"
    )
    parser.add_argument("--undo", action="store_true", help="bring back the recordings that were removed last")
    parser.add_argument(
        "--journal",
        nargs="?",
        const=Path(JOURNAL),
        type=journal,
        metavar="PATH",
        help="prune the journal (default: %(const)s)",
    )
    parser.add_argument("--older-than", type=_days, metavar="DAYS", help="with --journal: also remove older answers")
    parser.add_argument("--dry-run", action="store_true", help="only print what would be removed, or brought back")
    add_cassettes(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prune and print what was removed.

    Raises:
        UsageError: nothing was selected to prune, tests cannot be collected, or may need what would be removed.
        RecordingError, JournalError: something stored cannot be read or written.
    """
    _check_options(arguments)
    if arguments.undo:
        _undo(arguments.cassettes, arguments.dry_run)
    if arguments.recordings:
        _prune_recordings(arguments)
    if arguments.journal is not None:
        _prune_journal(arguments.journal, arguments.older_than, arguments.dry_run)
    return int(ExitStatus.OK)


def _check_options(arguments: argparse.Namespace) -> None:
    if not arguments.recordings and not arguments.undo and arguments.journal is None:
        raise UsageError("nothing to prune: pass --recordings, --journal, or both")
    if arguments.undo and (arguments.recordings or arguments.journal is not None):
        raise UsageError("--undo stands alone: it brings back recordings, and nothing of a journal")
    if arguments.older_than is not None and arguments.journal is None:
        raise UsageError("--older-than requires --journal")
    if not arguments.recordings and (arguments.groups or arguments.other_models or arguments.deleted_modules):
        raise UsageError("--other-models, --deleted-modules and arguments of pytest require --recordings")


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = math.nan
    if not 0 <= days < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number of days, at least 0, not {text}")
    return days


def _prune_recordings(arguments: argparse.Namespace) -> None:
    recordings = open_recordings(arguments.cassettes)
    groups = arguments.groups or [[]]
    found = [_asked(recordings, group) for group in groups]
    unused = _unused(recordings, found)
    for line in _listing(unused):
        say(line)
    places = [*unused.replaced, *unused.other_modules]
    if places:
        root, uncollected = Path(found[0]["root"]), set.intersection(*(set(one["uncollected"]) for one in found))
        _check_modules(recordings, root, unused, uncollected, arguments.deleted_modules)
    for group, one in zip(groups, found, strict=True):
        _check_asks(group, one)
    _check_models(unused, arguments.other_models)
    if arguments.other_models == "remove":
        places += unused.other_models
    answers = counted(len(places), "recorded answer")
    if not places:
        say("no unused recordings: tests ask for all of them" if not unused.other_models else "nothing to remove")
    elif arguments.dry_run:
        say(f"{answers} would be removed")
    else:
        recordings.drop(places, _next_backup(arguments.cassettes))
        say(f"{answers} removed; batcheval prune --undo brings them back")


def _unused(recordings: Recordings, found: Sequence[dict[str, Any]]) -> UnusedAnswers:
    """Return the recorded answers that no test of these collections asks for."""
    from pytest_batcheval.recordings.unused import AskedRequest, part_unused

    asked = [AskedRequest(**request) for one in found for request in one["asked"]]
    return part_unused(recordings, asked, {name for one in found for name in one["modules"]})


def _asked(recordings: Recordings, arguments: Sequence[str]) -> dict[str, Any]:
    """Return what the tests of one collection ask for; see `pytest_batcheval.plugin.request_dump`.

    Raises:
        UsageError: that is unknown, or not all of it.
    """
    found = dump("--batch-dump-asked", arguments, "nothing was removed")
    if found["left_out"]:
        raise UsageError(
            f"{counted(found['left_out'], 'test')} left out by pytest's configuration, its arguments or a conftest.py, "
            "whose requests are unknown; nothing was removed"
        )
    if Path(found["recordings"]).resolve() != recordings.root.resolve():
        raise UsageError(
            f"the tests collected from {Path.cwd()} have their recordings in {found['recordings']}, not in "
            f"{recordings.root}; nothing was removed"
        )
    if found["outside"]:
        raise UsageError(f"change to {found['root']}, so that all tests are collected; nothing was removed")
    return found


def _listing(unused: UnusedAnswers) -> Iterator[str]:
    """Yield what is unused by file, model, origin and cell."""
    kinds = (
        (unused.replaced, "that no test asks for"),
        (unused.other_models, "in cells that ask another model now"),
        (unused.other_modules, "of a test module that was not collected"),
    )
    for places, kind in kinds:
        files: dict[Path, dict[tuple[str, str], list[str]]] = defaultdict(lambda: defaultdict(list))
        for place in places:
            files[place.path][place.line.asked().model, place.line.origin].append(_cell(place))
        for path, models in sorted(files.items()):
            yield f"{path}: {counted(sum(map(len, models.values())), 'recorded answer')} {kind}"
            for (model, origin), cells in sorted(models.items()):
                more = f"; and {len(cells) - LISTED:,} more" if len(cells) > LISTED else ""
                yield f"  {len(cells):,} of {model} from {describe(origin)}: {'; '.join(cells[:LISTED])}{more}"


def _cell(place: RecordingPlace) -> str:
    return " ".join(f"{axis}={value}" for axis, value in place.line.cell.items()) or place.line.custom_id[:8]


def _check_asks(arguments: Sequence[str], found: dict[str, Any]) -> None:
    if not found["asked"]:
        given = f" with {' '.join(arguments)}" if arguments else ""
        raise UsageError(
            f"no test collected from {Path.cwd()}{given} asks for answers; nothing was removed. Give the arguments "
            "with which pytest finds your tests: batcheval prune --recordings -- ARGUMENTS"
        )


def _check_models(unused: UnusedAnswers, choice: str | None) -> None:
    if unused.other_models and choice is None:
        models = ", ".join(sorted({place.line.asked().model for place in unused.other_models}))
        raise UsageError(
            f"cells with answers of {models} ask another model now; nothing was removed. If an option of pytest "
            "chooses the model, collect the tests with each: batcheval prune --recordings -- --model=A -- --model=B. "
            "Else --other-models=remove removes these too, and --other-models=keep only the others"
        )


def _check_modules(
    recordings: Recordings, root: Path, unused: UnusedAnswers, uncollected: set[str], deleted: bool
) -> None:
    """Refuse to remove what a test module may ask for that exists, or may, but was not collected.

    Raises:
        UsageError: names such modules.
    """
    modules = {recordings.module_of(place.path) for place in unused.other_modules}
    if missed := sorted({str(module) for module in modules if (root / module).exists()} | uncollected):
        raise UsageError(
            f"{', '.join(missed)}: not collected from {Path.cwd()}, so its requests are unknown; nothing was removed. "
            "Collect all tests (testpaths, --ignore, collect_ignore), or delete lines of recordings yourself"
        )
    if modules and not deleted:
        raise UsageError(
            f"{', '.join(sorted(map(str, modules)))}: not below {root}; nothing was removed. If that is deleted, pass "
            "--deleted-modules; if it is elsewhere, collect it: batcheval prune --recordings -- ARGUMENTS"
        )


def _backups(cassettes: Path) -> list[Path]:
    """Return the backups of removed recordings, the newest last."""
    return sorted((cassettes.parent / FOLDER / "pruned").glob("[0-9]*"), key=lambda path: int(path.name))


def _next_backup(cassettes: Path) -> Path:
    from pytest_batcheval.journal.location import make_folder

    make_folder(cassettes.parent / FOLDER)
    last = max((int(path.name) for path in _backups(cassettes)), default=0)
    backup = cassettes.parent / FOLDER / "pruned" / str(last + 1)
    backup.mkdir(parents=True)  # an error if another process has just made it
    return backup


def _undo(cassettes: Path, dry_run: bool) -> None:
    from pytest_batcheval.recordings.answers import Recordings

    if not (backups := _backups(cassettes)):
        raise UsageError(f"nothing to undo: there is no {cassettes.parent / FOLDER / 'pruned'} with removed recordings")
    if dry_run:
        say(f"{counted(len(Recordings(backups[-1]).places()), 'recorded answer')} would be brought back")
        return
    back, newer = Recordings(cassettes).restore(backups[-1])
    shutil.rmtree(backups[-1])
    say(f"{counted(back, 'recorded answer')} brought back" + (f", {newer:,} are there already" if newer else ""))
    if len(backups) > 1:
        say(f"{counted(len(backups) - 1, 'earlier removal')} can be undone")


def _prune_journal(path: JournalAddress, days: float | None, dry_run: bool) -> None:
    from pytest_batcheval.journal.store import Journal

    open_reader(path).close()
    before = None if days is None else real_time.now() - days * 86_400
    with Journal.open(path) as journal, journal.lock.held(None):
        replaced, old = journal.prune(before, dry_run)
    kind = "would be removed" if dry_run else "removed"
    say(f"{path}: {counted(replaced, 'answer')} replaced by a refresh {kind}")
    if days is not None:
        old_ones = counted(old, "answer or failure", "answers and failures")
        say(f"{path}: {old_ones} older than {days:g} days {kind}, with their input lines")
