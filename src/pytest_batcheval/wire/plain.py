"""Plain values out of JSON that somebody else wrote, where any type may stand for any other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def mapping(value: object) -> Mapping[str, Any]:
    """The object; empty for anything else."""
    if type(value) is dict:  # as JSON is read; a look at the abstract class takes ten times as long
        return value
    return value if isinstance(value, Mapping) else {}


def mappings(value: object) -> list[Mapping[str, Any]]:
    """The objects of a list; anything else is ignored."""
    items = value if isinstance(value, list) else ()
    return [item for item in items if type(item) is dict or isinstance(item, Mapping)]


def whole_number(value: object) -> int | None:
    """The integer that a number or a text of digits means: `200`, `200.0` and `"200"`; `None` for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and len(value) < 20 and value.strip().isdecimal():
        return int(value)
    return None


def scalar_text(value: object) -> str:
    """The text of a string, number or boolean, as JSON writes it; empty for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) and value == value and abs(value) < 10**300 else ""
