"""People's scores of answers: read from a file, compared with each other and with a judge's."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_batcheval.quality.axes import COLUMNS, ROWS, TableError
from pytest_batcheval.quality.judging._judge_agreement import LEAST, JudgeAgreement, judge_agreement
from pytest_batcheval.quality.judging._label_binding import BOUND, check_bound
from pytest_batcheval.quality.judging._ladder_step import Figure, LadderStep, least, step_of
from pytest_batcheval.quality.result import listed
from pytest_batcheval.quality.scores import Given
from pytest_batcheval.recordings.answer_table import Answers
from pytest_batcheval.text.document import read_text
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.phrase import Phrase

if TYPE_CHECKING:
    from pytest_batcheval.quality.design import Levels
    from pytest_batcheval.quality.judging._estimate import Estimate

BEHIND = 0.1
"""How much lower the weighted kappa of a judge with people may be than that of people with each other.

A convention: about two standard errors of kappa with 200 answers, 0.038.
"""

TO_RELEASE = 200
"""Answers with labels of two raters that are needed to release a judge: kappa's standard error is 0.038, simulated."""

Place = tuple[str, ...]
"""An answer: (its key,), or (persona, question, sample): its ids on the axes of the file, and the sample."""

NO_AXES = frozenset(
    {"custom_id", "sample", "rater", "dimension", "score", "text", "answer", "comment", "chance", *BOUND}
)
"""Columns of a file of labels that are not axes."""

OPEN = "?"
"""The score of a row that nobody has filled yet, in a label sheet."""


@dataclass(frozen=True)
class Label:
    """One rater's score of one dimension of one answer; `score` is `None` if the rater could not tell.

    Attributes:
        chance: with which the answer was drawn for its label sheet; `None` if all had the same.
        bound: what the label is of, by the names of `BOUND`, as far as the file says so.
    """

    place: Place
    rater: str
    dimension: str
    score: int | None
    where: str
    axes: tuple[str, ...] = (ROWS, COLUMNS)
    chance: float | None = None
    bound: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Labels:
    """The labels of a file; no rater scores the same dimension of the same answer twice."""

    labels: tuple[Label, ...]

    @classmethod
    def load(cls, path: str | Path) -> Labels:
        """Read the labels of a CSV or JSONL file, one label per row.

        Columns: `custom_id`, or `persona` and `question` (and `sample`, 0 where it is empty); `rater`; `dimension`;
        `score`, an integer from 1 to 5, empty or null for "cannot tell". Without personas and questions every other
        column is an axis, except `text`, `answer` and `comment`. A label sheet adds `chance` and what its labels are
        bound to (`words`, `answered_by`, `rubric`, `judge`); rows with the score `?` are not filled yet, and left out.

        Raises:
            TableError: the file cannot be read, or a row is wrong; the text names file and line.
        """
        path = Path(path)
        found: dict[tuple[Place, str, str], Label] = {}
        for where, row in _rows(path):
            if str(row.get("score", "")).strip() == OPEN:
                continue
            label = _label(where, row)
            other = found.setdefault((label.place, label.rater, label.dimension), label)
            if other is not label:
                raise TableError(
                    f"{where}: {label.rater} scores {label.dimension} of {' x '.join(label.place)} twice; "
                    f"the other is {other.where}"
                )
        if not found:
            raise TableError(f"{path}: the file has no labels")
        return cls(tuple(found.values()))

    @property
    def raters(self) -> tuple[str, ...]:
        """The names of the raters, in order of first appearance."""
        return tuple(dict.fromkeys(label.rater for label in self.labels))

    @property
    def dimensions(self) -> list[str]:
        """The codes of the labelled dimensions, sorted."""
        return sorted({label.dimension for label in self.labels})

    def scores(self, answers: Answers, rater: str) -> dict[str, list[float | None]]:
        """Return one rater's scores of these answers, for `scores=` of the measures.

        Raises:
            TableError: no such rater, or labels of answers that are not in the table.
        """
        given = {(n, label.dimension): label.score for label, n in self.placed(answers, rater)}
        return {code: [given.get((n, code)) for n in range(len(answers))] for code in self.dimensions}

    def estimate(
        self, answers: Answers, scores: Given, rater: str, *, level: str = "", levels: Levels | None = None
    ) -> Estimate:
        """Return a judge's means and shares, corrected by what this rater says of some of the answers.

        With a `level`, `high` or `low`, of each dimension only by the answers of personas that are prompted so in it,
        by their profile or by `levels`: a judge may err otherwise with the high ones than with the low ones.

        Raises:
            TableError: fewer than 60 labelled cells of a dimension (at that level), scores that the judge lacks,
                another level, or as `scores`.
        """
        from pytest_batcheval.quality.judging._estimate import estimate

        return estimate(answers, scores, self, rater, level, levels)

    def rated(self, answers: Answers, rater: str) -> frozenset[int]:
        """Return the positions of the answers that a rater has labelled."""
        return frozenset(n for _, n in self.placed(answers, rater))

    def rated_dimensions(self, answers: Answers, rater: str) -> dict[str, frozenset[int]]:
        """Return by dimension the positions of the answers of which a rater has labelled it.

        Raises:
            TableError: as `scores`.
        """
        found = dict[str, set[int]]()
        for label, n in self.placed(answers, rater):
            found.setdefault(label.dimension, set()).add(n)
        return {code: frozenset(found.get(code, ())) for code in self.dimensions}

    def _places(self, answers: Answers) -> dict[Place, int]:
        found: dict[Place, int] = {}
        for axes in dict.fromkeys(label.axes for label in self.labels):
            found |= _places(answers, axes)
        return found

    def placed(self, answers: Answers, rater: str) -> list[tuple[Label, int]]:
        """Return the labels of one rater, each with the position of its answer.

        Raises:
            TableError: no such rater, labels of answers that are not in the table, or stale ones.
        """
        if rater not in self.raters:
            raise TableError(f"unknown rater {rater!r}; the raters are {', '.join(self.raters)}")
        places, own = self._places(answers), [label for label in self.labels if label.rater == rater]
        if strange := [label.where for label in own if label.place not in places]:
            raise TableError(
                f"{counted(len(strange), 'label')} of answers that are not in the table: {listed(strange)}"
            )
        found = [(label, places[label.place]) for label in own]
        check_bound({label.where: (label.bound, answers.rows[n]) for label, n in found})
        return found


def rater_agreement(answers: Answers, labels: Labels, one: str, other: str) -> JudgeAgreement:
    """Return the agreement of two raters, on the answers that both have labelled.

    Raises:
        TableError: fewer than 100 such answers, or as `Labels.scores`.
    """
    both = sorted(labels.rated(answers, one) & labels.rated(answers, other))
    return _agreement(answers, both, labels.scores(answers, one), labels.scores(answers, other))


def human_agreement(
    answers: Answers, scores: Given, labels: Labels, one: str, other: str, *, least_answers: int = LEAST
) -> LadderStep:
    """Check whether a judge agrees with each of two raters nearly as well as they do with each other.

    On the answers that both raters have labelled: for every dimension, the smaller weighted kappa of judge and
    rater is at most 0.1 below that of the raters. Pass `least_answers=TO_RELEASE` before you rely on a judge's scores.

    Raises:
        TableError: fewer answers than that, the judge lacks a dimension, or as `Labels.scores`.
    """
    both = sorted(labels.rated(answers, one) & labels.rated(answers, other))
    cells = len({tuple((axis, answers.rows[n].id(axis)) for axis in sorted(answers.rows[n].cell)) for n in both})
    if cells < max(least_answers, LEAST):
        raise TableError(
            f"{counted(cells, 'answer')} with labels of both {one} and {other}: at least "
            f"{max(least_answers, LEAST)} are needed, {TO_RELEASE} to rely on a judge; samples of a cell count once"
        )
    people = [labels.scores(answers, rater) for rater in (one, other)]
    if lacking := sorted(set(people[0]) - set(scores)):
        raise TableError(f"the judge has no scores of {', '.join(lacking)}, which people scored")
    judged: Given = {code: scores[code] for code in people[0]}
    among = _agreement(answers, both, people[0], people[1])
    with_judge = [_agreement(answers, both, judged, rater) for rater in people]
    figures = []
    for code, found in among.dimensions.items():
        nearest = least(agreement[code].kappa for agreement in with_judge)
        behind = None if nearest is None or found.kappa is None else nearest - found.kappa
        name = Phrase("{code}: judge's kappa less that of people", code=code)
        figures.append(Figure(name, behind, ">=", -BEHIND))
    return step_of("human labels", figures, len(both), with_judge[0].opposed)


def _agreement(answers: Answers, kept: list[int], one: Given, other: Given) -> JudgeAgreement:
    chosen = [
        {code: np.array(column, dtype=np.float64)[kept] for code, column in given.items()} for given in (one, other)
    ]
    return judge_agreement(answers.with_rows(answers.rows[n] for n in kept), chosen[0], chosen[1])


def _places(answers: Answers, axes: Sequence[str]) -> dict[Place, int]:
    """Return the position of each answer in the table, by key and by its ids on these axes and its sample."""
    found: dict[Place, int] = {}
    for n, row in enumerate(answers.rows):
        # people label what the persona said, which in a table of verdicts is an earlier turn
        for turn in (row.answer, *row.answer.turns):
            found[(turn.custom_id,)] = n
        if set(axes) <= set(row.cell):
            found[*(row.id(axis) for axis in axes), str(row.sample)] = n
    return found


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    text = read_text(path, "file of labels", TableError)
    if path.suffix.lower() != ".csv":
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield f"{path}:{number}", _object(f"{path}:{number}", line)
        return
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            if None in row:
                raise TableError(f"{path}:{reader.line_num}: more values than columns: {row[None]}")
            yield f"{path}:{reader.line_num}", row
    except csv.Error as error:
        raise TableError(f"{path}:{reader.reader.line_num}: not valid CSV: {error}") from None


def _object(where: str, line: str) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise TableError(f"{where}: not valid JSON: {error}") from None
    if not isinstance(found, dict):
        raise TableError(f"{where}: a label must be a JSON object, not a {type(found).__name__}")
    return found


def _label(where: str, row: Mapping[str, Any]) -> Label:
    fields = {name: str(row[name]).strip() if row.get(name) is not None else "" for name in row if name}
    usual = fields.keys() & {ROWS, COLUMNS}
    axes = (ROWS, COLUMNS) if usual else tuple(name for name in fields if name not in NO_AXES)
    place: Place = (fields.get("custom_id", ""),)
    if not place[0]:
        place = (*(fields.get(axis, "") for axis in axes), fields.get("sample") or "0") if axes else ("",)
    if not all(place):
        names = " and ".join(axes or (ROWS, COLUMNS))
        raise TableError(f"{where}: a label needs a custom_id, or {names} (and sample)")
    for name in ("rater", "dimension"):
        if not fields.get(name):
            raise TableError(f"{where}: {name} is missing; the row has: {', '.join(fields)}")
    if "score" not in fields:
        raise TableError(f"{where}: score is missing; leave it empty if the rater could not tell")
    bound = {name: fields[name] for name in BOUND if fields.get(name)}
    score, chance = _score(where, fields["score"]), _chance(where, fields.get("chance", ""))
    return Label(place, fields["rater"], fields["dimension"], score, where, axes, chance, bound)


def _score(where: str, text: str) -> int | None:
    if text not in ("", "1", "2", "3", "4", "5"):
        raise TableError(f"{where}: score must be an integer from 1 to 5, or empty, not {text!r}")
    return int(text) if text else None


def _chance(where: str, text: str) -> float | None:
    if not text:
        return None
    try:
        chance = float(text)
    except ValueError:
        chance = 0.0
    if not 0 < chance <= 1:
        raise TableError(f"{where}: chance must be above 0 and at most 1, not {text!r}")
    return chance
