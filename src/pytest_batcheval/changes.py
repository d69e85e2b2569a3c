"""What cells ask otherwise than they did before: shown, with its price, before it is paid for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_batcheval.wire.objects import Request

if TYPE_CHECKING:
    from pytest_batcheval.journal.reader import JournalReader

MAX_LINES = 6
"""Lines of the difference that are shown of one request."""


def changed_lines(cells: Mapping[str, str], fresh: Sequence[Request], reader: JournalReader, origin: str) -> list[str]:
    """Which requests to be sent were asked otherwise by the same cell before: a count, the price, one difference.

    `cells` are the keys asked now, by the cell's name. A prompt that changes by itself pays for every run anew.
    """
    requests = {request.custom_id: request for request in fresh}
    before = reader.cells([name for name, key in cells.items() if key in requests], origin)
    changed = [name for name, key in before.items() if key != cells[name]]
    if not changed:
        return []
    now = {cells[name]: requests[cells[name]] for name in changed}
    lines = [f"{len(now)} of them {'was' if len(now) == 1 else 'were'} asked otherwise before{_price(now.values())}"]
    name = min(changed)
    old = _body(reader.line(before[name]))
    if old is not None:
        from pytest_batcheval.prompts.purity import difference

        lines.append(f"the first, {name}, differs in:")
        lines += difference(old, now[cells[name]].body, limit=MAX_LINES).split("\n")
    return lines


def _price(requests: Any) -> str:
    from pytest_batcheval.engine.plan import plan, total

    usd = total(plan(requests))
    return "" if usd is None else f", and cost about ${usd:.4f} to ask anew"


def _body(line: bytes | None) -> Mapping[str, Any] | None:
    return None if line is None else json.loads(line).get("body")
