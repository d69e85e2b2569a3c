"""All that a set of persona answers must show at once: no single measure is enough.

An inverted, an echoing and a one-sided respondent are all significantly different from persona to
persona; the echoing one scores best. Each part catches what the others let through.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, ClassVar

from pytest_batcheval.quality.design import Levels, Targets
from pytest_batcheval.quality.measures._consistency import DUPLICATES, duplicates
from pytest_batcheval.quality.measures._differentiation import differentiation
from pytest_batcheval.quality.measures._differentiation_controls import MASKED
from pytest_batcheval.quality.measures._discriminant import LEAK, discriminant
from pytest_batcheval.quality.measures._diversity import diversity
from pytest_batcheval.quality.measures._format_checks import format_checks
from pytest_batcheval.quality.measures._persona_echo import ECHO, persona_echo
from pytest_batcheval.quality.measures._trait_reflection import trait_reflection
from pytest_batcheval.quality.result import Result, listed
from pytest_batcheval.quality.scores import Given, scored
from pytest_batcheval.quality.stats.resampling import ALPHA
from pytest_batcheval.quality.table import TableError, named, table_of
from pytest_batcheval.wire.answers import Answers

PARTS = ("form", "diverse", "different", "own_words", "traits", "discriminant", "samples")
"""The parts by name, in the order in which they are looked at."""


@dataclass(frozen=True)
class Part:
    """One condition of the gate: its name, whether it holds, why (not), and the result it was read from."""

    name: str
    passed: bool
    reason: str
    result: Result | None = None


@dataclass(frozen=True, kw_only=True)
class QualityGate(Result):
    """The parts and whether all of them hold.

    Attributes:
        effect: share of the parts that hold.
        parts: those that were looked at, in the order of `PARTS`.
        left_out: the parts that were not: by request, or `samples` where every cell has one.
    """

    effect: float
    seed: int
    parts: tuple[Part, ...]
    left_out: tuple[str, ...]

    COMPARE: ClassVar[str] = "assert gate.passed, gate.explain()"
    FIGURES: ClassVar[tuple[str, ...]] = ("passed", "failed")

    def __getitem__(self, name: str) -> Part:
        for part in self.parts:
            if part.name == name:
                return part
        raise KeyError(f"part {name!r} was not looked at; the parts are {', '.join(p.name for p in self.parts)}")

    @property
    def passed(self) -> bool:
        """Whether every part holds."""
        return not self.failed

    @property
    def failed(self) -> tuple[str, ...]:
        """The names of the parts that do not hold."""
        return tuple(part.name for part in self.parts if not part.passed)

    def explain(self) -> str:
        """One line per part; below them, whole, the results of those that failed."""
        verdict = "passed" if self.passed else f"failed: {', '.join(self.failed)}"
        lines = [f"{'ok' if part.passed else 'FAIL'} {part.name}: {part.reason}" for part in self.parts]
        unseen = [f"not looked at: {', '.join(self.left_out)}"] if self.left_out else []
        whole = [f"\n{p.name}\n{p.result.explain()}" for p in self.parts if not p.passed and p.result is not None]
        return "\n".join([f"quality gate of {self.n} answers {verdict}", *lines, *unseen, *whole])


def quality_gate(
    answers: Answers,
    *,
    scores: Given | None = None,
    levels: Levels | None = None,
    targets: Targets | None = None,
    untold: Collection[str] = (),
    leave_out: Collection[str] = (),
    without: Collection[str] = ("average",),
    language: str = "ko",
    permutations: int = 9999,
    seed: int = 0,
) -> QualityGate:
    """Look at every part; `leave_out` names those that the data cannot answer.

    The other arguments are those of `trait_reflection`, `differentiation` and `format_checks`.

    Raises:
        TableError: the table is too small, a part cannot be measured on it (the message names the
            part), or `leave_out` names no part.
    """
    leave_out = named(leave_out)
    unknown = set(leave_out) - set(PARTS)
    if unknown:
        raise TableError(f"no part {', '.join(sorted(unknown))}; the parts are {', '.join(PARTS)}")
    judged, given = scored(answers, scores)
    shared: dict[str, Any] = {"permutations": permutations, "seed": seed}
    looks: dict[str, Callable[[], Part | None]] = {
        "form": lambda: _form(judged, language),
        "diverse": lambda: _diverse(judged),
        "different": lambda: _different(judged, without, shared),
        "own_words": lambda: _own_words(judged, shared),
        "traits": lambda: _traits(judged, given, levels, targets, untold, shared),
        "discriminant": lambda: _discriminant(judged, given, levels, targets, shared),
        "samples": lambda: _samples(judged),
    }
    parts = [part for name, look in looks.items() if name not in leave_out and (part := _named(name, look))]
    seen = [part.name for part in parts]
    return QualityGate(
        effect=sum(part.passed for part in parts) / max(len(parts), 1),
        interval=None,
        p_value=None,
        null="none: a conjunction of parts that have their own",
        n=len(judged),
        seed=seed,
        parts=tuple(parts),
        left_out=tuple(name for name in PARTS if name not in seen),
    )


def _named(name: str, look: Callable[[], Part | None]) -> Part | None:
    try:
        return look()
    except TableError as error:
        raise TableError(f"{name}: {error} (leave_out=[{name!r}] leaves this part out)") from None


def _form(answers: Answers, language: str) -> Part:
    found = format_checks(answers, language=language)
    shares = [f"{name} {found[name].share:.1%}" for name in found.failing or tuple(found.checks)]
    return Part("form", not found.failing, ", ".join(shares), found)


def _diverse(answers: Answers) -> Part:
    found = diversity(answers)
    reason = f"near-duplicates {found.near_duplicates:.1%}, vendi {found.vendi:.2f}"
    return Part("diverse", found.verdict == "diverse", reason, found)


def _different(answers: Answers, without: Collection[str], shared: dict[str, Any]) -> Part:
    found = differentiation(answers, without=without, **shared)
    reason = f"{found.verdict}: p = {found.p_value:.4g}, top 3 {found.top3:.3f} (chance {3 / found.personas:.3f})"
    masked = found.controls.get(MASKED)
    if found.p_value <= ALPHA and masked is not None and masked.p_value > ALPHA:
        reason += f"; warning: {masked.detail}"
    return Part("different", found.verdict == "different", reason, found)


def _own_words(answers: Answers, shared: dict[str, Any]) -> Part:
    found = persona_echo(answers, **shared)
    return Part("own_words", found.lift <= ECHO, f"echo lift {found.lift:.3f} (at most {ECHO:.2f})", found)


def _traits(
    answers: Answers,
    scores: Given,
    levels: Levels | None,
    targets: Targets | None,
    untold: Collection[str],
    shared: dict[str, Any],
) -> Part:
    found = trait_reflection(answers, scores=scores, levels=levels, targets=targets, untold=untold, **shared)
    weak = [t.dimension for t in found.told if t.p_value > ALPHA or t.delta <= 0]
    reason = (
        f"median delta {found.median_delta:.2f}, not shown: {', '.join(weak) or 'none'}; least as told: {found.least}"
    )
    if found.leaking:
        reason += f"; warning: shown though not told: {', '.join(found.leaking)}"
    return Part("traits", found.shows, reason, found)


def _discriminant(
    answers: Answers, scores: Given, levels: Levels | None, targets: Targets | None, shared: dict[str, Any]
) -> Part:
    found = discriminant(answers, scores=scores, levels=levels, targets=targets, **shared)
    if found.leak is None:
        return Part("discriminant", False, "told traits do not raise their own scores", found)
    return Part("discriminant", found.leak <= LEAK, f"leak {found.leak:.2f} (at most {LEAK})", found)


def _samples(answers: Answers) -> Part | None:
    table = table_of(answers)
    if table.counts.max() < 2:
        return None
    share, cells = duplicates(table)
    reason = f"{share:.1%} of the samples repeat another of their cell (at most {DUPLICATES:.0%})"
    return Part("samples", share <= DUPLICATES, f"{reason}; most in: {listed(cells)}" if cells else reason)
