"""Levels of a persona's profile, from words, numbers, or scores with declared cut-offs."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_batcheval.catalogue.load import CODES
from pytest_batcheval.errors import MatrixError
from pytest_batcheval.matrix.axes import LEVELS
from pytest_batcheval.text.bounds import shown

WORDS: Mapping[str, str] = {
    **{level: level for level in LEVELS},
    **{str(code): level for level, code in LEVELS.items()},
    **{"낮음": "low", "보통": "average", "높음": "high"},
}
"""Levels as they can be written."""

ALLOWED = "low, average or high (낮음, 보통, 높음; -1, 0, 1)"


@dataclass(frozen=True)
class Cutoffs:
    """Scores up to `low` are low, from `high` on high, and average between."""

    low: float
    high: float


Factors = Mapping[str, Cutoffs | None]
"""The factors that a profile can have, with the cut-offs of their scores, if declared."""

TCI: Factors = dict.fromkeys(CODES)
"""The dimensions of the catalogue, which need no declaration."""


def parse_factors_option(lines: Sequence[str]) -> Factors:
    """The factors of the TCI and those that lines such as `openness` or `NS HA = 45 55` declare.

    Raises:
        MatrixError: a line has no name, a name twice, or cut-offs that are not two numbers in order.
    """
    declared: dict[str, Cutoffs | None] = {}
    for line in filter(None, map(str.strip, lines)):
        names, equals, numbers = line.partition("=")
        cutoffs = _cutoffs(line, numbers) if equals else None
        found = re.split(r"[\s,]+", names.strip())
        for name in found:
            if not name or name in declared:
                raise MatrixError(f"batch_factors: {line!r} names {f'{name!r} again' if name else 'no factor'}")
            declared[name] = cutoffs
    return {**TCI, **declared}


def level_of(factor: str, value: object, factors: Factors) -> str:
    """The level that a cell or member means: `low`, `average` or `high`.

    Raises:
        MatrixError: the factor is not declared, or the value is no level, or a score without cut-offs; the message
            says what to write, and not where.
    """
    if factor not in factors:
        raise MatrixError(
            f"{factor!r} is no factor; the factors are: {', '.join(factors)}. To declare it, write in pytest's "
            f"configuration: batch_factors = {factor}"
        )
    text = unicodedata.normalize("NFKC", str(value)).strip().casefold()
    text = text.replace("−", "-")  # what some spreadsheets make of a minus
    number, cutoffs = _number(text), factors[factor]
    if number is not None and cutoffs:
        return "low" if number <= cutoffs.low else "high" if number >= cutoffs.high else "average"
    if number in LEVELS.values():
        return next(level for level, code in LEVELS.items() if code == number)
    if number is not None:
        raise MatrixError(
            f"{shown(value)} is a score, and nothing says which scores are low and which high; write in pytest's "
            f"configuration, for instance: batch_factors = {factor} = 45 55 (up to 45 is low, from 55 on high)"
        )
    if text not in WORDS:
        raise MatrixError(f"{shown(value)} is no level; write {ALLOWED}")
    return WORDS[text]


def _cutoffs(line: str, numbers: str) -> Cutoffs:
    found = [_number(part) for part in re.split(r"[\s,]+", numbers.strip())]
    if len(found) != 2 or found[0] is None or found[1] is None or not found[0] < found[1]:
        raise MatrixError(
            f"batch_factors: {line!r} must end in two numbers, the smaller first, such as NS HA = 45 55: up to the "
            "first a score is low, from the second on high"
        )
    return Cutoffs(found[0], found[1])


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
