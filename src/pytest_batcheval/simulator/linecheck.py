"""The shape of an input line, checked fast: `jsonschema-rs` where it is installed, else `jsonschema`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from pytest_batcheval.wire.objects import CHAT, EMBEDDINGS, RESPONSES
from pytest_batcheval.wire.schemas import schema, validator

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
