"""The metadata our batches bear, by which they are known again without a journal."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_batcheval.journal.rows import BatchRow

MARK = "batcheval"
PREFIX_BYTES = 6
PREFIXES_A_VALUE = 64
_PREFIX_LENGTH = 8
_NUMBER = re.compile(r"[0-9]{1,18}")
"""What the journal can store; whoever shares the account can write anything there."""

VALUES = 15
"""The API takes 16 pairs with values of 512 characters; one pair is the mark."""


def identity(keys: Sequence[str], attempt: int, generation: int) -> str:
    """SHA-256 over sorted keys, attempt and generation, cut to 128 bits."""
    text = "\n".join((*sorted(keys), str(attempt), str(generation)))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def our_mark(row: BatchRow) -> str:
    """`1;identity;attempt;requests;generation`; the 1 is the version of this text."""
    return f"1;{row.identity};{row.attempt};{row.requests};{row.generation}"


@dataclass(frozen=True)
class OurMetadata:
    """What a mark says of the batch that bears it."""

    identity: str
    attempt: int
    requests: int
    generation: int


def our_metadata(metadata: Mapping[str, str]) -> OurMetadata | None:
    """The mark of a batch of ours; `None` for a stranger's, and for a version we do not know."""
    version, *fields = metadata.get(MARK, "").split(";")
    numbers = fields[1:]
    if version != "1" or len(fields) != 4 or not all(map(_NUMBER.fullmatch, numbers)):
        return None
    attempt, requests, generation = map(int, numbers)
    return OurMetadata(fields[0], attempt, requests, generation)


def may_hold(metadata: Mapping[str, str], keys: Iterable[str]) -> set[str]:
    """Those of the keys a marked batch may hold: all of them, unless it tells all its prefixes."""
    if our_metadata(metadata) is None:
        return set()
    prefixes = _told(metadata)
    return {key for key in keys if prefixes is None or _prefix(key) in prefixes}


def overlap(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether two marked batches hold requests in common, of the same generation.

    Batches that do not tell all their prefixes overlap when they are of the same requests.
    """
    mine, theirs = our_metadata(one), our_metadata(other)
    if mine is None or theirs is None or mine.generation != theirs.generation:
        return False
    told, heard = _told(one), _told(other)
    if told is None or heard is None:
        return mine.identity == theirs.identity
    return not told.isdisjoint(heard)


def _told(metadata: Mapping[str, str]) -> set[str] | None:
    """The prefixes of all keys of a marked batch; `None` when not all are told."""
    marked = our_metadata(metadata)
    told = "".join(value for name, value in sorted(metadata.items()) if name != MARK)
    if marked is None or len(told) != marked.requests * _PREFIX_LENGTH:
        return None
    return {told[start : start + _PREFIX_LENGTH] for start in range(0, len(told), _PREFIX_LENGTH)}


def metadata(row: BatchRow, keys: Sequence[str]) -> dict[str, str]:
    """The mark, and the first 48 bits of every key (base64url, 8 characters) as far as they fit: 960 keys."""
    pairs = {MARK: our_mark(row)}
    if len(keys) > VALUES * PREFIXES_A_VALUE:
        return pairs
    prefixes = [_prefix(key) for key in keys]
    for number, start in enumerate(range(0, len(prefixes), PREFIXES_A_VALUE)):
        pairs[f"keys{number:02d}"] = "".join(prefixes[start : start + PREFIXES_A_VALUE])
    return pairs


def _prefix(key: str) -> str:
    return base64.urlsafe_b64encode(bytes.fromhex(key)[:PREFIX_BYTES]).decode()
