"""What is wrong with one line of an input file, in the API's words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.errors import kind_of
from pytest_batcheval.wire.objects import CHAT, EMBEDDINGS, RESPONSES

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
