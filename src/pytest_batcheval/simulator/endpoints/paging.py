"""Paged lists as in the API: `after`, `limit`, `has_more`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.errors import ApiError


class Listed(Protocol):
    """An object with an id."""

    @property
    def id(self) -> str:
        """Its id."""


T = TypeVar("T", bound=Listed)


def page(
    objects: Sequence[T],
    query: Mapping[str, str],
    behaviour: Behaviour,
    show: Callable[[T], dict[str, Any]],
    *,
    most: int,
    usual: int,
) -> dict[str, Any]:
    """One page of `objects`, which are in the order of the list; `show` is called for those on the page.

    Raises:
        ApiError: `limit` is out of range, or `after` names nothing in the list.
    """
    limit = _limit(query.get("limit"), behaviour, most, usual)
    start = 0
    if after := query.get("after"):
        ids = [item.id for item in objects]
        if after not in ids:
            text = f"Invalid value for 'after': '{after[:200]}'."
            raise ApiError(400, text, code=behaviour.code("list_after"), param="after")
        start = ids.index(after) + 1
    data = [show(item) for item in objects[start : start + limit]]
    ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
    if not data and behaviour.empty_list_ids == "absent":
        ends = {}
    return {"object": "list", "data": data, **ends, "has_more": start + limit < len(objects)}


def _limit(text: str | None, behaviour: Behaviour, most: int, usual: int) -> int:
    if text is None:
        return usual
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if not 1 <= number <= most:
        wrong = f"Invalid 'limit': expected a value from 1 to {most}, but got {text[:40]}."
        raise ApiError(400, wrong, code=behaviour.code("list_limit"), param="limit")
    return number
