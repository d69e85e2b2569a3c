"""Tables of recorded answers, for the verbs that measure: the lines, axis values and scores."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from pytest_batcheval.cli.options import add_cassettes, axis_and_id, open_recordings
from pytest_batcheval.errors import UsageError
from pytest_batcheval.text.format import counted

if TYPE_CHECKING:
    from pytest_batcheval.matrix.axes import AxisValue
    from pytest_batcheval.quality.measures._cell_values import CellValues
    from pytest_batcheval.recordings.answer_line import RecordedLine
    from pytest_batcheval.recordings.answer_table import Answers, Row
    from pytest_batcheval.wire.objects import Answer, Request

SCORE = "score/1"
"""The mean of a judge's scores of an answer, on the scale from 1 to 5, over the dimensions that have one."""

POINTS = 2.0
"""Points of a judge's scale in one unit of alignment."""

WORDS = "word list/1"
"""The source of scores without a judge, with the version of the word list."""

Axes = Mapping[str, Mapping[str, "AxisValue"]]


def add_recorded(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose recorded answers."""
    add_cassettes(parser)
    parser.add_argument("--module", metavar="TEST.py", help="only the recording of this test module")
    parser.add_argument("--where", action="append", default=[], metavar="AXIS=ID", help="only these cells (repeatable)")
    parser.add_argument("--judge", metavar="MODEL", help="score by the recorded verdicts of this judge's model")
    for part, like in (("rows", "personas"), ("columns", "questions")):
        parser.add_argument(
            f"--{part}",
            metavar="AXIS[,AXIS]",
            type=lambda text: text.split(","),
            help=f"the axes that are compared as {like} are, where it is not plain",
        )
    parser.add_argument(
        "--axis",
        action="append",
        default=[],
        metavar="AXIS=FILE",
        help="the file of an axis (repeatable; default: batch_axes of pytest's configuration)",
    )


@dataclass(frozen=True)
class Scored:
    """A table and the source of its scores.

    Attributes:
        answers: the answers; with a judge, its verdicts after the turns that they judge.
        source: `word list/1`, or `judge MODEL`.
        rubric: its digest; empty without a judge.
    """

    answers: Answers
    source: str = WORDS
    rubric: str = ""

    def values(self) -> CellValues:
        """Return the alignment of each cell; without a profile the mean of the judge's scores.

        Raises:
            NotMeasurable: there is neither a profile nor a judge.
            TooFewScores: most answers have no score.
            TableError: the table is too small or has holes.
        """
        from pytest_batcheval.quality import cell_values, scores_of
        from pytest_batcheval.quality.axes import NotMeasurable

        if not self.rubric:
            return cell_values(self.answers)
        scores = scores_of(self.answers)
        try:
            return cell_values(self.answers, scores=scores)
        except NotMeasurable:
            found = cell_values(self.answers, mean_scores(scores), metric=SCORE)
            if found.scored is not None:
                found.scored.check()
            return found


class RecordedTable:
    """The recorded answers that the options choose.

    Raises:
        UsageError, MatrixError, RecordingError: an option, an axis file or a recording is wrong.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        from pytest_batcheval.quality.judging._rubric_request import judged_words

        self.recordings = open_recordings(arguments.cassettes)
        self.axes = _axes(arguments.axis)
        wanted = dict(axis_and_id(text, "--where") for text in arguments.where)
        path = self.recordings.path_of(arguments.module) if arguments.module else None
        lines = [place.line for place in self.recordings.places() if path in (None, place.path)]
        kept = [line for line in lines if wanted.items() <= line.cell.items() and line.cell]
        if not kept:
            raise UsageError(f"no recorded answer in {self.recordings.root} matches the options and has an axis")
        asked = [(line, line.asked()) for line in kept]
        self.said = [(line, request) for line, request in asked if judged_words(request) is None]
        self._verdicts = [(line, request) for line, request in asked if judged_words(request) is not None]
        self._judge: str | None = arguments.judge
        self._layout = (arguments.rows, arguments.columns)

    def models(self) -> list[str]:
        """Return the models of the requests, without judges."""
        return sorted({request.model for _, request in self.said})

    def rows(self, model: str | None) -> list[Row]:
        """Return the answers of a model, or of all.

        Raises:
            UsageError: there are none.
        """
        found = [self.row(line, line.answer(asked)) for line, asked in self.said if model in (None, asked.model)]
        if not found:
            raise UsageError(f"no recorded answers of {model}; recorded models: {', '.join(self.models())}")
        return found

    def row(self, line: RecordedLine, answer: Answer) -> Row:
        """Return an answer in its cell, with the values of the axes."""
        from pytest_batcheval.recordings.answer_table import Row

        cell: dict[str, Any] = {name: self.axes.get(name, {}).get(i, i) for name, i in line.cell.items()}
        return Row(cell, answer.request.sample, answer)

    def scored(self, rows: Iterable[Row]) -> Scored:
        """Return these answers, with the verdicts of the chosen judge.

        Raises:
            UsageError: an answer without a verdict, or verdicts by several rubrics.
        """
        from pytest_batcheval.quality.judging._rubric_request import judged_by, judged_words
        from pytest_batcheval.recordings.answer_table import Answers

        rows = list(rows)
        if self._judge is None:
            return Scored(Answers(rows).arranged(*self._layout))
        verdicts: dict[tuple[str, int], list[tuple[RecordedLine, Request]]] = {}
        # of several verdicts on one answer the one with the least key counts, whatever their order
        for line, request in sorted(self._verdicts, key=lambda pair: pair[0].custom_id):
            if request.model == self._judge:
                verdicts.setdefault((str(judged_words(request)), request.sample), []).append((line, request))
        judged, rubrics = [], set()
        for row in rows:
            ids = {name: row.id(name) for name in row.cell}
            on_it = verdicts.get((row.answer.text, row.sample), ())
            found = next((pair for pair in on_it if _agrees(pair[0].cell, ids)), None)
            if found is None:
                raise UsageError(
                    f"no recorded verdict of {self._judge} on {' x '.join(ids.values())}, sample {row.sample}"
                )
            verdict = found[0].answer(found[1])
            rubrics.add(judged_by(found[1]) or "")
            judged.append(replace(row, answer=replace(verdict, turns=(row.answer, verdict))))
        if len(rubrics) > 1:
            raise UsageError(
                f"verdicts of {self._judge} by {counted(len(rubrics), 'rubric')}; choose with --module or --where"
            )
        return Scored(Answers(judged).arranged(*self._layout), f"judge {self._judge}", rubrics.pop())


def in_unit(alignment: float, metric: str) -> float:
    """A default that is stated in units of alignment, in the unit of a metric."""
    return alignment * POINTS if metric == SCORE else alignment


def mean_scores(scores: Mapping[str, Sequence[float | None]]) -> list[float | None]:
    """Return each answer's mean over the dimensions that have a score, `None` without any."""
    found = [[score for score in given if score is not None] for given in zip(*scores.values(), strict=True)]
    return [fmean(given) if given else None for given in found]


def axis_digest(answers: Answers, axis: str) -> str:
    """Return 12 hex digits that change with every field of the axis values in a table."""
    values = {str(getattr(v, "id", v)): dict(getattr(v, "fields", {})) for v in answers.axis(axis)}
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _agrees(cell: Mapping[str, str], ids: Mapping[str, str]) -> bool:
    """Whether a verdict's cell is that of the answer; a judge may have axes of its own, or fewer."""
    return all(ids.get(axis, identifier) == identifier for axis, identifier in cell.items())


def _axes(given: list[str]) -> Axes:
    from pytest_batcheval.cli.pytest_ini import declared_axes
    from pytest_batcheval.matrix.load import load_axis, parse_axes_option
    from pytest_batcheval.matrix.profile import parse_factors_option

    declared = declared_axes(Path.cwd())
    paths = parse_axes_option(given, Path()) if given else parse_axes_option(declared.axes, declared.folder)
    factors = parse_factors_option(declared.factors)
    return {name: {v.id: v for v in load_axis(name, path, factors)} for name, path in paths.items()}
