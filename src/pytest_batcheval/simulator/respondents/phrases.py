"""Sentences and words of respondents without a dimension, from `data/phrases.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any


def refusals(language: str) -> tuple[str, ...]:
    """Sentences in which a model declines to answer."""
    return tuple(_data()["refusals"][language])


def self_label(language: str, words: str) -> str:
    """A sentence in which the speaker is described by these words."""
    return str(_data()["self_label"][language]).format(words)


def said_as(voice: str, language: str) -> tuple[str, ...]:
    """Sentences in a voice that is not the patient's: `counsellor`, or `polite` for one who declines."""
    return tuple(_data()["voices"][voice][language])


def facts(language: str) -> Mapping[str, tuple[str, ...]]:
    """Sentences on the speaker's life by what they are about; those of one kind exclude each other."""
    return {fact: tuple(sentences) for fact, sentences in _data()["facts"][language].items()}


def facts_in(text: str) -> list[tuple[str, int, str]]:
    """Every fact in a text: what it is about, which of its sentences it is, and the words."""
    return [
        (fact, value, sentence)
        for language in _data()["facts"]
        for fact, sentences in facts(language).items()
        for value, sentence in enumerate(sentences)
        if sentence in text
    ]


def role_cues() -> Mapping[str, tuple[str, ...]]:
    """The words that indicate each role label of the rubric, in lower case, in the order of search."""
    return {role: tuple(cues) for role, cues in _data()["role_cues"].items()}


@cache
def _data() -> Any:
    return json.loads((Path(__file__).parent / "data" / "phrases.json").read_text(encoding="utf-8"))
