"""What an answer used, by whichever endpoint's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def tokens(usage: Any) -> tuple[int, int]:
    """Input and output tokens of a response's `usage`; what is missing or no sensible number counts as 0."""
    if not isinstance(usage, Mapping):
        return 0, 0
    asked = usage.get("prompt_tokens", usage.get("input_tokens"))
    told = usage.get("completion_tokens", usage.get("output_tokens"))
    return _count(asked), _count(told)


def _count(number: object) -> int:
    return number if isinstance(number, int) and 0 <= number < 2**31 else 0
