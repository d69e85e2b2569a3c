"""A state for each key of a batch, in some 50 bytes a key: a set or a dict of texts takes three times as much."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Set
from itertools import groupby

_PREFIX = 8
"""Bytes of a key by which it is found."""


class KeyStates:
    """The keys of a batch, each with a number from 0 to 255, which is 0 at first."""

    def __init__(self, keys: Iterable[str]) -> None:
        """Take keys of ASCII characters without spaces, in any order."""
        ordered = [key for key, _ in groupby(sorted(key.encode() for key in keys))]
        self._width = max(map(len, ordered), default=0)
        self._packed = b"".join(key.ljust(self._width) for key in ordered)
        self._prefixes = array("Q", (int.from_bytes(key[:_PREFIX].ljust(_PREFIX)) for key in ordered))
        self._states = bytearray(len(ordered))

    def find(self, key: str) -> int:
        """The place of a key; -1 for one that is none of the batch's."""
        if not key.isascii() or key.endswith(" "):  # a space would be taken for the filling
            return -1
        wanted = key.encode().ljust(self._width)
        prefix = int.from_bytes(wanted[:_PREFIX].ljust(_PREFIX))
        place, end, width = bisect_left(self._prefixes, prefix), len(self._prefixes), self._width
        while place < end and self._prefixes[place] == prefix:
            if self._packed[place * width : (place + 1) * width] == wanted:
                return place
            place += 1
        return -1

    def __getitem__(self, place: int) -> int:
        return self._states[place]

    def __setitem__(self, place: int, state: int) -> None:
        self._states[place] = state

    def key(self, place: int) -> str:
        """The key at a place."""
        return self._packed[place * self._width : (place + 1) * self._width].rstrip().decode()

    def places(self, state: int) -> Iterator[int]:
        """The places of the keys in a state, in the order of the keys."""
        place = self._states.find(state)
        while place >= 0:
            yield place
            place = self._states.find(state, place + 1)

    def count(self, state: int) -> int:
        """The number of keys in a state."""
        return self._states.count(state)


class KeysIn(Set[str]):
    """The keys that are in one state; a set that is read and not changed."""

    def __init__(self, states: KeyStates, state: int) -> None:
        self._states = states
        self._state = state

    @classmethod
    def _from_iterable(cls, keys: Iterable[str]) -> Set[str]:  # type: ignore[override] # what unions and the like are
        return frozenset(keys)

    def __contains__(self, key: object) -> bool:
        place = self._states.find(key) if isinstance(key, str) else -1
        return place >= 0 and self._states[place] == self._state

    def __iter__(self) -> Iterator[str]:
        return map(self._states.key, self._states.places(self._state))

    def __len__(self) -> int:
        return self._states.count(self._state)
