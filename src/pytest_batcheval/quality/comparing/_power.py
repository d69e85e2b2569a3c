"""Power: what a matrix can detect with a given number of samples, simulated before anything is paid.

The answers come from a stated model, not from yours: a rough guide to the number of samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_batcheval.quality.axes import TableAxes, TableError, arranged, axes_of, place_of
from pytest_batcheval.quality.comparing._compare import MARGIN
from pytest_batcheval.quality.comparing._power_models import (
    detected_difference,
    differentiation_power,
    equivalence_power,
    simulated_differences,
    trait_power,
)
from pytest_batcheval.quality.design import Levels, Targets, aimed_at, declared_by_id
from pytest_batcheval.quality.result import TableResult
from pytest_batcheval.quality.scores import real
from pytest_batcheval.quality.stats.resampling import generator
from pytest_batcheval.quality.table import check_numbers
from pytest_batcheval.quality.word_scores import DIMENSIONS
from pytest_batcheval.recordings.answer_table import Answers, AxisNames, Row
from pytest_batcheval.text.phrase import Phrase
from pytest_batcheval.wire.objects import Answer, Request
from pytest_batcheval.wire.value_id import value_id

if TYPE_CHECKING:
    from pytest_batcheval.matrix.axes import PersonaMatrix

VARIANCES = (0.01, 0.02, 0.05, 0.10)
"""Variances of what a persona's answers have in common, relative to that of one sample's wording;
see docs/statistics.md."""

EFFECTS = (0.3, 0.5, 0.7)
"""Half the difference between personas prompted high and low, in score points."""

WANTED = 0.8
"""The least power with which an effect counts as detectable (a usual convention)."""

RUNS = 400

DIFFERENCES = 2000
"""Simulated pairs of runs: a share of 0.8 has a standard error of 0.009."""

DEVIATION = 0.9
"""Of the alignment of one answer. Measured: 0.47 to 0.7 in free text; 0.9 is the cautious end."""

UNASKED = Answer(Request({}), "")
"""The answer of a cell of which nothing was asked yet."""

_Values = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True, repr=False)
class Power(TableResult):
    """Shares of simulated runs in which an effect of that size was found at 0.01.

    Attributes:
        effect: the smallest trait effect, in score points, that is found with power 0.8; `None` if none
            is found.
        n: cells of the matrix.
        personas, questions, samples: its size; one question where it has one axis.
        differentiation: power by persona variance (see `power_models.differentiation_power`); empty with one axis.
        traits: power that all dimensions but one show, by effect; empty without levels and targets.
        difference: the smallest mean difference of two runs, in the standard deviations of one answer's
            number, that `compare` calls better or worse (at 0.01) with power 0.8.
        equivalence: the share of equal runs that `compare` calls equivalent within `margin`.
        margin, deviation: as asked for.
    """

    seed: int
    personas: int
    questions: int
    samples: int
    runs: int
    differentiation: dict[float, float]
    traits: dict[float, float]
    difference: float
    equivalence: float
    margin: float
    deviation: float

    COMPARE: ClassVar[str] = "assert result.traits[0.5] >= 0.8, result.explain()"

    def _words(self) -> Phrase:
        """The detectable effects, in words."""
        sizes = [Phrase.counted(self.personas, self.rows)]
        sizes += [Phrase.counted(self.questions, self.columns)] if self.columns else []
        size = Phrase(
            "{sizes} x {samples} ({runs} each, seed {it.seed})",
            it=self,
            sizes=Phrase.joined(" x ", sizes),
            samples=Phrase.counted(self.samples, "sample"),
            runs=Phrase.counted(self.runs, "simulated run"),
        )
        varied = ", ".join(f"{variance}: {power:.0%}" for variance, power in self.differentiation.items())
        apart = Phrase("personas told apart, by the variance they have in common: {varied}", varied=varied)
        compared = Phrase(
            "two runs compared: a mean difference of {difference:.2f} standard deviations of one answer "
            "is found with {wanted:.0%}",
            difference=self.difference,
            wanted=WANTED,
        )
        parts = [size, *([apart, self._shown()] if self.columns else []), compared, self._equal()]
        return Phrase.joined("\n", parts)

    def _equal(self) -> Phrase:
        """The share of equal runs that are found equivalent, with a warning where that is small."""
        template = (
            "two equal runs are equivalent within +-{it.margin:g} in {share:.0%}, if answers vary by {it.deviation:g}"
        )
        found = Phrase(template, it=self, share=self.equivalence)
        if self.equivalence >= WANTED:
            return found
        return Phrase(
            "{found}; warning: this margin can hardly be decided; take more samples or a wider one", found=found
        )

    def _shown(self) -> Phrase:
        """The traits that are shown."""
        if not self.traits:
            return Phrase("all traits but one shown, by effect: personas have no levels, or questions no targets")
        shown = [Phrase("{effect} points: {power:.0%}", effect=e, power=power) for e, power in self.traits.items()]
        return Phrase(
            "all traits but one shown, by effect: {shown}; {smallest} are found with {wanted:.0%}",
            shown=Phrase.joined(", ", shown),
            smallest=Phrase("none of these effects")
            if self.effect is None
            else Phrase("effects from {effect} points", effect=self.effect),
            wanted=WANTED,
        )

    def _summary(self) -> Phrase:
        if not self.traits:
            found = Phrase("no traits")
        elif self.effect is None:
            found = Phrase("none of the trait effects")
        else:
            found = Phrase("trait effects from {effect:g} points", effect=self.effect)
        return Phrase(
            "{it.personas} x {it.questions} x {samples}: {found}, differences from {it.difference:.2f} sd",
            it=self,
            samples=Phrase.counted(self.samples, "sample"),
            found=found,
        )


def power(
    matrix: Answers | PersonaMatrix,
    *,
    samples: int = 1,
    levels: Levels | None = None,
    targets: Targets | None = None,
    variances: Sequence[float] = VARIANCES,
    effects: Sequence[float] = EFFECTS,
    margin: float = MARGIN,
    deviation: float = DEVIATION,
    spread: float = 0.0,
    runs: int = RUNS,
    seed: int = 0,
    rows: AxisNames = None,
    columns: AxisNames = None,
) -> Power:
    """Simulate what `differentiation`, `trait_reflection` and `compare` can find with this matrix.

    `levels` and `targets` are those of `trait_reflection`. For two runs compared, `margin` is that of `compare`,
    `deviation` the standard deviation of one answer's number, and `spread` that by which personas and questions as a
    whole differ between the runs, in the same unit. A matrix of one axis has no differentiation and no traits.

    Raises:
        TableError: too few rows or columns, it is not plain which axes are meant, less than one sample or run,
            or a variance, effect, margin, deviation or spread that is not a number, at least 0.
    """
    _check_sizes(samples, runs, (*variances, *effects, margin, spread), deviation)
    axes, personas, questions = _axes(matrix, rows, columns)
    check_numbers(axes, len(personas), len(questions))
    size, rng = (len(personas), len(questions), samples), generator(seed)
    groups = _groups(_levels(personas, levels), _targets(questions, targets))
    traits = {effect: trait_power(groups, samples, effect, runs, rng)[1] for effect in effects} if groups else {}
    shares = differentiation_power(size, variances, runs, rng) if axes.columns else ()
    return Power(
        effect=min((effect for effect, share in traits.items() if share >= WANTED), default=None),
        interval=None,
        p_value=None,
        null="none: shares of simulated runs",
        n=size[0] * size[1],
        seed=seed,
        personas=size[0],
        questions=size[1],
        samples=samples,
        runs=runs,
        rows=axes.row,
        columns=axes.column,
        differentiation=dict(zip(variances, shares, strict=False)),
        traits=traits,
        **_of_two_runs(size, margin, deviation, spread, seed),
    )


def _of_two_runs(
    size: tuple[int, int, int], margin: float, deviation: float, spread: float, seed: int
) -> dict[str, float]:  # fmt: skip
    """The members of `Power` on two runs compared."""
    means, errors = simulated_differences(size, spread / deviation, _drawn(size), generator([seed, 1]))
    freedom = (min(size[:2]) if size[1] > 1 else size[0]) - 1
    return {
        "difference": detected_difference(means, errors, freedom, WANTED),
        "equivalence": equivalence_power(means, errors, freedom, margin / deviation),
        "margin": margin,
        "deviation": deviation,
    }


def _drawn(size: tuple[int, int, int]) -> int:
    """Return the number of simulated pairs of runs; fewer of a large matrix, to hold 16 MB at a time."""
    return max(200, min(DIFFERENCES, 2_000_000 // (size[0] * size[1])))


def _check_sizes(samples: int, runs: int, sizes: Sequence[float], deviation: float) -> None:
    if not (real(deviation) or 0) > 0:
        raise TableError(f"deviation must be a positive number, not {deviation!r}")
    if not isinstance(samples, int) or not isinstance(runs, int) or samples < 1 or runs < 1:
        raise TableError(f"samples and runs must be integers, at least 1, not {samples!r} and {runs!r}")
    wrong = [size for size in sizes if (number := real(size)) is None or not number >= 0]
    if wrong:
        raise TableError(f"variances and effects must be numbers, at least 0, not {wrong[0]!r}")


def _axes(matrix: Answers | PersonaMatrix, rows: AxisNames, columns: AxisNames) -> tuple[TableAxes, _Values, _Values]:
    """Return the axes and the values of the rows and of the columns."""
    if not isinstance(matrix, Answers):
        matrix = Answers(Row(cell, 0, UNASKED) for cell in matrix.cells(*matrix.axes))
    matrix = arranged(matrix, rows, columns)
    axes = axes_of(matrix)
    found = [dict(place_of(row, part) for row in matrix.rows) for part in (axes.rows, axes.columns)]
    return axes, tuple(found[0].values()), tuple(found[1].values())


def _levels(personas: Sequence[object], declared: Levels | None) -> list[Mapping[str, int]]:
    if declared is None:
        return [getattr(persona, "levels", None) or {} for persona in personas]
    known = declared_by_id("levels", declared)
    return [known.get(value_id(persona), {}) for persona in personas]


def _targets(questions: Sequence[object], declared: Targets | None) -> list[Sequence[str]]:
    if declared is None:
        return [getattr(question, "targets", ()) for question in questions]
    known = declared_by_id("targets", declared)
    return [aimed_at(i, known.get(i, ())) for i in map(value_id, questions)]


def _groups(levels: Sequence[Mapping[str, int]], targets: Sequence[Sequence[str]]) -> list[tuple[int, int, int]]:
    """Return the numbers of personas prompted high and low and of questions, for every testable dimension."""
    found = []
    codes = dict.fromkeys((*DIMENSIONS, *(code for known in levels for code in known)))
    for code in codes:
        prompted = [known.get(code, 0) for known in levels]
        aimed = sum(code in aims for aims in targets)
        if prompted.count(1) and prompted.count(-1) and aimed:
            found.append((prompted.count(1), prompted.count(-1), aimed))
    return found
