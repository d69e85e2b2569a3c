"""Texts that can be said in another language: an English template with its values, and catalogues of templates."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pytest_batcheval.text.format import counted, plural_of

LANGUAGES = ("en", "ko")


@cache
def catalogue(room: str, code: str) -> Mapping[str, str]:
    """The texts of a room in a language, by the English template; none for English.

    They are in `words/<code>.json` of the room's folder.

    Raises:
        ValueError: there is no such language.
    """
    if code not in LANGUAGES:
        raise ValueError(f"unknown language {code!r}: must be one of {', '.join(LANGUAGES)}")
    if code == "en":
        return {}
    from importlib.resources import files

    text = (files("pytest_batcheval") / room / "words" / f"{code}.json").read_text(encoding="utf-8")
    found: dict[str, str] = json.loads(text)
    return found


class Phrase(str):
    """An English text that knows its template and its values; those that are phrases are said in a language too."""

    __slots__ = ("_made_of",)
    _made_of: tuple[str, tuple[Any, ...], Mapping[str, Any]]

    def __new__(cls, template: str, /, *places: Any, **values: Any) -> Phrase:
        """A template as `str.format` takes it, with its values."""
        return cls._of(template.format(*places, **values), template, places, values)

    @classmethod
    def _of(cls, text: str, template: str, places: tuple[Any, ...], values: Mapping[str, Any]) -> Phrase:
        found = str.__new__(cls, text)
        found._made_of = template, places, values
        return found

    @classmethod
    def known(cls, text: str, kind: str = "") -> Phrase:
        """A text of which catalogues have the whole, as `kind: text` where it is a word that code compares."""
        return text if isinstance(text, Phrase) else cls._of(text, f"{kind}: {text}" if kind else text, (), {})

    @classmethod
    def counted(cls, number: int, noun: str, plural: str = "") -> Phrase:
        """A number of things, as `counted` has it; its template is `{number} things`."""
        template = f"{{number}} {plural or plural_of(noun)}"
        return cls._of(counted(number, noun, plural), template, (), {"number": f"{number:,}"})

    @classmethod
    def joined(cls, separator: str, parts: Iterable[str]) -> Phrase:
        """Texts with a separator between them."""
        parts = tuple(parts)
        return cls(separator.join(["{}"] * len(parts)), *parts)

    def __reduce__(self) -> tuple[Any, ...]:
        """To be copied and pickled."""
        return Phrase._of, (str(self), *self._made_of)

    def said(self, texts: Mapping[str, str]) -> str:
        """The text in the language of a catalogue; in English by an empty one, or where it is not known."""
        template, places, values = self._made_of
        if not texts or not (template in texts or places or values):
            return str(self)
        return texts.get(template, template).format(
            *(_said(value, texts) for value in places), **{name: _said(value, texts) for name, value in values.items()}
        )


def _said(value: Any, texts: Mapping[str, str]) -> Any:
    return value.said(texts) if isinstance(value, Phrase) else value
