"""The error log: every failure of every batch, one per line, for `jq` and `grep`."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_batcheval.engine.retry import Retry, retry_of
from pytest_batcheval.errors import JournalError
from pytest_batcheval.journal.address import beside
from pytest_batcheval.journal.reader import JournalReader
from pytest_batcheval.journal.rows import TroubleRow
from pytest_batcheval.text.sanitize import safe_to_show, storable
from pytest_batcheval.wire import real_time

if TYPE_CHECKING:
    from pytest_batcheval.engine.snapshot import BatchSnapshot

NAME = "errors.jsonl"
OLDER = "errors.1.jsonl"
"""The name of a full log; it replaces an older one."""

FULL = 10_000_000
"""Bytes of a full log."""

CHUNK = 1000
"""Lines that are written together."""

LONGEST_MESSAGE = 1000
"""Characters of a message that are kept."""

MOST_TESTS = 20
"""Ids of tests in one line."""

_FLAGS = os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
_WHOLE = {"lost": "lost", "void": "not run"}
_REQUEST = re.compile(r"\(request ([\w-]{1,100})\)")
"""The provider's id of an individual call, in the message of its failure."""


@contextmanager
def error_log(
    reader: JournalReader,
    attempts: int,
    show: Callable[[BatchSnapshot], None],
    say: Callable[[str], None] = lambda text: None,
    tests: Callable[[str], Iterable[str]] = lambda key: (),
) -> Iterator[Callable[[BatchSnapshot], None]]:
    """Log the failures of batches while the block sends or collects, holding the journal's lock.

    Args:
        reader: the journal; the log is in the same folder.
        attempts: the most times that the send sends a request.
        show: also called with each snapshot.
        say: called once if the log cannot be written; the send continues, because the journal has all of it.
        tests: returns the ids of the tests that ask for a key.

    Yields:
        The `progress` to pass to the send.
    """
    log = _Log(reader, attempts, say, tests)

    def watch(seen: BatchSnapshot) -> None:
        if seen.ended:
            log.catch_up()
        show(seen)

    try:
        yield watch
    finally:
        log.catch_up()


class _Log:
    """The log of one send, without the batches that had ended before."""

    def __init__(
        self,
        reader: JournalReader,
        attempts: int,
        say: Callable[[str], None],
        tests: Callable[[str], Iterable[str]],
    ) -> None:
        self._reader = reader
        self._tests = tests
        self._attempts = attempts
        self._say = say
        self._tried: Counter[str] = Counter()
        self._broken = False
        self._logged = reader.ended_batches()

    def catch_up(self) -> None:
        """Append the failures of the batches that have ended since the last call."""
        if self._broken:
            return
        try:
            new = sorted(self._reader.ended_batches() - self._logged)
            self._logged.update(new)
            lines = [self._line(row) for batch in new for row in self._reader.trouble_of(batch)]
            _append(beside(self._reader.address).with_name(NAME), lines)
        except (OSError, JournalError) as error:
            self._broken = True
            self._say(f"cannot write the error log: {error}")

    def _line(self, row: TroubleRow) -> bytes:
        message = row.note if row.message is None else row.message
        request = _REQUEST.search(message)
        event = {
            "time": datetime.fromtimestamp(real_time.now(), UTC).isoformat(timespec="milliseconds"),
            "run": row.run,
            "batch": row.batch_id or None,
            "custom_id": row.key,
            "tests": self._asking(row.key),
            "attempt": row.attempt,
            "request_id": request[1] if request else None,
            "status_code": row.status_code,
            "code": row.code or row.state,
            "message": message,
            "done": self._done(row),
        }
        cleaned = {name: _cleaned(value) if isinstance(value, str) else value for name, value in event.items()}
        return json.dumps(cleaned, ensure_ascii=False).encode() + b"\n"

    def _asking(self, key: str | None) -> list[str]:
        asking = sorted(self._tests(key)) if key is not None else []
        return [_cleaned(test) for test in asking[:MOST_TESTS]]

    def _done(self, row: TroubleRow) -> str:
        if row.key is None:
            return _WHOLE[row.state]
        retry = retry_of(row.code or "", row.status_code, bool(row.retryable))
        if retry is Retry.PAID:
            return "lost"
        if not retry.retryable:
            return "final"
        self._tried[row.key] += 1
        again = retry.in_this_run and self._tried[row.key] < self._attempts
        return "sent again" if again else "left to the next run"


def _cleaned(text: str) -> str:
    return safe_to_show(storable(text))[:LONGEST_MESSAGE]


def _append(path: Path, lines: Sequence[bytes]) -> None:
    """Append lines to a file (mode 0600); a full file is renamed first."""
    for start in range(0, len(lines), CHUNK):
        text = b"".join(lines[start : start + CHUNK])
        if path.exists() and path.stat().st_size + len(text) > FULL:
            path.replace(path.with_name(OLDER))
        with open(os.open(path, _FLAGS, 0o600), "ab") as file:
            file.write(text)
