"""Method variance: whether scores of different traits agree because one method gave them (Campbell & Fiske 1959)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.axes import TableError, arranged
from pytest_batcheval.quality.design import Targets, persona_scores
from pytest_batcheval.quality.judging._judge_variance import aimed_at_by, scores_by_name
from pytest_batcheval.quality.result import Result, shown
from pytest_batcheval.quality.scores import Given, spoken
from pytest_batcheval.quality.stats.resampling import jackknife_interval, permutation_p, shuffles
from pytest_batcheval.quality.table import table_of
from pytest_batcheval.recordings.answer_table import Answers, AxisNames
from pytest_batcheval.text.phrase import Phrase

Floats = npt.NDArray[np.float64]

NULL = (
    "methods do not agree on which persona has more of a trait; whole personas of each method permuted, one-sided mean"
)


@dataclass(frozen=True, kw_only=True, repr=False)
class MethodVariance(Result):
    """Correlations of personas' scores by method and trait.

    Attributes:
        effect: the largest part of a method, of `methods`.
        interval: 95 %, of it, by leaving out one persona at a time; its square's ends, rooted.
        p_value: one-sided, of the mean of `convergent`.
        convergent: by dimension, the mean correlation of the same trait by different methods.
        methods: by method, how much further two traits correlate in it than across methods: root mean square, less
            that of its standard error; 0 without method variance.
    """

    effect: float
    p_value: float
    seed: int
    convergent: dict[str, float]
    methods: dict[str, float]

    COMPARE: ClassVar[str] = "assert result.p_value <= 0.01, result.explain()"

    def _words(self) -> Phrase:
        """The parts of methods, and the agreement on each trait."""
        agreed = ", ".join(f"{code} {r:.2f}" for code, r in self.convergent.items())
        methods = ", ".join(f"{name} {part:.2f}" for name, part in self.methods.items())
        lines = [
            Phrase(
                "traits correlate in one method more than across methods: {methods}; the largest {interval}",
                methods=methods,
                interval=shown(self.interval, 2),
            ),
            Phrase("methods agree on a trait: {agreed}; p = {p:.4g}", agreed=agreed, p=self.p_value),
        ]
        return Phrase.joined("\n", lines)

    def _summary(self) -> Phrase:
        return Phrase("method={it.effect:.2f} p={it.p_value:.2g}", it=self)


def method_variance(
    answers: Answers,
    methods: Mapping[str, Given],
    *,
    targets: Targets | None = None,
    permutations: int = 9999,
    seed: int = 0,
    rows: AxisNames = None,
    columns: AxisNames = None,
) -> MethodVariance:
    """Compare a judge with a second method, such as `word_scores` or the share of pairwise choices that an answer won.

    `methods` has the scores of each by name and dimension, one per answer, each method on a scale of its own.

    Raises:
        TableError: fewer than two methods or dimensions, a method that scores all personas alike, or as
            `judge_variance`.
    """
    answers = arranged(answers, rows, columns)
    values, names, codes = _values(answers, methods, targets)
    convergent, apart = _correlations(values)
    left_out = np.array([_correlations(np.delete(values, n, axis=2))[1] for n in range(values.shape[2])])
    noise = (len(left_out) - 1) * left_out.var(axis=0)
    squares = (apart**2 - noise).mean(axis=1)
    most = int(squares.argmax())
    ends = jackknife_interval(float(squares[most]), (left_out**2 - noise).mean(axis=2)[:, most])
    return MethodVariance(
        effect=_root(squares[most]),
        interval=(_root(ends[0]), _root(ends[1])),
        p_value=permutation_p(lambda rng, n: _null(values, rng, n), float(convergent.mean()), permutations, seed)[0],
        null=NULL,
        n=len(answers),
        seed=seed,
        convergent=dict(zip(codes, map(float, convergent), strict=True)),
        methods=dict(zip(names, map(_root, squares), strict=True)),
    )


def _values(
    answers: Answers, methods: Mapping[str, Given], targets: Targets | None
) -> tuple[Floats, list[str], list[str]]:
    """Return personas' scores, shape (methods, dimensions, P), with the names of methods and dimensions."""
    given = scores_by_name(answers, methods, "method")
    table = table_of(spoken(answers))
    aimed = aimed_at_by(table, next(iter(given.values())), targets)
    if len(aimed) < 2:
        raise TableError(f"method variance needs at least two dimensions; there is only {', '.join(aimed)}")
    values = np.array(
        [[persona_scores(table, own[code], questions) for code, questions in aimed.items()] for own in given.values()]
    )
    if len(flat := np.argwhere(np.ptp(values, axis=2) == 0)):
        method, code = list(given)[flat[0][0]], list(aimed)[flat[0][1]]
        raise TableError(f"{method} scores all personas alike in {code}: it cannot agree with another method")
    return values, list(given), list(aimed)


def _root(square: float) -> float:
    return float(np.sqrt(max(0.0, square)))


def _standardised(values: Floats) -> Floats:
    centred = values - values.mean(axis=-1, keepdims=True)
    found: Floats = centred / np.maximum(np.sqrt((centred**2).sum(axis=-1, keepdims=True)), 1e-12)
    return found


def _correlations(values: Floats) -> tuple[Floats, Floats]:
    """Return of values (methods, traits, P) each trait's correlation across methods, shape (traits,).

    And how much further each pair of traits correlates in a method than across methods, shape (methods, pairs).
    """
    z = _standardised(values)
    every = np.einsum("atp,bup->abtu", z, z)
    methods, traits = len(values), values.shape[1]
    across = np.mean([every[a, b] for a in range(methods) for b in range(methods) if a != b], axis=0)
    one, other = np.array(list(combinations(range(traits), 2))).T
    apart = np.array([(every[a, a] - across)[one, other] for a in range(methods)])
    return np.diag(across), apart


def _null(values: Floats, rng: np.random.Generator, count: int) -> Floats:
    """Return the mean correlation across methods with the personas of each method permuted."""
    z = _standardised(values)
    drawn = [z[0][None], *(own[:, shuffles(rng, count, z.shape[2])].transpose(1, 0, 2) for own in z[1:])]
    pairs = [(a * b).sum(axis=2).mean(axis=1) for a, b in combinations(drawn, 2)]
    found: Floats = np.mean(pairs, axis=0)
    return found
