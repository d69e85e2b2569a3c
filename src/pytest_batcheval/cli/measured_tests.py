"""Recorded answers measured test by test: by the profiles of personas, a judge's scores, or the tests that pass."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_batcheval.cli.recorded_answers import RecordedTable, Scored, axis_digest
from pytest_batcheval.errors import UsageError
from pytest_batcheval.text.format import plural_of

if TYPE_CHECKING:
    from pytest_batcheval.journal.outcomes import Outcome
    from pytest_batcheval.quality.comparing._baseline import BaselineValues
    from pytest_batcheval.recordings.answer_table import Row
    from pytest_batcheval.wire.objects import Answer

RUN_FIRST = "run pytest -m batch first, so that it is known which test asked what"


def measured(arguments: argparse.Namespace) -> dict[str, BaselineValues]:
    """Return what each test function measures; one without a name where no run of the tests is stored.

    Raises:
        UsageError: there is nothing to measure, or it is not known which test asked what.
        RecordingError, JournalError: something stored cannot be read.
    """
    from pytest_batcheval.journal.outcomes import Outcomes

    recorded = RecordedTable(arguments)
    rows = recorded.rows(arguments.model)
    outcomes = Outcomes.beside(arguments.journal).of_answers([row.answer.custom_id for row in rows])
    found: dict[str, BaselineValues] = {}
    refused: dict[str, str] = {}
    seen: set[frozenset[str]] = set()
    for name, asked in _by_function(rows, outcomes, arguments.test).items():
        keys = frozenset(row.answer.custom_id for row in asked)
        if keys in seen:  # several tests of the same answers have the same scores
            continue
        scored = recorded.scored(asked)
        by_scores = _by_scores(name, scored, refused)
        one = by_scores or _by_passes([outcome for outcome in outcomes if _function(outcome) == name], scored)
        if by_scores:
            seen.add(keys)
        if one:
            found[name] = one
    if not found:
        raise UsageError("; ".join(_reasons(recorded, refused, bool(outcomes))))
    return found


def _reasons(recorded: RecordedTable, refused: Mapping[str, str], ran: bool) -> Iterator[str]:
    """The reasons why nothing can be measured, and what to do."""
    for name, reason in refused.items():
        yield f"{name}: {reason}" if name else reason
    if unknown := [axis for line, _ in recorded.said[:1] for axis in line.cell if axis not in recorded.axes]:
        yield "the values of axes are not declared: " + " ".join(f"--axis {axis}=FILE" for axis in unknown)
    if not ran:
        yield f"tests that pass can be compared: {RUN_FIRST}"


def _by_function(rows: Sequence[Row], outcomes: Iterable[Outcome], only: str | None) -> Mapping[str, Sequence[Row]]:
    """Return the answers by the test function whose newest run used them; all of them if no run is stored."""
    users: dict[str, set[str]] = {}
    for one in outcomes:
        for key in one.cells:
            users.setdefault(key, set()).add(_function(one))
    found: dict[str, list[Row]] = {}
    for row in rows:
        for name in users.get(row.answer.custom_id, ()):
            found.setdefault(name, []).append(row)
    if only is None:
        return dict(sorted(found.items())) or {"": rows}
    chosen = {name: asked for name, asked in found.items() if only in (name, name.rpartition("::")[2])}
    if not chosen:
        raise UsageError(f"no test {only} used a recorded answer; tests: {', '.join(sorted(found)) or RUN_FIRST}")
    return dict(sorted(chosen.items()))


def _by_scores(name: str, scored: Scored, refused: dict[str, str]) -> BaselineValues | None:
    """Return the alignment, or the judge's scores; nothing, with the reason in `refused`, where there are neither.

    Raises:
        UsageError: the answers have holes, or several share a cell.
    """
    from pytest_batcheval.quality.axes import NotMeasurable, TableError, TooSmall
    from pytest_batcheval.quality.comparing._baseline import BaselineValues

    try:
        values = scored.values()
    except (NotMeasurable, TooSmall) as error:
        refused[name] = str(error)
        return None
    except TableError as error:
        models = sorted({answer.request.model for answer in _said(scored)})
        if len(models) > 1:
            raise UsageError(f"answers of {len(models)} models: {', '.join(models)}; choose one with --model") from None
        raise UsageError(f"{name}: {error}" if name else f"{error}, or {RUN_FIRST}") from None
    counts = sorted({count for row in values.samples for count in row if count})
    bound = {"metric": values.metric, "scores": scored.source, "rubric": scored.rubric or "none"}
    bound |= {plural_of(axis): axis_digest(scored.answers, axis) for axis in (*values.rows, *values.columns)}
    return BaselineValues(bound, {**_about(scored), "samples": _span(counts)}, values)


def _by_passes(outcomes: Sequence[Outcome], scored: Scored) -> BaselineValues | None:
    """Return the pass rates of a function's items; nothing with fewer than two."""
    from pytest_batcheval.quality.comparing._baseline import PASSED, BaselineValues, values_of_tallies
    from pytest_batcheval.report.pass_rates import items_of_models, tallies

    models = {answer.request.model for answer in _said(scored)}
    own = [one for one in outcomes if len(models) > 1 or one.model in (*models, "")]
    found = tallies(own, items_of_models(own) if len(models) == 1 else None)
    if len(found) < 2:
        return None
    samples = _span(sorted({tally.n for tally in found}))
    return BaselineValues({"metric": PASSED}, {**_about(scored), "samples": samples}, values_of_tallies(found))


def _about(scored: Scored) -> dict[str, str]:
    return {
        "model": ", ".join(sorted({answer.request.model for answer in _said(scored)})),
        "origin": ", ".join(sorted({answer.origin for answer in scored.answers})),
    }


def _said(scored: Scored) -> list[Answer]:
    """Return the answers themselves, without the verdicts on them."""
    return [row.answer.turns[0] if row.answer.turns else row.answer for row in scored.answers.rows]


def _span(counts: Sequence[int]) -> str:
    return " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))


def _function(outcome: Outcome) -> str:
    return outcome.test.partition("[")[0]
