"""The check of one line of an input file: by JSON Schema, with each error in the API's words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.errors import LineProblem, kind_of, problem
from pytest_batcheval.simulator.structured.compiled import check_of
from pytest_batcheval.simulator.structured.work_limit import ImpossibleError
from pytest_batcheval.wire.endpoints import CHAT, EMBEDDINGS, PROMPTS, RESPONSES
from pytest_batcheval.wire.schemas import schema, validator

_REQUIRED = ("custom_id", "method", "url", "body")
_STREAMING = {CHAT: "Chat Completions", RESPONSES: "Responses", EMBEDDINGS: "Embeddings"}


def unreadable(number: int) -> LineProblem:
    """The entry for a line that is not a JSON object."""
    return problem("invalid_json_line", "This line is not parseable as valid JSON.", number)


def shape_problems(line: Mapping[str, Any], endpoint: str, number: int, behaviour: Behaviour) -> Iterator[LineProblem]:
    """Every error in a line's shape; none exactly when the line matches its schema."""
    for name in _REQUIRED:
        if name not in line:
            yield problem("missing_required_parameter", f"Missing required parameter: '{name}'.", number, name)
    if "custom_id" in line and not isinstance(line["custom_id"], str):
        yield _wrong_type("custom_id", "a string", line["custom_id"], number)
    if "method" in line and line["method"] != "POST":
        text = "Invalid method for a batch request: it must be POST."
        yield problem(behaviour.code("invalid_method"), text, number, "method")
    if "url" in line and line["url"] != endpoint:
        text = "The URL provided for this request does not match the batch endpoint."
        yield problem("invalid_url", text, number, "url")
    if "body" in line:
        yield from _body_problems(line["body"], endpoint, number)


def _body_problems(body: object, endpoint: str, number: int) -> Iterator[LineProblem]:
    if not isinstance(body, dict):
        yield _wrong_type("body", "an object", body, number)
        return
    # `0 == False` in Python, but not in JSON.
    if "stream" in body and body["stream"] is not False and body["stream"] is not None:
        text = f"{_STREAMING[endpoint]}: Streaming is not supported in the Batch API."
        yield problem("streaming_unsupported", text, number, "body.stream")
    model, prompt = body.get("model"), PROMPTS[endpoint]
    if model is None or model == "":
        yield problem("invalid_request", "Model parameter is required.", number, "body.model")
    elif not isinstance(model, str):
        yield _wrong_type("body.model", "a string", model, number)
    if body.get(prompt) is None:
        text = f"{prompt.capitalize()} parameter is required."
        yield problem("invalid_request", text, number, f"body.{prompt}")


def _wrong_type(param: str, expected: str, value: object, number: int) -> LineProblem:
    text = f"Invalid type for '{param}': expected {expected}, but got {kind_of(value)} instead."
    return problem("invalid_type", text, number, param)


LINE_SCHEMAS = {CHAT: "input-line-chat", RESPONSES: "input-line-responses", EMBEDDINGS: "input-line-embeddings"}
"""The schema of `wire.schemas` for the lines of each endpoint."""


@cache
def line_check(endpoint: str) -> Callable[[Any], bool]:
    """Return a function that says whether a line is valid for an endpoint."""
    fast, slow = check_of(json.dumps(schema(LINE_SCHEMAS[endpoint]))), slow_line_check(endpoint)

    def is_valid(line: Any) -> bool:
        try:
            return fast(line)
        except (ValueError, ImpossibleError):  # older jsonschema-rs refuses values nested 255 levels deep
            return slow(line)

    return is_valid


def slow_line_check(endpoint: str) -> Callable[[Any], bool]:
    """The same with `jsonschema`, a hundred times slower."""
    return validator(LINE_SCHEMAS[endpoint]).is_valid
