"""Individual calls of the model endpoints, and /v1/models.

A call may have an id of its own in the header `X-Client-Request-Id`, as the API allows. If that is a request key,
the answer depends on it and the ledger has the call under it, as for a line with that `custom_id`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_batcheval.simulator.api_keys import ApiKey
from pytest_batcheval.simulator.batch.execution import ANSWER_SCHEMAS
from pytest_batcheval.simulator.errors import ApiError, no_capacity, no_quota, no_such_model, rate_limited
from pytest_batcheval.simulator.http_exchange import Exchange, Headers, HttpReply
from pytest_batcheval.simulator.inference.answering import Answering, keyless, known_key
from pytest_batcheval.simulator.inference.models import find_model, model_list, model_object
from pytest_batcheval.simulator.inference.token_count import prompt_text, tokens
from pytest_batcheval.simulator.ledger import Execution, billed_tokens, planted_in, usage_of
from pytest_batcheval.simulator.rate_limits import RateWindow
from pytest_batcheval.simulator.state import State
from pytest_batcheval.wire.endpoints import CHAT, EMBEDDINGS, GENERATE, MESSAGES, RESPONSES

TIERS = ("flex", "priority")
"""Service tiers that an answer names; without one it is `default`."""

URLS = {"chat": CHAT, "responses": RESPONSES, "embeddings": EMBEDDINGS, "messages": MESSAGES, "generate": GENERATE}
"""The endpoint of each kind of call."""

OWN_ID = "x-client-request-id"
"""The header with a call's own id."""

USUAL_REQUESTS = 10_000
USUAL_TOKENS = 2_000_000
"""Limits per minute in the reply headers, for a key without limits."""


async def call(exchange: Exchange) -> HttpReply:
    """POST of one model endpoint."""
    state, url = exchange.state, URLS[exchange.call]
    body = await exchange.json()
    if exchange.name:
        body = {**body, "model": exchange.name}  # it stands in the URL
    if body.get("stream"):
        text = "The simulator does not stream answers yet; send the request without 'stream'."
        raise ApiError(400, text, code="unsupported_value", param="stream")
    if exchange.key.insufficient_quota:
        raise no_quota()
    tier = str(body.get("service_tier"))
    if tier == "flex" and state.behaviour.flex == "refused":
        raise no_capacity()
    prompt_tokens = tokens(prompt_text(body))
    headers = await _limited(state, exchange.key, prompt_tokens)
    custom_id = exchange.headers.get(OWN_ID, "")
    failure = state.faults.line_failure(known_key(body, custom_id), body)
    answering = Answering(state.respondent, state.seed, state.behaviour)
    status, answer = failure or answering.answer(url, body, custom_id)
    if status == 200 and url in (CHAT, RESPONSES) and tier in TIERS:
        answer = {**answer, "service_tier": tier}
    _book(exchange, body, custom_id, status, answer)
    await state.clock.hold(state.behaviour.call_seconds, exchange.gone)
    return HttpReply(status, answer, ANSWER_SCHEMAS.get(url) if status == 200 else "error", headers)


async def list_models(exchange: Exchange) -> HttpReply:
    """GET /v1/models."""
    return HttpReply(200, {"object": "list", "data": model_list(exchange.state.behaviour)}, "model-list")


async def retrieve_model(exchange: Exchange) -> HttpReply:
    """GET /v1/models/{id}."""
    if find_model(exchange.name, exchange.state.behaviour) is None:
        raise no_such_model(exchange.name)
    return HttpReply(200, model_object(exchange.name), "model")


def _book(exchange: Exchange, body: Mapping[str, Any], custom_id: str, status: int, answer: Mapping[str, Any]) -> None:
    """Record the call when it begins: a client that disconnects before the answer pays too."""
    state = exchange.state
    execution = Execution(
        key=known_key(body, custom_id) or keyless(custom_id),
        custom_id=custom_id,
        batch_id=None,
        at=state.clock.now(),
        model=str(body.get("model")),
        status_code=status,
        tokens=billed_tokens(usage_of(answer)),
        planted=planted_in(answer),
        project=exchange.key.project,
    )
    state.book_call(execution)


async def _limited(state: State, key: ApiKey, prompt_tokens: int) -> Headers:
    """Count a call of `prompt_tokens`, and return the headers with the remaining limits.

    Raises:
        ApiError: 429, one of the key's limits or the limit of concurrent calls is reached.
    """
    now, behaviour = state.clock.now(), state.behaviour
    if behaviour.calls_at_once is not None and state.clock.held >= behaviour.calls_at_once:
        text = f"Too many concurrent requests. Limit: {behaviour.calls_at_once}. Please try again later."
        raise rate_limited(text, behaviour.call_seconds, behaviour.code("rate_limit"))
    requests_limit = key.requests_per_minute or behaviour.requests_per_minute
    tokens_limit = key.tokens_per_minute or behaviour.tokens_per_minute
    requests = state.window("requests", key.name, requests_limit or USUAL_REQUESTS, 60)
    words = state.window("tokens", key.name, tokens_limit or USUAL_TOKENS, 60)
    limits = ((requests, 1, requests_limit, "requests"), (words, prompt_tokens, tokens_limit, "tokens"))
    for window, amount, limit, kind in limits:
        wait = window.wait(now, amount)
        if limit is not None and wait:
            text = f"Rate limit reached for {kind} per min. Limit: {limit}. Please try again in {wait:.3f}s."
            headers = _left(state, requests, words, now)
            error = rate_limited(text, wait, state.behaviour.code("rate_limit"), headers)
            await state.clock.polled(now + wait)
            raise error
        window.take(now, amount)
    return [(name.encode(), value.encode()) for name, value in _left(state, requests, words, now).items()]


def _left(state: State, requests: RateWindow, words: RateWindow, now: float) -> dict[str, str]:
    if not state.behaviour.rate_limit_headers:
        return {}
    return {
        "x-ratelimit-limit-requests": str(requests.limit),
        "x-ratelimit-limit-tokens": str(words.limit),
        "x-ratelimit-remaining-requests": str(requests.remaining(now)),
        "x-ratelimit-remaining-tokens": str(words.remaining(now)),
        "x-ratelimit-reset-requests": f"{requests.reset_after(now):.3f}s",
        "x-ratelimit-reset-tokens": f"{words.reset_after(now):.3f}s",
    }
