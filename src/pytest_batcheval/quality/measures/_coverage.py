"""Coverage: which of the asked answers have a score, by trait, persona and prompted level.

A judge that gives no score where an answer does not fit its persona makes traits show that are not there. Where scores
are missing by the prompted level, the scores that are left cannot be relied on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.axes import arranged
from pytest_batcheval.quality.design import Design, Levels, Targets, design_of, persona_scores
from pytest_batcheval.quality.measures._scored_answers import ScoredAnswers, scored_answers
from pytest_batcheval.quality.result import NONE, TableResult, listed, shown
from pytest_batcheval.quality.scores import Given, score_column, scored
from pytest_batcheval.quality.stats.levels import ALPHA
from pytest_batcheval.quality.stats.multiple import holm
from pytest_batcheval.quality.stats.resampling import jackknife_interval, permutation_p, shuffles
from pytest_batcheval.quality.table import Table, table_of
from pytest_batcheval.quality.word_scores import Scores
from pytest_batcheval.recordings.answer_table import Answers, AxisNames
from pytest_batcheval.text.phrase import Phrase

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

LEAST_GROUP = 5
"""Fewest personas of each group that are compared: 5 and 5 can have a p of 1 / 252."""

NULL = "a score is as likely at each prompted level; whole personas permuted, two-sided difference of shares"

NAMED = 5


@dataclass(frozen=True)
class TraitCoverage:
    """The answers to the questions that aim at a dimension that have a score of it.

    Attributes:
        dimension: its code.
        scored, asked: answers with a score, and answers to questions that aim at it.
        high, low, free: the share with a score of personas prompted high, low, and neither; `None` without any.
        p_value: of high and low having the same share, two-sided; `None` with fewer than 5 personas of either.
        p_prompted: of prompted personas having the same share as the others; `None` with fewer than 5 of either.
        p_holm: the smaller one after Holm's correction over all of these tests; 1 without any.
    """

    dimension: str
    scored: int
    asked: int
    high: float | None
    low: float | None
    free: float | None
    p_value: float | None
    p_prompted: float | None
    p_holm: float

    @property
    def share(self) -> float:
        """The share of answers with a score; 0 for none."""
        return self.scored / max(self.asked, 1)

    def __str__(self) -> Phrase:
        shares = [NONE if one is None else f"{one:.0%}" for one in (self.high, self.low, self.free)]
        return Phrase(
            "{it.dimension}: {it.share:.0%} of {asked}; prompted high {high}, low {low}, neither {free} "
            "(Holm {it.p_holm:.4g})",
            it=self,
            asked=Phrase.counted(self.asked, "answer"),
            high=shares[0],
            low=shares[1],
            free=shares[2],
        )


@dataclass(frozen=True, kw_only=True, repr=False)
class Coverage(TableResult):
    """The share of asked answers that have a score.

    Attributes:
        effect: the share of (answer, dimension) pairs with a score, where the question aims at the dimension.
        interval: 95 %, by leaving out one persona at a time.
        p_value: the smallest of the dimensions after Holm's correction; `None` if no groups can be compared.
        scored: answers with a score of any dimension that their question aims at, of those asked.
        traits: by dimension, least covered first.
        personas: the share of each persona, least first.
        verdict: `even`, or `uneven` (Holm's p at most 0.01): scores are missing by the prompted level.
    """

    effect: float
    interval: tuple[float, float]
    seed: int
    scored: ScoredAnswers
    traits: tuple[TraitCoverage, ...]
    personas: dict[str, float]
    verdict: str

    COMPARE: ClassVar[str] = "assert result.verdict == 'even', result.explain()"
    FIGURES: ClassVar[tuple[str, ...]] = ("uneven",)

    def __getitem__(self, dimension: str) -> TraitCoverage:
        return {trait.dimension: trait for trait in self.traits}[dimension]

    @property
    def uneven(self) -> tuple[str, ...]:
        """The dimensions whose scores are missing by the prompted level."""
        return tuple(trait.dimension for trait in self.traits if trait.p_holm <= ALPHA)

    def _words(self) -> Phrase:
        """One line per dimension, least covered first, after a summary; then the personas with fewest scores."""
        found = Phrase(
            "{verdict}: {scored}; of what they were asked for {effect:.1%} ({interval})",
            verdict=Phrase.known(self.verdict, "verdict"),
            scored=self.scored.__str__(),
            effect=self.effect,
            interval=shown(self.interval),
        )
        least = [Phrase("{persona} {share:.0%}", persona=i, share=s) for i, s in list(self.personas.items())[:NAMED]]
        fewest = Phrase("fewest scores: {personas}", personas=Phrase.joined(", ", least))
        lines = [found, *(trait.__str__() for trait in self.traits), fewest]
        if self.uneven:
            template = "scores are missing by the prompted level: {codes}; look at the judge"
            lines.append(Phrase(template, codes=listed(self.uneven)))
        return Phrase.joined("\n", lines)

    def _summary(self) -> Phrase:
        template = "{scored} ({it.effect:.0%} of what was asked): {verdict}"
        return Phrase(template, scored=self.scored.__str__(), it=self, verdict=Phrase.known(self.verdict, "verdict"))


def coverage(
    answers: Answers,
    *,
    permutations: int = 9999,
    seed: int = 0,
    scores: Given | None = None,
    levels: Levels | None = None,
    targets: Targets | None = None,
    rows: AxisNames = None,
    columns: AxisNames = None,
) -> Coverage:
    """Count the answers with a score, and test whether scores are missing by the prompted level.

    The arguments are those of `trait_reflection`. A level at which fewer signs are shown, such as few words, has fewer
    scores with any judge: `uneven` says where to look, not what is wrong. A judge that hides as much of either level is
    seen by the planted signs of its ladder only.

    Raises:
        TableError: as `trait_reflection`.
    """
    judged, given = scored(arranged(answers, rows, columns), scores)
    return coverage_of(table_of(judged), given, levels, targets, permutations, seed)


def coverage_of(
    table: Table, given: Scores, levels: Levels | None, targets: Targets | None, permutations: int, seed: int
) -> Coverage:
    """Return the coverage of a table whose scores are known."""
    design = design_of(table, levels, targets)
    codes = design.chosen(None)
    marks = [~np.isnan(score_column(given, code, len(table.source))[table.places]) for code in codes]
    asked = [np.isin(table.cell // len(table.rows), design.aimed[code]) for code in codes]
    persona = table.cell % len(table.rows)
    hits = np.array([np.bincount(persona[a & m], minlength=len(table.rows)) for a, m in zip(asked, marks, strict=True)])
    sizes = np.array([np.bincount(persona[a], minlength=len(table.rows)) for a in asked])
    tests = [_tests(table, design, code, mark, permutations, seed) for code, mark in zip(codes, marks, strict=True)]
    corrected = iter(holm([p for pair in tests for p in pair if p is not None]))
    traits = []
    for n, (code, pair) in enumerate(zip(codes, tests, strict=True)):
        smallest = min((next(corrected) for p in pair if p is not None), default=1.0)
        level = design.level(code)
        high, low, free = (_share(hits[n], sizes[n], level == wanted) for wanted in (1, -1, 0))
        sums = int(hits[n].sum()), int(sizes[n].sum())
        traits.append(TraitCoverage(code, *sums, high, low, free, *pair, smallest))
    own = hits.sum(axis=0) / np.maximum(sizes.sum(axis=0), 1)
    effect = float(hits.sum() / max(sizes.sum(), 1))
    tested = [trait.p_holm for trait, pair in zip(traits, tests, strict=True) if pair != (None, None)]
    return Coverage(
        effect=effect,
        interval=_interval(effect, hits.sum(axis=0), sizes.sum(axis=0)),
        p_value=min(tested, default=None),
        null=NULL,
        n=len(table.texts),
        seed=seed,
        rows=table.axes.row,
        columns=table.axes.column,
        scored=scored_answers(table, given, design),
        traits=tuple(sorted(traits, key=lambda trait: trait.share)),
        personas=dict(sorted(zip(table.row_ids, map(float, own), strict=True), key=lambda pair: (pair[1], pair[0]))),
        verdict=_verdict(min(tested, default=1.0)),
    )


def _verdict(p_value: float) -> str:
    return "uneven" if p_value <= ALPHA else "even"


def _share(hits: npt.NDArray[np.int_], sizes: npt.NDArray[np.int_], chosen: Bools) -> float | None:
    return float(hits[chosen].sum() / sizes[chosen].sum()) if sizes[chosen].sum() else None


def _interval(effect: float, hits: npt.NDArray[np.int_], sizes: npt.NDArray[np.int_]) -> tuple[float, float]:
    left_out = (hits.sum() - hits) / np.maximum(sizes.sum() - sizes, 1)
    low, high = jackknife_interval(effect, left_out)
    return max(0.0, low), min(1.0, high)


def _tests(
    table: Table, design: Design, code: str, mark: Bools, permutations: int, seed: int
) -> tuple[float | None, float | None]:
    """Return the p-values of high against low and of prompted against not; `None` where a group is too small."""
    present = np.full(len(table.source), np.nan)
    present[table.places] = mark
    means, level = persona_scores(table, present, design.aimed[code]), design.level(code)
    place = design.factors.index(code)
    prompted = level != 0
    return (
        _difference_p(means[prompted], level[prompted] > 0, permutations, [seed, place, 0]),
        _difference_p(means, prompted, permutations, [seed, place, 1]),
    )


def _difference_p(means: Floats, one: Bools, permutations: int, seed: list[int]) -> float | None:
    size = int(one.sum())
    if min(size, len(one) - size) < LEAST_GROUP:
        return None

    def null(rng: np.random.Generator, count: int) -> Floats:
        drawn: Floats = np.abs(means[shuffles(rng, count, len(means))[:, :size]].mean(axis=1) - means.mean())
        return drawn

    return permutation_p(null, abs(float(means[one].mean() - means.mean())), permutations, seed)[0]
