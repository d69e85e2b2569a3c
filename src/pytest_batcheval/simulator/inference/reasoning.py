"""Reasoning before an answer: what it costs, and what a model that reasons refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_batcheval.simulator.errors import ApiError
from pytest_batcheval.simulator.ids import chance
from pytest_batcheval.simulator.inference.models import Model
from pytest_batcheval.simulator.structured.gemini_schema import member, settings
from pytest_batcheval.wire.endpoints import CHAT
from pytest_batcheval.wire.plain import mapping

_THINKING = 64
"""Reasoning is billed in multiples of this number of tokens, as observed with reasoning models."""

_SAMPLING = {"temperature": 1, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0}
"""Parameters of which a model that reasons takes the default only."""


def reasoning_tokens(model: Model, seed: int, key: str, body: Mapping[str, Any], limit: int | None) -> int:
    """Tokens of reasoning, which count towards the limit of the answer; 0 if the model does not reason."""
    if not _reasons(model, body):
        return 0
    spent = _THINKING * chance(seed, key, "thinking").randint(1, 8)
    return spent if limit is None else min(spent, limit)


def check_reasoning(url: str, body: Mapping[str, Any], model: Model) -> None:
    """Refuse what a reasoning model does not take: `max_tokens`, and sampling unless its effort is `none`.

    Raises:
        ApiError: 400, worded as the API does.
    """
    if url == CHAT and model.reasons and body.get("max_tokens") is not None:
        text = (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        )
        raise ApiError(400, text, code="unsupported_parameter", param="max_tokens")
    for name, default in _SAMPLING.items():
        value = body.get(name)
        if value not in (None, default) and _reasons(model, body):
            text = (
                f"Unsupported value: '{name}' does not support {value} with this model. "
                f"Only the default ({default}) value is supported."
            )
            raise ApiError(400, text, code="unsupported_value", param=name)


def _reasons(model: Model, body: Mapping[str, Any]) -> bool:
    thinking = mapping(member(settings(body), "thinkingConfig"))
    if member(thinking, "thinkingBudget") == 0:
        return False
    given = body.get("reasoning")
    effort = given.get("effort") if isinstance(given, dict) else body.get("reasoning_effort")
    return model.reasons and effort != "none"
