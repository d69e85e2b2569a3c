"""Oversharing: whether one answer tells what its question did not ask for, by a judge, or by the scores of traits.

A judge who finds nothing may see nothing. So it reads each answer beside another question as well: there, most of what
is told was not asked for. By scores, the prompted traits that a question aims at are the control of the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.axes import TableError, arranged
from pytest_batcheval.quality.design import Levels, Targets, design_of
from pytest_batcheval.quality.judging._strict_request import folded, replied, strict_request, tagged, was_said
from pytest_batcheval.quality.needs import LEAST_ROWS
from pytest_batcheval.quality.result import Result, listed
from pytest_batcheval.quality.scores import Given, on_scale, score_column, scored
from pytest_batcheval.quality.stats.against_control import lower_p, share_interval, sorted_out
from pytest_batcheval.quality.stats.cell_means import cell_means
from pytest_batcheval.quality.table import table_of
from pytest_batcheval.recordings.answer_table import Answers, AxisNames
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.phrase import Phrase

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
ByCell = Mapping[str, Mapping[str, float | None]]
"""By persona id and question id, the share (0 to 1) of what was not asked for that is told; `None` for unknown."""

SYSTEM = (
    "You read a question of an interview, and the answer of one person. List what the answer tells of this person that "
    "the question does not ask for and the answer does not need: facts, habits, feelings, traits. Quote each, letter "
    "by letter. List none if there is none."
)

NULL = "as much is told where it was not asked for as in the control; exchanged within each persona, one-sided"

MIDDLE = 3.0


def oversharing_request(question: str, said: str, *, model: str) -> dict[str, Any]:
    """Return the body that asks a judge what an answer tells beyond its question (chat completions, strict schema)."""
    text = f"Question: {folded(question)}\n\n{tagged([said])}"
    return strict_request(
        model, "oversharing", SYSTEM, text, {"beyond": {"type": "array", "items": {"type": "string"}}}
    )


def overshared(reply: str, said: str) -> list[str] | None:
    """Return the quotes in a judge's reply to `oversharing_request` of the same answer; `None` for an unusable reply.

    A quote that was not said does not count.
    """
    quotes = replied(reply, "beyond")
    if not isinstance(quotes, list):
        return None
    return [quote for quote in dict.fromkeys(map(str, quotes)) if was_said(quote, said)]


def shown_traits(
    answers: Answers,
    *,
    scores: Given | None = None,
    levels: Levels | None = None,
    targets: Targets | None = None,
    rows: AxisNames = None,
    columns: AxisNames = None,
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
    """Return the two arguments of `oversharing` from scores of traits, without a judge of its own.

    By persona and question: of the prompted traits that the question does not aim at, the share whose score leans to
    the prompted pole; and the same of those that it aims at. The arguments are those of `trait_reflection`.

    Raises:
        TableError: as `trait_reflection`, or scores far outside 1 to 5.
    """
    judged, given = scored(arranged(answers, rows, columns), scores)
    table = table_of(judged)
    design = design_of(table, levels, targets)
    shape = (len(design.testable), len(table.columns), len(table.rows))
    shown, prompted, aimed = np.zeros(shape), np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for n, code in enumerate(design.chosen(None)):
        column, level = on_scale(code, score_column(given, code, len(judged))), design.level(code)
        leans = np.nan_to_num(column[table.places] - MIDDLE) * level[table.cell % len(table.rows)] > 0
        shown[n] = np.nan_to_num(cell_means(table, leans.astype(np.float64)))
        prompted[n] = (level != 0) & table.present
        aimed[n, list(design.aimed[code])] = True
    names = table.row_ids, table.column_ids
    return _by_cell(*names, shown, prompted & ~aimed), _by_cell(*names, shown, prompted & aimed)


def _by_cell(people: list[str], asked: list[str], shown: Floats, of: Bools) -> dict[str, dict[str, float]]:
    """Return the share that is shown of the dimensions in `of`, both (dimensions, J, P); no cell without any."""
    count, total = of.sum(axis=0), (shown * of).sum(axis=0)
    return {
        one: {q: float(total[j, i] / count[j, i]) for j, q in enumerate(asked) if count[j, i]}
        for i, one in enumerate(people)
        if count[:, i].any()
    }


@dataclass(frozen=True, kw_only=True, repr=False)
class Oversharing(Result):
    """The share of answers that tell what was not asked for; by scores, of traits that show though not asked for.

    Attributes:
        effect: the mean share over personas.
        interval: 95 %, with personas as cases.
        p_value: one-sided, of a smaller share than the control's.
        n: the number of cells.
        control: the mean share in the control.
        personas: the share by persona, largest first.
        questions: the share by question, largest first.
        verdict: `keeps to the question` (p at most 0.01, and at most 0.2 of the control's share), `overshares`
            (more, and something is found in at least half of the control's personas) or `not shown`.
    """

    effect: float
    interval: tuple[float, float]
    p_value: float
    seed: int
    control: float
    personas: dict[str, float]
    questions: dict[str, float]
    verdict: str

    COMPARE: ClassVar[str] = "assert result.verdict == 'keeps to the question', result.explain()"

    def _words(self) -> Phrase:
        """The share beside the control's, and where it is largest."""
        most = [
            listed([Phrase("{one} {share:.0%}", one=one, share=share) for one, share in shares.items() if share], 5)
            for shares in (self.personas, self.questions)
        ]
        found = Phrase(
            "{verdict}: told though not asked for in {effect:.1%} (95 %: {low:.1%} to {high:.1%}), in the control "
            "{control:.1%}, p = {p:.4g}, {answers}",
            verdict=Phrase.known(self.verdict, "verdict"),
            effect=self.effect,
            low=self.interval[0],
            high=self.interval[1],
            control=self.control,
            p=self.p_value,
            answers=Phrase.counted(self.n, "answer"),
        )
        where = Phrase("most by persona: {personas}; by question: {questions}", personas=most[0], questions=most[1])
        return Phrase.joined("\n", [found, where] if any(self.personas.values()) else [found])

    def _summary(self) -> Phrase:
        template = "beyond={it.effect:.3f} control={it.control:.3f} p={it.p_value:.2g}: {verdict}"
        return Phrase(template, it=self, verdict=Phrase.known(self.verdict, "verdict"))


def oversharing(beyond: ByCell, control: ByCell, *, permutations: int = 9999, seed: int = 0) -> Oversharing:
    """Return how often personas tell what was not asked for, against how often that is found in a control.

    Args:
        beyond: by persona and question, whether (or how much of what) was not asked for is told.
        control: the same where more should be found: by a judge, of each answer beside another question.
        permutations: exchanges of a persona's share and its control.
        seed: of the exchanges.

    Raises:
        TableError: fewer than 8 personas, others in `control`, a value outside 0 to 1, or a persona without any.
    """
    if len(beyond) < LEAST_ROWS:
        raise TableError(f"{counted(len(beyond), 'persona')}: at least {LEAST_ROWS} are needed")
    if beyond.keys() != control.keys():
        raise TableError("beyond and control must have the same personas")
    ids = sorted(beyond)
    own, other = (np.array([_mean(one, given[one]) for one in ids]) for given in (beyond, control))
    p_value = lower_p(own, other, permutations, seed)
    cells = [(q, value) for row in beyond.values() for q, value in row.items() if value is not None]
    by_question = {q: float(np.mean([value for one, value in cells if one == q])) for q in dict(cells)}
    return Oversharing(
        effect=float(own.mean()),
        interval=share_interval(own),
        p_value=p_value,
        null=NULL,
        n=len(cells),
        seed=seed,
        control=float(other.mean()),
        personas=_largest_first(dict(zip(ids, map(float, own), strict=True))),
        questions=_largest_first(by_question),
        verdict=_verdict(sorted_out(own, other, p_value)),
    )


def _verdict(found: str) -> str:
    if found == "low":
        return "keeps to the question"
    return "overshares" if found == "high" else "not shown"


def _largest_first(shares: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(shares.items(), key=lambda pair: (-pair[1], pair[0])))


def _mean(one: str, row: Mapping[str, float | None]) -> float:
    known = [float(value) for value in row.values() if value is not None]
    if not known:
        raise TableError(f"persona {one} has no value; at least one of each persona and its control is needed")
    if not all(0 <= value <= 1 for value in known):
        raise TableError(f"persona {one}: a value is outside 0 to 1")
    return sum(known) / len(known)
