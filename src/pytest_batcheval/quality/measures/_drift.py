"""Drift: whether the played role fades from the first question to the last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.axes import NotMeasurable, TableError, arranged
from pytest_batcheval.quality.design import Levels, Targets, declared_by_id
from pytest_batcheval.quality.measures._alignment import counted_alignment
from pytest_batcheval.quality.measures._scored_answers import ScoredAnswers
from pytest_batcheval.quality.result import TableResult, listed, shown
from pytest_batcheval.quality.scores import Given
from pytest_batcheval.quality.stats.cell_means import cell_means
from pytest_batcheval.quality.stats.levels import ALPHA
from pytest_batcheval.quality.stats.resampling import permutation_p, shuffles
from pytest_batcheval.quality.stats.student_t import t_quantile
from pytest_batcheval.quality.table import NAMED, Table, table_of
from pytest_batcheval.recordings.answer_table import Answers, AxisNames
from pytest_batcheval.text.phrase import Phrase
from pytest_batcheval.wire.value_id import value_id

Floats = npt.NDArray[np.float64]
Order = Sequence[Any] | Mapping[Any, Sequence[Any]]
"""The questions (or their ids) in the order in which they were asked; by persona id where the orders differ."""

NULL = "the place of a question does not matter; places permuted, in several orders by persona, one-sided (fading)"

LEAST_PLACES = 3
"""Fewest answers of a persona with an alignment that have a slope of their own."""

LEAST_QUESTIONS = 5
"""Fewest questions in one order that can show a fall at 0.01: 5 have a p of 1 / 120, 4 none below 1 / 24."""

CHUNK = 250
"""Permutations computed at once, to bound memory."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Drift(TableResult):
    """The change of alignment from the first question to the last.

    Attributes:
        effect: the mean over personas of each one's least-squares slope of alignment on the place of the question,
            times the distance from the first place to the last; below 0 the role fades.
        interval: 95 %, Student's t of the personas' slopes: other personas, the same questions in the same places.
        p_value: one-sided, of fading.
        places: the mean alignment at each place, first to last; `None` without any.
        personas: the same change by persona, the most faded first; those without levels or scores are left out.
        orders: the number of different orders of questions.
        scored: the answers with a score, of those whose question aims at a prompted dimension.
        verdict: `fades` (p at most 0.01) or `not shown`.
    """

    effect: float
    interval: tuple[float, float]
    p_value: float
    seed: int
    places: tuple[float | None, ...]
    personas: dict[str, float]
    orders: int
    scored: ScoredAnswers
    verdict: str

    COMPARE: ClassVar[str] = "assert result.verdict != 'fades', result.explain()"

    def _words(self) -> Phrase:
        """The change, the alignment by place, and the personas that fade most."""
        lines = [
            Phrase(
                "{verdict}: alignment changes by {effect:+.2f} from the first question to the last ({interval}), "
                "p = {p:.4g} (seed {seed}), {personas}, {scored}",
                verdict=Phrase.known(self.verdict, "verdict"),
                effect=self.effect,
                interval=shown(self.interval, 2),
                p=self.p_value,
                seed=self.seed,
                personas=Phrase.counted(len(self.personas), "persona"),
                scored=self.scored.__str__(),
            ),
            Phrase("alignment by place: {places}", places=", ".join(map(_short, self.places))),
            Phrase(
                "most faded: {names}",
                names=listed([f"{one} ({change:+.2f})" for one, change in self.personas.items()], NAMED // 2),
            ),
        ]
        if self.orders == 1:
            lines.append(
                Phrase(
                    "all personas were asked in one order, so questions that elicit little at the end look the same; "
                    "ask in several orders to tell them apart"
                )
            )
        if self.orders == 1 and len(self.places) < LEAST_QUESTIONS:
            lines.append(Phrase("fewer than {least} questions in one order have no p of 0.01", least=LEAST_QUESTIONS))
        return Phrase.joined("\n", lines)

    def _summary(self) -> Phrase:
        template = "change={it.effect:+.2f} p={it.p_value:.2g}: {verdict}"
        return Phrase(template, it=self, verdict=Phrase.known(self.verdict, "verdict"))


def drift(
    answers: Answers,
    *,
    order: Order | None = None,
    scores: Given | None = None,
    levels: Levels | None = None,
    targets: Targets | None = None,
    permutations: int = 9999,
    seed: int = 0,
    rows: AxisNames = None,
    columns: AxisNames = None,
) -> Drift:
    """Test whether the alignment of answers falls from the first question to the last.

    `order` has the questions as they were asked, or such a list by persona id; by default it is the order in which the
    table has them. In one order for all, the fall is compared with that of questions in any order; in several, what
    each question elicits is taken off. The other arguments are those of `alignment`.

    Raises:
        TableError: as `alignment`, or `order` does not have each question once.
        TooFewScores: fewer than half of the cells in the first half of the places have a score: nothing could fade.
        NotMeasurable: there is one axis where two are needed, or fewer than 2 personas have a slope.
    """
    answers = arranged(answers, rows, columns)
    values, counts = counted_alignment(answers, scores, levels, targets)
    table = table_of(answers, two_axes=True)
    places, orders = _places(table, order)
    cell = cell_means(table, values[table.places])
    _check_first(places, cell)
    kept = (~np.isnan(cell)).sum(axis=0) >= LEAST_PLACES
    if kept.sum() < 2:
        raise NotMeasurable(Phrase("fewer than 2 personas have an alignment at {least} questions", least=LEAST_PLACES))
    x, y = (places / (len(places) - 1))[:, kept], cell[:, kept]
    slopes, p_value = _slopes(x[None], y, orders > 1)[0], _p_value(x, y, orders > 1, permutations, seed)
    by_persona = zip(np.array(table.row_ids)[kept].tolist(), map(float, slopes), strict=True)
    return Drift(
        effect=float(slopes.mean()),
        interval=_interval(slopes),
        p_value=p_value,
        null=NULL,
        n=len(table.texts),
        seed=seed,
        rows=table.axes.row,
        columns=table.axes.column,
        places=_by_place(places, cell),
        personas=dict(sorted(by_persona, key=lambda pair: pair[1])),
        orders=orders,
        scored=counts,
        verdict="fades" if p_value <= ALPHA else "not shown",
    )


def _interval(slopes: Floats) -> tuple[float, float]:
    half = t_quantile(0.975, len(slopes) - 1) * float(slopes.std(ddof=1)) / len(slopes) ** 0.5
    return float(slopes.mean()) - half, float(slopes.mean()) + half


def _p_value(x: Floats, y: Floats, several: bool, permutations: int, seed: int) -> float:
    """Return the one-sided p of a fall; where there are not several orders, whole questions are permuted."""
    count, people = x.shape

    def null(rng: np.random.Generator, size: int) -> Floats:
        found = np.empty(size)
        for first in range(0, size, CHUNK):
            drawn = min(CHUNK, size - first)
            each = people if several else 1
            places = shuffles(rng, drawn * each, count).reshape(drawn, each, count).transpose(0, 2, 1) / (count - 1)
            found[first : first + drawn] = -_slopes(places, y, several).mean(axis=1)
        return found

    return permutation_p(null, -float(_slopes(x[None], y, several).mean()), permutations, seed)[0]


def _slopes(x: Floats, y: Floats, several: bool) -> Floats:
    """Return the least-squares slope of each column of y (J, P), without NaN, on x (B, J, P or 1); shape (B, P).

    With `several` orders each row's mean is taken off both.
    """
    known = ~np.isnan(y)
    number, weight = known.sum(axis=0), known.astype(np.float64)
    if several:
        asked = np.maximum(known.sum(axis=1), 1)
        x = x - (np.einsum("bjp,jp->bj", x, weight) / asked)[:, :, None]
        y = y - (np.where(known, y, 0.0).sum(axis=1) / asked)[:, None]
    level = np.where(known, y, 0.0).sum(axis=0) / number
    mean = np.einsum("bjp,jp->bp", x, weight) / number
    spread = np.einsum("bjp,jp->bp", x * x, weight) - number * mean**2
    product = np.einsum("bjp,jp->bp", x, np.where(known, y - level, 0.0))
    found: Floats = product / np.maximum(spread, 1e-12)
    return found


def _check_first(places: Floats, cell: Floats) -> None:
    """Check that there is a role to begin with: in alignment a cell without a score is exactly 0.

    Raises:
        TooFewScores: fewer than half of the cells in the first half of the places have a score.
    """
    first = cell[(places < len(places) / 2) & ~np.isnan(cell)]
    ScoredAnswers(int(np.count_nonzero(first)), len(first)).check()


def _by_place(places: Floats, cell: Floats) -> tuple[float | None, ...]:
    at = [cell[(places == n) & ~np.isnan(cell)] for n in range(len(places))]
    return tuple(float(values.mean()) if len(values) else None for values in at)


def _places(table: Table, order: Order | None) -> tuple[Floats, int]:
    """Return the place of each question for each persona, from 0, shape (J, P), and the number of orders.

    Raises:
        TableError: an order does not have each question once, or lacks a persona.
    """
    if isinstance(order, Mapping):
        by_id = declared_by_id("order", order)
        if lacking := [one for one in table.row_ids if one not in by_id]:
            raise TableError(f"order lacks {', '.join(lacking[:NAMED])}; give one for each {table.axes.row}")
        given = [_checked(table, by_id[one]) for one in table.row_ids]
    else:
        given = [_checked(table, _first_seen(table) if order is None else order)] * len(table.rows)
    places = [[one.index(question) for one in given] for question in table.column_ids]
    return np.array(places, dtype=np.float64), len(set(map(tuple, given)))


def _checked(table: Table, order: Sequence[Any]) -> list[str]:
    ids = [] if isinstance(order, str) or not isinstance(order, Sequence) else [value_id(one) for one in order]
    if sorted(ids) != table.column_ids:
        raise TableError(
            f"order must have each {table.axes.column} once ({', '.join(table.column_ids[:NAMED])}), not {order!r:.200}"
        )
    return ids


def _first_seen(table: Table) -> list[str]:
    first = np.full(len(table.columns), len(table.source))
    np.minimum.at(first, table.cell // len(table.rows), table.places)
    return [table.column_ids[n] for n in np.argsort(first, kind="stable")]


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
