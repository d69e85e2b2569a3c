"""Consistency: whether samples of a cell agree, and how far a persona's trait score can be trusted.

Read both together with the share of identical samples: temperature 0, a fixed `seed` or a cache make
samples equal and agreement perfect for any respondent.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.axes import TableError, arranged
from pytest_batcheval.quality.design import Targets, aims_of
from pytest_batcheval.quality.measures._scored_answers import ScoredAnswers, scored_answers
from pytest_batcheval.quality.result import NONE, TableResult, listed, shown
from pytest_batcheval.quality.scores import Given, on_scale, score_column, scored
from pytest_batcheval.quality.stats.cell_means import cell_products
from pytest_batcheval.quality.stats.persona_effect import filled
from pytest_batcheval.quality.stats.resampling import jackknife_interval
from pytest_batcheval.quality.stats.variance_components import TRUSTED, Components, components_of
from pytest_batcheval.quality.table import Table, table_of
from pytest_batcheval.recordings.answer_table import Answers, AxisNames
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.phrase import Phrase

Floats = npt.NDArray[np.float64]

DUPLICATES = 0.05
"""Share of samples that repeat another of their cell, above which nothing is measured: a convention.

Simulated (docs/statistics.md): 0.00 for a respondent that draws new words, 0.67 of three samples from a cache.
"""

CONTRADICTIONS = 0.10
"""Simulated with noise of 0.8 points: 0.13 if nothing is reflected, 0.10 at an effect of 0.5 points."""

LOW, HIGH = 2, 4
"""Two scores of a cell contradict each other when one is at most LOW and the other at least HIGH: opposite poles."""

NULL = "none: how far samples agree is an interval, not a test"


@dataclass(frozen=True, kw_only=True, repr=False)
class Consistency(TableResult):
    """The similarity of samples of a cell, compared with answers of other personas to the same question.

    Attributes:
        effect: the ICC of cells on question-centred TF-IDF vectors; `interval` 95 %, by leaving out one
            persona at a time.
        duplicate: share of samples that repeat another one of their cell word for word.
        contradiction: share of pairs of samples with one score at most 2 and the other at least 4; `None` without any.
        scored_pairs: number of pairs of samples with two scores of a dimension; without any, only wording is judged.
        generalizability: the median of the dimensions'; `None` if none has scores on two questions.
        components: by dimension, the variance of trait scores; see `components.Components`.
        samples: the smallest and the largest number of samples of a cell.
        verdict: `not measurable` (too many duplicates, or all answers equal); `consistent` (the interval is above 0, at
            most 10 % contradictions, and a generalizability of 0.7, if there is one); or `inconsistent`.
        repeated, contradicting: the cells with the most of each, worst first.
        scored: the answers with a score of a dimension that their question aims at, of those asked; `None` without
            targets.
    """

    effect: float
    interval: tuple[float, float]
    duplicate: float
    contradiction: float | None
    scored_pairs: int
    generalizability: float | None
    components: dict[str, Components]
    samples: tuple[int, int]
    verdict: str
    repeated: tuple[str, ...]
    contradicting: tuple[str, ...]
    scored: ScoredAnswers | None

    COMPARE: ClassVar[str] = "assert result.verdict == 'consistent', result.explain()"
    FIGURES: ClassVar[tuple[str, ...]] = ("cell_icc",)

    @property
    def cell_icc(self) -> float:
        """The effect."""
        return self.effect

    def _words(self) -> Phrase:
        """The result in words, with the worst cells."""
        size = Phrase(
            "{verdict}: {answers}, {least} to {samples} per cell",
            verdict=Phrase.known(self.verdict, "verdict"),
            answers=Phrase.counted(self.n, "answer"),
            least=self.samples[0],
            samples=Phrase.counted(self.samples[1], "sample"),
        )
        if not self.scored_pairs:
            size = Phrase("{size}; by wording only, because no two samples of a cell have scores", size=size)
        icc = Phrase("cell icc = {icc:.3f} ({interval})", icc=self.cell_icc, interval=shown(self.interval))
        components = [Phrase("{}: {}", code, str(found)) for code, found in self.components.items()]
        scored = () if self.scored is None else (self.scored.__str__(),)
        return Phrase.joined("\n", [size, icc, *scored, *self._against(), *self._trust(), *components])

    def _against(self) -> tuple[Phrase, ...]:
        """The shares of duplicates and contradictions."""
        duplicates = Phrase(
            "duplicates = {share:.1%} of the samples (at most {most:.0%} are allowed); most in: {cells}",
            share=self.duplicate,
            most=DUPLICATES,
            cells=listed(self.repeated) or NONE,
        )
        if self.contradiction is None:
            return (duplicates,)
        contradictions = Phrase(
            "contradictions = {share:.1%} of {pairs} of samples (at most {most:.0%}); most in: {cells}",
            share=self.contradiction,
            pairs=Phrase.counted(self.scored_pairs, "pair"),
            most=CONTRADICTIONS,
            cells=listed(self.contradicting) or NONE,
        )
        return duplicates, contradictions

    def _summary(self) -> Phrase:
        trust = "" if self.generalizability is None else f" G={self.generalizability:.2f}"
        template = "cell_icc={it.cell_icc:.3f} duplicate={it.duplicate:.1%}{trust}: {verdict}"
        return Phrase(template, it=self, trust=trust, verdict=Phrase.known(self.verdict, "verdict"))

    def _trust(self) -> tuple[Phrase, ...]:
        if self.generalizability is None:
            return ()
        known = {code: c.generalizability for code, c in self.components.items() if c.generalizability is not None}
        least = min(known, key=known.__getitem__)
        template = "generalizability G = {g:.2f} in the median dimension (at least {wanted}); least: {code} ({low:.2f})"
        return (Phrase(template, g=self.generalizability, wanted=TRUSTED, code=least, low=known[least]),)


def consistency(
    answers: Answers,
    *,
    scores: Given | None = None,
    targets: Targets | None = None,
    rows: AxisNames = None,
    columns: AxisNames = None,
) -> Consistency:
    """Measure how far the samples of a cell agree, by wording and by scores.

    Scores are only used if questions have `targets` or these are declared.

    Raises:
        TableError: a cell has a single sample, or as `trait_reflection`.
    """
    answers = arranged(answers, rows, columns)
    judged, given = scored(answers, scores)
    table = table_of(judged)
    _check_samples(table)
    aims = aims_of(table, targets)
    marks = {
        code: on_scale(code, score_column(given, code, len(answers)))[table.places] for code in aims if code in given
    }
    icc, interval = _cell_icc(table)
    duplicate, repeated = duplicates(table)
    contradiction, scored_pairs, contradicting = _contradictions(table, marks, aims)
    components = {code: components_of(table, column, aims[code]) for code, column in marks.items()}
    trusted = [c.generalizability for c in components.values() if c.generalizability is not None]
    trust = float(np.median(trusted)) if trusted else None
    figures: dict[str, Any] = {"duplicate": duplicate, "generalizability": trust}
    figures |= {"contradiction": contradiction, "scored_pairs": scored_pairs}
    return Consistency(
        **figures,
        effect=icc,
        interval=interval,
        p_value=None,
        null=NULL,
        n=len(table.texts),
        seed=None,
        rows=table.axes.row,
        columns=table.axes.column,
        components=components,
        samples=(int(table.counts[table.counts > 0].min()), int(table.counts.max())),
        verdict=_verdict(duplicate, contradiction, interval[0], trust),
        repeated=repeated,
        contradicting=contradicting,
        scored=scored_answers(table, given, aims) if aims else None,
    )


def _verdict(duplicate: float, contradiction: float | None, low: float, trust: float | None) -> str:
    if duplicate > DUPLICATES:
        return "not measurable"
    # samples that differ in a space agree perfectly: only other questions show that a trait is not the persona's
    trusted = trust is None or trust >= TRUSTED
    agreed = contradiction is None or contradiction <= CONTRADICTIONS
    return "consistent" if low > 0 and agreed and trusted else "inconsistent"


def _check_samples(table: Table) -> None:
    single = np.flatnonzero(table.counts == 1)
    if len(single) == np.count_nonzero(table.counts):
        raise TableError("consistency needs at least two samples per cell: set samples=2 or more in the batch marker")
    if len(single) > len(table.counts) / 2:
        raise TableError(
            f"{len(single)} of {counted(len(table.counts), 'cell')} have a single sample, such as "
            f"{table.cell_name(int(single[0]))}; consistency needs samples=2 or more"
        )


def _cell_icc(table: Table) -> tuple[float, tuple[float, float]]:
    """Return (MSb - MSw) / (MSb + (k - 1) MSw) on question-centred vectors, and its interval over personas."""
    questions, personas = table.present.shape
    raw = filled(cell_products(table, table.texts), table.present)
    own = np.einsum("jiji->ji", raw)
    within_question = np.einsum("jijm->jim", raw)
    # vectors have length 1 (0 for a text without n-grams), so a cell's scatter is its size less that of its mean
    sizes = [float(len(unicodedata.normalize("NFC", text)) > 1) for text in table.texts]
    lengths = np.bincount(table.cell, sizes, minlength=len(table.counts))
    scatter = np.where(table.counts > 0, lengths - table.counts * own.ravel(), 0.0).reshape(own.shape)
    counts = table.counts.reshape(own.shape)
    total = own.sum(axis=1) - within_question.sum(axis=(1, 2)) / personas
    without = (own.sum(axis=1)[:, None] - own) - (
        within_question.sum(axis=(1, 2))[:, None] - 2 * within_question.sum(axis=2) + own
    ) / (personas - 1)
    estimate = _icc(total.sum(), scatter.sum(), counts[counts > 0], questions * (personas - 1))
    left_out = [
        _icc(
            without[:, i].sum(),
            scatter.sum() - scatter[:, i].sum(),
            np.delete(counts, i, axis=1)[np.delete(counts, i, axis=1) > 0],
            questions * (personas - 2),
        )
        for i in range(personas)
    ]
    return estimate, jackknife_interval(estimate, left_out)


def _icc(between: float, scatter: float, counts: npt.NDArray[np.intp], freedom: int) -> float:
    samples = len(counts) / float((1 / counts).sum())
    inner = scatter / max(float((counts - 1).sum()), 1.0)
    outer = samples * between / freedom
    whole = outer + (samples - 1) * inner
    return float((outer - inner) / whole) if whole > 1e-12 else 0.0


def duplicates(table: Table) -> tuple[float, tuple[str, ...]]:
    """Return the share of samples that repeat an earlier one of their cell, and the cells with most, worst first.

    White space, punctuation, case and Unicode's normal form do not count: a copy may differ in them.
    """
    pairs = list(zip(table.cell.tolist(), map(_words, table.texts), strict=True))
    seen: dict[tuple[int, str], int] = {}
    for pair in pairs:
        seen[pair] = seen.get(pair, 0) + 1
    repeats = np.zeros(len(table.counts))
    for (cell, _), often in seen.items():
        repeats[cell] += often - 1
    return float(repeats.sum() / max(len(pairs), 1)), _worst(table, repeats)


def _words(text: str) -> str:
    """Return a text without spaces, punctuation and case; without its spaces only, if it is all punctuation."""
    plain = unicodedata.normalize("NFC", text).casefold()
    dropped = dict.fromkeys(ord(character) for character in set(plain) if unicodedata.category(character)[0] in "PZC")
    return plain.translate(dropped) or "".join(plain.split())


def _contradictions(
    table: Table, columns: dict[str, Floats], aims: dict[str, tuple[int, ...]]
) -> tuple[float | None, int, tuple[str, ...]]:
    """Return the share of contradicting pairs of scores of one cell and dimension, the number of pairs, and the cells.

    The share is `None` without any pair. Only on questions that aim at the dimension.
    """
    opposed, pairs = np.zeros(len(table.counts)), 0.0
    for code, column in columns.items():
        aimed = np.isin(table.cell // len(table.rows), aims[code])
        counts = [
            np.bincount(table.cell[aimed & chosen], minlength=len(table.counts))
            for chosen in (column <= LOW, column >= HIGH, ~np.isnan(column))
        ]
        opposed += counts[0] * counts[1]
        pairs += math.fsum(counts[2] * (counts[2] - 1) / 2)
    return float(opposed.sum() / pairs) if pairs else None, round(pairs), _worst(table, opposed)


def _worst(table: Table, bad: Floats) -> tuple[str, ...]:
    order: Sequence[int] = np.argsort(-bad, kind="stable").tolist()
    return tuple(f"{table.cell_name(cell)} ({bad[cell]:.0f})" for cell in order if bad[cell] > 0)
