"""An endpoint's check of a request body; an error is a 400 of that call or line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.endpoints.metadata import check_metadata
from pytest_batcheval.simulator.errors import ApiError, invalid_type, invalid_value, missing, no_such_model
from pytest_batcheval.simulator.inference.generate_content import check_generate_content
from pytest_batcheval.simulator.inference.messages_api import check_messages_body
from pytest_batcheval.simulator.inference.models import Model, find_model
from pytest_batcheval.simulator.inference.reasoning import check_reasoning
from pytest_batcheval.simulator.inference.token_count import tokens
from pytest_batcheval.simulator.structured.gemini_schema import member, settings
from pytest_batcheval.wire.endpoints import CHAT, EMBEDDINGS, GENERATE, MESSAGES

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
MAX_CHOICES = 128
MAX_EMBEDDING_INPUTS = 2_048
"""Inputs of one embeddings request (published reference)."""

_MESSAGE_KEYS = frozenset(
    ("role", "content", "name", "refusal", "audio", "tool_calls", "tool_call_id", "function_call", "annotations")
)
_DECIMALS = {"temperature": (0, 2), "top_p": (0, 1), "presence_penalty": (-2, 2), "frequency_penalty": (-2, 2)}
_INTEGERS = {"n": (1, MAX_CHOICES), "top_logprobs": (0, 20)}
_OUTPUT_LIMITS = {
    CHAT: ("max_completion_tokens", "max_tokens"),
    MESSAGES: ("max_tokens",),
    GENERATE: ("maxOutputTokens",),
}
_RESPONSES_LIMITS = ("max_output_tokens",)


def check_body(url: str, body: Mapping[str, Any], behaviour: Behaviour) -> Model:
    """Check a body and return its model.

    Raises:
        ApiError: 400 or 404, the endpoint refuses the body.
    """
    if url == MESSAGES:
        return check_messages_body(body, behaviour)
    if url == GENERATE:
        return check_generate_content(body, behaviour)
    if url == EMBEDDINGS:
        return _check_embeddings(body, behaviour)
    if url == CHAT:
        _check_messages(body.get("messages"))
    else:
        _check_input(body)
    model = _model(body, behaviour)
    if model.dimensions:
        raise ApiError(404, f"This model cannot be used at {url}: {model.id}", param="model")
    for name, (low, high) in _DECIMALS.items():
        _check_number(body, name, low, high, whole=False)
    for name, (low, high) in _INTEGERS.items():
        _check_number(body, name, low, high, whole=True)
    _check_output_limit(url, body, model)
    check_reasoning(url, body, model)
    check_metadata(body.get("metadata"), behaviour)
    return model


def check_length(prompt_tokens: int, model: Model, param: str) -> None:
    """Refuse a prompt that is longer than the model's window, in tokens.

    Raises:
        ApiError: 400 with the code `context_length_exceeded`.
    """
    if prompt_tokens > model.window:
        text = (
            f"This model's maximum context length is {model.window} tokens. However, your messages resulted in "
            f"{prompt_tokens} tokens. Please reduce the length of the messages."
        )
        raise ApiError(400, text, code="context_length_exceeded", param=param)


def output_limit(url: str, body: Mapping[str, Any]) -> int | None:
    """The limit of the answer's tokens; `None` for no limit."""
    given = settings(body) if url == GENERATE else body
    limits = (member(given, name) for name in _OUTPUT_LIMITS.get(url, _RESPONSES_LIMITS))
    return next((limit for limit in limits if isinstance(limit, int)), None)


def embedding_inputs(body: Mapping[str, Any]) -> list[str | list[int]]:
    """The inputs of an embeddings request, which must have passed `check_body`."""
    given = body["input"]
    return [given] if isinstance(given, str) or isinstance(given[0], int) else list(given)


def count_inputs(body: Mapping[str, Any]) -> int:
    """The number of inputs of an embeddings request, which need not be valid."""
    given = body.get("input")
    if not isinstance(given, list):
        return 1
    return 1 if given and isinstance(given[0], int) else len(given)


def _model(body: Mapping[str, Any], behaviour: Behaviour) -> Model:
    name = body.get("model")
    if name is None:
        raise missing("model")
    if not isinstance(name, str):
        raise invalid_type("model", "a string", name)
    found = find_model(name, behaviour)
    if found is None:
        raise no_such_model(name)
    return found


def _check_messages(messages: Any) -> None:
    if messages is None:
        raise missing("messages")
    if not isinstance(messages, list):
        raise invalid_type("messages", "an array of objects", messages)
    if not messages:
        raise _empty("messages")
    for number, message in enumerate(messages):
        _check_message(f"messages[{number}]", message)


def _check_message(where: str, message: Any) -> None:
    if not isinstance(message, dict):
        raise invalid_type(where, "an object", message)
    for name in message:
        if name not in _MESSAGE_KEYS:
            text = f"Unknown parameter: '{where}.{name[:200]}'."
            raise ApiError(400, text, code="unknown_parameter", param=f"{where}.{name[:200]}")
    if "role" not in message:
        raise missing(f"{where}.role")
    if message["role"] not in ROLES:
        raise invalid_value(f"{where}.role", message["role"], ROLES)
    content = message.get("content")
    if content is None and message["role"] != "assistant":
        raise missing(f"{where}.content")
    _check_content(f"{where}.content", content)


def _check_content(where: str, content: Any) -> None:
    """Text, parts, or nothing."""
    if content is None or isinstance(content, str):
        return
    if not isinstance(content, list):
        raise invalid_type(where, "one of a string or array of objects", content)
    for number, part in enumerate(content):
        if not isinstance(part, dict):
            raise invalid_type(f"{where}[{number}]", "an object", part)
        if not isinstance(part.get("type"), str):
            raise missing(f"{where}[{number}].type")
        if "text" in part and not isinstance(part["text"], str):
            raise invalid_type(f"{where}[{number}].text", "a string", part["text"])


def _given_input(body: Mapping[str, Any], expected: str) -> str | list[Any]:
    given = body.get("input")
    if given is None:
        raise missing("input")
    if not isinstance(given, str | list):
        raise invalid_type("input", expected, given)
    if not given:
        raise _empty("input")
    return given


def _check_input(body: Mapping[str, Any]) -> None:
    given = _given_input(body, "one of a string or array of objects")
    for number, item in enumerate(given if isinstance(given, list) else ()):
        where = f"input[{number}]"
        if not isinstance(item, dict):
            raise invalid_type(where, "an object", item)
        if item.get("type", "message") == "message" and item.get("role") not in ROLES:
            raise invalid_value(f"{where}.role", item.get("role"), ROLES)
        _check_content(f"{where}.content", item.get("content"))
    if not isinstance(body.get("instructions"), str | list | None):
        raise invalid_type("instructions", "a string", body["instructions"])


def _check_embeddings(body: Mapping[str, Any], behaviour: Behaviour) -> Model:
    _given_input(body, "one of a string or array")
    model = _model(body, behaviour)
    if not model.dimensions:
        raise ApiError(403, f"You are not allowed to generate embeddings from this model: {model.id}", param="model")
    if count_inputs(body) > MAX_EMBEDDING_INPUTS:
        text = f"Invalid 'input': array too long. Expected at most {MAX_EMBEDDING_INPUTS} items."
        raise ApiError(400, text, code="array_above_max_length", param="input")
    for item in embedding_inputs(body):
        _check_embedding_input(item, model)
    _check_number(body, "dimensions", 1, model.dimensions, whole=True)
    if body.get("encoding_format") not in (None, "float", "base64"):
        raise invalid_value("encoding_format", body["encoding_format"], ("float", "base64"))
    return model


def _check_embedding_input(item: Any, model: Model) -> None:
    if isinstance(item, str) and item:
        check_length(tokens(item), model, "input")
        return
    whole = isinstance(item, list) and item
    if not whole or any(isinstance(token, bool) or not isinstance(token, int) or token < 0 for token in item):
        text = "Invalid 'input': expected a string that is not empty, an array of such strings, or tokens."
        raise ApiError(400, text, code="invalid_value", param="input")
    check_length(len(item), model, "input")


def _check_output_limit(url: str, body: Mapping[str, Any], model: Model) -> None:
    for name in _OUTPUT_LIMITS.get(url, _RESPONSES_LIMITS):
        _check_number(body, name, 1, None, whole=True)
        limit = body.get(name)
        if limit is not None and limit > model.most_output:
            text = (
                f"{name} is too large: {limit}. This model supports at most {model.most_output} completion tokens, "
                f"whereas you provided {limit}."
            )
            raise ApiError(400, text, code="invalid_value", param=name)


def _check_number(body: Mapping[str, Any], name: str, low: float, high: float | None, *, whole: bool) -> None:
    value = body.get(name)
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise invalid_type(name, "an integer" if whole else "a decimal", value)
    kind = "integer" if whole else "decimal"
    if value < low:
        text = f"Invalid '{name}': {kind} below minimum value. Expected a value >= {low}, but got {value} instead."
        raise ApiError(400, text, code=f"{kind}_below_min_value", param=name)
    if high is not None and value > high:
        text = f"Invalid '{name}': {kind} above maximum value. Expected a value <= {high}, but got {value} instead."
        raise ApiError(400, text, code=f"{kind}_above_max_value", param=name)


def _empty(name: str) -> ApiError:
    text = f"Invalid '{name}': empty array. Expected an array with minimum length 1."
    return ApiError(400, text, code="empty_array", param=name)
