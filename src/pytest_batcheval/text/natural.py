"""The order of ids as people count them: 2 before 10."""

from __future__ import annotations

import re


def natural(text: str) -> tuple[tuple[bool, int, str], ...]:
    """A key to sort texts by; their digits count as numbers, before letters."""
    parts = re.findall(r"[0-9]+|[^0-9]+", text)
    return tuple((not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts)
