"""Fields of a reply, whatever a provider made of their names and types."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from itertools import chain
from typing import Any

from pytest_batcheval.text.sanitize import storable
from pytest_batcheval.wire.plain import mapping


class Fields:
    """The fields of one JSON object by the API's names; `inputFileId` and `Input-File-ID` are `input_file_id`."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data

    @cached_property
    def _otherwise(self) -> dict[str, Any]:
        """The fields by their names without case and separators."""
        return {_plain(name): value for name, value in self._data.items()}

    def get(self, *names: str) -> Any:
        """The value under the first of these names that has one; `None` when there is none."""
        exact = (self._data.get(name) for name in names)
        otherwise = (self._otherwise.get(_plain(name)) for name in names)
        return next((value for value in chain(exact, otherwise) if value is not None), None)

    def times(self) -> dict[str, float]:
        """Everything that ends in `_at` and is a time, in Unix seconds; 0 is none."""
        found = {str(name): unix_seconds(value) for name, value in self._data.items() if str(name).endswith("_at")}
        return {name: seconds for name, seconds in found.items() if seconds}


def read_mapping(value: object) -> Mapping[str, Any]:
    """An object as it is; an object written as a string is read; anything else is empty."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    return mapping(value)


def text(value: object) -> str | None:
    """A text or a number as a text that can be stored; `None` for anything else, and for an empty text."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = format(value) if abs(value) < 2**63 else None
    return storable(value) if isinstance(value, str) and value else None


def count(value: object) -> int | None:
    """A number that the journal, whose integers have 64 bits, can store; also one that came as a text."""
    seen = number(value)
    return int(seen) if seen is not None and seen >= 0 and seen == int(seen) else None


def number(value: object) -> float | None:
    """A number, or a text that is one; `None` for anything else, and for what is too large to be meant."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        with suppress(ValueError):
            value = float(value)
    if not isinstance(value, (int, float)) or not abs(value) < 2**63:
        return None
    return float(value) if math.isfinite(value) else None


def unix_seconds(value: object) -> float | None:
    """A time in Unix seconds: a number as it is, or an ISO 8601 text."""
    seconds = number(value)
    if seconds is None and isinstance(value, str):
        with suppress(ValueError, OverflowError):
            time = datetime.fromisoformat(value)
            seconds = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    return seconds


def is_false(value: object) -> bool:
    """Whether a field says no: `false`, 0, or one of them as a text."""
    return value is False or (isinstance(value, (int, float)) and value == 0) or str(value).lower() in ("false", "0")


@lru_cache(maxsize=1024)  # an account's list has the same names in each of its batches
def _plain(name: object) -> str:
    return "".join(letter for letter in str(name).lower() if letter.isalnum())
