"""Runs of letters that an answer shares with its persona's description.

A run is three syllables of Hangul, nine letters of another script, or a mixture of the same weight;
spaces and punctuation don't interrupt it. Three syllables find 겁이 많은 in 겁이 많아요.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence, Set
from typing import Any

from pytest_batcheval.wire.value_id import value_id

WEIGHT = 9
"""Of a run: a syllable of Hangul weighs 3, any other letter or digit 1."""


def description_of(persona: Any) -> str | None:
    """Return the persona's `description`, which the prompt gives the model; `None` without one."""
    description = getattr(persona, "description", None)
    return description if isinstance(description, str) and description else None


def description_runs(persona: Any) -> frozenset[str]:
    """Return the runs of the persona's description and id."""
    return runs_in(description_of(persona) or "") | runs_in(value_id(persona))


def runs_in(text: str) -> frozenset[str]:
    """Return the runs of a text, in NFC and without case."""
    return frozenset(run for run, _, _ in _runs(unicodedata.normalize("NFC", text)))


def without_runs(text: str, runs: Set[str]) -> str:
    """Return the text in NFC without the letters that are in one of these runs."""
    text = unicodedata.normalize("NFC", text)
    kept, end = [], 0
    for first, last in _stretches(text, runs):
        kept.append(text[end:first])
        end = last + 1
    return "".join([*kept, text[end:]])


def shared_parts(text: str, runs: Set[str]) -> list[str]:
    """Return the parts of the text, unchanged, that consist of these runs."""
    text = unicodedata.normalize("NFC", text)
    return [text[first : last + 1] for first, last in _stretches(text, runs)]


def masked(texts: Sequence[str], personas: Sequence[Any]) -> list[str] | None:
    """Return the texts without the words of *any* persona's description and id; `None` if these have no run.

    Cutting only a persona's own words would leave a gap that shows whose answer it was.
    """
    runs = frozenset[str]().union(*map(description_runs, personas))
    if not runs:
        return None
    return [without_runs(text, runs) for text in texts]


def _stretches(text: str, runs: Set[str]) -> list[tuple[int, int]]:
    """Return the first and last place of every stretch that runs cover, overlapping ones joined."""
    found: list[tuple[int, int]] = []
    for run, first, last in _runs(text):
        if run in runs:
            if found and first <= found[-1][1]:
                first = found.pop()[0]
            found.append((first, last))
    return found


def _runs(text: str) -> list[tuple[str, int, int]]:
    """Return (run, place of its first letter, of its last) for every place where a complete run starts."""
    places = [place for place, character in enumerate(text) if character.isalnum()]
    letters = [text[place].casefold() for place in places]
    weights = [3 if "가" <= text[place] <= "힣" else 1 for place in places]
    joined = "".join(letters)
    whole = len(joined) == len(letters)  # a letter such as ß has two when its case is folded
    found, end, weight, count = [], 0, 0, len(places)
    for start in range(count):
        while weight < WEIGHT and end < count:
            weight += weights[end]
            end += 1
        if weight < WEIGHT:
            break
        run = joined[start:end] if whole else "".join(letters[start:end])
        found.append((run, places[start], places[end - 1]))
        weight -= weights[start]
    return found
