"""Random texts that match a regular expression."""

from __future__ import annotations

import random
from importlib import import_module
from typing import Any

from pytest_batcheval.simulator.structured.work_limit import ImpossibleError, WorkLimit

_MANY = 3
"""Most repetitions beyond the minimum."""

_CATEGORIES = {
    "CATEGORY_DIGIT": "0123456789",
    "CATEGORY_WORD": "abcdefghijklmnopqrstuvwxyz0123456789_",
    "CATEGORY_SPACE": " ",
    "CATEGORY_NOT_DIGIT": "abcdefgh",
    "CATEGORY_NOT_WORD": " -.",
    "CATEGORY_NOT_SPACE": "abcdefgh01234567",
}
_PRINTABLE = "".join(map(chr, range(32, 127)))


def matching(pattern: str, rng: random.Random, budget: WorkLimit) -> str:
    """A text in which `pattern` is found.

    Raises:
        ImpossibleError: the pattern is not valid in Python, uses look-around or back references, or requires
            a text that is too long.
    """
    parser = import_module("re._parser")  # the standard library's own parser
    try:
        parsed = parser.parse(pattern)
    except (ValueError, OverflowError, RecursionError, parser.error) as error:
        raise ImpossibleError(f"the pattern {pattern[:80]!r} cannot be read: {error}") from None
    return _Writer(rng, budget).sequence(parsed)


class _Writer:
    def __init__(self, rng: random.Random, budget: WorkLimit) -> None:
        self._rng = rng
        self._budget = budget

    def sequence(self, items: Any) -> str:
        return "".join(self._one(str(kind), value) for kind, value in items)

    def _one(self, kind: str, value: Any) -> str:
        self._budget.spend()
        method = getattr(self, f"_{kind.lower()}", None)
        if method is None:
            raise ImpossibleError(f"no text can be made for {kind} in a pattern")
        return str(method(value))

    def _literal(self, value: int) -> str:
        return chr(value)

    def _not_literal(self, value: int) -> str:
        return self._rng.choice(_PRINTABLE.replace(chr(value), ""))

    def _any(self, _value: None) -> str:
        return self._rng.choice("abcdefghijklmnopqrstuvwxyz")

    def _at(self, _value: Any) -> str:
        return ""

    def _in(self, items: Any) -> str:
        negated = str(items[0][0]) == "NEGATE"
        members = "".join(self._members(str(kind), value) for kind, value in items[1 if negated else 0 :])
        if negated:
            members = "".join(character for character in _PRINTABLE if character not in members)
        if not members:
            raise ImpossibleError("a pattern has a set that no printable character is in")
        return self._rng.choice(members)

    def _members(self, kind: str, value: Any) -> str:
        if kind == "RANGE":
            low, high = value
            return "".join(map(chr, range(low, min(high, low + 200) + 1)))
        return _CATEGORIES.get(str(value), "") if kind == "CATEGORY" else chr(value)

    def _branch(self, value: Any) -> str:
        return self.sequence(self._rng.choice(value[1]))

    def _subpattern(self, value: Any) -> str:
        return self.sequence(value[-1])

    def _atomic_group(self, value: Any) -> str:
        return self.sequence(value)

    def _max_repeat(self, value: Any) -> str:
        low, high, items = value
        times = self._rng.randint(low, min(int(high), low + _MANY))
        self._budget.spend(times)
        return "".join(self.sequence(items) for _ in range(times))

    _min_repeat = _max_repeat
    _possessive_repeat = _max_repeat
