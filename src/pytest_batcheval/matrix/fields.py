"""Names of columns and fields as people write them, in English and Korean, and the field that each one means."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache

from pytest_batcheval.errors import MatrixError

REQUIRED: Mapping[str, str] = {"persona": "description", "question": "text"}
"""The field that each value of an axis needs, besides its id."""

ID_FIELDS = ("id", "number", "name")
"""The fields that can be the id; the first that the file has is."""

NAMES: Mapping[str, Mapping[str, Sequence[str]]] = {
    "any": {
        "id": ("id", "아이디", "환자 ID", "질문 ID", "patient id", "persona id", "question id"),
        "number": ("number", "no", "번호", "순번", "연번", "환자 번호", "문항 번호", "질문 번호"),
        "name": ("name", "이름", "성명", "환자명", "patient name"),
    },
    "persona": {"description": ("description", "설명", "환자 설명", "persona description")},
    "question": {
        "text": ("text", "질문", "질문 내용", "문항", "question"),
        "targets": ("targets", "대상", "측정 차원"),
    },
}
"""Axis, field, and the names that mean it; docs/own-data.md shows them."""

PROFILE = "profile."
"""Before the name of a factor: a persona's level in it."""


def fields_of(axis: str, names: Iterable[str], factors: Iterable[str]) -> dict[str, str]:
    """The field that each name of a file's columns or members means; a name that means none is a field itself.

    A name in `factors`, also with `profile.` before it, or one of the catalogue's names of a TCI dimension, gives
    `profile.<factor>`. All other names are compared by their letters and digits, in NFKC and without case.

    Raises:
        MatrixError: two names mean the same field.
    """
    known, factors = _known(axis), tuple(factors)
    fields: dict[str, str] = {}
    owners: dict[str, str] = {}
    for name in names:
        field = _factor(name, factors) if axis == "persona" else None
        fields[name] = field or known.get(_plain(name), name)
        if (other := owners.setdefault(fields[name], name)) != name:
            raise MatrixError(
                f"{other!r} and {name!r} both mean the field {fields[name]!r}; rename one of them or take it out"
            )
    return fields


def is_known(axis: str, field: str) -> bool:
    """Whether a field has a meaning of its own in an axis, and is none of the author's."""
    profile = axis == "persona" and f"{field}.".startswith(PROFILE)
    return profile or field in NAMES["any"] or field in NAMES.get(axis, {})


def known_names(axis: str, names: Sequence[str], factors: Iterable[str]) -> int:
    """The number of names that mean a field we know."""
    given = tuple(factors)
    return sum(is_known(axis, field) for name in names for field in fields_of(axis, [name], given).values())


def factors_named(written: object, factors: Sequence[str]) -> list[str] | None:
    """The factors that a text or a list names, by their own names or the catalogue's; `None` for any other name.

    In a text they stand with commas, semicolons, slashes or spaces between; a name may have spaces in it.
    """
    if isinstance(written, str):
        parts = [part.split() for part in re.split(r"[,;/·|]", written)]
    elif isinstance(written, list) and all(isinstance(name, str) for name in written):
        parts = [[name] for name in written]
    else:
        return None
    found: list[str] = []
    for words in parts:
        while words:
            for end in range(len(words), 0, -1):
                if field := _factor(" ".join(words[:end]), factors):
                    break
            else:
                return None
            found.append(field.removeprefix(PROFILE))
            words = words[end:]
    return found if set(found) <= set(factors) else None


def _factor(name: str, factors: Sequence[str]) -> str | None:
    bare = unicodedata.normalize("NFC", name)
    if bare.startswith(PROFILE):
        return bare
    code = bare if bare in factors else _dimensions().get(_plain(name))
    return f"{PROFILE}{code}" if code else None


@cache
def _known(axis: str) -> dict[str, str]:
    tables = (NAMES["any"], NAMES.get(axis, {}))
    return {_plain(name): field for table in tables for field, names in table.items() for name in names}


@cache
def _dimensions() -> dict[str, str]:
    from pytest_batcheval.catalogue.load import dimensions

    return {_plain(name): dimension.code for dimension in dimensions() for name in dimension.name.values()}


@lru_cache(1000)
def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", name).casefold()))
