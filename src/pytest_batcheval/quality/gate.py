"""The quality gate: all measures that a set of persona answers must pass together, since no single one is enough.

An inverted, an echoing and a one-sided respondent all differ significantly from persona to persona; the echoing one
scores best. Each part catches what the others let through.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from pytest_batcheval.quality.axes import Incomplete, NotMeasurable, TableError, arranged, axes_of
from pytest_batcheval.quality.deprecated_names import accepts_former_keywords
from pytest_batcheval.quality.design import Levels, Targets
from pytest_batcheval.quality.limits import check_names, limits_of
from pytest_batcheval.quality.measures._consistency import DUPLICATES, duplicates
from pytest_batcheval.quality.measures._copied_answers import COPIES, copied_answers
from pytest_batcheval.quality.measures._coverage import coverage_of
from pytest_batcheval.quality.measures._differentiation import LIFT, differentiation
from pytest_batcheval.quality.measures._differentiation_controls import MASKED
from pytest_batcheval.quality.measures._discriminant import LEAK, discriminant
from pytest_batcheval.quality.measures._diversity import LIMITS as DIVERSE
from pytest_batcheval.quality.measures._diversity import diversity
from pytest_batcheval.quality.measures._format_checks import LIMITS as CHECKS
from pytest_batcheval.quality.measures._format_checks import format_checks
from pytest_batcheval.quality.measures._persona_echo import ECHO, persona_echo
from pytest_batcheval.quality.measures._trait_outliers import MOST_MUTE, mute_personas, mute_questions
from pytest_batcheval.quality.measures._trait_reflection import MEDIAN_DELTA, TraitReflection, trait_reflection
from pytest_batcheval.quality.result import NONE, Result, TableResult, listed
from pytest_batcheval.quality.scores import Given, scored
from pytest_batcheval.quality.stats.levels import ALPHA
from pytest_batcheval.quality.table import NAMED, named, table_of
from pytest_batcheval.quality.word_scores import Scores
from pytest_batcheval.recordings.answer_table import Answers, AxisNames
from pytest_batcheval.text.phrase import Phrase

PARTS = (
    "form",
    "diverse",
    "different",
    "own_words",
    "copies",
    "traits",
    "discriminant",
    "each_persona",
    "each_question",
    "samples",
)
"""The names of the parts, in the order in which they are checked."""

LIMITS: Mapping[str, float] = {
    **CHECKS,
    **DIVERSE,
    "top3": LIFT,
    "echo": ECHO,
    "copies": COPIES,
    "median_delta": MEDIAN_DELTA,
    "leak": LEAK,
    "mute": MOST_MUTE,
    "duplicates": DUPLICATES,
}
"""The limits of the parts that have any besides a level of significance; docs/statistics.md has their sources."""

Limits = Mapping[str, float] | None


@dataclass(frozen=True)
class Part:
    """One condition of the gate: its name, whether it holds, the reason, and the result that it is read from."""

    name: str
    passed: bool
    reason: str
    result: Result | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class QualityGate(TableResult):
    """The parts and whether all of them hold.

    Attributes:
        effect: share of the parts that hold.
        parts: those that were checked, in the order of `PARTS`.
        left_out: the parts that were not: by request, or `samples` where every cell has one sample.
        unseen: by part, the reason why it cannot look at this table: it has no levels, targets, descriptions or second
            axis. The gate judges by the other parts.
    """

    effect: float
    seed: int
    parts: tuple[Part, ...]
    left_out: tuple[str, ...]
    unseen: dict[str, str]

    COMPARE: ClassVar[str] = "assert gate.passed, gate.explain()"
    FIGURES: ClassVar[tuple[str, ...]] = ("passed", "failed")

    def __getitem__(self, name: str) -> Part:
        for part in self.parts:
            if part.name == name:
                return part
        raise KeyError(f"part {name!r} was not checked; the parts are {', '.join(p.name for p in self.parts)}")

    @property
    def passed(self) -> bool:
        """Whether every part holds."""
        return not self.failed

    @property
    def failed(self) -> tuple[str, ...]:
        """The names of the parts that do not hold."""
        return tuple(part.name for part in self.parts if not part.passed)

    def _words(self) -> Phrase:
        """One line per part; below them the full results of those that failed."""
        answers = Phrase.counted(self.n, "answer")
        verdict = Phrase("quality gate of {answers} passed", answers=answers)
        if self.failed:
            verdict = Phrase("quality gate of {answers} failed: {parts}", answers=answers, parts=_names(self.failed))
        lines = [
            Phrase("{} {}: {}", Phrase("ok" if part.passed else "FAIL"), Phrase.known(part.name, "part"), part.reason)
            for part in self.parts
        ]
        out = [Phrase("left out: {parts}", parts=_names(self.left_out))] if self.left_out else []
        unseen = [
            Phrase("cannot look: {part}: {reason}", part=Phrase.known(name, "part"), reason=reason)
            for name, reason in self.unseen.items()
        ]
        broken = [(part.name, part.result) for part in self.parts if not part.passed and part.result is not None]
        whole = [Phrase("\n{}\n{}", Phrase.known(name, "part"), result._words()) for name, result in broken]
        return Phrase.joined("\n", [verdict, *lines, *out, *unseen, *whole])

    def _texts(self) -> tuple[Phrase, ...]:
        reasons = [(part.name, part.reason) for part in self.parts] + list(self.unseen.items())
        named = (text for name, reason in reasons for text in (Phrase.known(name, "part"), reason))
        return *super()._texts(), *(text for text in named if isinstance(text, Phrase))

    def _summary(self) -> Phrase:
        sizes = {"answers": Phrase.counted(self.n, "answer"), "parts": Phrase.counted(len(self.parts), "part")}
        if self.passed and self.unseen:
            return Phrase(
                "{answers}, {parts}: passed; cannot look: {unseen}", unseen=_names(tuple(self.unseen)), **sizes
            )
        if self.passed:
            return Phrase("{answers}, {parts}: passed", **sizes)
        return Phrase("{answers}, {parts}: failed {failed}", failed=_names(self.failed), **sizes)


def _names(parts: Sequence[str]) -> Phrase:
    return Phrase.joined(", ", (Phrase.known(name, "part") for name in parts))


def _left_out(leave_out: Collection[str]) -> Collection[str]:
    """The parts to leave out.

    Raises:
        TableError: there is no such part.
    """
    names = named(leave_out)
    if unknown := set(names) - set(PARTS):
        raise TableError(f"unknown part {', '.join(sorted(unknown))}; the parts are {', '.join(PARTS)}")
    return names


@accepts_former_keywords
def quality_gate(
    answers: Answers,
    *,
    scores: Given | None = None,
    levels: Levels | None = None,
    targets: Targets | None = None,
    unprompted: Collection[str] = (),
    leave_out: Collection[str] = (),
    without: Collection[str] = ("average",),
    language: str = "ko",
    roles: Sequence[str] | None = None,
    limits: Mapping[str, float] | None = None,
    permutations: int = 9999,
    seed: int = 0,
    rows: AxisNames = None,
    columns: AxisNames = None,
) -> QualityGate:
    """Check every part that can look at the table, except those in `leave_out`.

    A table without levels, targets, descriptions or a second axis is judged by the other parts; see `unseen`.

    `limits` has limits of your own in place of those of `LIMITS`, by name. The other arguments are those of
    `trait_reflection`, `differentiation` and `format_checks`.

    Raises:
        TableError: the table is too small, parts cannot be measured on it (the message names all of them),
            `leave_out` has a name that is not a part's, or `limits` one that is not a limit's.
    """
    leave_out = _left_out(leave_out)
    check_names(limits, LIMITS)
    within = limits_of(limits, LIMITS)
    judged, given = scored(arranged(answers, rows, columns), scores)
    shared: dict[str, Any] = {"permutations": permutations, "seed": seed}
    found = cache(
        lambda: trait_reflection(judged, scores=given, levels=levels, targets=targets, unprompted=unprompted, **shared)
    )
    checks: dict[str, Callable[[], Part | None]] = {
        "form": lambda: _form(answers, language, roles, limits),
        "diverse": lambda: _diverse(judged, limits),
        "different": lambda: _different(judged, without, limits, shared),
        "own_words": lambda: _own_words(judged, limits, shared),
        "copies": lambda: _copies(judged, within["copies"]),
        "traits": lambda: _traits(judged, found(), given, levels, targets, within["median_delta"], shared),
        "discriminant": lambda: _discriminant(judged, given, levels, targets, within["leak"], shared),
        "each_persona": lambda: _each(found(), "each_persona", within["mute"]),
        "each_question": lambda: _each(found(), "each_question", within["mute"]),
        "samples": lambda: _samples(judged, within["duplicates"]),
    }
    parts, unseen = _looked({name: check for name, check in checks.items() if name not in leave_out})
    return _gate(judged, parts, unseen, seed)


def _gate(answers: Answers, parts: Sequence[Part], unseen: dict[str, str], seed: int) -> QualityGate:
    axes, looked = axes_of(answers), {part.name for part in parts} | unseen.keys()
    return QualityGate(
        effect=sum(part.passed for part in parts) / max(len(parts), 1),
        interval=None,
        p_value=None,
        null="none: a conjunction of parts that have their own",
        n=len(answers),
        seed=seed,
        parts=tuple(parts),
        left_out=tuple(name for name in PARTS if name not in looked),
        unseen=unseen,
        rows=axes.row,
        columns=axes.column,
    )


def _looked(checks: Mapping[str, Callable[[], Part | None]]) -> tuple[list[Part], dict[str, str]]:
    """Return the parts that could look, and the reasons why others cannot.

    Raises:
        TableError: some cannot be measured, or all cannot look.
    """
    parts: list[Part] = []
    unseen: dict[str, str] = {}
    failed: dict[str, list[str]] = {}
    lacking: dict[str, Phrase] = {}
    for name, check in checks.items():
        try:
            part = check()
        except NotMeasurable as error:
            unseen[name] = error.args[0]
        except Incomplete as error:
            lacking[name] = error.args[0]
        except TableError as error:
            failed.setdefault(str(error), []).append(name)
        else:
            parts += [part] if part else []
    if lacking and not failed and any(part.name == "form" and not part.passed for part in parts):
        unseen |= lacking  # form says what is missing, and what to do
    else:
        for name, reason in lacking.items():
            failed.setdefault(str(reason), []).append(name)
    if failed:
        reasons = "\n".join(f"{', '.join(names)}: {reason}" for reason, names in failed.items())
        names = [name for names in failed.values() for name in names]
        raise TableError(
            f"{reasons} (leave {'this part' if len(names) == 1 else 'parts'} out with leave_out={names!r})"
        )
    if unseen and not parts:
        raise TableError("no part of the gate can look: " + "; ".join(f"{n}: {reason}" for n, reason in unseen.items()))
    return parts, unseen


def _form(answers: Answers, language: str, roles: Sequence[str] | None, limits: Limits) -> Part:
    found = format_checks(answers, language=language, roles=roles, limits=limits)
    names = found.failing or tuple(found.checks)
    shares = [Phrase("{} {:.1%}", Phrase.known(name, "check"), found[name].share) for name in names]
    return Part("form", not found.failing, Phrase.joined(", ", shares), found)


def _diverse(answers: Answers, limits: Limits) -> Part:
    found = diversity(answers, limits=limits)
    reason = Phrase("near-duplicates {:.1%}, vendi {:.2f}", found.near_duplicates, found.vendi)
    return Part("diverse", found.verdict == "diverse", reason, found)


def _different(answers: Answers, without: Collection[str], limits: Limits, shared: dict[str, Any]) -> Part:
    found = differentiation(answers, without=without, limits=limits, **shared)
    reason = Phrase(
        "{verdict}: p = {p:.4g}, top 3 {top3:.3f} (chance {chance:.3f})",
        verdict=Phrase.known(found.verdict, "verdict"),
        p=found.p_value,
        top3=found.top3,
        chance=3 / found.personas,
    )
    masked = found.controls.get(MASKED)
    if found.p_value <= ALPHA and masked is not None and masked.p_value > ALPHA:
        reason = Phrase("{reason}; warning: {detail}", reason=reason, detail=masked.detail)
    return Part("different", found.verdict == "different", reason, found)


def _own_words(answers: Answers, limits: Limits, shared: dict[str, Any]) -> Part:
    found = persona_echo(answers, limits=limits, **shared)
    reason = Phrase("echo lift {lift:.3f} (at most {most:.2f})", lift=found.lift, most=found.most)
    return Part("own_words", found.lift <= found.most, reason, found)


def _copies(answers: Answers, most: float) -> Part:
    share, cells = copied_answers(table_of(answers, two_axes=True, any_size=True))
    template = "{share:.1%} of a persona's answers to different questions are copies (at most {most:.0%})"
    reason = Phrase(template, share=share, most=most)
    if cells:
        reason = Phrase("{reason}: {cells}", reason=reason, cells=listed(cells, NAMED))
    return Part("copies", share <= most, reason)


def _traits(
    answers: Answers,
    found: TraitReflection,
    scores: Scores,
    levels: Levels | None,
    targets: Targets | None,
    median_delta: float,
    shared: dict[str, Any],
) -> Part:
    weak = [t.dimension for t in found.prompted if t.p_value > ALPHA or t.delta <= 0]
    reason = Phrase(
        "median delta {delta:.2f}, not shown: {weak}; {scored}; weakest personas: {least}",
        scored=found.scored.__str__(),
        delta=found.median_delta,
        weak=", ".join(weak) or NONE,
        least=found.least,
    )
    if uneven := coverage_of(table_of(answers), scores, levels, targets, **shared).uneven:
        codes = ", ".join(uneven)
        template = "{reason}; warning: scores are missing by the prompted level: {codes}"
        reason = Phrase(template, reason=reason, codes=codes)
    if found.leaking:
        codes = ", ".join(found.leaking)
        reason = Phrase("{reason}; warning: shown though not prompted: {codes}", reason=reason, codes=codes)
    return Part("traits", found.shows_by(median_delta), reason, found)


def _each(found: TraitReflection, name: str, most: float) -> Part:
    """The part on single personas or questions: whether all but one show something of what was prompted."""
    by_question = name == "each_question"
    leaning = found.question_leanings if by_question else found.leanings
    mute = mute_questions(leaning) if by_question else mute_personas(leaning)
    reason = Phrase(
        "{mute} of {number} show next to nothing (at most {most}): {names}",
        mute=len(mute),
        number=len(leaning),
        most=f"{most:g}",
        names=Phrase.joined(", ", [f"{one} ({leaning[one]:+.2f})" for one in mute[:NAMED]]) or NONE,
    )
    return Part(name, len(mute) <= most, reason)


def _discriminant(
    answers: Answers,
    scores: Scores,
    levels: Levels | None,
    targets: Targets | None,
    most: float,
    shared: dict[str, Any],
) -> Part:
    found = discriminant(answers, scores=scores, levels=levels, targets=targets, **shared)
    if found.leak is None:
        return Part("discriminant", False, Phrase("prompted traits do not raise their own scores"), found)
    reason = Phrase(
        "leak {leak:.2f} (at most {most}), moved by other traits: {mixed}",
        leak=found.leak,
        most=most,
        mixed=", ".join(found.mixed) or NONE,
    )
    return Part("discriminant", found.within(most), reason, found)


def _samples(answers: Answers, most: float) -> Part | None:
    table = table_of(answers, any_size=True)
    if table.counts.max() < 2:
        return None
    share, cells = duplicates(table)
    template = "{share:.1%} of the samples repeat another of their cell (at most {most:.0%})"
    reason = Phrase(template, share=share, most=most)
    if cells:
        reason = Phrase("{reason}; most in: {cells}", reason=reason, cells=listed(cells))
    return Part("samples", share <= most, reason)
