"""Tokens of a text, estimated before anybody has counted them."""

from __future__ import annotations

TOKENS_A_HANGUL_SYLLABLE, TOKENS_A_CHARACTER = 0.61, 0.23
"""Tokens of one character, for estimates: Hangul measured with o200k_base on a Korean sentence (25 of 41), anything
else on an English one (14 of 62)."""
