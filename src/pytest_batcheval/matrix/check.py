"""Rules for the names and ids of axes."""

from __future__ import annotations

import keyword
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_batcheval.errors import MatrixError
from pytest_batcheval.matrix.axes import AxisValue
from pytest_batcheval.text.bounds import shown
from pytest_batcheval.text.sanitize import storable
from pytest_batcheval.wire.value_id import value_id

RESERVED = (
    *("answer", "answers", "prompt", "samples", "sample", "endpoint", "errors", "axes", "request"),
    *("persona_matrix", "batch_client", "batch_server", "batch_conversation", "batch_benchmark"),
    *("strict_batch_server", "certified"),
)
"""Names an axis may not have: marker keywords, and fixtures of pytest and this plugin."""

MAX_ID = 200
"""Characters of the longest id; a test id joins several."""


def check_axes(axes: Mapping[str, Sequence[Any]]) -> None:
    """Check names and ids of all axes together.

    Raises:
        MatrixError: a name is reserved or not an identifier, an axis is empty, an id cannot be one
            (`id_problem`), or is that of another value of the axis but for its case, which `-k` ignores.
    """
    for name, values in axes.items():
        check_name(name)
        if not values:
            raise MatrixError(f"axis {name!r} is empty; give it at least one value, or leave the axis out")
        ids: dict[str, str] = {}
        for identifier in map(value_id, as_axis_values(name, values)):
            if same_id(identifier) in ids:
                raise MatrixError(
                    f"axis {name!r} has two values with the id {shown(identifier)} "
                    f"(the other is written {shown(ids[same_id(identifier)])}; case does not count); rename one of them"
                )
            ids[same_id(identifier)] = identifier


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
    if not identifier or len(identifier) > MAX_ID:
        return f"id {shown(identifier)} has {len(identifier)} characters; allowed are 1 to {MAX_ID}"
    if storable(identifier) != identifier:
        return f"id {shown(identifier)} contains half a character (a lone surrogate)"
    return None


def same_id(identifier: str) -> str:
    """A text that two ids share if they are the same, whatever case and composition of characters they have."""
    return unicodedata.normalize("NFC", identifier).lower()


def as_axis_values(name: str, values: Sequence[Any]) -> list[Any]:
    """Values with an `id`: such objects as they are, plain ones as `AxisValue` with the field `value`.

    The id of a plain text, number or bool is its text.

    Raises:
        MatrixError: a value has no id and is not plain, or its id cannot be one.
    """
    return [_axis_value(name, position, value) for position, value in enumerate(values, 1)]


def _axis_value(name: str, position: int, value: Any) -> Any:
    if not hasattr(value, "id"):
        if not isinstance(value, (str, int, float)):
            raise MatrixError(
                f"axis {name!r}, value {position}: a {type(value).__name__} has no `id`; "
                "use text, a number, a bool, or an object with an attribute `id`"
            )
        value = AxisValue(str(value), {"value": value})
    if problem := id_problem(value.id):
        raise MatrixError(f"axis {name!r}, value {position}: {problem}")
    return value
