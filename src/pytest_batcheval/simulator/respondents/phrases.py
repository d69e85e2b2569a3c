"""Sentences and words of respondents that belong to no dimension, from `data/phrases.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any


def refusals(language: str) -> tuple[str, ...]:
    """How a model declines to answer."""
    return tuple(_data()["refusals"][language])


def self_label(language: str, words: str) -> str:
    """A sentence that calls oneself by these words."""
    return str(_data()["self_label"][language]).format(words)


def role_cues() -> Mapping[str, tuple[str, ...]]:
    """What gives each role label of the rubric away, in lower case, in the order in which they are looked for."""
    return {role: tuple(cues) for role, cues in _data()["role_cues"].items()}


@cache
def _data() -> Any:
    return json.loads((Path(__file__).parent / "data" / "phrases.json").read_text(encoding="utf-8"))
