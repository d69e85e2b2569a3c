"""Variance components of a trait's scores: persona, persona and question, and sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.needs import LEAST_ROWS
from pytest_batcheval.quality.stats.cell_means import cell_sums
from pytest_batcheval.quality.table import Table
from pytest_batcheval.text.phrase import Phrase

Floats = npt.NDArray[np.float64]

TRUSTED = 0.7
"""The least generalizability of a trustworthy trait score of a persona (a usual floor for research).

Simulated respondents (seeds 10,000 to 10,014; 2 or 3 samples, 4 or 11 questions), median dimension: 0.76 to 0.97 where
traits show, also at 40 % of the signs; 0.00 to 0.63 where they are random.
"""


@dataclass(frozen=True)
class Components:
    """Variances of one dimension's scores over the questions aimed at it, in squared score points.

    Attributes:
        persona: between personas, over all questions.
        interaction: between personas at one question.
        sample: from sample to sample; 0 if no cell has two scores.
        questions: questions with a score for a persona, harmonic mean.
        samples: scores in a cell, harmonic mean.
        generalizability: Vp / (Vp + Vpq / J' + Ve / (J' k)): how far a persona's mean can be trusted, 0 to 1.
            `None` with scores of fewer than 8 personas, or on one question, which cannot tell a persona from its answer
            to that question.
    """

    persona: float
    interaction: float
    sample: float
    questions: float
    samples: float
    generalizability: float | None

    def expected(self, questions: float, samples: float) -> float:
        """Return the generalizability with other numbers of questions and of samples of each (a D-study)."""
        error = self.interaction / questions + self.sample / (questions * samples)
        return self.persona / (self.persona + error) if self.persona > 0 else 0.0

    def questions_needed(self, samples: float) -> int | None:
        """Return the fewest questions that reach `TRUSTED` with this number of samples; `None` if no number does."""
        if self.generalizability is None or self.persona <= 1e-12:
            return None
        error = self.interaction + self.sample / samples
        return max(1, math.ceil(error * TRUSTED / (1 - TRUSTED) / self.persona - 1e-9))

    def __str__(self) -> Phrase:
        if self.questions == 0:
            return Phrase("G unknown: fewer than {least} personas have scores", least=LEAST_ROWS)
        if self.generalizability is None:
            return Phrase("G unknown: at least two questions must aim at it")
        needed = self.questions_needed(self.samples)
        more = Phrase("no number of questions is enough")
        if needed is not None:
            questions = Phrase.counted(needed, "question")
            more = Phrase("{questions} needed for {wanted}", questions=questions, wanted=TRUSTED)
        return Phrase(
            "G = {it.generalizability:.2f} with {it.questions:.1f} questions of {it.samples:.1f} scores (variances: "
            "persona {it.persona:.2f}, with question {it.interaction:.2f}, sample {it.sample:.2f}); {more}",
            it=self,
            more=more,
        )


def components_of(table: Table, scores: Floats, questions: Sequence[int]) -> Components:
    """Return the components of scores, one per text of the table, NaN for none.

    One-way random effects on question-centred cell means (Searle's estimators for unequal numbers);
    negative estimates are 0.
    """
    total, count, scatter = (part[list(questions)] for part in cell_sums(table, scores))
    there = count > 0
    sample = float(scatter.sum() / max((count[there] - 1).sum(), 1.0))
    cell = np.divide(total, count, out=np.zeros_like(total), where=there)
    mean = cell.sum(axis=1, keepdims=True) / np.maximum(there.sum(axis=1, keepdims=True), 1)
    centred = np.where(there, cell - mean, 0.0)
    each = there.sum(axis=0)[there.any(axis=0)].astype(np.float64)
    if len(each) < LEAST_ROWS:
        return Components(0.0, 0.0, sample, 0.0, 0.0, None)
    per_persona = centred.sum(axis=0)[there.any(axis=0)] / each
    whole = float(each.sum())
    between = float((each * per_persona**2).sum()) / (len(each) - 1)
    freedom = whole - len(each) - (int(there.any(axis=1).sum()) - 1)
    rest = max(0.0, float((centred**2).sum() - (each * per_persona**2).sum())) / max(freedom, 1.0)
    persona = max(0.0, float((between - rest) / ((whole - (each**2).sum() / whole) / (len(each) - 1))))
    samples = float(there.sum() / (1 / count[there]).sum())
    if int(there.any(axis=1).sum()) < 2:
        return Components(persona, 0.0, sample, 1.0, samples, None)
    found = Components(
        persona, max(0.0, rest - sample / samples), sample, float(len(each) / (1 / each).sum()), samples, 0.0
    )
    # the samples' part is in `rest` already, even if single scores say nothing about `sample`
    error = rest / found.questions
    trust = persona / (persona + error) if persona > 0 else 0.0
    return Components(found.persona, found.interaction, sample, found.questions, samples, trust)
