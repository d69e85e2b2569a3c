"""`batcheval baseline`: keep a run's measured values and compare later runs with them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_batcheval.catalogue.models import MODEL
from pytest_batcheval.cli.options import say, say_error, say_json
from pytest_batcheval.cli.recorded_answers import RecordedTable, add_recorded, axis_digest
from pytest_batcheval.errors import UsageError
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.text.format import counted

if TYPE_CHECKING:
    from pytest_batcheval.quality.comparing._baseline import Baseline

DESCRIPTION = """
Measure recorded answers by persona and question, and keep the values in a readable file together with the metric,
judge, rubric, personas and questions that they depend on. save: write a new baseline; compare: compare the recorded
answers with it, and fail (status 1) on a significant drop of a size that matters; promote: replace it by the values of
the recorded answers. Nothing is sent.
"""
FOLDER = Path("baselines")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "baseline",
        help="keep a run's values and compare later runs with them",
        description=DESCRIPTION,
        epilog=f"example: batcheval baseline compare main --model {MODEL}",
    )
    parser.add_argument(
        "action", choices=("save", "compare", "promote"), help="what to do with the baseline, see above"
    )
    parser.add_argument("name", metavar="NAME", help="the baseline's name; its file is DIR/NAME.json")
    parser.add_argument("--model", help="the model to measure (default: the only recorded model)")
    parser.add_argument(
        "--tolerated", type=float, metavar="DROP", help="for compare: a drop that never fails (default: 0.1)"
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
    add_recorded(parser)


def run(arguments: argparse.Namespace) -> int:
    """Save, compare or promote.

    Raises:
        UsageError: a name or an option is wrong, the two cannot be compared, or there is nothing to measure.
        RecordingError: a recording is broken.
    """
    if not _NAME.fullmatch(arguments.name):
        raise UsageError(f"a baseline's name must consist of letters, digits, '.', '_' and '-', not {arguments.name!r}")
    path: Path = arguments.baselines / f"{arguments.name}.json"
    today = _measured(arguments)
    if arguments.action == "compare":
        return _compare(arguments, _load(path), today)
    if arguments.action == "save" and path.exists():
        raise UsageError(f"{path} already exists; to replace it: batcheval baseline promote {arguments.name}")
    kept = _load(path) if arguments.action == "promote" else None
    today.save(path)
    say(f"{'replaced' if kept else 'saved'} {path}: {_mean(today)}" + (f", previously {_mean(kept)}" if kept else ""))
    for line in kept.unlike(today) if kept else ():
        say(f"changed: {line}")
    return int(ExitStatus.OK)


def _compare(arguments: argparse.Namespace, kept: Baseline, today: Baseline) -> int:
    from pytest_batcheval.quality import regression
    from pytest_batcheval.quality.comparing._regression import TOLERATED

    if unlike := kept.unlike(today):
        raise UsageError(
            f"baseline {kept.name} and these answers cannot be compared; {'; '.join(unlike)}. "
            f"If the change is intended: batcheval baseline promote {kept.name}"
        )
    tolerated = TOLERATED if arguments.tolerated is None else arguments.tolerated
    found = regression(kept.values, today.values, tolerated=tolerated)
    if arguments.json:
        say_json({**found.to_dict(), "baseline": dict(kept.about), "run": dict(today.about)})
    lines = [*found.explain().split("\n"), *_differences(kept, today)]
    if not arguments.json:
        say("\n".join(lines))
    _show_in_ci(f"Baseline {kept.name}", lines, arguments.comment)
    return int(ExitStatus.FAILED if found.verdict == "FAIL" else ExitStatus.OK)


def _differences(kept: Baseline, today: Baseline) -> Iterator[str]:
    for name, value in kept.about.items():
        if value != today.about.get(name):
            yield f"{name}: {value} in the baseline, {today.about.get(name)} now"


def _show_in_ci(title: str, lines: list[str], comment: Path | None) -> None:
    from pytest_batcheval.report.ci_page import add_section, add_to_summary, section

    for write in (partial(add_to_summary, section(title, lines)), partial(add_section, title, lines, comment)):
        try:
            write()
        except UsageError as error:  # the outcome is what counts
            say_error(f"batcheval baseline: {error}")


def _measured(arguments: argparse.Namespace) -> Baseline:
    from pytest_batcheval.quality.comparing._baseline import Baseline

    recorded = RecordedTable(arguments)
    models = recorded.models()
    if arguments.model is None and len(models) != 1:
        raise UsageError(f"answers of {counted(len(models), 'model')}: {', '.join(models)}; choose one with --model")
    model = arguments.model or models[0]
    scored = recorded.table(model)
    values = scored.values()
    counts = sorted({count for row in values.samples for count in row if count})
    bound = {
        "metric": values.metric,
        "scores": scored.source,
        "rubric": scored.rubric or "none",
        "personas": axis_digest(scored.answers, "persona"),
        "questions": axis_digest(scored.answers, "question"),
    }
    about = {
        "model": model,
        "origin": ", ".join(sorted({answer.origin for answer in scored.answers})),
        "samples": " to ".join(map(str, dict.fromkeys((counts[0], counts[-1])))),
    }
    return Baseline(arguments.name, bound, about, values)


def _load(path: Path) -> Baseline:
    from pytest_batcheval.quality.comparing._baseline import Baseline

    if not path.exists():
        raise UsageError(f"there is no baseline {path}; save one: batcheval baseline save {path.stem}")
    return Baseline.load(path)


def _mean(baseline: Baseline) -> str:
    values = [value for row in baseline.values.values for value in row if value is not None]
    return f"{baseline.values.metric} {sum(values) / len(values):+.3f} in {counted(len(values), 'cell')}"
