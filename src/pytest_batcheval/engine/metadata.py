"""The metadata our batches bear, by which they are known again without a journal."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from pytest_batcheval.journal.rows import BatchRow

MARK = "batcheval"
PREFIX_BYTES = 6
PREFIXES_A_VALUE = 64
VALUES = 15
"""The API takes 16 pairs with values of 512 characters; one pair is the mark."""


def identity(keys: Sequence[str], attempt: int, generation: int) -> str:
    """SHA-256 over sorted keys, attempt and generation, cut to 128 bits."""
    text = "\n".join((*sorted(keys), str(attempt), str(generation)))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def mark(row: BatchRow) -> str:
    """`1;identity;attempt;requests`; the 1 is the version of this text."""
    return f"1;{row.identity};{row.attempt};{row.requests}"


def metadata(row: BatchRow, keys: Sequence[str]) -> dict[str, str]:
    """The mark, and the first 48 bits of every key (base64url, 8 characters) as far as they fit: 960 keys."""
    pairs = {MARK: mark(row)}
    if len(keys) > VALUES * PREFIXES_A_VALUE:
        return pairs
    prefixes = [base64.urlsafe_b64encode(bytes.fromhex(key)[:PREFIX_BYTES]).decode() for key in keys]
    for number, start in enumerate(range(0, len(prefixes), PREFIXES_A_VALUE)):
        pairs[f"keys{number:02d}"] = "".join(prefixes[start : start + PREFIXES_A_VALUE])
    return pairs
