"""JSON as providers send it: read strictly, and where that fails for single characters or numbers, leniently.

A lone surrogate, a byte that is not UTF-8, `NaN` or an integer of 5,000 digits is no reason to lose an answer that was
paid; a line that is not JSON otherwise is damage.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

import msgspec

MAX_DEPTH = 100
"""Most levels of nesting of an answer's body; more would break recursive readers."""

TOO_DEEP = f"it is nested more than {MAX_DEPTH} levels deep"

_SURROGATE = re.compile("[\ud800-\udfff]")
_BYTE = re.compile("[\udc80-\udcff]")
"""A byte that is not UTF-8, as `surrogateescape` decodes it."""


class JsonError(ValueError):
    """A text that is not JSON, or is nested too deeply; the message has the reason."""


def decode_json(text: bytes) -> tuple[Any, bool]:
    """The value of a text, and whether it was read strictly; else its parts need `with_unicode` and `with_numbers`.

    Raises:
        JsonError: it is not JSON, or a name in it has bytes that are not UTF-8.
    """
    try:
        return msgspec.json.decode(text), True
    except RecursionError:
        raise JsonError(TOO_DEEP) from None
    except (msgspec.DecodeError, ValueError, OverflowError) as error:
        reason = str(error) or type(error).__name__
    try:
        return _lenient(text), False
    except RecursionError:
        raise JsonError(TOO_DEEP) from None
    except JsonError:
        raise
    except ValueError:
        raise JsonError(reason) from None


def may_be_deep(text: bytes) -> bool:
    """Whether a text has more brackets than `MAX_DEPTH`; most have not, and need no look at their value."""
    return text.count(b"{") + text.count(b"[") > MAX_DEPTH


def too_deep(value: object) -> bool:
    """Whether lists and objects are nested more than `MAX_DEPTH` deep; without recursion."""
    layer = _containers([value])
    for _ in range(MAX_DEPTH):
        layer = [inner for outer in layer for inner in _containers(_inside(outer))]
        if not layer:
            return False
    return bool(layer)


def with_unicode(value: Any) -> Any:
    """The value with U+FFFD in place of each lone surrogate, which UTF-8 cannot carry; not nested too deeply."""
    return _changed(value, lambda leaf: _SURROGATE.sub("\ufffd", leaf) if isinstance(leaf, str) else leaf)


def with_numbers(value: Any) -> Any:
    """The value with `null` in place of each number that JSON does not have; not nested too deeply."""
    return _changed(value, lambda leaf: None if isinstance(leaf, float) and not math.isfinite(leaf) else leaf)


def encode_json(value: Any) -> bytes:
    """The JSON text of a value; msgspec writes no integers over 64 bits, which JSON allows."""
    try:
        return msgspec.json.encode(value)
    except OverflowError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _lenient(text: bytes) -> Any:
    try:
        return json.loads(text.decode(), parse_int=_integer)
    except UnicodeDecodeError:
        escaped = text.decode("utf-8", "surrogateescape")
        return json.loads(escaped, parse_int=_integer, object_pairs_hook=_checked_names)


def _checked_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object; a name that is damaged may be where two lines have run into one."""
    found = dict(pairs)
    if any(_BYTE.search(name) for name in found):
        raise JsonError("a name has bytes that are not UTF-8")
    return found


def _integer(digits: str) -> float:
    try:
        return int(digits)
    except ValueError:  # Python reads no more than 4,300 digits
        return math.nan


def _changed(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        return {change(name): _changed(inner, change) for name, inner in value.items()}
    if isinstance(value, list):
        return [_changed(inner, change) for inner in value]
    return change(value)


def _containers(values: Any) -> list[object]:
    return [value for value in values if isinstance(value, (dict, list))]


def _inside(container: object) -> Any:
    return container.values() if isinstance(container, dict) else container
