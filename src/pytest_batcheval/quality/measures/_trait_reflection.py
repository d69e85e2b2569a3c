"""Trait reflection: whether the traits of a persona's prompt show in its answers.

Judged only on the questions that aim at a trait, on question-centred scores, with whole personas
permuted: answers of one persona are not independent, so permuting answers would find traits that
do not exist.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from math import comb
from statistics import median
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.axes import TableError, arranged
from pytest_batcheval.quality.deprecated_names import FormerAttributes, accepts_former_keywords
from pytest_batcheval.quality.design import Design, Levels, Targets, design_of, persona_scores
from pytest_batcheval.quality.measures._scored_answers import ScoredAnswers, scored_answers
from pytest_batcheval.quality.measures._trait_outliers import leanings, mute_personas, mute_questions, opposed
from pytest_batcheval.quality.result import NONE, TableResult, listed
from pytest_batcheval.quality.scores import Given, score_column, scored
from pytest_batcheval.quality.stats.cliffs_delta import cliffs_delta, delta_interval, midranks
from pytest_batcheval.quality.stats.levels import ALPHA
from pytest_batcheval.quality.stats.multiple import holm
from pytest_batcheval.quality.stats.resampling import permutation_p, shuffles
from pytest_batcheval.quality.stats.student_t import t_quantile
from pytest_batcheval.quality.table import Table, named, table_of
from pytest_batcheval.recordings.answer_table import Answers, AxisNames
from pytest_batcheval.text.phrase import Phrase

Floats = npt.NDArray[np.float64]

MEDIAN_DELTA = 0.6
"""Prompted traits of a caricature show at least this clearly; a perfect separation is 1, and 0.6 is about rho 0.5.

Simulated (docs/statistics.md): an effect of 0.5 points with one sample has it in 98 of 100 runs, no effect in none.
"""

SPARED = 4
"""Fewest prompted dimensions of which one may miss its p: of two or three it would be a third or more of them.

With seven, an effect of 0.5 points and one sample, all have it in 53 of 100 simulated runs, all but one in 89.
"""

NAMED = 5
"""Personas that `explain` names."""

NAMED_MUTE = 12

NULL = "personas prompted high and low are exchangeable; whole personas permuted, one-sided (high above low)"


@dataclass(frozen=True)
class Trait(FormerAttributes):
    """One dimension and how far it shows.

    Attributes:
        dimension: its code.
        delta: Cliff's delta of personas prompted `high` against those prompted `low`, in [-1, 1].
        interval: its 95 % interval (Newcombe's method 5).
        p_value: one-sided, high above low; two-sided for a dimension that was not prompted.
        p_holm: the same after Holm's correction over the prompted dimensions; p_value itself for the others.
        slope: half the difference between high and low in score points, all dimensions fitted at once;
            `None` if the personas cannot tell the dimensions apart.
        slope_interval: its 95 % t interval; `None` without degrees of freedom.
        high, low: personas in each group.
        questions: questions that aim at it.
        scored: answers to them that have a score of it.
        permutations: the number that the p-value is from.
        prompted: whether the prompt gave it to personas; if not, it is a negative control.
    """

    dimension: str
    delta: float
    interval: tuple[float, float]
    p_value: float
    p_holm: float
    slope: float | None
    slope_interval: tuple[float, float] | None
    high: int
    low: int
    questions: int
    scored: int
    permutations: int
    prompted: bool = True

    def __str__(self) -> Phrase:
        holm = Phrase(", Holm {p:.4g}", p=self.p_holm) if self.prompted else Phrase(" (two-sided, not prompted)")
        text = Phrase(
            "{it.dimension}: delta = {it.delta:+.2f} (95 %: {it.interval[0]:+.2f} to {it.interval[1]:+.2f}){points}, "
            "p = {it.p_value:.4g}{holm}; {it.high} high and {it.low} low personas, {questions}, {permutations}",
            it=self,
            points="" if self.slope is None else Phrase(", slope {slope:+.2f} points", slope=self.slope),
            holm=holm,
            questions=Phrase.counted(self.questions, "question"),
            permutations=Phrase.counted(self.permutations, "permutation"),
        )
        if not self.scored:
            text = Phrase("{trait}; no answer to them has a score", trait=text)
        if self.least_p <= ALPHA:
            return text
        few = "{trait}; cannot be shown: so few personas give no p below {p:.2g}; use at least 5 high and 5 low"
        return Phrase(few, trait=text, p=self.least_p)

    @property
    def least_p(self) -> float:
        """The smallest p that groups of this size can have: 1 / the number of ways to choose the high ones."""
        return 1 / comb(self.high + self.low, self.high)


@dataclass(frozen=True, kw_only=True, repr=False)
class TraitReflection(FormerAttributes, TableResult):
    """All traits, in the order asked for, and the seed of their permutations.

    Attributes:
        effect: the median delta of the prompted dimensions; each trait has its own interval.
        p_value: the largest of the prompted dimensions: that all are reflected needs no correction
            (an intersection-union test).
        traits: the dimensions.
        leanings: by persona, how far its scores lean to its prompted poles, in points, least first; a trait that a
            question aims at and that has no score counts as 0.
        question_leanings: the same by question.
        opposed: the answers scored a point or more on the wrong side of their question's mean, furthest first.
        scored: the answers with a score of a dimension that their question aims at, of those asked.
    """

    effect: float
    p_value: float
    seed: int
    traits: tuple[Trait, ...]
    leanings: dict[str, float]
    question_leanings: dict[str, float]
    opposed: tuple[str, ...]
    scored: ScoredAnswers

    COMPARE: ClassVar[str] = "assert len(result.reflected) >= 6 and result.median_delta >= 0.6, result.explain()"
    FIGURES: ClassVar[tuple[str, ...]] = ("reflected", "median_delta", "leaking", "shows")

    def __getitem__(self, dimension: str) -> Trait:
        for trait in self.traits:
            if trait.dimension == dimension:
                return trait
        raise KeyError(f"{dimension!r} was not tested; those tested are {', '.join(t.dimension for t in self.traits)}")

    @property
    def prompted(self) -> tuple[Trait, ...]:
        """The traits that the prompt gave personas."""
        return tuple(t for t in self.traits if t.prompted)

    @property
    def reflected(self) -> tuple[str, ...]:
        """The prompted dimensions that show: Holm's p at most 0.01 (which implies a positive delta)."""
        return tuple(t.dimension for t in self.prompted if t.p_holm <= ALPHA)

    @property
    def leaking(self) -> tuple[str, ...]:
        """The dimensions that show though not prompted: two-sided p at most 0.01. A leak, or a bug."""
        return tuple(t.dimension for t in self.traits if not t.prompted and t.p_value <= ALPHA)

    @property
    def median_delta(self) -> float:
        """The median of the prompted dimensions' deltas."""
        return self.effect

    @property
    def shows(self) -> bool:
        """All prompted dimensions but one have p at most 0.01, none points the wrong way, the median delta is 0.6.

        Of fewer than `SPARED` dimensions, all must have it.
        """
        return self.shows_by(MEDIAN_DELTA)

    def shows_by(self, median_delta: float) -> bool:
        """The same with a median delta of one's own."""
        missed = sum(t.p_value > ALPHA for t in self.prompted)
        enough = missed <= (len(self.prompted) >= SPARED)
        return enough and all(t.delta > 0 for t in self.prompted) and self.median_delta >= median_delta

    def _words(self) -> Phrase:
        """One line per dimension, weakest first, after a summary; then the personas and answers that show least."""
        dimensions = map(str, sorted(self.traits, key=lambda trait: trait.delta))
        weakest = Phrase("weakest personas: {personas}", personas=self.least)
        mute = Phrase(
            "show next to nothing: personas {personas}; questions {questions}",
            personas=listed(mute_personas(self.leanings), NAMED_MUTE) or NONE,
            questions=listed(mute_questions(self.question_leanings), NAMED_MUTE) or NONE,
        )
        opposed = Phrase("scored against the prompt: {answers}", answers=listed(self.opposed) or NONE)
        return Phrase.joined("\n", [self._found(), *dimensions, self.scored.__str__(), weakest, mute, opposed])

    def _found(self) -> Phrase:
        """The dimensions that show, and those that do not."""
        missing = ", ".join(t.dimension for t in self.prompted if t.dimension not in self.reflected)
        found = Phrase(
            "{reflected} of {dimensions} reflected",
            reflected=len(self.reflected),
            dimensions=Phrase.counted(len(self.prompted), "dimension"),
        )
        if missing:
            found = Phrase("{found}; not shown: {codes}", found=found, codes=missing)
        median = "{found}; median delta {delta:.2f} (seed {seed})"
        found = Phrase(median, found=found, delta=self.median_delta, seed=self.seed)
        if not self.leaking:
            return found
        return Phrase("{found}; shown though not prompted: {codes}", found=found, codes=", ".join(self.leaking))

    def _summary(self) -> Phrase:
        return Phrase(
            "median_delta={it.median_delta:.2f} p={it.p_value:.2g}: {reflected} of {traits} reflected",
            it=self,
            reflected=len(self.reflected),
            traits=Phrase.counted(len(self.prompted), "trait"),
        )

    @property
    def least(self) -> str:
        """The personas that lean least to their prompted traits, in words."""
        named = [f"{persona} {points:+.2f}" for persona, points in list(self.leanings.items())[:NAMED]]
        return ", ".join(named) or NONE


def _found(
    table: Table,
    design: Design,
    each: Iterable[tuple[str, Floats, Floats]],
    unprompted: Collection[str],
    permutations: int,
    seed: int,
) -> list[dict[str, Any]]:
    """The figures of each dimension, from its code, the scores of all answers and the means of personas."""
    return [
        {"scored": _scored(table, mark, design.aimed[code])}
        | _trait(code, mean, design, permutations, seed, code not in unprompted)
        for code, mark, mean in each
    ]


@accepts_former_keywords
def trait_reflection(
    answers: Answers,
    *,
    dimensions: Sequence[str] | None = None,
    unprompted: Collection[str] = (),
    permutations: int = 9999,
    seed: int = 0,
    scores: Given | None = None,
    levels: Levels | None = None,
    targets: Targets | None = None,
    rows: AxisNames = None,
    columns: AxisNames = None,
) -> TraitReflection:
    """Test, for each dimension, whether personas prompted `high` score above those prompted `low`.

    Personas need `levels` (-1, 0, 1 by code) and questions `targets`, or both are declared by id.
    `scores` has one score per answer by dimension, NaN or None for none; by default see `scores.scored`.
    Default dimensions: all with both levels and a question that aims at them. Those in `unprompted` are in
    the design but not in the prompt: a free negative control.

    Raises:
        TableError: the table is too small, a persona has no levels, a question no targets, a dimension cannot be
            tested, or the number of scores is wrong.
    """
    judged, given = scored(arranged(answers, rows, columns), scores)
    table = table_of(judged)
    design = design_of(table, levels, targets)
    chosen, unprompted = _dimensions(design, dimensions, unprompted)
    marks = [score_column(given, code, len(answers)) for code in chosen]
    means = [persona_scores(table, mark, design.aimed[code]) for code, mark in zip(chosen, marks, strict=True)]
    found = _found(table, design, zip(chosen, marks, means, strict=True), unprompted, permutations, seed)
    traits = _corrected(found, _slopes(design, chosen, np.column_stack(means)))
    prompted = [trait for trait in traits if trait.prompted]
    codes = [trait.dimension for trait in prompted]
    by_persona, by_question = leanings(table, design, codes, given)
    return TraitReflection(
        effect=median(t.delta for t in prompted),
        interval=None,
        p_value=max(t.p_value for t in prompted),
        null=NULL,
        n=len(table.texts),
        seed=seed,
        rows=table.axes.row,
        columns=table.axes.column,
        traits=traits,
        leanings=by_persona,
        question_leanings=by_question,
        opposed=opposed(table, design, codes, given),
        scored=scored_answers(table, given, design),
    )


def _dimensions(
    design: Design, dimensions: Sequence[str] | None, unprompted: Collection[str]
) -> tuple[Sequence[str], Collection[str]]:
    """The dimensions to test, and those that are in no prompt."""
    chosen, controls = design.chosen(dimensions), design.chosen(named(unprompted)) if unprompted else ()
    if set(chosen) <= set(controls):
        raise TableError(f"every dimension to test is unprompted: {', '.join(chosen)}")
    return chosen, controls


def _corrected(found: Sequence[dict[str, Any]], slopes: Sequence[dict[str, Any]]) -> tuple[Trait, ...]:
    """The traits, the p-values of the prompted ones corrected by Holm's method."""
    corrected = iter(holm([trait["p_value"] for trait in found if trait["prompted"]]))
    return tuple(
        Trait(**trait, **slope, p_holm=next(corrected) if trait["prompted"] else trait["p_value"])
        for trait, slope in zip(found, slopes, strict=True)
    )


def rank_sums(ranks: Floats, high: int, rng: np.random.Generator, count: int) -> Floats:
    """Return the rank sum of the `high` group for `count` random assignments of whole personas to the groups."""
    sums: Floats = ranks[shuffles(rng, count, len(ranks))[:, :high]].sum(axis=1)
    return sums


def _scored(table: Table, scores: Floats, questions: Sequence[int]) -> int:
    asked = np.isin(table.cell // len(table.rows), questions)
    return int(np.count_nonzero(asked & ~np.isnan(scores[table.places])))


def _trait(code: str, mean: Floats, design: Design, permutations: int, seed: int, prompted: bool) -> dict[str, Any]:
    level = design.level(code)
    high, low = mean[level > 0], mean[level < 0]
    m, n = len(high), len(low)
    ranks = midranks(np.concatenate([high, low]))
    # the middle of all rank sums, from which a two-sided test measures
    middle = 0.0 if prompted else m * (m + n + 1) / 2

    def null(rng: np.random.Generator, count: int) -> Floats:
        sums = rank_sums(ranks, m, rng, count)
        return sums if prompted else np.abs(sums - middle)

    observed, seeds = float(ranks[:m].sum()), [seed, design.factors.index(code)]
    p_value, drawn = permutation_p(null, observed if prompted else abs(observed - middle), permutations, seeds)
    delta = cliffs_delta(high, low)
    return {
        "dimension": code,
        "delta": delta,
        "interval": delta_interval(delta, m, n),
        "p_value": p_value,
        "high": m,
        "low": n,
        "questions": len(design.aimed[code]),
        "permutations": drawn,
        "prompted": prompted,
    }


def _slopes(design: Design, chosen: Sequence[str], means: Floats) -> list[dict[str, Any]]:
    try:
        slopes, errors = design.effects(means)
    except TableError:
        return [{"slope": None, "slope_interval": None}] * len(chosen)
    quantile = t_quantile(0.975, design.freedom) if errors is not None else 0.0
    found: list[dict[str, Any]] = []
    for column, code in enumerate(chosen):
        row = design.factors.index(code)
        slope = float(slopes[row, column])
        half = None if errors is None else quantile * float(errors[row, column])
        found.append({"slope": slope, "slope_interval": None if half is None else (slope - half, slope + half)})
    return found
