"""A sheet for people to label answers in: a CSV file, or one HTML page that writes the same file."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pytest_batcheval.errors import UsageError
from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.judging._estimate import leaning
from pytest_batcheval.quality.judging._label_binding import BOUND, bound_to
from pytest_batcheval.quality.labels import OPEN, Labels
from pytest_batcheval.quality.scores import Given, numbers, spoken
from pytest_batcheval.recordings.answer_table import Answers
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.sanitize import no_formula

Floats = npt.NDArray[np.float64]

FLOOR = 0.5
"""Chance of the answer that teaches least, over the mean: so that no answer of a corrected mean counts too much."""

COLUMNS = ("custom_id", "rater", "dimension", "score", "chance", *BOUND, "text", "answer")


@dataclass(frozen=True)
class LabelSheet:
    """Rows of `COLUMNS`, one for each drawn answer and dimension; the persona and the judge's score are in none."""

    rows: tuple[dict[str, str], ...]

    def write(self, path: str | Path) -> None:
        """Write a new `.csv` file for spreadsheets, or a new `.html` page that needs no other file and no network.

        Raises:
            UsageError: the file exists, cannot be written, or has another ending.
        """
        path = Path(path)
        shown = {".csv": self._csv, ".html": self._page}.get(path.suffix.lower())
        if shown is None:
            raise UsageError(f"{path}: the name of a label sheet must end in .csv or .html")
        try:
            # Excel takes a CSV file without a byte order mark for one of the machine's own code page
            encoding = "utf-8-sig" if shown == self._csv else "utf-8"
            with path.open("x", encoding=encoding, newline="") as stream:
                stream.write(shown())
        except OSError as error:
            raise UsageError(f"{path}: the label sheet cannot be written: {error.strerror}") from None

    def _csv(self) -> str:
        stream = io.StringIO(newline="")
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows({name: no_formula(value) for name, value in row.items()} for row in self.rows)
        return stream.getvalue()

    def _page(self) -> str:
        # what a model wrote is data in the page, and is shown as text: `<` would end the script it is in
        data = json.dumps(self.rows, ensure_ascii=True).replace("<", "\\u003c")
        template = files("pytest_batcheval.quality") / "data" / "label_sheet.html"
        return template.read_text(encoding="utf-8").replace("/*ROWS*/[]", data)


def label_sheet(
    answers: Answers,
    dimensions: Sequence[str],
    *,
    count: int,
    rater: str,
    scores: Given | None = None,
    second: Given | None = None,
    labels: Labels | None = None,
    seed: int = 0,
) -> LabelSheet:
    """Draw answers to label, those more often that teach more of a judge's errors, and note the chance of each.

    Args:
        answers: the table; of a judge's verdicts people label the answer before.
        dimensions: what to score, each from 1 to 5, or "cannot tell".
        count: of answers, at least 1; 60 cells are needed for `Labels.estimate`.
        rater: whose sheet it is.
        scores: a judge's scores, with `second` or `labels`.
        second: another judge's scores: where the two differ, one of them is wrong.
        labels: of earlier answers by `rater`: how far the judge errs with each score, such as "no score".
        seed: of the draw; the same seed draws the same answers.

    Raises:
        TableError: too few answers, or `second` or `labels` without `scores`.
    """
    said = spoken(answers)
    places = [n for n, row in enumerate(said.rows) if row.answer.error is None and row.answer.text.strip()]
    if not 1 <= count <= len(places):
        raise TableError(f"{counted(count, 'answer')} to label: there are {len(places)} with words")
    if scores is None and (second is not None or labels is not None):
        raise TableError("second= and labels= need scores=, the judge whose errors are to be learnt")
    teaches = np.ones(len(answers))
    if scores is not None and labels is not None:
        teaches = _errors_by_score(answers, dimensions, scores, labels, rater)
    elif scores is not None and second is not None:
        teaches = _differences(answers, dimensions, scores, second)
    chances = inclusion_chances(teaches[places], count)
    rows = []
    for place, chance in _drawn(places, chances, answers, seed):
        row, bound = said.rows[place], bound_to(answers.rows[place])
        fixed = {"custom_id": row.answer.custom_id, "rater": rater, "score": OPEN, "chance": f"{chance:.6f}"}
        words = {"text": str(getattr(row.cell.get("question"), "text", "")), "answer": row.answer.text}
        rows += [{**fixed, **bound, **words, "dimension": code} for code in dimensions]
    return LabelSheet(tuple({name: row.get(name, "") for name in COLUMNS} for row in rows))


def inclusion_chances(teaches: Floats, count: int) -> Floats:
    """Return the chance of each answer, shape (n,), with the sum `count`: half even, half by what it teaches."""
    size = np.maximum(teaches, 0.0)
    mean = float(size.mean())
    size = FLOOR + (1 - FLOOR) * size / mean if mean else np.ones(len(size))
    sure = np.zeros(len(size), dtype=bool)
    while True:
        left = count - int(sure.sum())
        chances: Floats = np.where(sure, 1.0, left * size / max(float(size[~sure].sum()), 1e-300))
        over = (chances >= 1) & ~sure
        if not over.any() or left <= 0:
            return np.minimum(chances, 1.0)
        sure |= over


def _drawn(places: Sequence[int], chances: Floats, answers: Answers, seed: int) -> list[tuple[int, float]]:
    """Draw systematically along an order by hashes, so that exactly the sum of the chances is drawn."""
    keys = [hashlib.sha256(f"{seed}:{answers.rows[n].answer.custom_id}".encode()).digest() for n in places]
    order = sorted(range(len(places)), key=lambda n: keys[n])
    start, passed, found = np.random.default_rng(seed).random(), 0.0, []
    for n in order:
        before, passed = passed, passed + float(chances[n])
        if np.floor(passed - start + 1e-9) > np.floor(before - start + 1e-9):
            found.append((places[n], float(chances[n])))
    return found


def _columns(answers: Answers, codes: Sequence[str], scores: Given) -> dict[str, Floats]:
    if lacking := sorted(set(codes) - set(scores)):
        raise TableError(f"the judge has no scores of {', '.join(lacking)}")
    return {code: numbers(f"scores of {code}", scores[code], len(answers)) for code in codes}


def _differences(answers: Answers, codes: Sequence[str], scores: Given, second: Given) -> Floats:
    one, other = (_columns(answers, codes, given) for given in (scores, second))
    squares = [(leaning(one[code]) - leaning(other[code])) ** 2 for code in codes]
    root: Floats = np.sqrt(np.mean(squares, axis=0))
    return root


def _errors_by_score(answers: Answers, codes: Sequence[str], scores: Given, labels: Labels, rater: str) -> Floats:
    """Return the root of the mean squared error that labelled answers with the same score have; shape (answers,)."""
    judged, people = _columns(answers, codes, scores), labels.scores(answers, rater)
    rated = labels.rated_dimensions(answers, rater)
    squares = np.zeros(len(answers))
    for code in codes:
        has = np.zeros(len(answers), dtype=bool)
        has[sorted(rated.get(code, ()))] = True
        seen = leaning(judged[code])
        kind = np.where(np.isnan(judged[code]), 9, np.rint(seen))
        error = (leaning(np.array(people.get(code, judged[code]), dtype=np.float64)) - seen) ** 2
        usual = float(error[has].mean()) if has.any() else 1.0
        for one in np.unique(kind):
            known = has & (kind == one)
            # one unseen error beside those seen, so that a score that was right so far is asked for again
            squares[kind == one] += (float(error[known].sum()) + usual) / (int(known.sum()) + 1)
    root: Floats = np.sqrt(squares / len(codes))
    return root
