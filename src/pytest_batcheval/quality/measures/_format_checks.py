"""Form of answers: present, complete, in the right language, from a patient, not a copy of the question."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, ClassVar

from pytest_batcheval.quality.axes import TableError, axes_of, place_of
from pytest_batcheval.quality.limits import limits_of
from pytest_batcheval.quality.measures._language_check import distinguished, most_words, other_language
from pytest_batcheval.quality.result import Result, listed, shown
from pytest_batcheval.quality.scores import spoken
from pytest_batcheval.quality.stats.student_t import wilson_interval
from pytest_batcheval.quality.verdicts import IN_ROLE, strange_roles
from pytest_batcheval.recordings.answer_table import Answers, Row
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.phrase import Phrase
from pytest_batcheval.wire.key import KEY_SHOWN

LIMITS = {
    "other_script": 0.02,
    "other_language": 0.02,
    "empty": 0.01,
    "unfinished": 0.01,
    "refusal": 0.01,
    "role_flip": 0.01,
    "other_role": 0.01,
    "question_echo": 0.02,
    "failed": 0.02,
    "missing": 0.02,
}
"""Largest share of answers of each kind: conventions, chosen to allow a single stray answer in 275."""

OF_ROLE = {"refusal": "refusal", "ai_disclosure": "refusal", "role_flip": "role_flip"}
"""The check that a judge's label belongs to; any other label out of its role is `other_role`."""

SCRIPT_SHARE = 0.8
"""Least share of letters in the expected script, a convention: names and units in another script are allowed."""

ECHOED = 0.6
"""Share of the question's character 4-grams in the answer above which it repeats the question: a convention."""

SCRIPTS: dict[str, str | tuple[str, ...]] = {
    "ko": "HANGUL",
    "en": "LATIN",
    "ja": ("HIRAGANA", "KATAKANA", "CJK"),
    "zh": "CJK",
    **dict.fromkeys(("de", "es", "fr", "it", "pt", "vi"), "LATIN"),
    **dict.fromkeys(("ru", "uk"), "CYRILLIC"),
    "ar": "ARABIC",
    "hi": "DEVANAGARI",
}
"""The prefix of the Unicode names of each language's letters."""


@dataclass(frozen=True)
class Check:
    """Answers that fail one check.

    Attributes:
        hits, n: the number of failing answers, and of checked ones.
        share: hits / n; 0 for n = 0.
        interval: 95 % (Wilson).
        limit: the largest share that is allowed.
        found: `persona x question (key)` of each hit, in the order of the table.
    """

    hits: int
    n: int
    share: float
    interval: tuple[float, float]
    limit: float
    found: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the share is within the limit."""
        return self.share <= self.limit


@dataclass(frozen=True, kw_only=True, repr=False)
class FormatChecks(Result):
    """The checks by name.

    Attributes:
        effect: the share of answers that fail any check; `interval` Wilson's.
        checks: `failed` (no answer), `empty`, `unfinished` (finish reason other than stop), `other_script`,
            `other_language` (in the same script, where languages of it can be told apart), `refusal` (marked as one, in
            words, or a mention of being an AI), `role_flip` (the patient offers help), and where questions have a text,
            `question_echo`. Where a judge labelled roles, its labels count for `refusal` and `role_flip`, and any other
            role than that of the prompt for `other_role`. `missing`, where some are: cells of the table's rows and
            columns of which nothing was asked.
    """

    effect: float
    interval: tuple[float, float]
    checks: dict[str, Check]

    COMPARE: ClassVar[str] = "assert not result.failing, result.explain()"
    FIGURES: ClassVar[tuple[str, ...]] = ("failing",)

    def __getitem__(self, name: str) -> Check:
        if name not in self.checks:
            raise KeyError(f"unknown check {name!r}; the checks are {', '.join(self.checks)}")
        return self.checks[name]

    @property
    def failing(self) -> tuple[str, ...]:
        """The checks whose share is above their limit."""
        return tuple(name for name, check in self.checks.items() if not check.passed)

    def _words(self) -> Phrase:
        """One line per check, with the cells and keys of the hits."""
        lines = [self._share(), *(_line(name, check) for name, check in self.checks.items())]
        if {"failed", "missing"} & set(self.failing):
            lines.append(Phrase("ask again for what failed or is missing: run the tests once more, only that is sent"))
        return Phrase.joined("\n", lines)

    def _summary(self) -> Phrase:
        names = Phrase.joined(", ", (Phrase.known(name, "check") for name in self.failing))
        found = Phrase("above the limit: {checks}", checks=names) if names else Phrase("all checks within their limits")
        return Phrase("{}: {}", self._share(), found)

    def _share(self) -> Phrase:
        return Phrase(
            "{share:.1%} of {answers} fail a check", share=self.effect, answers=Phrase.counted(self.n, "answer")
        )


def _line(name: str, check: Check) -> Phrase:
    line = Phrase(
        "{look} {name}: {it.hits} of {it.n} ({interval}; at most {it.limit:.0%})",
        look=Phrase("ok" if check.passed else "FAIL"),
        name=Phrase.known(name, "check"),
        it=check,
        interval=shown(check.interval),
    )
    return Phrase("{}: {}", line, listed(check.found)) if check.found else line


def _tests(language: str) -> dict[str, Callable[[Row], bool]]:
    """The checks of one answer by name, true where it fails."""
    tests: dict[str, Callable[[Row], bool]] = {
        "empty": lambda row: not row.answer.text.strip() and not row.answer.refusal,
        "unfinished": lambda row: row.answer.finish_reason != "stop",
        "other_script": lambda row: script_share(row.answer.text, language) < SCRIPT_SHARE,
        "refusal": lambda row: bool(row.answer.refusal) or says(row.answer.text, "refusal", "ai_mention"),
        "role_flip": lambda row: says(row.answer.text, "role_flip"),
    }
    if distinguished(language):
        tests["other_language"] = lambda row: bool(other_language(row.answer.text, language))
    return tests


def format_checks(
    answers: Answers,
    *,
    language: str = "ko",
    roles: Sequence[str] | None = None,
    limits: Mapping[str, float] | None = None,
) -> FormatChecks:
    """Check the form of each answer; `language` is ko, en or another of `SCRIPTS`.

    `roles` has a judge's label of each answer, such as `verdicts_of(judged).roles`; `in_role` and an empty one are no
    fault. By default the labels of the table's own verdicts are taken. `limits` has limits of your own by check.

    Raises:
        TableError: there are no answers, the language is unknown, or roles are not one per answer.
    """
    if language not in SCRIPTS:
        raise TableError(f"unknown language {language!r}; the languages are {', '.join(SCRIPTS)}")
    if not len(answers):
        raise TableError("there are no answers to check")
    labels, within = _labels(answers, roles), limits_of(limits, LIMITS)
    answers = spoken(answers)
    there = [row for row in answers.rows if row.answer.error is None]
    role = {id(row): label for row, label in zip(answers.rows, labels or (), strict=False)}
    tests = _tests(language)
    if labels is not None:
        tests |= {name: _or_labelled(tests.get(name), name, role) for name in ("refusal", "role_flip", "other_role")}
    hits = {"failed": [row for row in answers.rows if row.answer.error is not None]}
    hits |= {name: [row for row in there if test(row)] for name, test in tests.items()}
    sizes = dict.fromkeys(hits, len(there)) | {"failed": len(answers)}
    asked = [(row, text) for row in there if (text := _question_text(row))]
    if asked:
        hits["question_echo"] = [row for row, text in asked if echoed_share(text, row.answer.text) > ECHOED]
        sizes["question_echo"] = len(asked)
    cells, missing = _missing(answers)
    any_hit = len({id(row) for rows in hits.values() for row in rows})
    return FormatChecks(
        effect=any_hit / len(answers),
        interval=wilson_interval(any_hit, len(answers)),
        p_value=None,
        null="none: shares are compared with limits",
        n=len(answers),
        seed=None,
        checks={
            **{name: _check([*map(_name, rows)], sizes[name], within[name]) for name, rows in hits.items()},
            **({"missing": _check(missing, cells, within["missing"])} if missing else {}),
        },
    )


def _labels(answers: Answers, roles: Sequence[str] | None) -> list[str] | None:
    """Return the labels that are out of role, empty for those that are not; `None` if no judge gave any."""
    if roles is None:
        return strange_roles(answers)
    if isinstance(roles, str) or len(roles) != len(answers):
        raise TableError(f"{len(roles)} roles for {counted(len(answers), 'answer')}; give one per answer")
    return ["" if role == IN_ROLE else role for role in roles]


def _or_labelled(words: Callable[[Row], bool] | None, check: str, role: dict[int, str]) -> Callable[[Row], bool]:
    """Return the test whether an answer has the words of a check, or a label that belongs to it."""

    def test(row: Row) -> bool:
        label = role[id(row)]
        return (label != "" and OF_ROLE.get(label, "other_role") == check) or (words is not None and words(row))

    return test


def script_share(text: str, language: str) -> float:
    """Return the share of letters in the language's script; 1 for a text without letters (`empty` is another check)."""
    letters = [character for character in unicodedata.normalize("NFC", text) if character.isalpha()]
    if not letters:
        return 1.0
    # look up each distinct letter once: answers may be long
    own = {letter for letter in set(letters) if unicodedata.name(letter, "").startswith(SCRIPTS[language])}
    return sum(letter in own for letter in letters) / len(letters)


def likely_language(texts: Iterable[str]) -> str:
    """Return the language of `SCRIPTS` in whose script most letters are; of those that share one that of most words."""
    text = "".join(texts)
    shares = {language: script_share(text, language) for language in ("en", "ko", "zh", "ja", "ru", "ar", "hi")}
    return most_words(text, max(shares, key=shares.__getitem__))


def says(text: str, *kinds: str) -> bool:
    """Return whether the text has a phrase of one of these kinds (`data/patterns.json`), ignoring case."""
    plain = unicodedata.normalize("NFC", text).casefold()
    return any(phrase in plain for kind in kinds for phrase in _phrases()[kind])


def echoed_share(question: str, answer: str) -> float:
    """Return the share of the question's distinct character 4-grams in the answer; 0 for a shorter question."""
    asked, said = (unicodedata.normalize("NFC", text) for text in (question, answer))
    grams = {asked[i : i + 4] for i in range(len(asked) - 3)}
    return sum(gram in said for gram in grams) / len(grams) if grams else 0.0


def _check(found: Sequence[str], n: int, limit: float) -> Check:
    hits = len(found)
    return Check(hits, n, hits / n if n else 0.0, wilson_interval(hits, n), limit, tuple(found))


def _missing(answers: Answers) -> tuple[int, list[str]]:
    """Return the number of cells of a table with rows and columns, and those that were not asked; none of others."""
    try:
        axes = axes_of(answers)
    except TableError:
        return 0, []
    if not axes.columns:
        return 0, []
    places = [(place_of(row, axes.rows)[0], place_of(row, axes.columns)[0]) for row in answers.rows]
    rows, columns = ({place[n]: None for place in places} for n in (0, 1))
    there = set(places)
    missing = [f"{row} x {column}" for row in rows for column in columns if (row, column) not in there]
    return len(rows) * len(columns), missing


def _name(row: Row) -> str:
    cell = " x ".join(row.id(axis) for axis in row.cell)
    return f"{cell} ({row.answer.custom_id[:KEY_SHOWN]})"


def _question_text(row: Row) -> str | None:
    text = getattr(row.cell.get("question"), "text", None)
    return text if isinstance(text, str) else None


@cache
def _phrases() -> dict[str, tuple[str, ...]]:
    text = (files("pytest_batcheval.quality") / "data" / "patterns.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return {kind: tuple(phrases) for kind, phrases in found.items()}
