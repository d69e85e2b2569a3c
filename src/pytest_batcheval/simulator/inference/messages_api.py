"""Anthropic's Messages API: the check of a body, the form that it asks for, and the message that answers it.

Members and limits are those of the API reference and of the official SDK 2.14; the wording of most refusals is a guess.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.errors import ApiError
from pytest_batcheval.simulator.ids import base62
from pytest_batcheval.simulator.inference.claude_models import find_claude, takes_sampling
from pytest_batcheval.simulator.inference.models import Model
from pytest_batcheval.simulator.inference.response_bodies import Choice
from pytest_batcheval.simulator.inference.token_count import tokens
from pytest_batcheval.simulator.structured.answer import Form, form_of_schema
from pytest_batcheval.simulator.structured.messages_schema import asked_schema, asked_tool
from pytest_batcheval.wire.plain import mapping

ROLES = ("user", "assistant")
BLOCKS = (
    "text",
    "image",
    "document",
    "search_result",
    "thinking",
    "redacted_thinking",
    "tool_use",
    "tool_result",
    "server_tool_use",
    "web_search_tool_result",
)
"""Types of content blocks that a message may have."""

CHOICES = ("auto", "any", "tool", "none")
_REASONS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}


def check_messages_body(body: Mapping[str, Any], behaviour: Behaviour) -> Model:
    """Check a body and return its model.

    Raises:
        ApiError: 400 or 404, the endpoint refuses the body.
    """
    for name in ("model", "max_tokens", "messages"):
        if body.get(name) is None:
            raise _wrong(name, "Field required")
    model = find_claude(body["model"], behaviour)
    if model is None:
        raise ApiError(404, f"model: {str(body['model'])[:200]}")
    _check_limit(body["max_tokens"], model)
    _check_messages(body["messages"])
    _check_blocks("system", body.get("system", ""), ("text",))
    _check_sampling(body, model)
    stops = body.get("stop_sequences") or []
    if not isinstance(stops, list) or not all(isinstance(stop, str) and stop.strip() for stop in stops):
        raise _wrong("stop_sequences", "each stop sequence must contain non-whitespace")
    _check_tools(body)
    return model


def check_messages_length(prompt_tokens: int, model: Model) -> None:
    """Refuse a prompt that is longer than the model's window, in tokens.

    Raises:
        ApiError: 400.
    """
    if prompt_tokens > model.window:
        raise ApiError(400, f"prompt is too long: {prompt_tokens} tokens > {model.window} maximum")


def asked_form(body: Mapping[str, Any]) -> Form | None:
    """The form of the answer that a body asks for; `None` for plain text.

    Raises:
        ApiError: 400, the schema cannot be used.
    """
    schema, tool = asked_schema(body), asked_tool(body)
    if schema is None:
        return None
    where = "output_config.format.schema" if tool is None else "tools.0.input_schema"
    return form_of_schema(schema, Form("", str((tool or {}).get("name", "output")), where, None))


def message(
    model: Model, seed: int, key: str, prompt_tokens: int, choice: Choice, body: Mapping[str, Any]
) -> dict[str, Any]:
    """The message with an answer, cut at the first of the body's stop sequences."""
    text, stop = _stopped(choice.text, body.get("stop_sequences") or [])
    tool = None if choice.refused else asked_tool(body)
    reason = _REASONS.get(choice.finish_reason, choice.finish_reason)
    if tool is not None and reason == "end_turn":
        used = {"type": "tool_use", "id": f"toolu_01{base62('toolu', seed, key)}", "name": tool["name"]}
        content, reason, text, stop = [{**used, "input": json.loads(choice.text)}], "tool_use", choice.text, None
    else:
        content = [{"type": "text", "text": text}] if text else []
    if stop is not None:
        reason = "stop_sequence"
    if choice.refused:
        reason = "refusal"
    return {
        "id": f"msg_01{base62('msg', seed, key)}",
        "type": "message",
        "role": "assistant",
        "model": model.snapshot,
        "content": content,
        "stop_reason": reason,
        "stop_sequence": stop,
        "usage": {
            "input_tokens": prompt_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": max(tokens(text), 1),
            "service_tier": "standard",
        },
    }


def _stopped(text: str, stops: list[str]) -> tuple[str, str | None]:
    found = [(text.index(stop), stop) for stop in stops if stop in text]
    return (text[: min(found)[0]], min(found)[1]) if found else (text, None)


def _check_limit(limit: Any, model: Model) -> None:
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise _wrong("max_tokens", "Input should be a valid integer")
    if limit < 1:
        raise _wrong("max_tokens", "Input should be greater than or equal to 1")
    if limit > model.most_output:
        text = f"{limit} > {model.most_output}, which is the maximum allowed number of output tokens for {model.id}"
        raise _wrong("max_tokens", text)


def _check_messages(messages: Any) -> None:
    if not isinstance(messages, list):
        raise _wrong("messages", "Input should be a valid list")
    if not messages:
        raise _wrong("messages", "at least one message is required")
    for number, given in enumerate(messages):
        _check_message(f"messages.{number}", given, is_last=number == len(messages) - 1)


def _check_message(where: str, given: Any, *, is_last: bool) -> None:
    if not isinstance(given, dict):
        raise _wrong(where, "Input should be a valid dictionary")
    for name in ("role", "content"):
        if name not in given:
            raise _wrong(f"{where}.{name}", "Field required")
    for name in given.keys() - {"role", "content"}:
        raise _wrong(f"{where}.{name[:200]}", "Extra inputs are not permitted")
    if given["role"] == "system":
        text = 'Unexpected role "system". The Messages API accepts a top-level `system` parameter, not "system" as'
        raise _wrong("messages", f"{text} an input message role.")
    if given["role"] not in ROLES:
        raise _wrong(f"{where}.role", "Input should be 'user' or 'assistant'")
    _check_blocks(f"{where}.content", given["content"], BLOCKS)
    if not given["content"] and not is_last:
        raise _wrong(where, "all messages must have non-empty content except for the optional final assistant message")


def _check_blocks(where: str, content: Any, types: tuple[str, ...]) -> None:
    """Text, or a list of blocks of these types."""
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        raise _wrong(where, "Input should be a valid string or a valid list")
    for number, block in enumerate(content):
        kind = block.get("type") if isinstance(block, dict) else None
        if kind not in types:
            expected = ", ".join(f"'{name}'" for name in types)
            raise _wrong(
                f"{where}.{number}", f"Input tag '{kind}' found using 'type' does not match any of: {expected}"
            )
        if kind == "text" and not isinstance(block.get("text"), str):
            raise _wrong(f"{where}.{number}.text.text", "Field required")
        if kind == "text" and not block["text"].strip():
            raise _wrong(where, "text content blocks must be non-empty")


def _check_sampling(body: Mapping[str, Any], model: Model) -> None:
    for name, most in (("temperature", 1), ("top_p", 1), ("top_k", None)):
        value = body.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong(name, "Input should be a valid number")
        if value < 0 or (most is not None and value > most):
            raise _wrong(name, f"Input should be from 0 to {most}" if most else "Input should be at least 0")
        if not takes_sampling(model) and value != most:
            raise ApiError(400, f"`{name}` is not supported by this model.")


def _check_tools(body: Mapping[str, Any]) -> None:
    tools, choice = body.get("tools") or [], body.get("tool_choice")
    if not isinstance(tools, list):
        raise _wrong("tools", "Input should be a valid list")
    for number, tool in enumerate(tools):
        if not isinstance(tool, dict) or not isinstance(tool.get("name"), str):
            raise _wrong(f"tools.{number}.name", "Field required")
        if tool.get("type", "custom") == "custom" and not isinstance(tool.get("input_schema"), dict):
            raise _wrong(f"tools.{number}.input_schema", "Field required")
    if choice is None:
        return
    kind = mapping(choice).get("type")
    if kind not in CHOICES:
        raise _wrong(
            "tool_choice", f"Input tag '{kind}' found using 'type' does not match any of: 'auto', 'any', 'tool'"
        )
    if kind != "none" and not tools:
        raise _wrong("tool_choice", "may only be specified while providing tools.")
    if kind == "tool" and choice.get("name") not in [tool["name"] for tool in tools]:
        raise _wrong("tool_choice", f"Tool '{choice.get('name')}' not found in provided tools")


def _wrong(where: str, why: str) -> ApiError:
    return ApiError(400, f"{where}: {why}", param=where)
