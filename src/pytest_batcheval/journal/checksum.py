"""CRC-32 over stored rows; SQLite itself does not see a flipped bit inside a text."""

from __future__ import annotations

import zlib


def checksum(key: str, content: bytes) -> int:
    """CRC-32 of a key and what is stored under it."""
    return zlib.crc32(content, zlib.crc32(key.encode()))
