"""Result files on disk: downloaded, accounted for by `custom_id`, read again into the journal."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from os import SEEK_END
from pathlib import Path
from threading import Lock
from types import MappingProxyType

from pytest_batcheval.backends.errors import Refused
from pytest_batcheval.backends.local_files import private_folder, storing
from pytest_batcheval.backends.protocol import Backend
from pytest_batcheval.engine import payment_text
from pytest_batcheval.engine.effects import ResultSummary, Settle
from pytest_batcheval.engine.key_states import KeysIn, KeyStates
from pytest_batcheval.engine.pricing import served_tier
from pytest_batcheval.engine.result_rows import keep_rows, kept_rows
from pytest_batcheval.engine.retry import BROKEN_LINE, failure_of
from pytest_batcheval.journal.rows import AnswerRow, BatchRow, FailureRow
from pytest_batcheval.text.sanitize import environment_secrets
from pytest_batcheval.wire.bodies import form_of
from pytest_batcheval.wire.lines import chunks
from pytest_batcheval.wire.plain import mapping
from pytest_batcheval.wire.result_file import BrokenLine, ResultLine, read_lines

KEEP = "keep"
"""A file of this name in a folder of result files means that a person may want to read them."""

ROWS = "rows"
"""The file of what is to be stored, in a folder of result files."""

ANSWERED, FAILED = 1, 2
"""The states of a key in result files."""

_READING = Lock()
"""One core reads result files: two of its threads would take as long, and hold twice the keys."""

NO_NAMES: Mapping[str, str] = MappingProxyType({})


def download_results(
    backend: Backend,
    row: BatchRow,
    keys: Iterable[str],
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
    with _READING:
        summary = summarise(files, keys, row.endpoint, folder / ROWS, names, gone)
    if summary.broken:
        with storing(folder / KEEP):
            (folder / KEEP).touch()
    return summary


def read_results(effect: Settle, keys: Iterable[str] = ()) -> Iterator[AnswerRow | FailureRow]:
    """All results of a batch, each key at most once: answers, failed lines, unreadable lines, requests without a line.

    `keys` are in the order of the input file, whose lines the effect's `errors` count; they are read only if some have
    no line.
    """
    results, rest = effect.results, effect.unaccounted
    for row in () if results.rows is None else kept_rows(results.rows):
        if isinstance(row, AnswerRow) or row.key not in results.answered:  # the answer counts
            yield row
    if not effect.errors and rest is None:
        return
    order = list(keys)
    open_keys = {key for key in order if key not in results.answered and key not in results.failed}
    for error in effect.errors:
        if error.line is not None and 0 < error.line <= len(order) and order[error.line - 1] in open_keys:
            key = order[error.line - 1]
            open_keys.discard(key)
            yield FailureRow(key, error.code, error.message, None, retryable=False)
    if rest is not None:
        for key in sorted(open_keys):
            yield FailureRow(key, rest.code, rest.message, None, rest.retryable)


def summarise(
    files: Sequence[Path],
    keys: Iterable[str],
    url: str,
    rows: Path,
    names: Mapping[str, str] = NO_NAMES,
    gone: Sequence[str] = (),
) -> ResultSummary:
    """Read result files on disk, count their keys, and write the rows that are to be stored to the file `rows`.

    `gone` says what is missing, the other arguments are as above.

    Raises:
        JournalError: the rows cannot be written.
    """
    tally = _Tally(keys)
    keep_rows(rows, tally.rows(files, url, names))
    return ResultSummary(
        answered=KeysIn(tally.states, ANSWERED),
        failed=KeysIn(tally.states, FAILED),
        broken=(*gone, *tally.broken, *_contradictions(files, tally.repeated, url, names)),
        nameless=tally.nameless,
        files=tuple(files),
        cut=any(isinstance(line, BrokenLine) and _ends_within_a_line(path) for path, line in tally.last.items()),
        rows=rows,
    )


class _Tally:
    """The counts of result files while they are read.

    Attributes:
        states: `ANSWERED`, `FAILED` or 0 for each key of the batch.
        repeated: keys with a second answer.
        broken, nameless: as in `ResultSummary`.
        last: the last line of each file.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self.states = KeyStates(keys)
        self.repeated: set[str] = set()
        self.broken: list[str] = []
        self.nameless = 0
        self.last: dict[Path, ResultLine | BrokenLine] = {}
        self._secrets = environment_secrets()

    def rows(self, files: Sequence[Path], url: str, names: Mapping[str, str]) -> Iterator[AnswerRow | FailureRow]:
        """The row of each key's first answer, and of its first failure before any answer."""
        states = self.states
        for path, line in _lines(files, url, names):
            self.last[path] = line
            place = states.find(line.custom_id)
            self.broken += _remarks(path, line, place >= 0)
            if place < 0:
                # Its key may be damaged: then it is the answer of a request that seems to have none.
                self.nameless += 1
            elif isinstance(line, ResultLine) and line.succeeded:
                if states[place] == ANSWERED:
                    self.repeated.add(line.custom_id)
                    continue
                states[place] = ANSWERED
                yield answer_of(line.without(self._secrets))
            elif not states[place]:
                states[place] = FAILED
                yield self._failure(path, line)

    def _failure(self, path: Path, line: ResultLine | BrokenLine) -> FailureRow:
        if isinstance(line, ResultLine):
            return failure_of(line, self._secrets)
        text = payment_text.unreadable(line.reason, path)
        return FailureRow(line.custom_id, BROKEN_LINE, text, None, retryable=False)


def _ends_within_a_line(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(-1, SEEK_END)
        return stream.read() != b"\n"


def _remarks(path: Path, line: ResultLine | BrokenLine, known: bool) -> Iterator[str]:
    if isinstance(line, BrokenLine):
        yield f"{path.name} at byte {line.offset}: {line.reason}"
    elif not known:
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
