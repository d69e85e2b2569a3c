"""Check of one line of an input file: its JSON Schema, and each error in the API's words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.errors import kind_of
from pytest_batcheval.wire.objects import CHAT, EMBEDDINGS, RESPONSES
from pytest_batcheval.wire.schemas import schema, validator

Fault = dict[str, Any]

PROMPTS = {CHAT: "messages", RESPONSES: "input", EMBEDDINGS: "input"}
"""The parameter that holds the words of a request."""

_REQUIRED = ("custom_id", "method", "url", "body")
_STREAMING = {CHAT: "Chat Completions", RESPONSES: "Responses", EMBEDDINGS: "Embeddings"}


def fault(code: str | None, message: str, line: int | None = None, param: str | None = None) -> Fault:
    """One entry of a failed batch's `errors.data`; lines are counted from 1."""
    return {"code": code, "message": message, "line": line, "param": param}


def unreadable(number: int) -> Fault:
    """The line is no JSON object."""
    return fault("invalid_json_line", "This line is not parseable as valid JSON.", number)


def shape_faults(line: Mapping[str, Any], endpoint: str, number: int, behaviour: Behaviour) -> Iterator[Fault]:
    """Every fault of a line's shape; none exactly when the line is valid by its schema."""
    for name in _REQUIRED:
        if name not in line:
            yield fault("missing_required_parameter", f"Missing required parameter: '{name}'.", number, name)
    if "custom_id" in line and not isinstance(line["custom_id"], str):
        yield _wrong_type("custom_id", "a string", line["custom_id"], number)
    if "method" in line and line["method"] != "POST":
        text = "Invalid method for a batch request: it must be POST."
        yield fault(behaviour.code("invalid_method"), text, number, "method")
    if "url" in line and line["url"] != endpoint:
        text = "The URL provided for this request does not match the batch endpoint."
        yield fault("invalid_url", text, number, "url")
    if "body" in line:
        yield from _body_faults(line["body"], endpoint, number)


def _body_faults(body: object, endpoint: str, number: int) -> Iterator[Fault]:
    if not isinstance(body, dict):
        yield _wrong_type("body", "an object", body, number)
        return
    # `0 == False` in Python, but not in JSON.
    if "stream" in body and body["stream"] is not False and body["stream"] is not None:
        text = f"{_STREAMING[endpoint]}: Streaming is not supported in the Batch API."
        yield fault("streaming_unsupported", text, number, "body.stream")
    model, prompt = body.get("model"), PROMPTS[endpoint]
    if model is None or model == "":
        yield fault("invalid_request", "Model parameter is required.", number, "body.model")
    elif not isinstance(model, str):
        yield _wrong_type("body.model", "a string", model, number)
    if body.get(prompt) is None:
        text = f"{prompt.capitalize()} parameter is required."
        yield fault("invalid_request", text, number, f"body.{prompt}")


def _wrong_type(param: str, expected: str, value: object, number: int) -> Fault:
    text = f"Invalid type for '{param}': expected {expected}, but got {kind_of(value)} instead."
    return fault("invalid_type", text, number, param)


LINE_SCHEMAS = {CHAT: "input-line-chat", RESPONSES: "input-line-responses", EMBEDDINGS: "input-line-embeddings"}
"""The schema of `wire.schemas` for the lines of each endpoint."""


@cache
def line_check(endpoint: str) -> Callable[[Any], bool]:
    """A function that says whether a line is valid for an endpoint."""
    try:
        from jsonschema_rs import Draft202012Validator
    except ImportError:
        return slow_line_check(endpoint)
    fast = Draft202012Validator(schema(LINE_SCHEMAS[endpoint])).is_valid
    slow = slow_line_check(endpoint)

    def is_valid(line: Any) -> bool:
        try:
            return fast(line)
        except ValueError:  # older versions refuse to look at what is nested 255 levels deep
            return slow(line)

    return is_valid


def slow_line_check(endpoint: str) -> Callable[[Any], bool]:
    """The same by `jsonschema`, a hundred times slower."""
    return validator(LINE_SCHEMAS[endpoint]).is_valid
