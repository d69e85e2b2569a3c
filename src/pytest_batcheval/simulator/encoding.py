"""JSON encoding of what the server sends."""

from __future__ import annotations

import json

import msgspec

_encode = msgspec.json.Encoder().encode


def encode(value: object) -> bytes:
    """Encode as compact UTF-8 JSON; lone surrogates, which UTF-8 cannot hold, are escaped."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()
