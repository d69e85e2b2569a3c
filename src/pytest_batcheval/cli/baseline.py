"""`batcheval baseline`: keep a run's measured values and compare later runs with them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_batcheval.catalogue.models import MODEL
from pytest_batcheval.cli.options import add_journal, add_lang, language, say, say_error, say_json
from pytest_batcheval.cli.recorded_answers import add_recorded, in_unit
from pytest_batcheval.errors import UsageError
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.text.format import counted

if TYPE_CHECKING:
    from pytest_batcheval.quality import Regression
    from pytest_batcheval.quality.comparing._baseline import Baseline, BaselineValues
    from pytest_batcheval.quality.passing.paired import PassComparison
    from pytest_batcheval.report.language import Language

DESCRIPTION = """
Measure recorded answers test by test, and keep the values in a readable file together with what they depend on: metric,
judge, rubric, and the values of the axes. Answers of personas with a profile are measured by how far they show it, with
a judge and no profile by its scores, and otherwise by the tests that pass. save: write a new baseline; compare: compare
the recorded answers with it, and fail (status 1) on a significant drop of a size that matters; promote: replace it by
the values of the recorded answers. Nothing is sent.
"""
FOLDER = Path("baselines")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "baseline",
        description=DESCRIPTION,
        epilog=f"example: batcheval baseline compare main --model {MODEL}",
    )
    parser.add_argument(
        "action", choices=("save", "compare", "promote"), help="what to do with the baseline, see above"
    )
    parser.add_argument("name", metavar="NAME", help="the baseline's name; its file is DIR/NAME.json")
    parser.add_argument("--model", help="the model to measure (default: all recorded models)")
    parser.add_argument("--test", metavar="NAME", help="only this test function (default: each that is recorded)")
    parser.add_argument(
        "--tolerated",
        type=float,
        metavar="DROP",
        help="for compare: a drop that never fails (default: 0.1; of tests that pass: none)",
    )
    parser.add_argument(
        "--baselines", type=Path, default=FOLDER, metavar="DIR", help="folder of the baselines (default: %(default)s)"
    )
    parser.add_argument(
        "--comment",
        type=Path,
        metavar="FILE.md",
        help="for compare: add the outcome to this comment, which pytest --batch-comment=FILE.md has written",
    )
    parser.add_argument("--json", action="store_true", help="print JSON for machines")
    add_lang(parser)
    add_journal(parser)
    add_recorded(parser)


def run(arguments: argparse.Namespace) -> int:
    """Save, compare or promote.

    Raises:
        UsageError: a name or an option is wrong, the two cannot be compared, or there is nothing to measure.
        RecordingError: a recording is broken.
    """
    from pytest_batcheval.cli.measured_tests import measured
    from pytest_batcheval.quality.comparing._baseline import Baseline

    if not _NAME.fullmatch(arguments.name):
        raise UsageError(f"a baseline's name must consist of letters, digits, '.', '_' and '-', not {arguments.name!r}")
    path: Path = arguments.baselines / f"{arguments.name}.json"
    today = Baseline(arguments.name, measured(arguments))
    if arguments.action == "compare":
        kept = _load(path)
        return _compare(arguments, kept.only(today.tests) if arguments.test else kept, today)
    if arguments.action == "save" and path.exists():
        raise UsageError(f"{path} already exists; to replace it: batcheval baseline promote {arguments.name}")
    replaced = _load(path) if arguments.action == "promote" else None
    today.save(path)
    before = f", previously {_means(replaced)}" if replaced else ""
    say(f"{'replaced' if replaced else 'saved'} {path}: {_means(today)}{before}")
    for line in _changes(replaced, today) if replaced else ():
        say(f"changed: {line}")
    return int(ExitStatus.OK)


def _changes(kept: Baseline, today: Baseline) -> Iterator[str]:
    """The changes of what the values depend on."""
    from pytest_batcheval.quality.axes import TableError

    try:
        for _, old, new in kept.pairs(today):
            yield from old.unlike(new)
    except TableError as error:
        yield str(error)


def _compare(arguments: argparse.Namespace, kept: Baseline, today: Baseline) -> int:
    pairs = _pairs(kept, today)
    found = {name: _change(name, old, new, arguments.tolerated) for name, old, new in pairs}
    data = [
        {**found[name].to_dict(), "test": name, "baseline": dict(old.about), "run": dict(new.about)}
        for name, old, new in pairs
    ]
    words, lines = language(arguments), list[str]()
    for name, old, new in pairs:
        lines += [f"{name}:"] if len(pairs) > 1 else []
        lines += [*found[name].explain(words.code).split("\n"), *_differences(old, new, words)]
    if arguments.json:
        say_json(data[0] if len(data) == 1 else {"tests": data})
    else:
        say("\n".join(lines))
    _show_in_ci(words("Baseline {name}", name=kept.name), lines, arguments.comment)
    least = arguments.tolerated or 0.0
    failed = any(one.verdict == "FAIL" or (one.verdict == "worse" and -one.effect > least) for one in found.values())
    return int(ExitStatus.FAILED if failed else ExitStatus.OK)


def _pairs(kept: Baseline, today: Baseline) -> list[tuple[str, BaselineValues, BaselineValues]]:
    """Return the tests of both, by name.

    Raises:
        UsageError: they cannot be compared.
    """
    from pytest_batcheval.quality.axes import TableError

    intended = f"If the change is intended: batcheval baseline promote {kept.name}"
    try:
        pairs = kept.pairs(today)
    except TableError as error:
        raise UsageError(f"baseline {kept.name} and these answers cannot be compared; {error}. {intended}") from None
    for name, old, new in pairs:
        if unlike := old.unlike(new):
            of = f" of {name}" if len(pairs) > 1 else ""
            raise UsageError(
                f"baseline {kept.name} and these answers{of} cannot be compared; {'; '.join(unlike)}. {intended}"
            )
    return pairs


def _change(
    name: str, old: BaselineValues, new: BaselineValues, tolerated: float | None
) -> Regression | PassComparison:
    """The change of one test.

    Raises:
        UsageError: the two have too few items in common.
    """
    from pytest_batcheval.quality import regression
    from pytest_batcheval.quality.axes import TableError
    from pytest_batcheval.quality.comparing._baseline import PASSED, tallies_of
    from pytest_batcheval.quality.comparing._regression import BEYOND, TOLERATED
    from pytest_batcheval.quality.passing.paired import compare_passes

    if new.values.metric == PASSED:
        try:
            return compare_passes(tallies_of(old.values), tallies_of(new.values))
        except TableError as error:
            models = f"the baseline is of {old.about['model']}, these answers are of {new.about['model']}"
            raise UsageError(f"{name}: {error}; {models} (see --model)") from None
    usual, beyond = (in_unit(limit, new.values.metric) for limit in (TOLERATED, BEYOND))
    return regression(old.values, new.values, tolerated=usual if tolerated is None else tolerated, beyond=beyond)


def _differences(kept: BaselineValues, today: BaselineValues, words: Language) -> Iterator[str]:
    for name, value in kept.about.items():
        if value != (now := today.about.get(name)):
            yield words("{name}: {before} in the baseline, {now} now", name=words(name), before=value, now=now)


def _show_in_ci(title: str, lines: list[str], comment: Path | None) -> None:
    from pytest_batcheval.report.ci_page import add_section, add_to_summary, section

    for write in (partial(add_to_summary, section(title, lines)), partial(add_section, title, lines, comment)):
        try:
            write()
        except UsageError as error:  # the outcome is what counts
            say_error(f"batcheval baseline: {error}")


def _load(path: Path) -> Baseline:
    from pytest_batcheval.quality.comparing._baseline import Baseline

    if not path.exists():
        raise UsageError(f"there is no baseline {path}; save one: batcheval baseline save {path.stem}")
    return Baseline.load(path)


def _means(baseline: Baseline) -> str:
    return "; ".join(
        (f"{name} " if len(baseline.tests) > 1 else "") + _mean(found) for name, found in baseline.tests.items()
    )


def _mean(found: BaselineValues) -> str:
    values = [value for row in found.values.values for value in row if value is not None]
    return f"{found.values.metric} {sum(values) / len(values):+.3f} in {counted(len(values), 'cell')}"
