"""Descriptions of personas for a prompt."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_batcheval.catalogue.load import CODES, TypePhrase, average, characters, dimensions, temperaments

AVERAGE_LEVEL = {"ko": "보통", "en": "average"}
"""The phrase of a dimension at level 0."""


def describe(levels: Mapping[str, int], language: str = "ko", style: str = "full") -> str:
    """A persona's levels in words.

    ``short`` is the temperament's phrase and the character's; persistence is left out. ``full`` adds one
    phrase for every dimension, without the short part where the levels are not a corner.

    Args:
        levels: -1, 0 or 1 by dimension code; all seven codes for ``full``, P may be missing for ``short``.
        language: ``ko`` or ``en``.
        style: ``full`` or ``short``.

    Raises:
        ValueError: The style or language is unknown, a level is missing or outside -1..1, or ``short`` is
            requested for levels that are not a corner.
    """
    if style not in ("full", "short") or language not in AVERAGE_LEVEL:
        raise ValueError(f"style must be full or short, and language ko or en, not {style!r} and {language!r}")
    short = short_description(levels, language)
    if style == "full":
        parts = full_parts(levels, language)
        return f"{short} ({parts})" if short else parts
    if short is None:
        raise ValueError(
            f"no type has the levels {dict(levels)}: a short description requires a corner of both cubes; use full"
        )
    return short


def short_description(levels: Mapping[str, int], language: str) -> str | None:
    """``{temperament}, {character}``, the average phrase for all zeros, or None if no type has these levels."""
    if all(levels.get(code, 0 if code == "P" else None) == 0 for code in CODES):
        return average()[language]
    temperament, character = _corner(temperaments(), levels), _corner(characters(), levels)
    if temperament is None or character is None:
        return None
    return f"{temperament.phrase[language]}, {character.phrase[language]}"


def full_parts(levels: Mapping[str, int], language: str) -> str:
    """``name: phrase`` of every dimension, joined by ``; ``; ValueError for a level missing or outside -1..1."""
    missing = [code for code in CODES if levels.get(code) not in (-1, 0, 1)]
    if missing:
        wrong = ", ".join(missing)
        raise ValueError(f"levels must be -1, 0 or 1 for each of {', '.join(CODES)}; missing or wrong: {wrong}")
    return "; ".join(
        f"{d.name[language]}: {d.pole(levels[d.code]).phrase[language] if levels[d.code] else AVERAGE_LEVEL[language]}"
        for d in dimensions()
    )


def _corner(types: tuple[TypePhrase, ...], levels: Mapping[str, int]) -> TypePhrase | None:
    return next((t for t in types if all(levels.get(code) == level for code, level in t.levels.items())), None)
