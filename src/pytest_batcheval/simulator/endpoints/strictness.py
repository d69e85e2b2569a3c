"""Refusals of a strict server, for what the API lets pass, or tells only later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_batcheval.simulator.conduct.manners import polls_in_a_minute
from pytest_batcheval.simulator.errors import ApiError, rate_limited
from pytest_batcheval.simulator.http_exchange import Exchange

_CREATE = ("input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after")


def check_parameters(body: Mapping[str, Any]) -> None:
    """Refuse a create with a parameter that the API does not have.

    Raises:
        ApiError: 400, the first of them.
    """
    for name in body:
        if name not in _CREATE:
            raise ApiError(400, f"Unknown parameter: '{name[:100]}'.", code="unknown_parameter", param=name[:100])


def check_polls(exchange: Exchange) -> None:
    """Refuse a poll beyond the limit of a minute.

    Raises:
        ApiError: 429 with `retry-after`.
    """
    limit = exchange.state.behaviour.polls_per_minute
    if polls_in_a_minute(exchange.state, exchange.visit) > limit:
        text = f"Rate limit reached for polls of one batch. Limit: {limit} / 1m."
        raise rate_limited(text, 60 / limit, exchange.state.behaviour.code("rate_limit"))
