"""The needs of each measure of its table, kept where they can be read, without numpy, before any answer is paid for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LEAST_ROWS, LEAST_COLUMNS = 8, 4
"""The least number of personas and questions (rows and columns) of a table, a convention.

With fewer, leave-one-out intervals and errors by column depend on chance. That can still be too few for a trait: 4 high
and 4 low personas give no p below 1 / 70.
"""

LEAST_SAMPLES = 2
"""Samples of a cell that can agree or not."""

LEAST_JUDGED = 100
"""Least number of answers for which the agreement of two judges is reported; 200 to trust a judge.

Simulated at a true weighted kappa of 0.69, its standard error is 0.074, 0.052 and 0.038 for 50, 100 and 200.
"""


@dataclass(frozen=True)
class Needs:
    """The needs of a measure.

    Attributes:
        sizes: whether its table has at least `LEAST_ROWS` and `LEAST_COLUMNS`.
        samples: of each cell.
        answers: of the whole table.
        dimensions: those with personas prompted high and low, a question that aims at them, and scores.
        described: whether each persona has a `description`.
        verdicts: whether the last turn of each answer is a rubric that `rubric_request` asked for.
        left_out: personas that its argument `without` leaves out by default.
        instead: its arguments that take the place of what it would read from the table.
    """

    sizes: bool = True
    samples: int = 1
    answers: int = 1
    dimensions: int = 0
    described: bool = False
    verdicts: bool = False
    left_out: frozenset[str] = frozenset()
    instead: frozenset[str] = frozenset()


_DECLARED = frozenset({"levels", "targets"})
_JUDGED = Needs(sizes=False, verdicts=True)
_TWO_JUDGES = Needs(sizes=False, verdicts=True, answers=LEAST_JUDGED)

NEEDS: Mapping[str, Needs] = {
    "alignment": Needs(dimensions=1, instead=_DECLARED),
    "bias_probe": _JUDGED,
    "cell_values": Needs(dimensions=1, instead=frozenset({"values"})),
    "compare": Needs(dimensions=1),
    "consistency": Needs(samples=LEAST_SAMPLES),
    "coverage": Needs(dimensions=1, instead=_DECLARED),
    "differentiation": Needs(left_out=frozenset({"average"})),
    "discriminant": Needs(dimensions=2, instead=_DECLARED),
    "diversity": Needs(sizes=False),
    "drift": Needs(dimensions=1, instead=_DECLARED),
    "evidence": _JUDGED,
    "group_difference": Needs(),
    "judge_agreement": Needs(sizes=False, answers=LEAST_JUDGED, instead=frozenset({"least"})),
    "judge_variance": Needs(),
    "null_scores": _JUDGED,
    "persona_echo": Needs(sizes=False, described=True),
    "planted_signs": _JUDGED,
    "quality_gate": Needs(left_out=frozenset({"average"})),
    "regression": Needs(dimensions=1),
    "relevance": Needs(),
    "repeat": _TWO_JUDGES,
    "scores_of": _JUDGED,
    "second_judge": _TWO_JUDGES,
    "trait_reflection": Needs(dimensions=1, instead=_DECLARED | {"dimensions"}),
    "verdicts_of": _JUDGED,
}
"""By the name of the function; others need nothing that can be known before there are answers."""
