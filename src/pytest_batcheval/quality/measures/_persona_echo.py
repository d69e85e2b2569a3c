"""Persona echo: whether a persona recites its description instead of showing it.

The rate at which answers contain words of their own persona's description or id, less the rate for the other
personas': words that any patient uses cancel out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.axes import NotMeasurable, TableError, TooSmall, arranged
from pytest_batcheval.quality.limits import limits_of
from pytest_batcheval.quality.measures._shared_phrases import description_of, description_runs, runs_in, shared_parts
from pytest_batcheval.quality.result import NONE, TableResult, listed, shown
from pytest_batcheval.quality.scores import spoken
from pytest_batcheval.quality.stats.resampling import jackknife_interval, permutation_p, shuffles
from pytest_batcheval.quality.table import NAMED, Table, table_of
from pytest_batcheval.recordings.answer_table import Answers, AxisNames
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.phrase import Phrase

Floats = npt.NDArray[np.float64]

ECHO = 0.10
"""Largest lift allowed: one answer in ten, a convention; simulated (docs/statistics.md) faithful 0.02, echo 1.0."""

LEAST = 3
"""Personas of which each in turn can be left out, and two still be compared."""

NULL = "answers have words of their own description no more often than of others'; personas permuted within questions"


@dataclass(frozen=True, kw_only=True, repr=False)
class PersonaEcho(TableResult):
    """The rate at which answers repeat the words of their persona's description.

    Attributes:
        effect: the lift. For each answer and each other persona: 1 if it has a run of letters of its own
            description or id that is not in the other's, less 1 if it has one of the other's that is not in its own;
            averaged over all. 0 by chance, from -1 to 1.
        interval: 95 %, by leaving out one persona at a time.
        p_value: one-sided.
        quotes: the answers that repeat most: `persona x question (key): words`.
        most: the largest lift that is allowed.
    """

    effect: float
    interval: tuple[float, float]
    p_value: float
    seed: int
    quotes: tuple[str, ...]
    most: float

    COMPARE: ClassVar[str] = "assert result.lift <= 0.10, result.explain()"
    FIGURES: ClassVar[tuple[str, ...]] = ("lift",)

    @property
    def lift(self) -> float:
        """The effect."""
        return self.effect

    def _words(self) -> Phrase:
        """The result in words, with the answers that repeat most."""
        return Phrase(
            "echo lift = {it.lift:.3f} ({interval}; at most {most:.2f}), p = {it.p_value:.4g} (seed {it.seed}), "
            "{answers}; most: {quotes}",
            it=self,
            interval=shown(self.interval),
            most=self.most,
            answers=Phrase.counted(self.n, "answer"),
            quotes=listed(self.quotes) or NONE,
        )

    def _summary(self) -> Phrase:
        finding = Phrase("in their own words" if self.lift <= self.most else "descriptions are repeated")
        return Phrase("lift={it.lift:.3f} p={it.p_value:.2g}: {finding}", it=self, finding=finding)


def persona_echo(
    answers: Answers,
    *,
    permutations: int = 9999,
    seed: int = 0,
    limits: Mapping[str, float] | None = None,
    rows: AxisNames = None,
    columns: AxisNames = None,
) -> PersonaEcho:
    """Measure how often answers repeat the words of their own persona's description, or its id.

    `limits` has a limit of your own by its name: `echo`.

    Raises:
        TableError: fewer than 3 personas, too many cells without an answer, or a persona has no `description`.
        NotMeasurable: none has, or no description or id holds three syllables (nine letters) in a row.
    """
    table = table_of(spoken(arranged(answers, rows, columns)), any_size=True)
    if len(table.rows) < LEAST:
        raise TooSmall(f"{counted(len(table.rows), table.axes.row)}: at least {LEAST} are needed for an interval")
    lacking = [i for i, p in zip(table.row_ids, table.rows, strict=True) if description_of(p) is None]
    if lacking:
        kind = NotMeasurable if len(lacking) == len(table.rows) else TableError
        template = "personas without a `description` that they could repeat: {names}"
        raise kind(Phrase(template, names=listed(lacking, NAMED)))
    described = [description_runs(persona) for persona in table.rows]
    if not any(described):
        raise NotMeasurable(Phrase("descriptions and ids are too short to be repeated"))
    lifts = _lifts(table, described)
    cells = _cell_means(table, lifts)
    own = np.einsum("jii->ji", cells)[table.present]
    lift = float(own.mean())
    p_value, _ = permutation_p(
        lambda rng, n: _null(cells, rng, n), float(np.einsum("jii->", cells)), permutations, seed
    )
    owner = np.nonzero(table.present)[1]
    left_out = [float(own[owner != i].mean()) for i in range(len(table.rows))]
    return PersonaEcho(
        effect=lift,
        interval=jackknife_interval(lift, left_out),
        p_value=p_value,
        null=NULL,
        n=len(table.texts),
        seed=seed,
        rows=table.axes.row,
        columns=table.axes.column,
        quotes=_quotes(table, described),
        most=limits_of(limits, {"echo": ECHO})["echo"],
    )


def _lifts(table: Table, described: Sequence[Set[str]]) -> Floats:
    """Return the lift of each answer if it were that persona's, shape (n, P)."""
    every = sorted(frozenset[str]().union(*described))
    number = {run: n for n, run in enumerate(every)}
    holds = np.zeros((len(described), len(every)), np.float32)
    for i, runs in enumerate(described):
        holds[i, [number[run] for run in runs]] = 1
    said = np.zeros((len(table.texts), len(every)), np.float32)
    for n, text in enumerate(table.texts):
        said[n, [number[run] for run in runs_in(text) & number.keys()]] = 1
    # (n, i, m): the answer has a run that is in i's description and not in m's
    only = np.stack([(said * holds[i]) @ (1 - holds).T > 0 for i in range(len(described))], axis=1).astype(np.float64)
    lifts: Floats = (only.sum(axis=2) - only.sum(axis=1)) / (len(described) - 1)
    return lifts


def _cell_means(table: Table, lifts: Floats) -> Floats:
    """Return cell means, shape (J, P, P): question, persona that answered, assumed persona; 0 for a missing cell."""
    means = np.zeros((len(table.counts), lifts.shape[1]))
    np.add.at(means, table.cell, lifts / table.counts[table.cell][:, None])
    return means.reshape(len(table.columns), len(table.rows), -1)


def _null(cells: Floats, rng: np.random.Generator, count: int) -> Floats:
    questions, personas = cells.shape[:2]
    sums = np.zeros(count)
    for j in range(questions):
        order = shuffles(rng, count, personas)
        sums += cells[j].ravel().take(order + np.arange(personas) * personas, mode="clip").sum(axis=1)
    return sums


def _quotes(table: Table, described: Sequence[Set[str]]) -> tuple[str, ...]:
    """Return the answers with the longest parts of their own description, without what all descriptions share."""
    common = frozenset.intersection(*map(frozenset, described))
    found = []
    for n, text in enumerate(table.texts):
        parts = shared_parts(text, described[table.cell[n] % len(described)] - common)
        if parts:
            found.append((-sum(map(len, parts)), n, parts))
    return tuple(f"{table.answer_name(n)}: {', '.join(parts)}" for _, n, parts in sorted(found))
