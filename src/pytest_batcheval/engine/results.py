"""Result files on disk: downloaded, accounted for by `custom_id`, read again into the journal."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from os import SEEK_END
from pathlib import Path
from types import MappingProxyType

from pytest_batcheval.backends.errors import Refused
from pytest_batcheval.backends.local_files import private_folder, storing
from pytest_batcheval.backends.protocol import Backend
from pytest_batcheval.engine import payment_text
from pytest_batcheval.engine.effects import ResultSummary, Settle
from pytest_batcheval.engine.pricing import served_tier
from pytest_batcheval.engine.retry import BROKEN_LINE, failure_of
from pytest_batcheval.journal.rows import AnswerRow, BatchRow, FailureRow
from pytest_batcheval.text.sanitize import environment_secrets
from pytest_batcheval.wire.bodies import form_of
from pytest_batcheval.wire.lines import chunks
from pytest_batcheval.wire.plain import mapping
from pytest_batcheval.wire.result_file import BrokenLine, ResultLine, read_lines

KEEP = "keep"
"""A file of this name in a folder of result files means that a person may want to read them."""


NO_NAMES: Mapping[str, str] = MappingProxyType({})


def download_results(
    backend: Backend,
    row: BatchRow,
    keys: Collection[str],
    folder: Path,
    partial: bool = False,
    names: Mapping[str, str] = NO_NAMES,
) -> ResultSummary:
    """Download both result files of a batch to `folder`, as far as it has them, and count their keys.

    `keys` are the keys of the batch; lines of other keys are reported as broken. `names` has the key of each
    `custom_id` that is none itself. With `partial` a file that is gone at the provider is reported too, instead of
    raised.

    Raises:
        ProviderFailure: a file could not be downloaded.
        JournalError: it could not be stored.
    """
    private_folder(folder)
    files, gone = [], []
    for name, file_id in (("output", row.output_file_id), ("error", row.error_file_id)):
        if not file_id:
            continue
        try:
            backend.download(file_id, folder / f"{name}.jsonl")
            files.append(folder / f"{name}.jsonl")
        except Refused as failure:
            if not partial or failure.status_code != 404:
                raise
            gone.append(f"the {name} file {file_id} of batch {row.batch_id} is gone at the provider")
    summary = summarise(files, frozenset(keys), row.endpoint, names, gone)
    if summary.broken:
        with storing(folder / KEEP):
            (folder / KEEP).touch()
    return summary


def read_results(
    effect: Settle, keys: Sequence[str], names: Mapping[str, str] = NO_NAMES
) -> Iterator[AnswerRow | FailureRow]:
    """All results of a batch, each key at most once: answers, failed lines, unreadable lines, requests without a line.

    `keys` are in the order of the input file, whose lines the effect's `errors` count; `names` has the key of each
    `custom_id` that is none itself.
    """
    open_keys, secrets = set(keys), environment_secrets()
    for path, line in _lines(effect.results.files, effect.row.endpoint, names):
        row = _result(path, line, effect.results, secrets)
        if row is not None and row.key in open_keys:
            open_keys.discard(row.key)
            yield row
    for error in effect.errors:
        if error.line is not None and 0 < error.line <= len(keys) and keys[error.line - 1] in open_keys:
            key = keys[error.line - 1]
            open_keys.discard(key)
            yield FailureRow(key, error.code, error.message, None, retryable=False)
    if effect.unaccounted is not None:
        for key in sorted(open_keys):
            yield FailureRow(
                key, effect.unaccounted.code, effect.unaccounted.message, None, effect.unaccounted.retryable
            )


def summarise(
    files: Sequence[Path], keys: frozenset[str], url: str, names: Mapping[str, str], gone: Sequence[str] = ()
) -> ResultSummary:
    """Count the keys of result files on disk; `gone` says what is missing, the other arguments are as above."""
    answered: set[str] = set()
    repeated: set[str] = set()
    failed: set[str] = set()
    broken: list[str] = list(gone)
    nameless = 0
    last: dict[Path, ResultLine | BrokenLine] = {}
    for path, line in _lines(files, url, names):
        key, last[path] = line.custom_id, line
        broken += _remarks(path, line, keys)
        if key not in keys:
            # Its key may be damaged: then it is the answer of a request that seems to have none.
            nameless += 1
        elif isinstance(line, BrokenLine) or not line.succeeded:
            failed.add(key)
        else:
            (repeated if key in answered else answered).add(key)
    broken += _contradictions(files, repeated, url, names)
    return ResultSummary(
        answered=frozenset(answered),
        failed=frozenset(failed - answered),
        broken=tuple(broken),
        nameless=nameless,
        files=tuple(files),
        cut=any(isinstance(line, BrokenLine) and _ends_within_a_line(path) for path, line in last.items()),
    )


def _ends_within_a_line(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(-1, SEEK_END)
        return stream.read() != b"\n"


def _remarks(path: Path, line: ResultLine | BrokenLine, keys: Collection[str]) -> Iterator[str]:
    if isinstance(line, BrokenLine):
        yield f"{path.name} at byte {line.offset}: {line.reason}"
    elif line.custom_id not in keys:
        yield f"{path.name}: a line for {line.custom_id!r}, which is not a request of this batch"
    elif line.remark:
        yield f"{path.name}: the line of {line.custom_id} was read with a change: {line.remark}"


def _contradictions(
    files: Sequence[Path], repeated: Collection[str], url: str, names: Mapping[str, str]
) -> Iterator[str]:
    """The second answers of a key that are not equal to its first; read again, since they are rare."""
    first: dict[str, bytes] = {}
    for path, line in _lines(files, url, names) if repeated else ():
        if isinstance(line, ResultLine) and line.custom_id in repeated and line.succeeded:
            response = hashlib.sha256(line.stored_response()).digest()
            if first.setdefault(line.custom_id, response) != response:
                yield f"{path.name}: a second answer for {line.custom_id}, which differs; the first one counts"


def _lines(files: Sequence[Path], url: str, names: Mapping[str, str]) -> Iterator[tuple[Path, ResultLine | BrokenLine]]:
    """The lines of all files, under our keys."""
    for path in files:
        with path.open("rb") as stream:
            for line in read_lines(chunks(stream), url):
                key = names.get(line.custom_id)
                yield path, line if key is None else replace(line, custom_id=key)


def answer_of(line: ResultLine) -> AnswerRow:
    """The row of a line that succeeded."""
    body = mapping(line.response and line.response.body)
    return AnswerRow(
        line.custom_id, line.id, line.stored_response(), *form_of(body, line.url).tokens, served_tier(body)
    )


def _result(
    path: Path, line: ResultLine | BrokenLine, summary: ResultSummary, secrets: Sequence[str]
) -> AnswerRow | FailureRow | None:
    """The row of a line; `None` for a failure whose key has an answer too, since the answer counts."""
    if isinstance(line, ResultLine) and line.succeeded:
        return answer_of(line.without(secrets))
    if isinstance(line, ResultLine):
        return None if line.custom_id in summary.answered else failure_of(line, secrets)
    if not line.custom_id or line.custom_id in summary.answered:
        return None
    text = payment_text.unreadable(line.reason, path)
    return FailureRow(line.custom_id, BROKEN_LINE, text, None, retryable=False)
