"""Our mark in a `custom_id`, for providers whose batches have no metadata: whose request it is, and of which create.

A `custom_id` has 64 characters of `[A-Za-z0-9_-]`: version (1), key (27: its 160 bits), identity (11: its first 64
bits), the create's own number (6: 32 bits), attempt (1), generation (2), number of requests (3), and the round.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_batcheval.backends.errors import Refused
from pytest_batcheval.backends.protocol import METADATA_NAME

VERSION = "1"
LONGEST = 64
_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_FORM = re.compile(r"1([\w-]{27})([\w-]{11})([\w-]{6})([\w-])([\w-]{2})([\w-]{3})([\w-]{0,13})", re.ASCII)
_FILE = re.compile(r"batcheval-[0-9a-f]*-([0-9a-f]{8})")
_ROUND = re.compile(r"[A-Za-z0-9_-]{0,13}")


@dataclass(frozen=True)
class CustomIdMark:
    """The meaning of a marked `custom_id`: the key, and the metadata that the batch would have."""

    key: str
    metadata: Mapping[str, str]


class Marker:
    """Marks the keys of one create.

    Raises:
        Refused: the mark does not fit: a round with another name, or a number that is too large.
    """

    def __init__(self, metadata: Mapping[str, str]) -> None:
        """`metadata` is that of a batch of ours: `2;identity;attempt;requests;generation;create;round`."""
        _, identity, attempt, requests, generation, create, round_name = metadata[METADATA_NAME].split(";")
        if not _ROUND.fullmatch(round_name):
            text = "at this provider a round is named by at most 13 letters, digits, - and _"
            raise Refused("round", f"{round_name!r}: {text}, since only a custom_id can carry it")
        number = _FILE.fullmatch(create)
        self._tail = "".join(
            (
                _packed(bytes.fromhex(identity[:16])),
                _packed(bytes.fromhex(number[1] if number else "00000000")),
                _number(int(attempt), 1),
                _number(int(generation), 2),
                _number(int(requests), 3),
                round_name,
            )
        )

    def custom_id(self, key: str) -> str:
        """The `custom_id` of a key."""
        return VERSION + _packed(bytes.fromhex(key)) + self._tail


def read_mark(custom_id: str) -> CustomIdMark | None:
    """The mark in a `custom_id`; `None` for one that is not ours."""
    found = _FORM.fullmatch(custom_id)
    if found is None:
        return None
    key, identity, number = (_unpacked(part).hex() for part in found.groups()[:3])
    attempt, generation, requests = (_value(part) for part in found.groups()[3:6])
    create = f"batcheval-{identity}-{number}"
    value = f"2;{identity};{attempt};{requests};{generation};{create};{found[7]}"
    return CustomIdMark(key, {METADATA_NAME: value})


def _packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _unpacked(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _number(value: int, width: int) -> str:
    if not 0 <= value < 64**width:
        raise Refused("mark", f"{value} does not fit into a custom_id, which is all that can carry it here")
    return "".join(_DIGITS[value >> (6 * place) & 63] for place in reversed(range(width)))


def _value(text: str) -> int:
    found = 0
    for digit in text:
        found = found * 64 + _DIGITS.index(digit)
    return found
