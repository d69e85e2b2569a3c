"""The JSON Schema that a body of Gemini's generateContent asks its answer to match."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_batcheval.wire.plain import mapping, mappings

_NOT_OF_JSON = ("nullable", "propertyOrdering", "property_ordering", "example")


def member(body: Mapping[str, Any], name: str) -> Any:
    """A member by its name in camel case, or as protocol buffers have it: `fileName` or `file_name`."""
    return body.get(name, body.get("".join(f"_{c.lower()}" if c.isupper() else c for c in name)))


def settings(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The `generationConfig`."""
    return mapping(member(body, "generationConfig"))


def functions(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The declarations of all functions that the model may call."""
    return [one for tool in mappings(body.get("tools")) for one in mappings(member(tool, "functionDeclarations"))]


def asked_function(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The function that the mode `ANY` makes the model call: the first that it allows."""
    calling = mapping(member(mapping(member(body, "toolConfig")), "functionCallingConfig"))
    allowed = member(calling, "allowedFunctionNames")
    found = (one for one in functions(body) if not allowed or one.get("name") in allowed)
    return next(found, None) if calling.get("mode") == "ANY" else None


def asked_schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The JSON Schema of the answer: that of the function to call, of `responseJsonSchema` or of `responseSchema`."""
    function, given = asked_function(body), settings(body)
    if function is None:
        whole, subset = member(given, "responseJsonSchema"), member(given, "responseSchema")
    else:
        whole, subset = member(function, "parametersJsonSchema"), function.get("parameters", {"type": "OBJECT"})
    if isinstance(whole, Mapping):
        return whole
    return json_schema(subset) if isinstance(subset, Mapping) else None


def json_schema(given: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON Schema of a schema in Google's subset of OpenAPI: types in upper case, `nullable`."""
    schema = {name: value for name, value in given.items() if name not in _NOT_OF_JSON}
    kind = str(schema.get("type", "")).lower()
    if kind:
        schema["type"] = [kind, "null"] if given.get("nullable") else kind
    if isinstance(schema.get("items"), Mapping):
        schema["items"] = json_schema(schema["items"])
    if isinstance(schema.get("properties"), Mapping):
        schema["properties"] = {name: json_schema(mapping(value)) for name, value in schema["properties"].items()}
    if any_of := member(schema, "anyOf"):
        schema["anyOf"] = [json_schema(option) for option in mappings(any_of)]
    return schema
