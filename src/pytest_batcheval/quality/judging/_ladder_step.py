"""One step of a judge's ladder: figures, each compared with a limit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import ClassVar

from pytest_batcheval.quality.result import Result, listed
from pytest_batcheval.quality.stats.student_t import t_quantile
from pytest_batcheval.recordings.answer_table import Row
from pytest_batcheval.text.format import counted
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

    def __str__(self) -> str:
        value = "undefined" if self.value is None else f"{self.value:.3f}"
        return f"{'ok' if self.holds else 'FAIL'} {self.name}: {value} ({self.sign} {self.limit:g})"


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

    def explain(self) -> str:
        """One line per figure, and the examples."""
        verdict = "passed" if self.passed else "failed"
        look = [f"see: {listed(self.examples)}"] if self.examples else []
        return "\n".join([f"{self.step} {verdict} ({counted(self.n, 'answer')})", *map(str, self.figures), *look])

    def _summary(self) -> str:
        broken = [figure.name for figure in self.figures if not figure.holds]
        return f"{self.step}, {counted(self.n, 'answer')}: {f'failed {listed(broken)}' if broken else 'passed'}"


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
    return f"{' x '.join(row.id(axis) for axis in row.cell)}: {what} ({row.answer.custom_id[:KEY_SHOWN]})"


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
