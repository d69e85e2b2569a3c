"""Token counts of an answer, under the names of any endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TOKENS_A_HANGUL_SYLLABLE, TOKENS_A_CHARACTER = 0.61, 0.23
"""Tokens of one character, for estimates: Hangul measured with o200k_base on a Korean sentence (25 of 41), anything
else on an English one (14 of 62)."""


def tokens(usage: Any) -> tuple[int, int]:
    """Input and output tokens of a response's `usage`; missing and implausible numbers count as 0."""
    if not isinstance(usage, Mapping):
        return 0, 0
    input_tokens = usage.get("prompt_tokens", usage.get("input_tokens"))
    output_tokens = usage.get("completion_tokens", usage.get("output_tokens"))
    return _count(input_tokens), _count(output_tokens)


def _count(number: object) -> int:
    return number if isinstance(number, int) and 0 <= number < 2**31 else 0
