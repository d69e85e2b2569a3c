"""Relevance: whether an answer is nearer to its own question than to the others, by words alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.axes import NotMeasurable, arranged
from pytest_batcheval.quality.result import NONE, TableResult, listed
from pytest_batcheval.quality.scores import spoken
from pytest_batcheval.quality.stats.levels import ALPHA
from pytest_batcheval.quality.stats.persona_effect import centred, filled, null_sums, persona_sum
from pytest_batcheval.quality.stats.resampling import permutation_p
from pytest_batcheval.quality.stats.text_distance import tfidf_gram
from pytest_batcheval.quality.table import Table, table_of
from pytest_batcheval.recordings.answer_table import Answers, AxisNames
from pytest_batcheval.text.phrase import Phrase

Floats = npt.NDArray[np.float64]

NULL = "a persona's answers are exchangeable between questions; permuted within each persona, one-sided"

CHANCES = 3.0
"""Least share of answers that are nearest to their question, in times the share by chance.

Simulated, seeds 10,000 on: faithful 11 times, shuffled letters 3.2, every second answer the one before 2.5.
"""

SAME = 1e-12
"""Difference of cosines below which they are equal."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Relevance(TableResult):
    """The share of answers that are nearer to their own question than the persona's other answers are.

    A question is known by its words and by what the other personas say to it.

    Attributes:
        effect: of the cells, the share whose answer is the nearest of its persona's answers to the question.
        p_value: one-sided.
        expected: the share by chance: 1 / questions.
        questions: the same share by question, least first.
        verdict: `relevant` (p at most 0.01, and the share at least 3 times the expected one) or `not shown`.
    """

    effect: float
    p_value: float
    seed: int
    expected: float
    questions: dict[str, float]
    verdict: str

    COMPARE: ClassVar[str] = "assert result.verdict == 'relevant', result.explain()"
    FIGURES: ClassVar[tuple[str, ...]] = ("beside",)

    @property
    def beside(self) -> tuple[str, ...]:
        """The questions to which no more answers are the nearest than by chance."""
        return tuple(i for i, share in self.questions.items() if share <= self.expected)

    def _words(self) -> Phrase:
        """The result in words, with the questions that are answered beside the point."""
        return Phrase(
            "{verdict}: {effect:.0%} of the answers are nearer to their question than the persona's others, by chance "
            "{expected:.0%}, p = {p:.4g} (seed {seed}), {answers}; no better than chance: {beside}",
            verdict=Phrase.known(self.verdict, "verdict"),
            effect=self.effect,
            expected=self.expected,
            p=self.p_value,
            seed=self.seed,
            answers=Phrase.counted(self.n, "answer"),
            beside=listed(self.beside) or NONE,
        )

    def _summary(self) -> Phrase:
        template = "nearest={it.effect:.2f} p={it.p_value:.2g}: {verdict}"
        return Phrase(template, it=self, verdict=Phrase.known(self.verdict, "verdict"))


def relevance(
    answers: Answers,
    *,
    permutations: int = 9999,
    seed: int = 0,
    rows: AxisNames = None,
    columns: AxisNames = None,
) -> Relevance:
    """Test whether answers belong to their questions, by the texts alone.

    It sees wording, not meaning: a good answer in words that neither the question nor anybody else uses counts as far
    from it. That all personas answer a question beside the point in the same words is not seen.

    Raises:
        TableError: as `differentiation`.
        NotMeasurable: there is one axis where two are needed.
    """
    table = table_of(spoken(arranged(answers, rows, columns)), two_axes=True)
    if len(table.columns) < 2:
        raise NotMeasurable(Phrase("there is one question; an answer is compared with those to others"))
    blocks = _blocks(table)
    near = _nearness(blocks)
    best = near >= near.max(axis=0, keepdims=True) - SAME
    ties = best / best.sum(axis=0, keepdims=True)
    own = ties[np.arange(len(near)), :, np.arange(len(near))]
    middle = centred(blocks)

    def null(rng: np.random.Generator, count: int) -> Floats:
        return null_sums(middle, rng, count)

    spread = bool(np.abs(middle).max() > SAME)
    p_value = permutation_p(null, persona_sum(middle), permutations, seed)[0] if spread else 1.0
    effect, expected = float(own.mean()), 1 / len(near)
    shares = sorted(zip(table.column_ids, map(float, own.mean(axis=1)), strict=True), key=lambda pair: pair[1])
    return Relevance(
        effect=effect,
        interval=None,
        p_value=p_value,
        null=NULL,
        n=len(table.texts),
        seed=seed,
        rows=table.axes.row,
        columns=table.axes.column,
        expected=expected,
        questions=dict(shares),
        verdict=_verdict(p_value, effect, expected),
    )


def _verdict(p_value: float, effect: float, expected: float) -> str:
    return "relevant" if p_value <= ALPHA and effect >= CHANCES * expected else "not shown"


def _blocks(table: Table) -> Floats:
    """Return cosines of cells, shape (P + 1, J, P + 1, J): speaker, question; the last speaker is the questions' words.

    The axes are those of `persona_effect` exchanged: there personas are alike at all questions, here questions at all
    personas.
    """
    gram = tfidf_gram([*table.texts, *map(_words_of, table.columns)])
    people, count, n = len(table.rows), len(table.columns), len(table.texts)
    question, person = np.divmod(table.cell, people)
    member = np.zeros(((people + 1) * count, len(gram)))
    member[person * count + question, np.arange(n)] = 1 / table.counts[table.cell]
    member[people * count + np.arange(count), n + np.arange(count)] = 1.0
    present = np.vstack([table.present.T, np.ones((1, count), dtype=bool)])
    return filled(member @ gram @ member.T, present)


def _nearness(blocks: Floats) -> Floats:
    """Return how near each cell is to each question: shape (J cells by question, P, J questions).

    The cosine with the question's words, plus the mean cosine with other personas' answers to it.
    """
    people = len(blocks) - 1
    said = blocks[:people, :, :people, :].copy()
    said[np.arange(people), :, np.arange(people), :] = 0.0
    found: Floats = (said.sum(axis=2) / max(people - 1, 1) + blocks[:people, :, people, :]).transpose(1, 0, 2)
    return found


def _words_of(question: Any) -> str:
    return str(getattr(question, "text", question))
