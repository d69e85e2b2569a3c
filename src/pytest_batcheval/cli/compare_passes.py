"""Two runs, or two models, by the tests that pass: the part of `batcheval compare` that needs no scores."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_batcheval.cli.options import language, say, say_json
from pytest_batcheval.cli.stored_run import stored_run
from pytest_batcheval.errors import UsageError
from pytest_batcheval.exit_status import ExitStatus

if TYPE_CHECKING:
    from pytest_batcheval.journal.outcomes import Outcome, Outcomes
    from pytest_batcheval.quality.comparing._compare import Comparison
    from pytest_batcheval.quality.passing.paired import PassComparison
    from pytest_batcheval.quality.passing.rate import Tally

NEWEST, PREVIOUS = "newest", "previous"
"""Names of runs, besides the beginning of an id; `previous` is the newest before the other one."""

RUNS_LOOKED_AT = 100
"""Newest runs in which tests of a model are looked for."""


def names_runs(arguments: argparse.Namespace) -> bool:
    """Whether both names are those of stored runs.

    Raises:
        JournalError: the file of outcomes cannot be read.
    """
    from pytest_batcheval.journal.outcomes import Outcomes

    stored = Outcomes.beside(arguments.journal)
    names = (arguments.reference, arguments.candidate)
    return all(name in (NEWEST, PREVIOUS) or stored.runs(name) for name in names)


def compare_runs(arguments: argparse.Namespace) -> int:
    """Compare two stored runs test by test, and print.

    Raises:
        UsageError: there is no such run, or the two have fewer than two tests in common.
        JournalError: the file of outcomes cannot be read.
    """
    from pytest_batcheval.report.changes import changes, changes_lines
    from pytest_batcheval.report.pass_rates import tallies

    (first, started, before), (second, _, now) = _two_runs(arguments)
    found = _compared(tallies(before), tallies(now), arguments)
    if arguments.json:
        say_json({"as_good": as_good(found), "passes": found.to_dict(), "runs": [first, second]})
    else:
        words = language(arguments)
        say(words("run {run} against {other}", run=second[:8], other=first[:8]))
        for line in (found.explain(words.code), *changes_lines(changes(started, before, now))):
            say(words(line))
    return int(ExitStatus.OK if as_good(found) else ExitStatus.FAILED)


def models_compared(arguments: argparse.Namespace) -> PassComparison | None:
    """The comparison of two models by their newest tests; `None` unless both have tests that pair.

    Raises:
        JournalError: the file of outcomes cannot be read.
    """
    from pytest_batcheval.journal.outcomes import Outcomes
    from pytest_batcheval.report.pass_rates import items_of_models, tallies

    stored = Outcomes.beside(arguments.journal)
    sides = [_newest_of(stored, model) for model in (arguments.reference, arguments.candidate)]
    reference, candidate = (tallies(side, items_of_models(side)) for side in sides)
    try:
        return _compared(reference, candidate, arguments)
    except UsageError:
        return None


def say_models(found: PassComparison, arguments: argparse.Namespace) -> int:
    """Print the comparison of two models of which there is no other."""
    if arguments.json:
        say_json({"as_good": as_good(found), "passes": found.to_dict()})
    else:
        words = language(arguments)
        one, other = arguments.candidate, arguments.reference
        say(words("{one} against {other}, by tests that pass", one=one, other=other))
        say(found.explain(words.code))
    return int(ExitStatus.OK if as_good(found) else ExitStatus.FAILED)


def _two_runs(arguments: argparse.Namespace) -> list[tuple[str, float, list[Outcome]]]:
    names = [arguments.reference, arguments.candidate]
    if names[0] == names[1]:
        raise UsageError(f"both runs are {names[0]}; name two runs")
    found = {name: _run(arguments, name) for name in names if name != PREVIOUS}
    for name, other in (names, names[::-1]):
        if name == PREVIOUS:
            found[name] = _before(arguments, found[other])
    return [found[name] for name in names]


def _run(arguments: argparse.Namespace, name: str) -> tuple[str, float, list[Outcome]]:
    return stored_run(arguments.journal, "" if name == NEWEST else name)


def _before(arguments: argparse.Namespace, run: tuple[str, float, list[Outcome]]) -> tuple[str, float, list[Outcome]]:
    from pytest_batcheval.journal.outcomes import Outcomes

    found = Outcomes.beside(arguments.journal).before(run[0], [one.test for one in run[2]])
    if found is None:
        raise UsageError(f"no run before {run[0][:8]} has a test of it; name one of batcheval runs")
    return found


def _newest_of(stored: Outcomes, model: str) -> list[Outcome]:
    """The tests of a model in the newest run that has any."""
    for run in stored.page(0, RUNS_LOOKED_AT):
        if found := [one for one in stored.of_run(run.id) if one.model == model]:
            return found
    return []


def _compared(before: Sequence[Tally], now: Sequence[Tally], arguments: argparse.Namespace) -> PassComparison:
    from pytest_batcheval.quality.axes import TableError
    from pytest_batcheval.quality.passing.paired import MARGIN, compare_passes

    try:
        return compare_passes(before, now, margin=MARGIN if arguments.margin is None else arguments.margin)
    except TableError as error:
        raise UsageError(str(error)) from None


def as_good(found: PassComparison | Comparison) -> bool:
    """Whether the second of the two compared is as good as the first, or better."""
    return found.equivalent or found.verdict == "better"
