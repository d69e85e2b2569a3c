"""Estimated tokens and cost of requests."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pytest_batcheval.backends.price_table import rates
from pytest_batcheval.journal.rows import BatchRow, TierUse
from pytest_batcheval.wire.plain import mapping
from pytest_batcheval.wire.usage import TOKENS_A_CHARACTER, TOKENS_A_HANGUL_SYLLABLE

TOKENS_A_LETTER = {"HANGUL": TOKENS_A_HANGUL_SYLLABLE, "CJK": 1.0, "HIRAGANA": 0.8, "KATAKANA": 0.8}
"""Tokens of one character by script; `TOKENS_A_CHARACTER` for any other."""

TOKENS_A_MESSAGE = 4
"""Tokens of a chat message beside its words: role and separators."""

PRICED_TIERS = ("flex", "priority")
"""Service tiers with prices of their own (OpenAI, Pricing)."""

OUTPUT_LIMITS = ("max_completion_tokens", "max_output_tokens", "max_tokens", "maxOutputTokens")
_TEXTS = ("messages", "input", "instructions", "contents", "systemInstruction", "tools")


@dataclass(frozen=True)
class Price:
    """The price of tokens in US dollars.

    Attributes:
        batch_rate: `False` when the table knows no cheaper rate for batches, so that this is the standard one.
    """

    usd: Decimal
    batch_rate: bool


def estimate_tokens(text: str) -> int:
    """Estimated tokens of a text by its scripts; within some 20 % for prose, worse for code and numbers."""
    return round(sum(_tokens(character) for character in text))


def input_tokens(body: Mapping[str, Any]) -> int:
    """Estimated input tokens of a request body: its texts, and a little for each message."""
    parts = body.get("messages", body.get("contents", body.get("input", "")))
    messages = len(parts) if isinstance(parts, list) else 1
    texts = (text for name in _TEXTS for text in _texts(body.get(name)))
    return sum(map(estimate_tokens, texts)) + TOKENS_A_MESSAGE * messages


def output_limit(body: Mapping[str, Any]) -> int | None:
    """The most tokens that a choice of an answer may have; `None` when the body sets no limit."""
    given = {**mapping(body.get("generationConfig")), **body}
    return next((given[name] for name in OUTPUT_LIMITS if isinstance(given.get(name), int)), None)


def most_output_tokens(body: Mapping[str, Any]) -> int | None:
    """The most tokens an answer may have, over all its choices; `None` when the body sets no limit."""
    choices = body.get("n", mapping(body.get("generationConfig")).get("candidateCount"))
    limit = output_limit(body)
    return None if limit is None else limit * (choices if isinstance(choices, int) else 1)


def service_tier(body: Mapping[str, Any]) -> str:
    """The service tier that a body asks for, such as `flex`; empty for the standard one, or the project's own."""
    given = body.get("service_tier")
    return given.lower() if isinstance(given, str) and given not in ("auto", "default") else ""


def price(model: str, input_tokens: int, output_tokens: int, batch: bool = True, tier: str = "") -> Price | None:
    """The price of tokens by the table of genai-prices; `None` for an unknown model or without that package.

    `tier` is the service tier of individual calls; a batch has none.
    """
    standard = _usd(model, input_tokens, output_tokens, batch=False, tier="" if batch else tier)
    found = _usd(model, input_tokens, output_tokens, batch=True) if batch else standard
    if standard is None or found is None:
        return None
    return Price(found, batch and found < standard)


def served_tier(body: Mapping[str, Any]) -> str:
    """The service tier that an answer names, if it has a price of its own; empty for the standard one."""
    given = body.get("service_tier")
    return given if given in PRICED_TIERS else ""


def used_usd(row: BatchRow, uses: Iterable[TierUse], batch: bool) -> Decimal | None:
    """The price of the tokens of a row's answers, with `batch` in a batch; `None` if it is unknown.

    `uses` are those of service tiers other than the standard one; a tier without a price counts as standard.
    """
    other = [] if batch else [(use, found) for use in uses if (found := _tier_usd(row.model, use)) is not None]
    given = row.input_tokens - sum(use.input_tokens for use, _ in other)
    written = row.output_tokens - sum(use.output_tokens for use, _ in other)
    rest = price(row.model, given, written, batch)
    return None if rest is None else sum((usd for _, usd in other), rest.usd)


def _tier_usd(model: str, use: TierUse) -> Decimal | None:
    found = price(model, use.input_tokens, use.output_tokens, batch=False, tier=use.tier)
    return None if found is None else found.usd


def _usd(model: str, input_tokens: int, output_tokens: int, batch: bool, tier: str = "") -> Decimal | None:
    found = rates(model, batch, tier)
    return None if found is None else found[0] * input_tokens + found[1] * output_tokens


def _tokens(character: str) -> float:
    if character < "\u0250":
        return TOKENS_A_CHARACTER
    script = unicodedata.name(character, "").partition(" ")[0]
    return TOKENS_A_LETTER.get(script, TOKENS_A_CHARACTER)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner)
