"""The metadata of our batches, by which they are recognised without a journal."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_batcheval.backends.protocol import METADATA_NAME, RemoteBatch
from pytest_batcheval.journal.rows import OPEN, BatchRow

PREFIX_BYTES = 6
PREFIXES_A_VALUE = 64
_PREFIX_LENGTH = 8
_FILE_NAME = re.compile(r"(batcheval-[0-9a-f]*-[0-9a-f]{8})\.jsonl")
_FIELDS = {"1": 4, "2": 6}
"""Number of fields of an identifying value, by its version."""

_NUMBER = re.compile(r"[0-9]{1,18}")
"""Numbers that the journal can store; anybody who shares the account can write anything into metadata."""

VALUES = 15
"""The API takes 16 pairs with values of 512 characters; one pair identifies the batch."""


LISTED = VALUES * PREFIXES_A_VALUE
"""Most requests of a batch whose metadata names all of them."""


def identity(keys: Sequence[str], attempt: int, generation: int, round_name: str = "") -> str:
    """SHA-256 over sorted keys, attempt, generation and round, cut to 128 bits."""
    text = "\n".join((*sorted(keys), str(attempt), str(generation), *([round_name] if round_name else [])))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def identifying_value(row: BatchRow) -> str:
    """`2;identity;attempt;requests;generation;create;round`; the 2 is the version of this text."""
    return f"2;{row.identity};{row.attempt};{row.requests};{row.generation};{create_id(row)};{row.round}"


def create_id(row: BatchRow) -> str:
    """The input file's name without its ending, which is one create's own; empty where it is not known.

    Recordings of conversations know such names wherever they occur.
    """
    name = _FILE_NAME.fullmatch(row.file_name)
    return name[1] if name else ""


@dataclass(frozen=True)
class OurMetadata:
    """The parts of the identifying value of a batch of ours; `create` and `round` are empty where it has none."""

    identity: str
    attempt: int
    requests: int
    generation: int
    create: str = ""
    round: str = ""


def our_metadata(metadata: Mapping[str, str]) -> OurMetadata | None:
    """The identifying value of a batch of ours; `None` for any other batch, and for a version we do not know."""
    version, *fields = metadata.get(METADATA_NAME, "").split(";")
    if len(fields) != _FIELDS.get(version) or not all(map(_NUMBER.fullmatch, fields[1:4])):
        return None
    attempt, requests, generation = map(int, fields[1:4])
    return OurMetadata(fields[0], attempt, requests, generation, *fields[4:])


def same_create(row: BatchRow, batch: RemoteBatch) -> bool | None:
    """Whether the create of this row made the batch, by its metadata; `None` when that says nothing."""
    ours = our_metadata(batch.metadata)
    if ours is None:
        return None
    if ours.create and create_id(row):
        return ours.create == create_id(row)
    return None if ours.identity == row.identity else False


def made_by(row: BatchRow, batch: RemoteBatch) -> bool:
    """Whether the create of this row made the batch: by its metadata, or where that says nothing by its input file."""
    same = same_create(row, batch)
    return (bool(row.file_id) and batch.input_file_id == row.file_id) if same is None else same


def known_to(rows: Iterable[BatchRow]) -> Callable[[RemoteBatch], bool]:
    """A function that says whether a journal of these rows has a batch, or still looks for the create that made it."""
    rows = list(rows)
    # One that was void and is not refused as a whole runs after all.
    ids = {row.batch_id for row in rows if row.state != "void"}
    sought = [row for row in rows if not row.batch_id and row.state in OPEN]
    return lambda batch: batch.id in ids or any(made_by(row, batch) for row in sought)


def may_hold(metadata: Mapping[str, str], keys: Iterable[str]) -> Iterator[str]:
    """Those of the keys that a batch of ours may hold: all of them, unless its metadata has all prefixes."""
    if our_metadata(metadata) is None:
        return iter(())
    prefixes = _prefixes(metadata)
    return (key for key in keys if prefixes is None or _prefix(key) in prefixes)


def overlap(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether two batches of ours hold requests in common, of the same round, or else of the same generation.

    Batches whose metadata lacks prefixes overlap when they are of the same requests.
    """
    mine, theirs = our_metadata(one), our_metadata(other)
    if mine is None or theirs is None or mine.round != theirs.round:
        return False
    if not mine.round and mine.generation != theirs.generation:
        return False
    my_prefixes, their_prefixes = _prefixes(one), _prefixes(other)
    if my_prefixes is None or their_prefixes is None:
        return mine.identity == theirs.identity
    return not my_prefixes.isdisjoint(their_prefixes)


def _prefixes(metadata: Mapping[str, str]) -> set[str] | None:
    """The prefixes of all keys of a batch of ours; `None` when the metadata has not all of them."""
    ours = our_metadata(metadata)
    text = "".join(value for name, value in sorted(metadata.items()) if name != METADATA_NAME)
    if ours is None or len(text) != ours.requests * _PREFIX_LENGTH:
        return None
    return {text[start : start + _PREFIX_LENGTH] for start in range(0, len(text), _PREFIX_LENGTH)}


def metadata(row: BatchRow, keys: Sequence[str]) -> dict[str, str]:
    """The identifying value, and the first 48 bits of every key (base64url, 8 characters), of up to 960 keys.

    Without the keys of a row that has more.
    """
    pairs = {METADATA_NAME: identifying_value(row)}
    if row.requests > LISTED or len(keys) > LISTED:
        return pairs
    prefixes = [_prefix(key) for key in keys]
    for number, start in enumerate(range(0, len(prefixes), PREFIXES_A_VALUE)):
        pairs[f"keys{number:02d}"] = "".join(prefixes[start : start + PREFIXES_A_VALUE])
    return pairs


def _prefix(key: str) -> str:
    return base64.urlsafe_b64encode(bytes.fromhex(key)[:PREFIX_BYTES]).decode()
