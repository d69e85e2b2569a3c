"""The language of a text among those that share a script, told by frequent words and letters that only one has."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

AHEAD = 2
"""By how many more words of its own another language must lead: names and quotations have one or two."""

FEWEST = 12
"""Fewest letters of Japanese among which one of kana must be: names may be without."""


def other_language(text: str, language: str) -> str:
    """Return the language that a text is in if it shares the script of the expected one; empty if it may be that one.

    Latin: more of another language's own frequent words, by `AHEAD`. Russian and Ukrainian: letters that only the other
    has. Japanese: no kana. A short text may be in any of them.
    """
    plain = unicodedata.normalize("NFC", text).casefold()
    words, letters = _marks()
    if language in words:
        counts = _counts(plain)
        best = max(counts, key=counts.__getitem__)
        return best if counts[best] >= counts[language] + AHEAD else ""
    if language in letters:
        found = {code: sum(plain.count(letter) for letter in own) for code, own in letters.items()}
        best = max(found, key=found.__getitem__)
        return best if found[best] > found[language] else ""
    if language == "ja":
        names = [unicodedata.name(letter, "") for letter in plain if letter.isalpha()]
        kana = any(name.startswith(("HIRAGANA", "KATAKANA")) for name in names)
        return "zh" if len(names) >= FEWEST and not kana and any(name.startswith("CJK") for name in names) else ""
    return ""


def distinguished(language: str) -> bool:
    """Whether other languages of its script can be distinguished from it."""
    words, letters = _marks()
    return language in words or language in letters or language == "ja"


def most_words(text: str, script: str) -> str:
    """Return the language most of whose own words a text has, among those of a script that is known by one of them."""
    plain = unicodedata.normalize("NFC", text).casefold()
    words, letters = _marks()
    counts = {}
    if script in words:
        counts = _counts(plain)
    elif script in letters:
        counts = {code: sum(plain.count(letter) for letter in own) for code, own in letters.items()}
    best = max(counts, key=counts.__getitem__, default=script)
    return best if counts and counts[best] > counts[script] else script


def _counts(plain: str) -> dict[str, int]:
    said = re.findall(r"[^\W\d_]+", plain)
    return {code: sum(word in own for word in said) for code, own in _marks()[0].items()}


@cache
def _marks() -> tuple[Mapping[str, frozenset[str]], Mapping[str, str]]:
    """Return frequent words by language, of which no other has any, and letters."""
    text = (files("pytest_batcheval.quality") / "data" / "languages.json").read_text(encoding="utf-8")
    found = json.loads(text)
    return {code: frozenset(words) for code, words in found["words"].items()}, found["letters"]
