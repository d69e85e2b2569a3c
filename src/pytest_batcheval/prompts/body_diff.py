"""A readable difference of two request bodies."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher, unified_diff
from typing import Any

from pytest_batcheval.text.format import counted

MAX_LINES = 20
_WIDTH = 160


def body_diff(one: Mapping[str, Any], other: Mapping[str, Any], *, limit: int = MAX_LINES) -> str:
    """The lines in which two bodies differ, as a unified diff without context, cut to `limit` lines."""
    lines = [_cut(line) for line in unified_diff(_pretty(one), _pretty(other), lineterm="", n=0)][2:]
    lines = [line for line in lines if not line.startswith("@@")]
    more = len(lines) - limit
    return "\n".join(lines[:limit] + ([f"… and {counted(more, 'more line')}"] if more > 0 else []))


def likeness(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """The similarity of two bodies, from 0 to 1; an upper bound that is quick to compute."""
    first, second = ("\n".join(_pretty(body)) for body in (one, other))
    return SequenceMatcher(None, first, second, autojunk=False).quick_ratio()


def _pretty(body: Mapping[str, Any]) -> list[str]:
    return list(_lines(json.dumps(body, ensure_ascii=False, indent=1, sort_keys=True, default=repr)))


def _lines(text: str) -> Iterator[str]:
    r"""The lines of a JSON text, with strings broken at `\n` to show which sentence changed."""
    for line in text.split("\n"):
        yield from line.replace("\\n", "\n").split("\n")


def _cut(line: str) -> str:
    return line if len(line) <= _WIDTH else line[: _WIDTH - 1] + "…"
