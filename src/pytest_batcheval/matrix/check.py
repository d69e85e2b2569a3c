"""Rules for the names and ids of axes, so that `-k <id>` selects exactly its cells."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_batcheval.errors import MatrixError
from pytest_batcheval.matrix.axes import AxisValue
from pytest_batcheval.text.bounds import shown
from pytest_batcheval.wire.value_id import value_id

RESERVED = (
    *("answer", "answers", "prompt", "samples", "sample", "endpoint", "errors", "axes", "request"),
    *("persona_matrix", "batch_client", "batch_server", "batch_conversation", "batch_benchmark"),
)
"""Names an axis may not have: marker keywords, and fixtures of pytest and this plugin."""

MAX_ID = 40
"""Characters of the longest id; a test id joins several."""

ID_RULE = f"ASCII letters, digits, '.', '_' and '-', beginning with a letter or digit, at most {MAX_ID} characters"

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def check_axes(axes: Mapping[str, Sequence[Any]]) -> None:
    """Check names and ids of all axes together.

    Raises:
        MatrixError: a name is reserved or not an identifier, an axis is empty, an id violates
            `ID_RULE`, or an id is part of another one (ignoring case, as `-k` does).
    """
    owners: list[tuple[str, str]] = []
    for name, values in axes.items():
        check_name(name)
        if not values:
            raise MatrixError(f"axis {name!r} is empty; give it at least one value, or leave the axis out")
        owners += [(name, value_id(value)) for value in as_axis_values(name, values)]
    _check_distinct(owners)


def check_name(name: str) -> None:
    """Raise `MatrixError` unless `name` can be a test's argument and has no other meaning."""
    if not name.isidentifier() or keyword.iskeyword(name):
        raise MatrixError(
            f"axis name {name!r} must be a Python identifier, since it becomes an argument of tests and prompts"
        )
    if name in RESERVED:
        raise MatrixError(f"axis name {name!r} is reserved; reserved names: {', '.join(RESERVED)}")


def id_problem(identifier: object) -> str | None:
    """The reason that a value cannot be an id, or `None`."""
    if not isinstance(identifier, str):
        return f"id {shown(identifier)} must be a string; write it in quotes"
    if not _ID.fullmatch(identifier) or len(identifier) > MAX_ID:
        return f"id {shown(identifier)} is not allowed; ids consist of {ID_RULE}"
    return None


def as_axis_values(name: str, values: Sequence[Any]) -> list[Any]:
    """Values with an `id`: such objects as they are, plain ones as `AxisValue` with the field `value`.

    The id of a plain text, number or bool is its text, with each run of other characters as `-`.

    Raises:
        MatrixError: a value has no id and is not plain, or its id violates `ID_RULE`.
    """
    return [_axis_value(name, position, value) for position, value in enumerate(values, 1)]


def _axis_value(name: str, position: int, value: Any) -> Any:
    if not hasattr(value, "id"):
        if not isinstance(value, (str, int, float)):
            raise MatrixError(
                f"axis {name!r}, value {position}: a {type(value).__name__} has no `id`; "
                "use text, a number, a bool, or an object with an attribute `id`"
            )
        safe = re.sub(r"[^A-Za-z0-9._-]+", "-", str(value)).strip("-._")
        value = AxisValue(safe, {"value": value})
    if problem := id_problem(value.id):
        raise MatrixError(f"axis {name!r}, value {position}: {problem}")
    return value


def _check_distinct(owners: Sequence[tuple[str, str]]) -> None:
    # one search in the joined text per id: n short scans in C instead of n * n comparisons
    joined = "\n".join(identifier.lower() for _, identifier in owners)
    for place, (name, identifier) in enumerate(owners):
        if joined.count(identifier.lower()) > 1:
            others = (o for i, o in enumerate(owners) if i != place and identifier.lower() in o[1].lower())
            other_name, other = next(others)
            raise MatrixError(
                f"id {identifier!r} of axis {name!r} is part of id {other!r} of axis {other_name!r}; "
                f"-k {identifier} would select both (it ignores case). Rename one of them"
            )
