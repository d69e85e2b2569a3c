"""Recognition of the catalogue's persona and question in a prompt."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from pytest_batcheval.catalogue.describe import AVERAGE_LEVEL
from pytest_batcheval.catalogue.load import CODES, average, characters, design, dimensions, questions, temperaments

_KOREAN_SHARE = 0.3
_HANGUL = re.compile("[가-힣ㄱ-ㅎㅏ-ㅣ]+")
_LETTERS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class RecognisedPrompt:
    """The persona, language and question in a text.

    Attributes:
        persona: Id of the persona of the design, None for no persona or one of the user's own.
        levels: -1, 0 or 1 by dimension code in the order of `CODES`; only the dimensions in the text.
        language: ``ko`` where at least 3 letters in 10 are Hangul, else ``en``.
        question: Id of the question, None if the text has no question of the catalogue.
    """

    persona: str | None
    levels: dict[str, int]
    language: str
    question: str | None


def recognise(text: str) -> RecognisedPrompt:
    """The first persona and the last question in a text.

    It is the last question because the earlier ones of a conversation have been answered. Texts are compared in NFC.
    """
    text = unicodedata.normalize("NFC", text)
    in_parts = _levels_in_parts(text)
    in_types = {} if len(in_parts) == len(CODES) else _levels_in_types(text)
    levels = {**in_types, **in_parts}
    persona = None
    if in_types or len(in_parts) == len(CODES):
        persona, levels = _in_design(levels)
    ordered = {code: levels[code] for code in CODES if code in levels}
    return RecognisedPrompt(persona, ordered, _language(text), _question(text))


def _in_design(levels: dict[str, int]) -> tuple[str | None, dict[str, int]]:
    """The only persona of the design that has all these levels, and its whole profile."""
    same = [p for p in design() if levels.items() <= p.levels.items()]
    return (same[0].id, dict(same[0].levels)) if len(same) == 1 else (None, levels)


def _levels_in_parts(text: str) -> dict[str, int]:
    pattern, parts = _parts()
    levels: dict[str, int] = {}
    for found in pattern.finditer(text):
        code, level = parts[found[0]]
        levels.setdefault(code, level)
    return levels


def _levels_in_types(text: str) -> dict[str, int]:
    pattern, shorts = _shorts()
    found = pattern.search(text)
    return dict(shorts[found[0]]) if found else {}


@cache
def _parts() -> tuple[re.Pattern[str], dict[str, tuple[str, int]]]:
    """``{name}: {phrase}`` of all dimensions, levels and languages."""
    parts: dict[str, tuple[str, int]] = {}
    for dimension in dimensions():
        for language, name in dimension.name.items():
            parts[f"{name}: {AVERAGE_LEVEL[language]}"] = (dimension.code, 0)
            for level in (-1, 1):
                parts[f"{name}: {dimension.pole(level).phrase[language]}"] = (dimension.code, level)
    return _any_of(parts), parts


@cache
def _shorts() -> tuple[re.Pattern[str], dict[str, dict[str, int]]]:
    """The short descriptions of all 64 pairs of types and of the average persona, in all languages."""
    shorts = {phrase: dict.fromkeys(CODES, 0) for phrase in average().values()}
    for temperament in temperaments():
        for character in characters():
            for language in AVERAGE_LEVEL:
                phrase = f"{temperament.phrase[language]}, {character.phrase[language]}"
                shorts[phrase] = {**temperament.levels, **character.levels}
    return _any_of(shorts), shorts


def _any_of(phrases: Iterable[str]) -> re.Pattern[str]:
    """Any of the phrases as whole words, the longest that fits; Korean endings may follow a Korean phrase."""
    longest_first = sorted(phrases, key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest_first))})(?![A-Za-z-])")


def _question(text: str) -> str | None:
    places = [(text.rfind(wording), len(wording), q.id) for q in questions() for wording in q.text.values()]
    place, _, identifier = max(places)
    return identifier if place >= 0 else None


def _language(text: str) -> str:
    letters = sum(map(len, _LETTERS.findall(text)))
    return "ko" if letters and sum(map(len, _HANGUL.findall(text))) / letters >= _KOREAN_SHARE else "en"
