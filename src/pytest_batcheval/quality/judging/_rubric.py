"""Rubrics: the scale, rules and signs of each dimension by which a judge scores, from a data file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from pytest_batcheval.errors import UsageError
from pytest_batcheval.text.document import read_document

LOWEST, HIGHEST = 1, 5
"""The ends of the scale; 1 is the low pole of a dimension, 5 the high one."""


@dataclass(frozen=True)
class RubricDimension:
    """One dimension to score: its code, its name, and the signs of each pole."""

    code: str
    name: str
    high: tuple[str, ...]
    low: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.code} ({self.name})\n  5: {'; '.join(self.high)}\n  1: {'; '.join(self.low)}"


@dataclass(frozen=True)
class Rubric:
    """A rubric; `Rubric.load` reads one.

    Attributes:
        version: name and version, the author's own.
        roles: by label, a description of the role that the author of the answer took.
        scale: the meaning of each score from 1 to 5.
        rules: sentences that hold for all dimensions.
        dimensions: the dimensions to score.
    """

    version: str
    roles: Mapping[str, str]
    scale: Mapping[int, str]
    rules: tuple[str, ...]
    dimensions: tuple[RubricDimension, ...]

    @classmethod
    def load(cls, path: str | Path) -> Rubric:
        """Read the rubric of a YAML or JSON file (its schema is `schemas/rubric.schema.json`).

        Raises:
            UsageError: the file cannot be read or is not a rubric; the text names file and field.
        """
        data = _checked(Path(path), _read(Path(path)))
        dimensions = tuple(
            RubricDimension(d["code"], d["name"], tuple(d["high"]), tuple(d["low"])) for d in data["dimensions"]
        )
        codes = [dimension.code for dimension in dimensions]
        if twice := [code for code in codes if codes.count(code) > 1]:
            raise UsageError(f"{path}: dimension {twice[0]} occurs twice")
        scale = {int(score): words for score, words in data["scale"].items()}
        return cls(data["version"], data["roles"], dict(sorted(scale.items())), tuple(data["rules"]), dimensions)

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the dimensions, in the file's order."""
        return tuple(dimension.code for dimension in self.dimensions)

    @property
    def digest(self) -> str:
        """12 hex digits that change with every word of the rubric; scores by another rubric cannot be compared."""
        return digest_of(self.words())

    def rotated(self, places: int) -> tuple[RubricDimension, ...]:
        """Return the dimensions with the first `places` of them moved to the end."""
        start = places % len(self.dimensions)
        return self.dimensions[start:] + self.dimensions[:start]

    def words(self, places: int = 0) -> str:
        """Return the rubric as a judge reads it."""
        return "\n".join(
            (
                "Scores:",
                *(f"{score}: {meaning}" for score, meaning in self.scale.items()),
                "Rules:",
                *(f"- {rule}" for rule in self.rules),
                "Dimensions, each with the signs of a 5 and of a 1:",
                *map(str, self.rotated(places)),
                "Role of whoever answers:",
                *(f"- {role}: {meaning}" for role, meaning in self.roles.items()),
            )
        )

    def verdict_schema(self, places: int = 0) -> dict[str, Any]:
        """Return the JSON Schema of a filled rubric, in the shape that strict structured outputs require."""
        codes = [dimension.code for dimension in self.rotated(places)]
        whole = {"type": "integer", "enum": list(range(LOWEST, HIGHEST + 1))}
        mark = _object({"evidence": {"type": "string"}, "score": {"anyOf": [whole, {"type": "null"}]}})
        return {
            **_object(
                {
                    "role": {"type": "string", "enum": list(self.roles)},
                    "scores": _object({code: {"$ref": "#/$defs/mark"} for code in codes}),
                }
            ),
            "$defs": {"mark": mark},
        }


def digest_of(words: str) -> str:
    """Return the digest of a rubric from its words as a judge reads them, in any order of dimensions."""
    lines = sorted(line for line in words.splitlines() if line)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": list(properties), "properties": properties}


def _read(path: Path) -> Any:
    data = read_document(path, "rubric")
    try:
        return json.loads(json.dumps(data))  # a YAML file may have scores as numeric keys; JSON keys are strings
    except (ValueError, TypeError) as error:
        raise UsageError(f"{path}: the rubric has a value that JSON cannot hold: {error}") from None


def _checked(path: Path, data: Any) -> dict[str, Any]:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    file = files("pytest_batcheval.quality") / "schemas" / "rubric.schema.json"
    schema = json.loads(file.read_text(encoding="utf-8"))
    error = best_match(Draft202012Validator(schema).iter_errors(data))
    if error is not None:
        raise UsageError(f"{path}, field {error.json_path}: {error.message[:300]}")
    found: dict[str, Any] = data
    return found
