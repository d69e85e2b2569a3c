"""Random instances of a JSON Schema.

The keywords of structured outputs are supported; others (`not`, `if`, `dependentSchemas` …) are left to
chance: the caller validates the instance, and draws again.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import Any

from pytest_batcheval.simulator.structured.patterns import matching
from pytest_batcheval.simulator.structured.work_limit import ImpossibleError, WorkLimit

_DEEP = 6
"""Levels after which the simplest option of a recursive schema is taken."""

_DEEPEST = 40

_FORMATS: Mapping[str, Callable[[random.Random], str]] = {
    "date-time": lambda rng: f"2026-01-{rng.randint(1, 28):02}T{rng.randint(0, 23):02}:30:00Z",
    "date": lambda rng: f"2026-01-{rng.randint(1, 28):02}",
    "time": lambda rng: f"{rng.randint(0, 23):02}:30:00Z",
    "duration": lambda rng: f"P{rng.randint(1, 28)}D",
    "email": lambda rng: f"someone{rng.randint(1, 99)}@example.com",
    "hostname": lambda rng: f"host{rng.randint(1, 99)}.example.com",
    "ipv4": lambda rng: f"192.0.2.{rng.randint(1, 254)}",
    "ipv6": lambda rng: f"2001:db8::{rng.randint(1, 254):x}",
    "uri": lambda rng: f"https://example.com/{rng.randint(1, 99)}",
    "uuid": lambda rng: f"{rng.getrandbits(32):08x}-0000-4000-8000-{rng.getrandbits(48):012x}",
}


class Drawing:
    """One attempt at an instance of `root`; strings are sentences of `text` where the schema allows it."""

    def __init__(self, root: Any, rng: random.Random, text: str) -> None:
        self._root = root
        self._rng = rng
        self._sentences = [part for part in text.replace("? ", "?\n").replace(". ", ".\n").split("\n") if part] or ["-"]
        self._budget = WorkLimit()

    def draw(self) -> Any:
        """An instance.

        Raises:
            ImpossibleError: the schema refers to something outside it, contradicts itself or requires too much.
        """
        return self._value(self._root, 0)

    def _value(self, schema: Any, depth: int) -> Any:
        self._budget.spend()
        if depth > _DEEPEST:
            raise ImpossibleError("it only has instances without end")
        if schema is False:
            raise ImpossibleError("a part of it allows no value")
        if not isinstance(schema, Mapping):
            return self._rng.choice(self._sentences)
        schema = self._resolved(schema, depth)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._rng.choice(list(schema["enum"]))
        options = schema.get("anyOf") or schema.get("oneOf")
        if options:
            rest = {name: value for name, value in schema.items() if name not in ("anyOf", "oneOf")}
            return self._value(_merged(rest, self._option(options, depth)), depth + 1)
        return self._of_type(self._type(schema, depth), schema, depth)

    def _resolved(self, schema: Mapping[str, Any], depth: int) -> Mapping[str, Any]:
        """The schema with `$ref` and `allOf` written out."""
        for _ in range(_DEEPEST):
            if "$ref" in schema:
                rest = {name: value for name, value in schema.items() if name != "$ref"}
                schema = _merged(self._referred(str(schema["$ref"])), rest)
            elif "allOf" in schema:
                parts = schema["allOf"]
                schema = {name: value for name, value in schema.items() if name != "allOf"}
                for part in parts:
                    schema = _merged(schema, self._resolved(part, depth) if isinstance(part, Mapping) else {})
            else:
                return schema
        raise ImpossibleError("its references go round in circles")

    def _referred(self, reference: str) -> Mapping[str, Any]:
        if not reference.startswith("#"):
            raise ImpossibleError(f"it refers to {reference[:80]!r}, which is not in it")
        found = self._root
        for name in reference.removeprefix("#").split("/")[1:]:
            key = name.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, Mapping) or key not in found:
                raise ImpossibleError(f"it refers to {reference[:80]!r}, which is not in it")
            found = found[key]
        return found if isinstance(found, Mapping) else {}

    def _option(self, options: list[Any], depth: int) -> Mapping[str, Any]:
        usable = [option for option in options if isinstance(option, Mapping)] or [{}]
        return min(usable, key=_weight) if depth > _DEEP else self._rng.choice(usable)

    def _type(self, schema: Mapping[str, Any], depth: int) -> str:
        given = schema.get("type")
        if isinstance(given, list):
            ordered = [kind for kind in ("null", "boolean", "integer", "number", "string") if kind in given]
            return ordered[0] if depth > _DEEP and ordered else str(self._rng.choice(given))
        if given is not None:
            return str(given)
        implied = {"properties": "object", "required": "object", "items": "array", "prefixItems": "array",
                   "minimum": "number", "maximum": "number", "multipleOf": "number"}  # fmt: skip
        return next((kind for name, kind in implied.items() if name in schema), "string")

    def _of_type(self, kind: str, schema: Mapping[str, Any], depth: int) -> Any:
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, depth)
            case "integer" | "number":
                return self._number(schema, whole=kind == "integer")
            case "boolean":
                return self._rng.random() < 0.5
            case "null":
                return None
        return self._string(schema)

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties") or {}
        required = list(schema.get("required") or ())
        names = [*properties, *(name for name in required if name not in properties)]
        if depth > _DEEP:
            names = [name for name in names if name in required]
        extra = schema.get("additionalProperties", True)
        made = {name: self._value(properties.get(name, extra), depth + 1) for name in names}
        while len(made) < int(schema.get("minProperties", 0)):
            made[f"more{len(made)}"] = self._value(extra, depth + 1)
        return made

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        least = int(schema.get("minItems", 0))
        most = int(schema.get("maxItems", max(least, 3)))
        length = (
            least if depth > _DEEP else self._rng.randint(max(least, min(1, most)), max(least, min(most, least + 3)))
        )
        self._budget.spend(length)
        first = list(schema.get("prefixItems") or ())[:length]
        if "contains" in schema and len(first) < length:
            first.append(schema["contains"])
        rest = schema.get("items", True)
        made: list[Any] = []
        for part in [*first, *[rest] * (length - len(first))]:
            value = self._value(part, depth + 1)
            for _ in range(20 if schema.get("uniqueItems") else 0):
                if value not in made:
                    break
                value = self._value(part, depth + 1)
            made.append(value)
        return made

    def _string(self, schema: Mapping[str, Any]) -> str:
        least, most = int(schema.get("minLength", 0)), int(schema.get("maxLength", 10_000))
        self._budget.spend(least)
        if "pattern" in schema:
            return matching(str(schema["pattern"]), self._rng, self._budget)
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]](self._rng)
        text = self._rng.choice(self._sentences)
        return (text + " " + "." * max(0, least - len(text)))[:most] if len(text) < least else text[:most]

    def _number(self, schema: Mapping[str, Any], *, whole: bool) -> int | float:
        step = float(schema.get("multipleOf", 1 if whole else 0.5))
        low, high = _bounds(schema, step)
        if not (math.isfinite(low) and math.isfinite(high) and step > 0) or abs(low) + abs(high) > 1e15:
            raise ImpossibleError("a number in it is too large for the simulator")
        first, last = math.ceil(low / step), math.floor(high / step)
        if first > last:
            raise ImpossibleError("a number in it has a minimum above its maximum")
        value = self._rng.randint(first, last) * step
        return int(value) if whole or value.is_integer() else value


def _bounds(schema: Mapping[str, Any], step: float) -> tuple[float, float]:
    """The range to draw from; an open end lies ten steps from the other."""
    lows = [float(schema["minimum"])] if "minimum" in schema else []
    highs = [float(schema["maximum"])] if "maximum" in schema else []
    if "exclusiveMinimum" in schema:
        lows.append(float(schema["exclusiveMinimum"]) + step / 2)
    if "exclusiveMaximum" in schema:
        highs.append(float(schema["exclusiveMaximum"]) - step / 2)
    low = max(lows) if lows else (min(highs) - 10 * step if highs else 0.0)
    return low, min(highs) if highs else low + 10 * step


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**first, **second}
    for name in ("properties", "$defs"):
        if name in first and name in second:
            merged[name] = {**first[name], **second[name]}
    if "required" in first and "required" in second:
        merged["required"] = [*first["required"], *second["required"]]
    return merged


def _weight(schema: Mapping[str, Any]) -> int:
    """An estimate of the size of a schema's instances: scalars are small, references and objects large."""
    kind = schema.get("type")
    if kind == "null" or "const" in schema or "enum" in schema:
        return 0
    return 1 if kind in ("boolean", "integer", "number", "string") else 2 + ("$ref" in schema)
