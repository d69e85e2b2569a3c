"""YAML as JavaScript's tools read it: by the core schema of 1.2, in which `Yes`, `on`, `12:30` and dates are texts."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from pytest_batcheval.text.document import parse_json, parse_yaml, read_text

_CORE = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    "float": (r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
}
"""Patterns of https://yaml.org/spec/1.2.2/#103-core-schema by tag, and the characters that they begin with."""


def read_core_document(path: Path, what: str) -> Any:
    """The data in a JSON file (by its name) or a YAML file; `what` names its kind in messages.

    Raises:
        UsageError: the file cannot be read, or is not valid; the message names the line.
    """
    text = read_text(path, what)
    return parse_json(path, text) if path.suffix.lower() == ".json" else parse_yaml(path, text, loader=_loader())


@cache
def _loader() -> Any:
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    merge = {
        first: [pair for pair in pairs if pair[0].endswith(":merge")]
        for first, pairs in base.yaml_implicit_resolvers.items()
    }
    loader: Any = type("CoreLoader", (base,), {"yaml_implicit_resolvers": merge})
    for tag, (pattern, first) in _CORE.items():
        loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"(?:{pattern})\Z"), first)
    loader.add_constructor("tag:yaml.org,2002:int", _whole_number)
    return loader


def _whole_number(loader: Any, node: Any) -> int:
    """The number as it is written: a leading zero makes no octal one."""
    text = loader.construct_scalar(node)
    return int(text, 16 if text.startswith("0x") else 10)
