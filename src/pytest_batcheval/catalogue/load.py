"""The packaged data as frozen records, read once per process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

CODES = ("NS", "HA", "RD", "P", "SD", "CO", "ST")
"""The dimensions, in the order of every profile, description and table."""


@dataclass(frozen=True)
class Pole:
    """One end of a dimension; every mapping is by language code, ``ko`` or ``en``."""

    signs: Mapping[str, tuple[str, ...]]
    utterances: Mapping[str, tuple[str, ...]]
    phrase: Mapping[str, str]


@dataclass(frozen=True)
class Dimension:
    """One of the seven TCI dimensions."""

    code: str
    name: Mapping[str, str]
    high: Pole
    low: Pole

    def pole(self, level: int) -> Pole:
        """The high pole for 1, the low one for -1; ValueError for any other level, since 0 has no pole."""
        if level not in (-1, 1):
            raise ValueError(f"{self.code} has poles at -1 and 1 only, not at {level}")
        return self.high if level == 1 else self.low


@dataclass(frozen=True)
class TypePhrase:
    """A corner of three dimensions and the words for it, by language."""

    code: str
    levels: Mapping[str, int]
    phrase: Mapping[str, str]


@dataclass(frozen=True)
class PersonaDesign:
    """One persona of the design: -1, 0 or 1 by dimension code, in the order of `CODES`."""

    id: str
    temperament: str
    character: str
    levels: Mapping[str, int]


@dataclass(frozen=True)
class QuestionText:
    """One intake question by language, and the dimensions it is designed to reveal."""

    id: str
    text: Mapping[str, str]
    targets: tuple[str, ...]


@cache
def dimensions() -> tuple[Dimension, ...]:
    """The seven dimensions in the order of `CODES`."""
    return tuple(
        Dimension(d["code"], MappingProxyType(d["name"]), _pole(d["high"]), _pole(d["low"]))
        for d in _data("tci")["dimensions"]
    )


@cache
def temperaments() -> tuple[TypePhrase, ...]:
    """The 8 corners of NS, HA and RD."""
    return _types("temperaments")


@cache
def characters() -> tuple[TypePhrase, ...]:
    """The 8 corners of SD, CO and ST."""
    return _types("characters")


@cache
def average() -> Mapping[str, str]:
    """The words for a persona that is average everywhere, by language."""
    return MappingProxyType(_data("tci")["average"])


@cache
def design() -> tuple[PersonaDesign, ...]:
    """The 25 personas: OA(24, 7, 2, 3), the folded-over Plackett-Burman array, then the average one."""
    return tuple(
        PersonaDesign(p["id"], p["temperament"], p["character"], _levels(p["temperament"], p["character"], p["P"]))
        for p in _data("tci")["design"]
    )


@cache
def questions() -> tuple[QuestionText, ...]:
    """The 11 intake questions in their order."""
    return tuple(QuestionText(q["id"], MappingProxyType(q["text"]), tuple(q["targets"])) for q in _data("questions"))


@cache
def openers(question_id: str, language: str) -> tuple[str, ...]:
    """First sentences of an answer to one question that show no trait; KeyError for an unknown question."""
    return tuple(_data("speech")["openers"][question_id][language])


@cache
def fillers(language: str) -> tuple[str, ...]:
    """Sentences that fit anywhere and show no trait."""
    return tuple(_data("speech")["fillers"][language])


def _levels(temperament: str, character: str, persistence: int) -> Mapping[str, int]:
    corners = {kind.code: kind.levels for kind in (*temperaments(), *characters())}
    known = {**corners.get(temperament, {}), **corners.get(character, {}), "P": persistence}
    return MappingProxyType({code: known.get(code, 0) for code in CODES})


def _types(key: str) -> tuple[TypePhrase, ...]:
    return tuple(
        TypePhrase(t["code"], MappingProxyType(t["levels"]), MappingProxyType(t["phrase"])) for t in _data("tci")[key]
    )


def _pole(entry: dict[str, Any]) -> Pole:
    return Pole(_by_language(entry["signs"]), _by_language(entry["utterances"]), MappingProxyType(entry["phrase"]))


def _by_language(lists: dict[str, list[str]]) -> Mapping[str, tuple[str, ...]]:
    return MappingProxyType({language: tuple(texts) for language, texts in lists.items()})


@cache
def _data(name: str) -> Any:
    return json.loads(files(__package__).joinpath("data", f"{name}.json").read_text(encoding="utf-8"))
