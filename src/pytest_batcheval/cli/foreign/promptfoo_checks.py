"""promptfoo's assertions that have an equal here (https://www.promptfoo.dev/docs/configuration/expected-outputs/)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_batcheval.cli.foreign.evaluation import PLACE, Evaluation, has_value, is_plain

_ONE = ("equals", "contains", "icontains", "starts-with", "regex")
_SEVERAL = ("contains-any", "contains-all", "icontains-any", "icontains-all")
_MEMBERS = ("type", "value", "metric", "weight")
_KEPT = (*_MEMBERS, "threshold", "transform", "$ref")
"""Members of an assertion without an equal that are written; not `provider` and `config`, which may have keys."""


def add_checks(case: dict[str, Any], asserted: Sequence[tuple[str, Mapping[str, Any]]], found: Evaluation) -> None:
    """Give a case its `checks`, and as `todo` the assertions that have no equal."""
    checks: list[dict[str, Any]] = []
    left: list[Mapping[str, Any]] = []
    for _, entry in asserted:
        check = _check(entry, case["vars"])
        if check is None:
            left.append({member: entry[member] for member in _KEPT if member in entry})
            found.todo[f"assert {entry.get('type', entry.get('$ref'))}"] += 1
        else:
            checks.append(check)
    case.update(checks=checks, todo=left)


def _check(entry: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any] | None:
    """An assertion as a check; `None` if it has no equal, or has a member that changes what it means."""
    kind = str(entry.get("type"))
    name = kind.removeprefix("not-")
    value = _value(name, entry.get("value"))
    # a weight of 0 reports without failing
    if value is None or entry.get("weight", 1) == 0 or entry.keys() - {*_MEMBERS}:
        return None
    if not all(_can_be_put(text, values) for text in (value if isinstance(value, list) else [value])):
        return None
    return {"check": name, "value": value, "negated": name != kind}


def _value(name: str, value: Any) -> str | list[str] | None:
    """The value of a check that is known, as text; `None` for one that is not."""
    if name == "is-json":
        return "" if value is None else None  # a value is a schema
    if name in _SEVERAL:
        several = value.split(",") if isinstance(value, str) else value
        if isinstance(several, list) and all(map(_is_scalar, several)):
            return [_text(one).strip() if isinstance(value, str) else _text(one) for one in several]
        return None
    if name not in _ONE or not _is_scalar(value):
        return None
    return None if name == "regex" and not _compiles(value) else _text(value)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (str, int, float))


def _text(value: Any) -> str:
    """A value as promptfoo compares it: as JavaScript writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _can_be_put(text: str, values: Mapping[str, Any]) -> bool:
    fits = not text.startswith("file://") and is_plain(text)
    return fits and all(has_value(values, name) for name in PLACE.findall(text))


def _compiles(value: Any) -> bool:
    """Whether a pattern is one of Python's too."""
    try:
        re.compile(str(value))
    except (re.error, OverflowError, RecursionError):
        return False
    return True
