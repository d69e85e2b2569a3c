"""Do answers carry a signature of their persona that persists across questions?

The test permutes personas independently within every question (permuting freely, or samples
within a cell, answers another question). It sees wording only; it does not say that the
signature is the right one: an inverted persona is as well told apart as a faithful one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.distance import tfidf_gram
from pytest_batcheval.quality.persona_effect import (
    Bools,
    Floats,
    centred,
    left_out_iccs,
    nearest_profiles,
    null_accuracies,
    null_sums,
    persona_icc,
    persona_sum,
)
from pytest_batcheval.quality.resampling import ALPHA, jackknife_interval, permutation_p
from pytest_batcheval.quality.table import Table, table_of
from pytest_batcheval.wire.answers import Answers

ACCURACY_PERMUTATIONS = 199
"""Permutations that give the accuracy of chance; each costs as much as the accuracy itself."""

_COLLAPSED: dict[str, Any] = {
    "p_value": 1.0,
    "accuracy": 0.0,
    "null_accuracy": 0.0,
    "null_accuracy_99": 0.0,
    "icc": 0.0,
    "icc_interval": (0.0, 0.0),
    "verdict": "collapsed",
    "confusions": (),
}

LISTED = 5
"""Personas and confusions that `explain` names."""


@dataclass(frozen=True)
class Differentiation:
    """Whether the personas are told apart by their answers.

    Attributes:
        p_value: one-sided, of the sum of products between a persona's answers to different questions.
        accuracy: share of answers whose persona is the nearest profile of the other questions.
        null_accuracy: mean accuracy with personas permuted within questions; `null_accuracy_99` its
            99 % point.
        icc: share of variance within questions that a persona's answers have in common; small even
            for a faithful model, and comparable only for the same distance and number of samples.
        icc_interval: 95 %, by leaving out one persona at a time.
        personas, questions, answers: how many were used.
        verdict: `different` (p at most 0.01, accuracy at least twice 1 / personas), `not shown`, or
            `collapsed` (all answers to a question are the same).
        hits: accuracy of each persona, least first.
        confusions: (persona, taken for, times), most frequent first.
    """

    p_value: float
    accuracy: float
    null_accuracy: float
    null_accuracy_99: float
    icc: float
    icc_interval: tuple[float, float]
    personas: int
    questions: int
    answers: int
    permutations: int
    seed: int
    verdict: str
    hits: dict[str, float]
    confusions: tuple[tuple[str, str, int], ...]

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "a Differentiation is neither true nor false; compare its figures: "
            "assert result.p_value < 0.01 and result.accuracy > 0.08, result.explain()"
        )

    def explain(self) -> str:
        """The result in words, with the personas that are hardest to tell apart."""
        size = f"{self.answers} answers of {self.personas} personas to {self.questions} questions"
        if self.verdict == "collapsed":
            return f"collapsed: in {size}, all personas give the same answer to a question"
        least = ", ".join(f"{persona} {share:.0%}" for persona, share in list(self.hits.items())[:LISTED])
        taken = ", ".join(f"{a} taken for {b} ({n} times)" for a, b, n in self.confusions[:LISTED])
        return "\n".join(
            (
                f"{self.verdict}: {size}",
                f"p = {self.p_value:.4g} ({self.permutations} permutations of personas within questions, "
                f"seed {self.seed})",
                f"accuracy = {self.accuracy:.3f}: an answer's persona is found from its answers to other questions; "
                f"by chance {self.null_accuracy:.3f}, in 99 of 100 cases below {self.null_accuracy_99:.3f}",
                f"icc = {self.icc:.3f} (95 %: {self.icc_interval[0]:.3f} to {self.icc_interval[1]:.3f})",
                f"least distinguishable: {least}",
                f"most frequent confusions: {taken or 'none'}",
            )
        )

    def to_dict(self) -> dict[str, Any]:
        """All figures, as JSON knows them."""
        return {**asdict(self), "icc_interval": list(self.icc_interval), "confusions": [*map(list, self.confusions)]}


def differentiation(
    answers: Answers, *, permutations: int = 9999, seed: int = 0, without: Collection[str] = ("average",)
) -> Differentiation:
    """Test whether personas differ, on character n-grams of their answers.

    Personas named in `without` are left out: an `average` persona that merely answers shorter
    would make any set of personas look different.

    Raises:
        TableError: too few personas or questions, or too many cells without an answer.
    """
    table = table_of(answers, without)
    average = table.averaging()
    cells = average @ tfidf_gram(table.texts) @ average.T
    present = table.counts.reshape(len(table.questions), len(table.personas)) > 0
    gram = centred(cells, present)
    figures = {"personas": present.shape[1], "questions": present.shape[0], "answers": len(table.texts), "seed": seed}
    if np.trace(gram) < 1e-12 * len(gram):
        return Differentiation(
            **_COLLAPSED, **figures, permutations=permutations, hits=dict.fromkeys(table.persona_ids, 0.0)
        )
    blocks = gram.reshape(present.shape * 2)
    p_value, drawn = permutation_p(lambda rng, n: null_sums(blocks, rng, n), persona_sum(blocks), permutations, seed)
    icc = persona_icc(blocks)
    found = _accuracy(table, blocks, present, seed)
    return Differentiation(
        **figures,
        **found,
        p_value=p_value,
        permutations=drawn,
        icc=icc,
        icc_interval=jackknife_interval(icc, list(left_out_iccs(cells, present))),
        verdict="different" if p_value <= ALPHA and found["accuracy"] >= 2 / present.shape[1] else "not shown",
    )


def _accuracy(table: Table, blocks: Floats, present: Bools, seed: int) -> dict[str, Any]:
    nearest = nearest_profiles(blocks)
    hit = (nearest == np.arange(present.shape[1])) & present
    # its own stream: the accuracy of chance must not depend on how often p was drawn
    chance = null_accuracies(blocks, present, np.random.default_rng([seed, 1]), ACCURACY_PERMUTATIONS)
    return {
        "accuracy": float(hit.sum() / present.sum()),
        "null_accuracy": float(chance.mean()),
        "null_accuracy_99": float(np.quantile(chance, 0.99)),
        "hits": _hits(table, hit, present),
        "confusions": _confusions(table, nearest, present),
    }


def _hits(table: Table, hit: Bools, present: Bools) -> dict[str, float]:
    shares = hit.sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    pairs = zip(table.persona_ids, map(float, shares), strict=True)
    return dict(sorted(pairs, key=lambda pair: (pair[1], pair[0])))


def _confusions(table: Table, nearest: npt.NDArray[np.intp], present: Bools) -> tuple[tuple[str, str, int], ...]:
    counts: dict[tuple[str, str], int] = {}
    for j, i in zip(*np.nonzero(present), strict=True):
        taken = int(nearest[j, i])
        if taken not in (-1, i):
            pair = (table.persona_ids[i], table.persona_ids[taken])
            counts[pair] = counts.get(pair, 0) + 1
    return tuple((a, b, n) for (a, b), n in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
