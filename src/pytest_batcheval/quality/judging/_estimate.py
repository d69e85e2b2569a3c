"""A judge's means and shares, corrected by people's labels of some of the answers, with the errors of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.axes import TableError, axes_of, place_of
from pytest_batcheval.quality.design import Levels, declared_by_id
from pytest_batcheval.quality.result import NONE, Result, shown
from pytest_batcheval.quality.scores import Given, numbers, on_scale
from pytest_batcheval.quality.stats.judge_error import JudgedShare, PoweredMean, corrected_share, powered_mean
from pytest_batcheval.recordings.answer_table import Answers
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.phrase import Phrase

if TYPE_CHECKING:
    from pytest_batcheval.quality.labels import Label, Labels

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

LEAST_LABELS = 60
"""Labelled cells of a dimension; simulated: with 20 and 30 the interval of a mean holds in 0.93, with 60 in 0.95."""

LOW, HIGH = 2, 4
"""Scores up to which the low pole shows, and from which the high pole does."""

MIDDLE = 3

LEVELS = {"high": "prompted high: {found}", "low": "prompted low: {found}"}
"""The levels that an estimate may be of, with what it says of them."""

NULL = "none is tested; answers judged and answers labelled are both drawn, a cell's labels together"


@dataclass(frozen=True)
class DimensionEstimate:
    """One dimension of all answers: mean leaning in points from 3, 0 without a score, and the shares of both poles.

    Attributes:
        dimension: its code.
        labels: cells that people labelled.
        judged: the judge's mean leaning.
        corrected: prediction-powered, by judge and labels.
        labelled: by the labels alone.
        low, high: the shares of answers with a score of at most 2, of at least 4.
    """

    dimension: str
    labels: int
    judged: float
    corrected: PoweredMean
    labelled: PoweredMean
    low: JudgedShare
    high: JudgedShare

    @property
    def gain(self) -> float | None:
        """The factor by which more labels would be needed without the judge, for the same interval."""
        return (self.labelled.error / self.corrected.error) ** 2 if self.corrected.error else None

    def __str__(self) -> Phrase:
        return Phrase(
            "{it.dimension}: leaning {mean:+.2f} points ({interval}), by the judge alone {it.judged:+.2f}, by {labels} "
            "alone {own:+.2f} ({among}); high {high}; low {low}",
            it=self,
            mean=self.corrected.estimate,
            interval=shown(self.corrected.interval, 2),
            labels=Phrase.counted(self.labels, "label"),
            own=self.labelled.estimate,
            among=shown(self.labelled.interval, 2),
            high=_share_words(self.high),
            low=_share_words(self.low),
        )


@dataclass(frozen=True, kw_only=True, repr=False)
class Estimate(Result):
    """A judge's figures corrected by labels.

    Attributes:
        effect: the largest difference of a judge's mean leaning from the corrected one, in points.
        interval, p_value: none.
        dimensions: by code.
        rater: whose labels.
        level: `high` or `low` where only answers of personas that are prompted so in the dimension count, else empty.
    """

    effect: float
    dimensions: dict[str, DimensionEstimate]
    rater: str
    level: str = ""

    COMPARE: ClassVar[str] = "assert result['NS'].corrected.interval[0] > 0, result.explain()"

    def __getitem__(self, dimension: str) -> DimensionEstimate:
        return self.dimensions[dimension]

    def _words(self) -> Phrase:
        """One line per dimension after a summary."""
        return Phrase.joined("\n", [self._summary(), *(found.__str__() for found in self.dimensions.values())])

    def _summary(self) -> Phrase:
        found = Phrase(
            "{answers} corrected by the labels of {it.rater}: a mean moves by {it.effect:.2f} points at most",
            answers=Phrase.counted(self.n, "answer"),
            it=self,
        )
        return found if not self.level else Phrase(LEVELS[self.level], found=found)


def estimate(
    answers: Answers, scores: Given, labels: Labels, rater: str, level: str = "", levels: Levels | None = None
) -> Estimate:
    """Return `Labels.estimate`: the judge's figures corrected by a rater's labels.

    Labelled answers must be drawn at random, or by a label sheet, which notes the chance of each. Whoever chooses what
    to label, such as odd answers, gets intervals that do not hold.

    Raises:
        TableError: fewer than 60 labelled cells of a dimension (at the level), chances of some labels only, scores that
            the judge lacks, stale labels, another level than `high` and `low`.
    """
    if level and level not in LEVELS:
        raise TableError(f"level must be one of {', '.join(LEVELS)}, not {level!r}")
    placed = labels.placed(answers, rater)
    if lacking := sorted(set(labels.dimensions) - set(scores)):
        raise TableError(f"the judge has no scores of {', '.join(lacking)}, which people scored")
    if len({label.chance is None for label, _ in placed}) > 1:
        raise TableError("some labels have a chance and others have not: estimate from one label sheet at a time")
    found, of = {}, dict[int, None]()
    for code in labels.dimensions:
        kept = _at_level(answers, code, level, levels)
        own = {n: label for label, n in placed if label.dimension == code and kept[n]}
        found[code] = _dimension(answers, code, scores, own, kept, level)
        of |= dict.fromkeys(np.flatnonzero(kept).tolist())
    return Estimate(
        effect=max(abs(one.judged - one.corrected.estimate) for one in found.values()),
        interval=None,
        p_value=None,
        null=NULL,
        n=len(of),
        seed=None,
        dimensions=found,
        rater=rater,
        level=level,
    )


def _at_level(answers: Answers, code: str, level: str, levels: Levels | None) -> Bools:
    """Return which answers are of personas that are prompted so in a dimension; all without a level."""
    if not level:
        return np.ones(len(answers), dtype=np.bool_)
    axes = axes_of(answers).rows
    declared = None if levels is None else declared_by_id("levels", levels)
    wanted, kept = {"high": 1, "low": -1}[level], []
    for row in answers.rows:
        identifier, persona = place_of(row, axes)
        own = getattr(persona, "levels", None) if declared is None else declared.get(identifier)
        kept.append((own or {}).get(code) == wanted)
    return np.array(kept, dtype=np.bool_)


def _dimension(
    answers: Answers, code: str, scores: Given, labels: Mapping[int, Label], kept: Bools, level: str
) -> DimensionEstimate:
    judged = on_scale(code, numbers(f"scores of {code}", scores[code], len(answers)))[kept]
    people = np.array([labels[n].score if n in labels else None for n in range(len(answers))], dtype=np.float64)[kept]
    has = np.array([n in labels for n in range(len(answers))])[kept]
    cells = _cells(answers)[kept]
    size = len(set(cells[has]))
    if size < LEAST_LABELS:
        raise TableError(
            f"{counted(size, 'labelled cell')} of {code}{f' at the level {level}' if level else ''}: at least "
            f"{LEAST_LABELS} are needed; "
            "samples of a cell count once"
        )
    drawn = [labels[n].chance for n in sorted(labels)]
    equal = len(set(drawn)) == 1
    weights = np.array([1 / (chance or 1.0) for chance in drawn])
    truth, seen = leaning(people), leaning(judged)

    def powered(power: float | None) -> PoweredMean:
        others = seen[~has] if equal else seen
        return powered_mean(truth[has], seen[has], others, cells[has], None if equal else weights, power)

    low = _share(judged <= LOW, people <= LOW, has, cells, weights)
    high = _share(judged >= HIGH, people >= HIGH, has, cells, weights)
    return DimensionEstimate(code, size, float(seen.mean()), powered(None), powered(0.0), low, high)


def leaning(column: Floats) -> Floats:
    """Return points from the middle of the scale, 0 without a score."""
    return np.nan_to_num(column - MIDDLE, nan=0.0)


def _cells(answers: Answers) -> npt.NDArray[np.int_]:
    """Return the number of the cell of each answer."""
    numbered: dict[tuple[tuple[str, str], ...], int] = {}
    names = [tuple((axis, row.id(axis)) for axis in sorted(row.cell)) for row in answers.rows]
    return np.array([numbered.setdefault(name, len(numbered)) for name in names])


def _share(judged: Bools, people: Bools, has: Bools, cells: npt.NDArray[np.int_], weights: Floats) -> JudgedShare:
    """Return a corrected share; cells count once, and weighted labels as fewer (Kish 1965)."""

    def among(which: Bools, hits: Bools) -> tuple[float | None, float]:
        own = weights[which]
        if not len(own):
            return None, 0.0
        effective = float(own.sum() ** 2 / (own**2).sum())
        once = len(set(cells[has][which])) / len(own)
        return float((own * hits[which]).sum() / own.sum()), effective * once

    labelled = people[has]
    sees = among(labelled, judged[has])
    leaves = among(~labelled, ~judged[has])
    return corrected_share(float(judged.mean()), float(len(set(cells))), *sees, *leaves)


def _share_words(share: JudgedShare) -> Phrase:
    def percent(value: float | None) -> str:
        return str(NONE) if value is None else f"{value:.0%}"

    low, high = share.interval
    return Phrase(
        "{share} (95 %: {low:.0%} to {high:.0%}; by the judge {judged:.0%}, which sees {sees} and leaves {leaves})",
        share=percent(share.share),
        low=low,
        high=high,
        judged=share.judged,
        sees=percent(share.sensitivity),
        leaves=percent(share.specificity),
    )
