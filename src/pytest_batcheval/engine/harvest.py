"""Result files on disk: downloaded, accounted for by `custom_id`, read again into the journal."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import msgspec

from pytest_batcheval.backends.protocol import Backend
from pytest_batcheval.engine.effects import Account, Settle
from pytest_batcheval.engine.retry import failure_of
from pytest_batcheval.journal.rows import AnswerRow, BatchRow, FailureRow
from pytest_batcheval.wire.lines import BrokenLine, ResultLine, read_lines

_CUSTOM_ID = re.compile(rb'"custom_id"\s*:\s*"([A-Za-z0-9_-]{1,64})"')


def harvest(backend: Backend, row: BatchRow, keys: Collection[str], folder: Path) -> Account:
    """Download both result files of a batch to `folder`, as far as it has them, and count what they hold.

    `keys` are the keys of the batch; lines of other keys are reported as broken.

    Raises:
        Fault: a file could not be downloaded.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = []
    for name, file_id in (("output", row.output_file_id), ("error", row.error_file_id)):
        if file_id:
            backend.download(file_id, folder / f"{name}.jsonl")
            files.append(folder / f"{name}.jsonl")
    return _account(files, frozenset(keys))


def results(effect: Settle, keys: Sequence[str]) -> Iterator[AnswerRow | FailureRow]:
    """All a batch ended in, each key at most once: answers, failed lines, unreadable lines, the rest.

    `keys` are in the order of the input file, whose lines the effect's `faults` count.
    """
    open_keys = set(keys)
    for path, line in _lines(effect.account.files):
        row = _result(path, line, effect.account)
        if row is not None and row.key in open_keys:
            open_keys.discard(row.key)
            yield row
    for fault in effect.faults:
        if fault.line is not None and 0 < fault.line <= len(keys) and keys[fault.line - 1] in open_keys:
            key = keys[fault.line - 1]
            open_keys.discard(key)
            yield FailureRow(key, fault.code, fault.message, None, retryable=False)
    if effect.rest is not None:
        for key in sorted(open_keys):
            yield FailureRow(key, effect.rest.code, effect.rest.message, None, effect.rest.retryable)


def _account(files: Sequence[Path], keys: frozenset[str]) -> Account:
    answered: set[str] = set()
    failed: set[str] = set()
    broken: list[str] = []
    for path, line in _lines(files):
        key = _salvaged(line) if isinstance(line, BrokenLine) else line.custom_id
        if isinstance(line, BrokenLine):
            broken.append(f"{path.name} at byte {line.offset}: {line.reason}")
        if key not in keys:
            if not isinstance(line, BrokenLine):
                broken.append(f"{path.name}: a line for {key!r}, which this batch did not ask")
            continue
        (answered if isinstance(line, ResultLine) and line.succeeded else failed).add(key)
    return Account(frozenset(answered), frozenset(failed - answered), tuple(broken), tuple(files))


def _lines(files: Sequence[Path]) -> Iterator[tuple[Path, ResultLine | BrokenLine]]:
    for path in files:
        with path.open("rb") as stream:
            for line in read_lines(iter(lambda: stream.read(2**20), b"")):
                yield path, line


def _result(path: Path, line: ResultLine | BrokenLine, account: Account) -> AnswerRow | FailureRow | None:
    """A key's answer counts, wherever it also failed; the first line of a kind counts."""
    if isinstance(line, ResultLine) and line.succeeded:
        return AnswerRow(line.custom_id, line.id or "", _json(line))
    if isinstance(line, ResultLine):
        return None if line.custom_id in account.answered else failure_of(line)
    key = _salvaged(line)
    if not key or key in account.answered:
        return None
    text = f"its line cannot be read ({line.reason}); the file is kept at {path}. It was paid, so it is not sent again"
    return FailureRow(key, "broken_line", text, None, retryable=False)


def _salvaged(line: BrokenLine) -> str:
    """The key a broken line names at its beginning, or nothing."""
    found = _CUSTOM_ID.search(line.excerpt)
    return found[1].decode() if found else ""


def _json(line: ResultLine) -> bytes:
    """The line's `response`; msgspec writes no integers over 64 bits, which JSON allows."""
    try:
        return msgspec.json.encode(line.response)
    except OverflowError:
        return json.dumps(msgspec.to_builtins(line.response), ensure_ascii=False).encode()
