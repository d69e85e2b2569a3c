"""The words of a report in its reader's language: a catalogue from each English text to another one.

What tests and models say stays as they say it, and a quality result brings its texts along: only the report's own words
are in the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_batcheval.text.format import counted
from pytest_batcheval.text.phrase import Phrase, catalogue


@dataclass(frozen=True)
class Language:
    """A language by its code; English has no catalogue."""

    code: str = "en"
    _texts: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, code: str) -> Language:
        """The language of a code, one of `LANGUAGES`."""
        return cls(code, catalogue("report", code))

    def and_of(self, translations: Mapping[str, Mapping[str, str]]) -> Language:
        """This language with the texts that a result brings along, by code and English text."""
        return Language(self.code, {**self._texts, **translations.get(self.code, {})})

    def __call__(self, text: str, **values: Any) -> str:
        """An English text in this language, with values in the place of its `{names}`; a phrase with its own values."""
        if isinstance(text, Phrase):
            return text.said(self._texts)
        found = self._texts.get(text, text)
        return found.format(**values) if values else found

    def counted(self, number: int, noun: str) -> str:
        """A number of things, such as `2 tests`."""
        found = self._texts.get(f"{{number}} {noun}s")
        return counted(number, noun) if found is None else found.format(number=f"{number:,}")


ENGLISH = Language()
