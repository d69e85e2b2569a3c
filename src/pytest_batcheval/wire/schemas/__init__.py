"""JSON Schemas of the objects sent over HTTP, one file per object."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

_FOLDER = Path(__file__).parent
_SUFFIX = ".schema.json"

NAMES = tuple(sorted(path.name.removesuffix(_SUFFIX) for path in _FOLDER.glob(f"*{_SUFFIX}")))
"""Every schema: `batch`, `file`, `output-line` …."""


@cache
def schema(name: str) -> dict[str, Any]:
    """The schema of that name.

    Raises:
        FileNotFoundError: there is no such schema.
    """
    loaded: dict[str, Any] = json.loads((_FOLDER / f"{name}{_SUFFIX}").read_text(encoding="utf-8"))
    return loaded


@cache
def validator(name: str) -> Draft202012Validator:
    """A validator of that schema; references between these files are resolved, nothing is fetched."""
    from jsonschema import Draft202012Validator
    from referencing import Registry, Resource

    resources = ((f"{other}{_SUFFIX}", Resource.from_contents(schema(other))) for other in NAMES)
    return Draft202012Validator(schema(name), registry=Registry().with_resources(resources))
