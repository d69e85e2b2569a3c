"""Tables of recorded answers, for the verbs that measure: the lines, axis values and scores."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
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

WORDS = "word list/1"
"""The source of scores without a judge, with the version of the word list."""

Axes = Mapping[str, Mapping[str, "AxisValue"]]


def add_recorded(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose recorded answers."""
    add_cassettes(parser)
    parser.add_argument("--module", metavar="TEST.py", help="only the recording of this test module")
    parser.add_argument("--where", action="append", default=[], metavar="AXIS=ID", help="only these cells (repeatable)")
    parser.add_argument("--judge", metavar="MODEL", help="score by the recorded verdicts of this judge's model")
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
        """Return the alignment of each cell."""
        from pytest_batcheval.quality import alignment, cell_values, scores_of
        from pytest_batcheval.quality.measures._cell_values import ALIGNMENT

        if not self.rubric:
            return cell_values(self.answers)
        return cell_values(self.answers, alignment(self.answers, scores=scores_of(self.answers)), metric=ALIGNMENT)


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
        kept = [
            line
            for line in lines
            if wanted.items() <= line.cell.items() and {"persona", "question"} <= line.cell.keys()
        ]
        if not kept:
            raise UsageError(
                f"no recorded answer in {self.recordings.root} matches the options and has a persona and a question"
            )
        asked = [(line, line.asked()) for line in kept]
        self.said = [(line, request) for line, request in asked if judged_words(request) is None]
        self._verdicts = [(line, request) for line, request in asked if judged_words(request) is not None]
        self._judge: str | None = arguments.judge

    def models(self) -> list[str]:
        """Return the models of the requests, without judges."""
        return sorted({request.model for _, request in self.said})

    def table(self, model: str) -> Scored:
        """Return the answers of a model.

        Raises:
            UsageError: there are none, or no verdicts of the judge on them.
        """
        found = [self.row(line, line.answer(request)) for line, request in self.said if request.model == model]
        if not found:
            raise UsageError(f"no recorded answers of {model}; recorded models: {', '.join(self.models())}")
        return self.scored(found)

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
            return Scored(Answers(rows))
        verdicts: dict[tuple[str, str, int], tuple[RecordedLine, Request]] = {}
        # of several verdicts on one answer the one with the least key counts, whatever their order
        for line, request in sorted(self._verdicts, key=lambda pair: pair[0].custom_id, reverse=True):
            if request.model == self._judge:
                verdicts[_cell(line.cell), str(judged_words(request)), request.sample] = (line, request)
        judged, rubrics = [], set()
        for row in rows:
            ids = {name: row.id(name) for name in ("persona", "question")}
            found = verdicts.get((_cell(ids), row.answer.text, row.sample))
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
        return Scored(Answers(judged), f"judge {self._judge}", rubrics.pop())


def axis_digest(answers: Answers, axis: str) -> str:
    """Return 12 hex digits that change with every field of the axis values in a table."""
    values = {str(getattr(v, "id", v)): dict(getattr(v, "fields", {})) for v in answers.axis(axis)}
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _cell(ids: Mapping[str, str]) -> str:
    return f"{ids['persona']} x {ids['question']}"


def _axes(given: list[str]) -> Axes:
    from pytest_batcheval.cli.pytest_ini import declared_axes
    from pytest_batcheval.matrix.load import load_axis, parse_axes_option
    from pytest_batcheval.matrix.profile import parse_factors_option

    declared = declared_axes(Path.cwd(), required=not given)
    paths = parse_axes_option(given, Path()) if given else parse_axes_option(declared.axes, declared.folder)
    factors = parse_factors_option(declared.factors)
    return {name: {v.id: v for v in load_axis(name, path, factors)} for name, path in paths.items()}
