"""The order of ids as people count them: 2 before 10."""

from __future__ import annotations

import re


def natural(text: str) -> tuple[tuple[bool, int, str], ...]:
    """A key to sort texts by; their digits count as numbers, before letters."""
    parts = re.findall(r"[0-9]+|[^0-9]+", text)
    return tuple((not _is_number(part), int(part) if _is_number(part) else 0, part) for part in parts)


def _is_number(part: str) -> bool:
    return part.isascii() and part.isdigit()
