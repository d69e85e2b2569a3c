"""One step of a judge's ladder: figures, each compared with a limit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import ClassVar

from pytest_batcheval.quality.result import Result, listed
from pytest_batcheval.quality.stats.student_t import t_quantile
from pytest_batcheval.recordings.answer_table import Row
from pytest_batcheval.text.phrase import Phrase
from pytest_batcheval.wire.key import KEY_SHOWN


@dataclass(frozen=True)
class Figure:
    """One figure of a step; an undefined `value` is `None` and does not hold."""

    name: str
    value: float | None
    sign: str
    limit: float

    @property
    def holds(self) -> bool:
        """Whether the value is within its limit."""
        if self.value is None:
            return False
        return {">=": self.value >= self.limit, "<=": self.value <= self.limit, ">": self.value > self.limit}[self.sign]

    def __str__(self) -> Phrase:
        value = Phrase("undefined") if self.value is None else f"{self.value:.3f}"
        look = Phrase("ok" if self.holds else "FAIL")
        return Phrase("{} {}: {} ({} {:g})", look, Phrase.known(self.name), value, self.sign, self.limit)


@dataclass(frozen=True, kw_only=True, repr=False)
class LadderStep(Result):
    """One step: its figures, each compared with a limit.

    Attributes:
        effect: the first figure.
        step: its name.
        figures: all of them.
        examples: cells to check, with what is wrong in them.
    """

    step: str
    figures: tuple[Figure, ...]
    examples: tuple[str, ...] = ()

    COMPARE: ClassVar[str] = "assert step.passed, step.explain()"
    FIGURES: ClassVar[tuple[str, ...]] = ("passed",)

    @property
    def passed(self) -> bool:
        """Whether every figure holds."""
        return all(figure.holds for figure in self.figures)

    def _words(self) -> Phrase:
        """One line per figure, and the examples."""
        verdict = Phrase("{step} passed ({answers})" if self.passed else "{step} failed ({answers})", **self._size())
        look = [Phrase("see: {names}", names=listed(self.examples))] if self.examples else []
        return Phrase.joined("\n", [verdict, *map(str, self.figures), *look])

    def _texts(self) -> tuple[Phrase, ...]:
        return *super()._texts(), *(Phrase.known(figure.name) for figure in self.figures)

    def _summary(self) -> Phrase:
        broken = [Phrase.known(figure.name) for figure in self.figures if not figure.holds]
        if not broken:
            return Phrase("{step}, {answers}: passed", **self._size())
        return Phrase("{step}, {answers}: failed {names}", names=listed(broken), **self._size())

    def _size(self) -> dict[str, Phrase]:
        return {"step": Phrase.known(self.step), "answers": Phrase.counted(self.n, "answer")}


def step_of(
    name: str,
    figures: Sequence[Figure],
    n: int,
    examples: Sequence[str] = (),
    interval: tuple[float, float] | None = None,
) -> LadderStep:
    """Return a step whose effect is its first figure."""
    return LadderStep(
        effect=figures[0].value,
        interval=interval,
        p_value=None,
        null="none: figures are compared with limits",
        n=n,
        seed=None,
        step=name,
        figures=tuple(figures),
        examples=tuple(examples),
    )


def example(row: Row, what: str) -> str:
    """Return `persona x question: what (key)`."""
    cell = " x ".join(row.id(axis) for axis in row.cell)
    return Phrase("{}: {} ({})", cell, what, row.answer.custom_id[:KEY_SHOWN])


def share(part: int, whole: int) -> float | None:
    """Return the share of a part; `None` if the whole is 0."""
    return part / whole if whole else None


def least(values: Iterable[float | None]) -> float | None:
    """Return the smallest value; `None` if one is undefined."""
    found = list(values)
    known = [value for value in found if value is not None]
    return min(known) if len(known) == len(found) else None


def mean_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the 95 % t interval of a mean."""
    if len(values) < 2:
        return None
    half = t_quantile(0.975, len(values) - 1) * stdev(values) / len(values) ** 0.5
    return mean(values) - half, mean(values) + half
