"""The order of ids as people count them: 2 before 10."""

from __future__ import annotations

import re


def natural(text: str) -> tuple[tuple[bool, int, str, str], ...]:
    """A key to sort texts by; their digits count as numbers, however many, before letters."""
    parts = ((digits, digits.lstrip("0"), words) for digits, words in re.findall("([0-9]+)|([^0-9]+)", text))
    return tuple((not digits, len(number), number, digits or words) for digits, number, words in parts)
