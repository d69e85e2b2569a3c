"""JSON as it leaves the server."""

from __future__ import annotations

import json

import msgspec

_encode = msgspec.json.Encoder().encode


def encode(value: object) -> bytes:
    """Compact UTF-8 JSON; text that UTF-8 cannot hold (a lone surrogate) is escaped."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()
