"""Rows of the journal as plain frozen records, and their checksum."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import NamedTuple

OPEN = ("planned", "uploaded", "creating", "created", "ended")
"""States of a batch that is not finished."""

ADOPTED = "adopted-"
"""How the file name begins of a batch of other tools that was taken over by its id, which follows."""

OFFERED = "offered"
"""The status of a planned row of individual calls that any worker may lease; a service tier stands behind it."""

STAGES = ("plan", "wait", "upload", "queue", "run", "download", "settle")
"""The stages of a run in their order: `wait` is a pause before another attempt, `run` the provider's work on a batch,
`settle` the end of a batch in the journal."""

SUMS = {"request": "line", "answer": "response"}
"""The tables with checksums, and the column that a row's checksum covers beside its key."""


@dataclass(frozen=True)
class BatchRow:
    """One batch: the columns of table `batch`.

    Attributes:
        id: row number in the journal; 0 until it is planned.
        scope: fingerprint of base URL, organisation, project and API key; never the key.
        identity: hash of the sorted keys, attempt and generation.
        file_name: name of the input file; for individual calls a name to show.
        state: `planned`, `uploaded`, `creating`, `created`, `ended`, `settled`, `void` or `lost`.
        status: the provider's own word; of calls that workers may lease ours, `offered`.
        completed, failed: the provider's counts at the end; `None` when it gave none.
        times: the provider's times by name (`created_at` …) in Unix seconds, as JSON, once it has ended.
        model: the model of its requests; empty if it is not known any more.
        most_usd: its highest possible cost, reserved from a budget (a decimal number); empty without a budget. For
            settled individual calls: the highest possible cost of those with unknown outcome.
        calls: `batch`, or `individual` for calls, which are `creating` while they are made and `settled` after that.
        round: the round that asked; empty outside any round.
        answers: number of its answers; `input_tokens`, `output_tokens`: their tokens.
    """

    origin: str
    scope: str
    endpoint: str
    identity: str
    attempt: int
    generation: int
    requests: int
    file_name: str
    id: int = 0
    run: str = ""
    state: str = "planned"
    file_id: str = ""
    batch_id: str = ""
    status: str = ""
    completed: int | None = None
    failed: int | None = None
    output_file_id: str = ""
    error_file_id: str = ""
    times: str = ""
    note: str = ""
    model: str = ""
    most_usd: str = ""
    answers: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    calls: str = "batch"
    round: str = ""


class TierUse(NamedTuple):
    """Tokens of the answers that a service tier gave to individual calls of one row."""

    tier: str
    input_tokens: int
    output_tokens: int


class AliasRow(NamedTuple):
    """The `custom_id` of a request in a batch that was not made here; `line` counts the input file from 1."""

    custom_id: str
    key: str
    line: int


class AnswerRow(NamedTuple):
    """An answered line: its `response` object as JSON, the tokens it used, and the service tier if not the standard."""

    key: str
    line_id: str
    response: bytes
    input_tokens: int = 0
    output_tokens: int = 0
    tier: str = ""


class FailureRow(NamedTuple):
    """A request without an answer; `retryable` when a later run may send it again."""

    key: str
    code: str
    message: str
    status_code: int | None
    retryable: bool


@dataclass(frozen=True)
class RunRow:
    """One run that could send; `started` in Unix seconds, `argv` as JSON, both URL and `argv` without keys."""

    id: str
    started: float
    origin: str
    base_url: str
    argv: str


@dataclass(frozen=True)
class StageRow:
    """The duration of one stage of a wave, and the resources that the process used meanwhile.

    Attributes:
        wave: from 1.
        name: `plan`, `upload`, `queue`, `run`, `download` or `settle`.
        wall: seconds on the run's clock.
        cpu: CPU seconds of this process.
        memory: highest observed number of resident bytes.
        sent, received: bytes of request and reply bodies.
    """

    run: str
    wave: int
    name: str
    wall: float
    cpu: float
    memory: int
    sent: int
    received: int


@dataclass(frozen=True)
class CauseRow:
    """The number of a batch's requests that still fail for one cause; `key` and `message` are of one of them."""

    batch: int
    code: str
    status_code: int | None
    count: int
    key: str
    message: str
    retryable: bool


@dataclass(frozen=True)
class TroubleRow:
    """A failure of a batch; `key` and what follows are `None` when the batch as a whole was `void` or `lost`."""

    run: str
    batch_id: str
    attempt: int
    state: str
    note: str
    key: str | None
    code: str | None
    message: str | None
    status_code: int | None
    retryable: int | None


def checksum(key: str, content: bytes) -> int:
    """CRC-32 of a key and the content stored under it."""
    return zlib.crc32(content, zlib.crc32(key.encode()))


def is_sound(key: object, content: object, crc: object) -> bool:
    """Whether a row of a table with checksums is as it was written; a changed bit may also change a value's type."""
    return isinstance(key, str) and isinstance(content, bytes) and checksum(key, content) == crc
