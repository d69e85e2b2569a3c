"""Do the traits a persona was given show in its answers?

Judged on the questions that aim at a trait only, on question-centred scores, with whole personas
permuted: answers of one persona are not independent, so permuting answers finds traits that are
not there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.effects import cliffs_delta, delta_interval, midranks
from pytest_batcheval.quality.resampling import ALPHA, permutation_p, shuffles
from pytest_batcheval.quality.signs import DIMENSIONS, sign_scores
from pytest_batcheval.quality.table import Table, TableError, table_of
from pytest_batcheval.wire.answers import Answers, value_id

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Trait:
    """How far one dimension shows.

    Attributes:
        dimension: TCI code.
        delta: Cliff's delta of personas told `high` against those told `low`, in [-1, 1].
        interval: its 95 % interval (Newcombe's method 5).
        p_value: one-sided, high above low.
        p_holm: the same after Holm's correction over the dimensions tested.
        high, low: personas in each group.
        questions: questions that aim at it.
        permutations: how many gave the p-value.
    """

    dimension: str
    delta: float
    interval: tuple[float, float]
    p_value: float
    p_holm: float
    high: int
    low: int
    questions: int
    permutations: int

    def __str__(self) -> str:
        return (
            f"{self.dimension}: delta = {self.delta:+.2f} (95 %: {self.interval[0]:+.2f} to {self.interval[1]:+.2f}), "
            f"p = {self.p_value:.4g}, Holm {self.p_holm:.4g}; {self.high} high and {self.low} low personas, "
            f"{self.questions} questions, {self.permutations} permutations"
        )


@dataclass(frozen=True)
class TraitReflection:
    """Every dimension's trait, in the order asked for, and the seed of their permutations."""

    traits: tuple[Trait, ...]
    seed: int

    def __getitem__(self, dimension: str) -> Trait:
        for trait in self.traits:
            if trait.dimension == dimension:
                return trait
        raise KeyError(f"{dimension!r} was not tested; tested: {', '.join(t.dimension for t in self.traits)}")

    @property
    def reflected(self) -> tuple[str, ...]:
        """The dimensions that show: Holm's p at most 0.01 (which implies a positive delta)."""
        return tuple(t.dimension for t in self.traits if t.p_holm <= ALPHA)

    @property
    def median_delta(self) -> float:
        """The median of the dimensions' deltas."""
        return median(t.delta for t in self.traits)

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "a TraitReflection is neither true nor false; compare its figures: "
            "assert len(result.reflected) >= 6 and result.median_delta >= 0.6, result.explain()"
        )

    def explain(self) -> str:
        """One line per dimension, weakest first, after a summary."""
        missing = [t.dimension for t in self.traits if t.dimension not in self.reflected]
        summary = (
            f"{len(self.reflected)} of {len(self.traits)} dimensions are reflected"
            + (f"; not shown: {', '.join(missing)}" if missing else "")
            + f"; median delta {self.median_delta:.2f} (seed {self.seed})"
        )
        return "\n".join([summary, *map(str, sorted(self.traits, key=lambda trait: trait.delta))])

    def to_dict(self) -> dict[str, Any]:
        """All figures, as JSON knows them."""
        traits = [{**asdict(t), "interval": list(t.interval)} for t in self.traits]
        return {
            "traits": traits,
            "reflected": list(self.reflected),
            "median_delta": self.median_delta,
            "seed": self.seed,
        }


def trait_reflection(
    answers: Answers,
    *,
    dimensions: Sequence[str] | None = None,
    permutations: int = 9999,
    seed: int = 0,
    scores: Mapping[str, Sequence[float | None] | Floats] | None = None,
) -> TraitReflection:
    """Test, for each dimension, whether personas told `high` score above those told `low`.

    Personas need `levels` (-1, 0, 1 by code) and questions `targets`. `scores` has one score per
    answer by dimension, NaN or None for none; by default the word list of `signs`. Default
    dimensions: all with both levels and a question that aims at them.

    Raises:
        TableError: too few personas, questions or answers, a persona without levels, a question
            without targets, a dimension that cannot be tested, or a wrong number of scores.
    """
    table = table_of(answers)
    levels, targets = _levels(table), _targets(table)
    chosen = _dimensions(dimensions, levels, targets)
    given = sign_scores(answers) if scores is None else scores
    found = []
    for number, code in enumerate(chosen):
        aimed = [j for j, codes in enumerate(targets) if code in codes]
        level = np.array([known.get(code, 0) for known in levels])
        mean = persona_scores(table, _column(given, code, len(answers)), aimed)
        found.append(_trait(code, mean, level, len(aimed), permutations, [seed, number]))
    corrected = holm([t["p_value"] for t in found])
    return TraitReflection(tuple(Trait(**t, p_holm=p) for t, p in zip(found, corrected, strict=True)), seed)


def persona_scores(table: Table, scores: Floats, questions: Sequence[int]) -> Floats:
    """Each persona's mean over these questions of its cell's mean less the question's mean, shape (P,).

    `scores` has one entry per row of the answers, NaN for none; a persona without any score gets 0.
    """
    size = len(table.personas)
    kept = scores[table.rows]
    valid = ~np.isnan(kept)
    shape = (len(table.questions), size)
    count = np.bincount(table.cell[valid], minlength=shape[0] * size).reshape(shape)[questions]
    total = np.bincount(table.cell[valid], kept[valid], minlength=shape[0] * size).reshape(shape)[questions]
    cell = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    scored = count > 0
    question = cell.sum(axis=1, keepdims=True) / np.maximum(scored.sum(axis=1, keepdims=True), 1)
    centred = np.where(scored, cell - question, 0.0)
    mean: Floats = centred.sum(axis=0) / np.maximum(scored.sum(axis=0), 1)
    # a difference of rounding is no difference of rank
    return np.round(mean, 12)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) corrected p-values, in the order given."""
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, p_values[place] * (len(p_values) - rank)))
        corrected[place] = largest
    return corrected


def rank_sums(ranks: Floats, high: int, rng: np.random.Generator, count: int) -> Floats:
    """Rank sum of the `high` group for `count` random assignments of whole personas to the groups."""
    sums: Floats = ranks[shuffles(rng, count, len(ranks))[:, :high]].sum(axis=1)
    return sums


def _trait(
    code: str, mean: Floats, level: npt.NDArray[np.int_], questions: int, permutations: int, seed: Sequence[int]
) -> dict[str, Any]:
    high, low = mean[level > 0], mean[level < 0]
    m, n = len(high), len(low)
    ranks = midranks(np.concatenate([high, low]))
    p_value, drawn = permutation_p(
        lambda rng, count: rank_sums(ranks, m, rng, count), float(ranks[:m].sum()), permutations, seed
    )
    delta = cliffs_delta(high, low)
    return {
        "dimension": code,
        "delta": delta,
        "interval": delta_interval(delta, m, n),
        "p_value": p_value,
        "high": m,
        "low": n,
        "questions": questions,
        "permutations": drawn,
    }


def _levels(table: Table) -> list[Mapping[str, int]]:
    levels = [getattr(persona, "levels", None) for persona in table.personas]
    lacking = [i for i, known in zip(table.persona_ids, levels, strict=True) if not known]
    if lacking:
        raise TableError(f"these personas have no levels (a `profile` in their file): {', '.join(lacking)}")
    return [known for known in levels if known]


def _targets(table: Table) -> list[tuple[str, ...]]:
    lacking = [value_id(q) for q in table.questions if not hasattr(q, "targets")]
    if lacking:
        raise TableError(f"these questions have no `targets`, which say what they aim at: {', '.join(lacking)}")
    return [tuple(q.targets) for q in table.questions]


def _dimensions(
    asked: Sequence[str] | None, levels: Sequence[Mapping[str, int]], targets: Sequence[tuple[str, ...]]
) -> list[str]:
    aimed = {code for codes in targets for code in codes}
    both = {code for code in DIMENSIONS if {-1, 1} <= {known.get(code, 0) for known in levels}}
    possible = [code for code in DIMENSIONS if code in aimed & both]
    chosen = possible if asked is None else list(asked)
    wrong = [code for code in chosen if code not in possible]
    if wrong or not chosen:
        raise TableError(
            f"cannot test {', '.join(wrong) or 'any dimension'}: a dimension needs personas told high and low and a "
            f"question that aims at it; possible: {', '.join(possible) or 'none'}"
        )
    return chosen


def _column(scores: Mapping[str, Sequence[float | None] | Floats], code: str, answers: int) -> Floats:
    if code not in scores or len(scores[code]) != answers:
        size = len(scores[code]) if code in scores else 0
        raise TableError(f"{size} scores of {code} for {answers} answers; give one per answer, NaN for none")
    return np.asarray(scores[code], dtype=np.float64)
