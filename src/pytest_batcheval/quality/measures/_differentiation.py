"""Differentiation: whether answers carry a signature of their persona across questions.

The test permutes personas independently within every question (permuting freely, or samples
within a cell, would answer another question). It sees wording only; it does not say that the
signature is the right one: an inverted persona can be told apart as well as a faithful one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.axes import arranged
from pytest_batcheval.quality.limits import limits_of
from pytest_batcheval.quality.measures import _differentiation_controls as control
from pytest_batcheval.quality.result import NONE, TableResult, listed, shown
from pytest_batcheval.quality.scores import spoken
from pytest_batcheval.quality.stats.cell_means import cell_products
from pytest_batcheval.quality.stats.classical_scaling import scaled
from pytest_batcheval.quality.stats.levels import ALPHA
from pytest_batcheval.quality.stats.multiple import holm
from pytest_batcheval.quality.stats.persona_effect import (
    Bools,
    Floats,
    centred,
    filled,
    left_out_iccs,
    nearer_profiles,
    nearest_profiles,
    null_accuracies,
    null_sums,
    persona_icc,
    persona_sum,
    profile_cosines,
    single_p_values,
)
from pytest_batcheval.quality.stats.resampling import generator, jackknife_interval, permutation_p
from pytest_batcheval.quality.table import Table, table_of
from pytest_batcheval.recordings.answer_table import Answers, AxisNames
from pytest_batcheval.text.phrase import Phrase

ACCURACY_PERMUTATIONS = 199
"""Permutations for the mean and 99 % point of chance accuracy; the verdict does not depend on them."""

SINGLE = 0.05
"""Level at which single personas are counted: the number that chance gives is said with it."""

TOP = 3
"""An answer counts for `top3` when its persona is among this number of nearest profiles."""

LIFT = 1.5
"""Least ratio of `top3` to that of chance, 3 / personas, for the verdict `different`.

Chosen on simulated respondents (seeds 10000 to 10059, docs/statistics.md): with 24 personas and one sample, chance
is 0.125 with a standard deviation of 0.02; a faithful respondent has 0.29. The nearest profile alone (`accuracy`)
separates the two less well: a limit of twice the chance would have failed a faithful respondent in 12 %.
"""

NULL = "personas are exchangeable within each question; personas permuted independently within questions"

_COLLAPSED: dict[str, Any] = {
    "p_value": 1.0,
    "effect": 0.0,
    "interval": (0.0, 0.0),
    "top3": 0.0,
    "null_accuracy": 0.0,
    "null_accuracy_99": 0.0,
    "icc": 0.0,
    "icc_interval": (0.0, 0.0),
    "verdict": "collapsed",
    "confusions": (),
    "distinct": (),
    "above_chance": 0,
    "positions": {},
    "plane": 0.0,
    "controls": {},
}

LISTED = 5
"""Personas and confusions that `explain` names."""

_OUTCOMES = {
    "different": "personas differ",
    "one persona": "only one persona differs",
    "few personas": "only few personas differ",
    "too few samples": "too few samples to tell",
    "not shown": "no difference shown",
    "collapsed": "all personas answer alike",
}


@dataclass(frozen=True, kw_only=True, repr=False)
class Differentiation(TableResult):
    """Whether the personas can be told apart by their answers.

    Attributes:
        effect: the accuracy; `interval` is an approximate 95 % one, by leaving out one persona at a time.
        p_value: one-sided, of the sum of products between a persona's answers to different questions.
        top3: share of answers whose persona is among the three nearest profiles.
        null_accuracy: mean accuracy with personas permuted within questions; `null_accuracy_99` its
            99 % point.
        icc: share of variance within questions that a persona's answers have in common; small even
            for a faithful model, and comparable only for the same distance and number of samples.
        icc_interval: 95 %, by leaving out one persona at a time.
        personas, questions, answers: the numbers that were used.
        verdict: `different` (p at most 0.01, also without the most influential persona and without those that stand
            out, and `top3` at least 1.5 times that of chance); `one persona` or `few personas` (one or some stand out,
            and the others are not told apart); `too few samples` (nobody stands out, but without the most influential
            persona p is above 0.01: the signature is too weak for so few answers); `not shown`; or `collapsed` (all
            answers to a question are the same).
        distinct: the personas that stand out: told apart by their own answers alone, Holm's p at most 0.01.
        above_chance: the number of personas whose own p is at most 0.05; by chance it is that share of them.
        hits: accuracy of each persona, least first.
        confusions: (persona, taken for, times), most frequent first.
        positions: (x, y) of each persona on the plane that shows most of how their profiles differ.
        plane: share of the squared distances between the profiles that the plane shows.
        controls: by name; see `controls.Control`.
    """

    p_value: float
    effect: float
    interval: tuple[float, float]
    seed: int
    top3: float
    null_accuracy: float
    null_accuracy_99: float
    icc: float
    icc_interval: tuple[float, float]
    personas: int
    questions: int
    permutations: int
    verdict: str
    hits: dict[str, float]
    distinct: tuple[str, ...]
    above_chance: int
    confusions: tuple[tuple[str, str, int], ...]
    positions: dict[str, tuple[float, float]]
    plane: float
    controls: dict[str, control.Control]

    COMPARE: ClassVar[str] = "assert result.p_value < 0.01 and result.accuracy > 0.08, result.explain()"
    FIGURES: ClassVar[tuple[str, ...]] = ("accuracy", "answers")

    @property
    def accuracy(self) -> float:
        """Share of answers whose persona is the nearest profile of the other questions; ties are misses."""
        return self.effect

    @property
    def answers(self) -> int:
        """The number of answers that were used."""
        return self.n

    def _words(self) -> Phrase:
        """The result in words, with the personas that are hardest to tell apart."""
        size = Phrase(
            "{answers} of {personas} to {questions}",
            answers=Phrase.counted(self.answers, "answer"),
            personas=Phrase.counted(self.personas, self.rows),
            questions=Phrase.counted(self.questions, self.columns),
        )
        if self.verdict == "collapsed":
            return Phrase("collapsed: in {size}, all personas give the same answer to a question", size=size)
        verdict = Phrase("{}: {}", Phrase.known(self.verdict, "verdict"), size)
        icc = Phrase("icc = {icc:.3f} ({interval})", icc=self.icc, interval=shown(self.icc_interval))
        controls = [Phrase("{}: {}", Phrase.known(name), found.detail) for name, found in self.controls.items()]
        return Phrase.joined("\n", [verdict, *self._against_chance(), self._single(), icc, *self._hardest(), *controls])

    def _single(self) -> Phrase:
        """The number of personas above chance, and those that stand out."""
        return Phrase(
            "{above} of {personas} above chance at {alpha} ({expected:.1f} by chance alone); stand out by themselves: "
            "{names}",
            above=self.above_chance,
            personas=Phrase.counted(self.personas, self.rows),
            alpha=SINGLE,
            expected=SINGLE * self.personas,
            names=listed(self.distinct, LISTED) or NONE,
        )

    def _against_chance(self) -> tuple[Phrase, ...]:
        """The p-value and the accuracy."""
        p_value = Phrase(
            "p = {p:.4g} ({permutations} of personas within questions, seed {seed})",
            p=self.p_value,
            permutations=Phrase.counted(self.permutations, "permutation"),
            seed=self.seed,
        )
        accuracy = Phrase(
            "accuracy = {it.accuracy:.3f}: an answer's persona is found from its answers to other questions; "
            "by chance {it.null_accuracy:.3f}, in 99 of 100 cases below {it.null_accuracy_99:.3f}; "
            "among the nearest {top}: {it.top3:.3f}, by chance {chance:.3f}",
            it=self,
            top=TOP,
            chance=TOP / self.personas,
        )
        return p_value, accuracy

    def _hardest(self) -> tuple[Phrase, ...]:
        """The personas that are hardest to tell apart."""
        least = ", ".join(f"{persona} {share:.0%}" for persona, share in list(self.hits.items())[:LISTED])
        taken = [
            Phrase("{persona} taken for {other} ({times})", persona=a, other=b, times=Phrase.counted(n, "time"))
            for a, b, n in self.confusions[:LISTED]
        ]
        return (
            Phrase("least distinguishable: {personas}", personas=least),
            Phrase("most frequent confusions: {pairs}", pairs=listed(taken, LISTED) or NONE),
        )

    def _summary(self) -> Phrase:
        template = "p={it.p_value:.2g} accuracy={it.accuracy:.2f}: {outcome}"
        return Phrase(template, it=self, outcome=Phrase(_OUTCOMES[self.verdict]))


def _sizes(table: Table, seed: int) -> dict[str, Any]:
    questions, personas = table.present.shape
    axes = {"rows": table.axes.row, "columns": table.axes.column}
    return {"personas": personas, "questions": questions, "n": len(table.texts), "seed": seed, "null": NULL, **axes}


def differentiation(
    answers: Answers,
    *,
    permutations: int = 9999,
    seed: int = 0,
    without: Collection[str] = ("average",),
    limits: Mapping[str, float] | None = None,
    rows: AxisNames = None,
    columns: AxisNames = None,
) -> Differentiation:
    """Test whether personas differ, on character n-grams of their answers.

    Personas named in `without` are left out: an `average` persona that merely answers shorter
    would make any set of personas look different. `limits` has a limit of your own by its name: `top3`, in times of
    that of chance.

    Raises:
        TableError: too few personas or questions, too many cells without an answer, or a limit that is not a number.
    """
    table = table_of(spoken(arranged(answers, rows, columns)), without, two_axes=True)
    present = table.present
    raw = filled(cell_products(table, table.texts), present)
    blocks = centred(raw)
    figures = _sizes(table, seed)
    if np.einsum("jiji->", blocks) < 1e-12 * present.size:
        hits = dict.fromkeys(table.row_ids, 0.0)
        return Differentiation(**_COLLAPSED, **figures, permutations=permutations, hits=hits)
    p_value, drawn = permutation_p(lambda rng, n: null_sums(blocks, rng, n), persona_sum(blocks), permutations, seed)
    icc = persona_icc(blocks)
    found = _accuracy(table, blocks, present, seed)
    points, plane = scaled(np.einsum("jikm->im", blocks))
    alone = single_p_values(blocks, generator([seed, 2]))
    distinct = np.flatnonzero(np.array(holm(alone.tolist())) <= ALPHA)
    checks = control.controls(table, raw, distinct, permutations, seed)
    lifted = found["top3"] >= limits_of(limits, {"top3": LIFT})["top3"] * TOP / present.shape[1] - 1e-9
    return Differentiation(
        **figures,
        **found,
        p_value=p_value,
        permutations=drawn,
        icc=icc,
        icc_interval=jackknife_interval(icc, left_out_iccs(raw)),
        positions=dict(zip(table.row_ids, points, strict=True)),
        plane=plane,
        distinct=tuple(table.row_ids[n] for n in distinct),
        above_chance=int(np.count_nonzero(alone <= SINGLE)),
        controls=checks,
        verdict=_verdict(p_value, checks, len(distinct), lifted),
    )


def _verdict(p_value: float, checks: Mapping[str, control.Control], distinct: int, lifted: bool) -> str:
    if p_value > ALPHA:
        return "not shown"
    if control.OTHERS in checks and checks[control.OTHERS].p_value > ALPHA:
        return "one persona" if distinct == 1 else "few personas"
    if checks[control.INFLUENCE].p_value > ALPHA:
        return "too few samples"
    return "different" if lifted else "not shown"


def _accuracy(table: Table, blocks: Floats, present: Bools, seed: int) -> dict[str, Any]:
    cosines = profile_cosines(blocks)
    nearer = nearer_profiles(cosines)
    hit = (nearer == 0) & present
    # its own stream, so that the accuracy of chance does not depend on the number of permutations for p
    chance = null_accuracies(blocks, present, generator([seed, 1]), ACCURACY_PERMUTATIONS)
    accuracy = float(hit.sum() / present.sum())
    left_out = (hit.sum() - hit.sum(axis=0)) / (present.sum() - present.sum(axis=0))
    low, high = jackknife_interval(accuracy, left_out)
    return {
        "effect": accuracy,
        "interval": (max(0.0, low), min(1.0, high)),
        "top3": float(((nearer < TOP) & present).sum() / present.sum()),
        "null_accuracy": float(chance.mean()),
        "null_accuracy_99": float(np.quantile(chance, 0.99)),
        "hits": _hits(table, hit, present),
        "confusions": _confusions(table, nearest_profiles(cosines), present),
    }


def _hits(table: Table, hit: Bools, present: Bools) -> dict[str, float]:
    shares = hit.sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    pairs = zip(table.row_ids, map(float, shares), strict=True)
    return dict(sorted(pairs, key=lambda pair: (pair[1], pair[0])))


def _confusions(table: Table, nearest: npt.NDArray[np.intp], present: Bools) -> tuple[tuple[str, str, int], ...]:
    counts: dict[tuple[str, str], int] = {}
    for j, i in zip(*np.nonzero(present), strict=True):
        taken = int(nearest[j, i])
        if taken not in (-1, i):
            pair = (table.row_ids[i], table.row_ids[taken])
            counts[pair] = counts.get(pair, 0) + 1
    return tuple((a, b, n) for (a, b), n in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
