"""Ids, times and random numbers that depend only on the seed and their purpose."""

from __future__ import annotations

import hashlib
import random
from datetime import UTC, datetime
from uuid import UUID

EPOCH = 1_767_225_600
"""Unix seconds at which virtual time starts: 2026-01-01T00:00:00Z."""

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SPREAD = 86_400


def digest(*parts: object) -> str:
    """64 hex digits derived from all parts."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()


def chance(*parts: object) -> random.Random:
    """A random number generator seeded by all parts."""
    return random.Random(int(digest(*parts), 16))


def created_at(seed: int, key: str) -> int:
    """The creation time in the answer to a key, in Unix seconds, within a day of the epoch.

    It depends on the key and not on the clock, so that recording twice gives the same bytes.
    """
    return EPOCH + int(digest(seed, "created", key), 16) % _SPREAD


def iso(seconds: float | None) -> str | None:
    """Unix seconds as an RFC 3339 time in UTC; `None` for none."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def hex_id(prefix: str, second: int, *parts: object) -> str:
    """`batch_` or `batch_req_` and 32 hex digits, of which the first 8 are the second of creation."""
    return f"{prefix}{second:08x}{digest(prefix, *parts)[:24]}"


def file_id(*parts: object) -> str:
    """`file-` and 22 characters of base62."""
    return f"file-{base62('file', *parts)}"


def uuid(*parts: object) -> str:
    """A UUID of version 4 derived from all parts."""
    return str(UUID(digest("uuid", *parts)[:32], version=4))


def base62(*parts: object) -> str:
    """22 characters of base62 derived from all parts."""
    number = int(digest(*parts), 16)
    digits = []
    for _ in range(22):
        number, digit = divmod(number, 62)
        digits.append(_BASE62[digit])
    return "".join(digits)
