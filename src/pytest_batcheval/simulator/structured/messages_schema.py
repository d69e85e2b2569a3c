"""The JSON Schema that a body of Anthropic's Messages API asks its answer to match."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_batcheval.wire.plain import mapping, mappings


def asked_tool(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The tool that `tool_choice` makes the model use: the one it names, or for `any` the first."""
    choice = mapping(body.get("tool_choice"))
    tools = mappings(body.get("tools"))
    if choice.get("type") == "any":
        return tools[0] if tools else None
    if choice.get("type") != "tool":
        return None
    return next((tool for tool in tools if tool.get("name") == choice.get("name")), None)


def asked_schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The JSON Schema of the answer: that of the tool to use, or of `output_config.format`."""
    tool = asked_tool(body)
    if tool is not None:
        return mapping(tool.get("input_schema"))
    given = mapping(mapping(body.get("output_config")).get("format"))
    return mapping(given.get("schema")) if given.get("type") == "json_schema" else None
