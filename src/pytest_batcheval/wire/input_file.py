"""Requests from batch input files: official lines of any endpoint, and simplified lines with model and input."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_batcheval.errors import UsageError
from pytest_batcheval.text.file_head import HEAD, form_by_head
from pytest_batcheval.text.format import counted
from pytest_batcheval.wire.endpoints import CHAT, PROMPTS
from pytest_batcheval.wire.key import BodyError, canonical
from pytest_batcheval.wire.lines import chunks, split_lines
from pytest_batcheval.wire.samples import SampleNumbers

if TYPE_CHECKING:
    from pytest_batcheval.wire.objects import Request

MAX_REQUESTS = 50_000
"""Lines of a batch input file (OpenAI's Batch guide)."""

MAX_BYTES = 200_000_000
"""Bytes of a batch input file (OpenAI's Batch guide)."""

LISTED = 10
"""Most bad lines in an error message."""

_BOM = b"\xef\xbb\xbf"

Make = Callable[..., "Request"]
"""Makes a request of body, url and sample: the class `Request`, which imports this module."""

Source = str | os.PathLike[str] | Iterable[bytes | str]


@dataclass(frozen=True)
class ImportedLine:
    """A request with its line in the file; it can be a value of an axis.

    Attributes:
        custom_id: the `custom_id` in the file; empty in a simplified line. The request's own is its key.
        number: number of the line, from 1.
    """

    request: Request
    custom_id: str
    number: int

    def __repr__(self) -> str:
        return f"<ImportedLine {self.number:,}: {self.request!r}>"

    @property
    def id(self) -> str:
        """Its id on an axis: `line-000001`."""
        return f"line-{self.number:06}"


@dataclass(frozen=True)
class BadLine:
    """A line that is not a valid request.

    Attributes:
        number: number of the line, from 1.
        offset, length: its bytes in the file, without the newline.
    """

    number: int
    offset: int
    length: int
    reason: str


class InputFileError(UsageError):
    """A batch input file cannot be used; the message names file, line numbers and remedies.

    Attributes:
        bad: the first ten bad lines; empty when the problem is the file as a whole.
    """

    def __init__(self, text: str, bad: Sequence[BadLine] = ()) -> None:
        super().__init__(text)
        self.bad = tuple(bad)


class InputLines(Iterable[ImportedLine]):
    """The requests of a batch input file, each once, in the order of the file.

    Repeated lines are merged and counted: a `custom_id` with an equal body, and an equal body without a `custom_id`.
    Equal bodies under different `custom_id`s are samples of one request. Every iteration reads the source again.

    Attributes:
        name: name of the source in messages.
        lines: number of lines so far that are not blank.
        bytes: number of bytes so far.
        requests: number of distinct requests so far.
        repeated: number of lines so far that repeat an earlier one.
        bad: number of bad lines so far.
    """

    def __init__(
        self,
        source: Source,
        make: Make,
        *,
        model: str | None = None,
        strict: bool = False,
        on_bad: Callable[[BadLine], None] | None = None,
    ) -> None:
        """Prepare to read; nothing is opened yet.

        Args:
            source: a path, or lines as bytes or text, with or without their newlines.
            make: the class `Request`.
            model: the model for lines that name none.
            strict: require that the file fits one batch: at most 200 MB; a line is bad if it comes after 50,000
                requests, has another endpoint or model than the first, or repeats a `custom_id`.
            on_bad: called with each bad line; without it, bad lines are an error at the end.
        """
        self._source = source
        self._make = make
        self._model = model
        self._strict = strict
        self._on_bad = on_bad
        self.name = os.fspath(source) if isinstance(source, str | os.PathLike) else "input"
        self._begin()

    def _begin(self) -> None:
        self.lines = self.bytes = self.requests = self.repeated = self.bad = 0
        self._shown: list[BadLine] = []
        self._ids: dict[str, tuple[bytes, int]] = {}
        self._samples = SampleNumbers()
        self._first: Request | None = None

    def __iter__(self) -> Iterator[ImportedLine]:
        """Yield the requests.

        Raises:
            InputFileError: at the end, if there were bad lines and no `on_bad`, or no lines; at once, if the
                source cannot be read, or is too large for `strict`.
        """
        self._begin()
        for number, (offset, text, length) in enumerate(split_lines(self._chunks(), MAX_BYTES), start=1):
            line = text if offset else text.removeprefix(_BOM)
            if not line or line.isspace():
                continue
            self.lines += 1
            try:
                found = self._line(number, line, offset, length)
            except InputLineError as error:
                self._add_bad(BadLine(number, offset, length, str(error)))
            else:
                if found is not None:
                    yield found
        self._conclude()

    def _chunks(self) -> Iterator[bytes]:
        for chunk in _from_file(self._source) if isinstance(self._source, str | os.PathLike) else _bytes(self._source):
            self.bytes += len(chunk)
            if self._strict and self.bytes > MAX_BYTES:
                raise InputFileError(f"{self.name} has more than {MAX_BYTES:,} bytes, the limit of a batch input file")
            yield chunk

    def _line(self, number: int, line: bytes, offset: int, length: int) -> ImportedLine | None:
        """The line's request; `None` if it repeats an earlier one."""
        if length > MAX_BYTES:
            raise InputLineError(f"has {length:,} bytes; a batch input file has at most {MAX_BYTES:,}")
        custom_id, request = parse_input_line(line, self._make, self._model)
        body = bytes.fromhex(request.custom_id)
        if custom_id in self._ids:
            self._check_repeated(custom_id, body)
            self.repeated += 1
            return None
        sample = self._samples.number(custom_id, request) if custom_id else 0
        if self._samples.has(request, sample):
            self.repeated += 1
            return None
        if self._strict:
            self._check_fits(request)
        if custom_id:
            self._ids[custom_id] = body, number
        self._samples.take(request, sample)
        self.requests += 1
        asked = self._make(request.body, request.url, sample=sample, given_id=custom_id) if sample else request
        return ImportedLine(asked, custom_id, number)

    def _check_repeated(self, custom_id: str, body: bytes) -> None:
        earlier, number = self._ids[custom_id]
        if earlier != body:
            raise InputLineError(f"has the custom_id {custom_id[:80]!r} of line {number}, but another body; rename one")
        if self._strict:
            raise InputLineError(
                f"repeats the custom_id {custom_id[:80]!r} of line {number}, which the Batch API refuses"
            )

    def _check_fits(self, request: Request) -> None:
        self._first = first = self._first or request
        if request.url != first.url:
            raise InputLineError(f"has url {request.url}, earlier lines {first.url}; a batch has one endpoint")
        if request.model != first.model:
            raise InputLineError(
                f"has model {request.model[:80]!r}, earlier lines {first.model[:80]!r}; a batch has one model"
            )
        if self.requests >= MAX_REQUESTS:
            raise InputLineError(f"is request {MAX_REQUESTS + 1:,} or later; the limit of a batch is {MAX_REQUESTS:,}")

    def _add_bad(self, line: BadLine) -> None:
        self.bad += 1
        if self._on_bad is not None:
            self._on_bad(line)
        if len(self._shown) < LISTED:
            self._shown.append(line)

    def _conclude(self) -> None:
        if not self.lines:
            raise InputFileError(f"{self.name}: the file is empty; write one request per line")
        if self.bad and (self._on_bad is None or not self.requests):
            raise InputFileError(self._bad_text(), self._shown)

    def _bad_text(self) -> str:
        shown = "\n".join(f"{self.name}:{line.number}: {line.reason}" for line in self._shown)
        more = f"\n… and {self.bad - LISTED:,} more" if self.bad > LISTED else ""
        return f"{self.name}: {counted(self.bad, 'line')} of {self.lines:,} cannot be used:\n{shown}{more}"


def _from_file(path: str | os.PathLike[str]) -> Iterator[bytes]:
    try:
        if Path(path).is_fifo() and not os.fspath(path).startswith(("/dev/", "/proc/")):  # not that of `<(command)`
            raise InputFileError(f"{os.fspath(path)} is a named pipe, which may wait for ever; give a regular file")
        with open(path, "rb") as stream:
            for number, chunk in enumerate(chunks(stream)):
                if not number and (form := form_by_head(chunk[:HEAD])):
                    raise InputFileError(f"{os.fspath(path)} is {form}")
                yield chunk
    except OSError as error:
        raise InputFileError(
            f"{os.fspath(path)} cannot be read ({error.strerror}); give the path of a batch input file"
        ) from None


def _bytes(lines: Iterable[bytes | str]) -> Iterator[bytes]:
    for line in lines:
        data = line.encode("utf-8", "surrogatepass") if isinstance(line, str) else line
        yield data if data.endswith(b"\n") else data + b"\n"


OFFICIAL = ("custom_id", "method", "url", "body")
SIMPLIFIED = ("model", "input")

_decode = msgspec.json.Decoder().decode


class InputLineError(ValueError):
    """A line is not a valid request; the message gives the reason and the remedy."""


def parse_input_line(line: bytes, make: Make, model: str | None = None) -> tuple[str, Request]:
    """The `custom_id` in the line (empty in the simplified form) and the request; `model` is for lines without one.

    Raises:
        InputLineError: the line is not a valid request.
    """
    value = _object(line)
    if any(name in value for name in OFFICIAL):
        return _official(value, make, model)
    if "input" in value:
        return "", _simplified(value, make, model)
    raise InputLineError(
        f"must have the members of a batch input line ({', '.join(OFFICIAL)}) "
        f"or those of a simplified one ({', '.join(SIMPLIFIED)})"
    )


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = _decode(line)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise InputLineError(_unreadable(line, error)) from None
    if not isinstance(value, dict):
        raise InputLineError(f"must be a JSON object, not {_json_type(value)}; write one object per line")
    return value


def _json_type(value: object) -> str:
    names = {type(None): "null", bool: "a boolean", str: "a string", list: "an array"}
    return names.get(type(value), "a number")


def _unreadable(line: bytes, error: Exception) -> str:
    """The error in a line that the strict decoder refused; a lenient decoder may find the place."""
    try:
        text = line.decode()
    except UnicodeDecodeError as wrong:
        return f"is not UTF-8 (byte {wrong.start + 1} of the line); save the file as UTF-8"
    if isinstance(error, RecursionError):
        return "is nested too deeply"
    try:
        canonical(json.loads(text))
    except BodyError as wrong:
        return f"is not valid JSON: {wrong}"
    except (ValueError, RecursionError):
        pass
    return f"is not valid JSON ({error}); write one whole object per line, as json.dumps does"


def _official(line: Mapping[str, Any], make: Make, model: str | None) -> tuple[str, Request]:
    _check_members(line, OFFICIAL)
    if missing := [name for name in OFFICIAL if name not in line]:
        raise InputLineError(f"has no {', '.join(missing)}; a batch input line must have {', '.join(OFFICIAL)}")
    custom_id, method, url, body = (line[name] for name in OFFICIAL)
    if not isinstance(custom_id, str):
        raise InputLineError(f"has custom_id {_shown(custom_id)}, which must be a string; put it in quotes")
    if method != "POST":
        raise InputLineError(f"has method {_shown(method)}; the Batch API accepts POST only")
    if not isinstance(url, str) or url not in PROMPTS:
        raise InputLineError(f"has url {_shown(url)}; the Batch API accepts {', '.join(PROMPTS)}")
    if not isinstance(body, dict):
        raise InputLineError(f"has body {_shown(body)}, which must be a JSON object")
    return custom_id, _request(body, url, make, model, custom_id)


def _simplified(line: Mapping[str, Any], make: Make, model: str | None) -> Request:
    _check_members(line, SIMPLIFIED)
    text = line["input"]
    if not isinstance(text, str) or not text:
        raise InputLineError(f"has input {_shown(text)}; the input of a simplified line is the prompt, a string")
    body = {name: line[name] for name in ("model",) if name in line}
    return _request({**body, "messages": [{"role": "user", "content": text}]}, CHAT, make, model)


def _check_members(line: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    if unknown := [name for name in line if name not in allowed]:
        raise InputLineError(
            f"has {', '.join(map(_shown, unknown))} beside {', '.join(allowed)}, which would be lost; remove it"
        )


def _request(body: dict[str, Any], url: str, make: Make, model: str | None, given_id: str = "") -> Request:
    if body.get("model") is None:
        if model is None:
            raise InputLineError("has no model; add `model` to its body, or give one for such lines: --model, model=")
        body = {**body, "model": model}
    if not isinstance(body["model"], str) or not body["model"]:
        raise InputLineError(f"has model {_shown(body['model'])}, which must be a string that is not empty")
    if body.get(PROMPTS[url]) is None:
        raise InputLineError(f"has a body without `{PROMPTS[url]}`, which {url} requires")
    if body.get("stream") is not None and body["stream"] is not False:  # 0 == False, but not in JSON
        raise InputLineError("has `stream`, which the Batch API does not support; remove it")
    request = make(body, url, given_id=given_id)
    try:
        _ = request.custom_id
    except BodyError as error:
        raise InputLineError(f"has a body that cannot be sent: {error}") from None
    return request


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
