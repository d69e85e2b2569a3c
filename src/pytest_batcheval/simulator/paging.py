"""Lists as the API pages them: newest first, `after`, `limit`, `has_more`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_batcheval.simulator.errors import ApiError


def page(objects: Sequence[dict[str, Any]], query: Mapping[str, str], *, most: int, usual: int) -> dict[str, Any]:
    """One page of `objects`, which come newest first.

    Raises:
        ApiError: `limit` is out of range, or `after` names nothing in the list.
    """
    limit = _limit(query.get("limit"), most, usual)
    ids = [item["id"] for item in objects]
    start = 0
    if after := query.get("after"):
        if after not in ids:
            raise ApiError(400, f"Invalid value for 'after': '{after}'.", code="invalid_value", param="after")
        start = ids.index(after) + 1
    data = list(objects[start : start + limit])
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": start + limit < len(objects),
    }


def _limit(text: str | None, most: int, usual: int) -> int:
    if text is None:
        return usual
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise ApiError(
            400,
            f"Invalid 'limit': expected a value from 1 to {most}, but got {text}.",
            code="invalid_value",
            param="limit",
        )
    return int(text)
