"""The words of a report in its reader's language: a catalogue from each English text to another one.

What tests, models and measures say stays as they say it; only the report's own words are in the catalogue.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from pytest_batcheval.text.format import counted

LANGUAGES = ("en", "ko")


@dataclass(frozen=True)
class Language:
    """A language by its code; English has no catalogue."""

    code: str = "en"
    _texts: dict[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, code: str) -> Language:
        """The language of a code, one of `LANGUAGES`."""
        if code == "en":
            return ENGLISH
        text = (files("pytest_batcheval.report") / "words" / f"{code}.json").read_text(encoding="utf-8")
        return cls(code, json.loads(text))

    def __call__(self, text: str, **values: Any) -> str:
        """An English text in this language, with values in the place of its `{names}`."""
        found = self._texts.get(text, text)
        return found.format(**values) if values else found

    def counted(self, number: int, noun: str) -> str:
        """A number of things, such as `2 tests`."""
        found = self._texts.get(f"{{number}} {noun}s")
        return counted(number, noun) if found is None else found.format(number=f"{number:,}")


ENGLISH = Language()
