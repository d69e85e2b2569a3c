"""Bounds of YAML and JSON that users write: what a small file may grow to in memory, and in an error message."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from itertools import chain
from typing import Any

MAX_DEPTH = 50
"""Most levels of nesting; no file of ours needs ten."""

MAX_GROWTH = 1_000_000
"""Most characters that the aliases of a YAML file may add to it."""

MAX_BITS = 1024
"""Bits of the largest integer: a longer one cannot always be written in decimal (Python's limit is 4,300 digits)."""

MAX_SHOWN = 300
"""Characters of a value, or of a message about one, that an error shows."""


class BoundError(ValueError):
    """A document exceeds a bound; `line` is its line, 0 where that is unknown."""

    def __init__(self, reason: str, line: int = 0) -> None:
        super().__init__(reason)
        self.line = line


def shown(value: object) -> str:
    """The `repr` of a value, short also where the value is large."""
    brief = reprlib.Repr()
    brief.maxstring = brief.maxother = MAX_SHOWN // 2
    return shortened(brief.repr(value))


def shortened(text: str) -> str:
    """The text, or its beginning and end if it is long."""
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN // 2]} … {text[-MAX_SHOWN // 2 :]}"


def check_events(events: Iterable[Any]) -> None:
    """Check the events of `yaml.parse`, of which nothing has been built yet.

    Raises:
        BoundError: the document is nested too deeply, or its aliases make it too large.
    """
    growth = _Growth()
    for event in events:
        line = event.start_mark.line + 1
        growth.see(event, line)
        if len(growth.opened) > MAX_DEPTH:
            raise BoundError(f"it is nested more than {MAX_DEPTH} levels deep", line)
        if growth.added > MAX_GROWTH:
            raise BoundError(f"its aliases add more than {MAX_GROWTH:,} characters to it", line)


class _Growth:
    """The size of a YAML document with its aliases written out, while its events come."""

    def __init__(self) -> None:
        self.size = self.added = 0
        self.opened: list[tuple[str | None, int]] = []  # the anchors of open collections, and the size before each
        self._sizes: dict[str, int] = {}  # of what an anchor names

    def see(self, event: Any, line: int) -> None:
        """Count an event, whose class says what it has: PyYAML is imported where it is needed."""
        kind = type(event).__name__
        if kind == "AliasEvent":
            if event.anchor not in self._sizes:
                raise BoundError("a YAML alias of what it is a part of", line)
            self.size += self._sizes[event.anchor]
            self.added += self._sizes[event.anchor]
        elif kind == "ScalarEvent":
            self.size += len(event.value) + 1
            self._name(event.anchor, len(event.value) + 1)
        elif kind in ("SequenceStartEvent", "MappingStartEvent"):
            self.opened.append((event.anchor, self.size))
            self.size += 1
        elif kind in ("SequenceEndEvent", "MappingEndEvent"):
            anchor, before = self.opened.pop()
            self._name(anchor, self.size - before)

    def _name(self, anchor: str | None, size: int) -> None:
        if anchor:
            self._sizes[anchor] = size


def check_data(data: Any) -> None:
    """Check what has been built of a document.

    Raises:
        BoundError: it is nested too deeply, or a number has too many digits.
    """
    level = [data]
    for _ in range(MAX_DEPTH + 1):
        if any(isinstance(value, int) and value.bit_length() > MAX_BITS for value in level):
            raise BoundError("a number has too many digits")
        level = list(chain.from_iterable(map(_inside, level)))
        if not level:
            return
    raise BoundError(f"it is nested more than {MAX_DEPTH} levels deep")


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return chain(value.keys(), value.values())
    return value if isinstance(value, (list, tuple, set)) else ()
