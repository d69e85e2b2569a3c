"""Batch input files as requests: official lines of any endpoint, and simplified lines of a model and its input."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from pytest_batcheval.errors import UsageError
from pytest_batcheval.wire.key import KEY_LENGTH, BodyError, canonical, sample_of
from pytest_batcheval.wire.objects import CHAT, EMBEDDINGS, RESPONSES, Request
from pytest_batcheval.wire.result_file import MAX_LINE, split_lines

MAX_REQUESTS = 50_000
"""Lines of a batch input file (OpenAI's Batch guide)."""

MAX_BYTES = 200_000_000
"""Bytes of a batch input file (OpenAI's Batch guide)."""

MAX_STRANGE = 20
"""So many `custom_id`s may look like keys and be none; after that, none of the file is taken for a key."""

LISTED = 10
"""Bad lines that an error shows."""

_BOM = b"\xef\xbb\xbf"
_KEY = re.compile(f"[0-9a-f]{{{KEY_LENGTH}}}")

Source = str | os.PathLike[str] | Iterable[bytes | str]


@dataclass(frozen=True)
class ImportedLine:
    """A request with where it stood; it can be a value of an axis.

    Attributes:
        custom_id: as the file gives it; empty in a simplified line. The request's own is its key.
        number: of the line, from 1.
    """

    request: Request
    custom_id: str
    number: int

    @property
    def id(self) -> str:
        """Its id on an axis: `line-000001`."""
        return f"line-{self.number:06}"


@dataclass(frozen=True)
class BadLine:
    """A line that is no request.

    Attributes:
        number: of the line, from 1.
        offset, length: its bytes in the file, without the newline.
    """

    number: int
    offset: int
    length: int
    reason: str


class InputFileError(UsageError):
    """A batch input file cannot be used; the text names file, line numbers and remedies.

    Attributes:
        bad: the first ten lines that are no request; empty when it is the file as a whole.
    """

    def __init__(self, text: str, bad: Sequence[BadLine] = ()) -> None:
        super().__init__(text)
        self.bad = tuple(bad)


class InputLines(Iterable[ImportedLine]):
    """The requests of a batch input file, each once, in the order of the file.

    What repeats is merged and counted: a `custom_id` with an equal body, and an equal body without a `custom_id`.
    Equal bodies under different `custom_id`s are samples of one request. Every iteration reads anew.

    Attributes:
        name: what messages call the source.
        lines: those that are not blank, so far.
        bytes: of the source, so far.
        requests: distinct ones, so far.
        repeated: lines that repeat an earlier one, so far.
        bad: lines that are no request, so far.
    """

    def __init__(
        self,
        source: Source,
        *,
        model: str | None = None,
        strict: bool = False,
        on_bad: Callable[[BadLine], None] | None = None,
    ) -> None:
        """Prepare to read; nothing is opened yet.

        Args:
            source: a path, or lines as bytes or text, with or without their newlines.
            model: for lines that name none.
            strict: hold the file to one batch: 200 MB at most, and a line is a bad one after 50,000 requests, of
                another endpoint or model than the first, or with a `custom_id` that stood there already.
            on_bad: is told each bad line; without it they are an error at the end.
        """
        self._source = source
        self._model = model
        self._strict = strict
        self._on_bad = on_bad
        self.name = os.fspath(source) if isinstance(source, str | os.PathLike) else "input"
        self._begin()

    def _begin(self) -> None:
        self.lines = self.bytes = self.requests = self.repeated = self.bad = 0
        self._shown: list[BadLine] = []
        self._ids: dict[str, tuple[bytes, int]] = {}
        self._samples: dict[bytes, int] = {}
        self._strange = 0
        self._first: Request | None = None

    def __iter__(self) -> Iterator[ImportedLine]:
        """Yield the requests.

        Raises:
            InputFileError: at the end, when there were bad lines and nobody is told of them, or there was no line;
                at once, when the source cannot be read or is too large to be strict about.
        """
        self._begin()
        for number, (offset, text, length) in enumerate(split_lines(self._chunks()), start=1):
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
                raise InputFileError(f"{self.name} has more than {MAX_BYTES:,} bytes; a batch input file takes no more")
            yield chunk

    def _line(self, number: int, line: bytes, offset: int, length: int) -> ImportedLine | None:
        """The line's request; `None` when it repeats an earlier one."""
        if length > MAX_LINE:
            raise InputLineError(f"has {length:,} bytes; the longest line that is read has {MAX_LINE:,}")
        custom_id, request = parse_input_line(line, self._model)
        body = bytes.fromhex(request.custom_id)
        if custom_id in self._ids:
            self._check_repeated(custom_id, body)
            self.repeated += 1
            return None
        sample = self._sample(custom_id, request, body) if custom_id else 0
        if self._samples.get(body, 0) >> sample & 1:
            self.repeated += 1
            return None
        if self._strict:
            self._check_fits(request)
        if custom_id:
            self._ids[custom_id] = body, number
        self._samples[body] = self._samples.get(body, 0) | 1 << sample
        self.requests += 1
        return ImportedLine(Request(request.body, request.url, sample=sample), custom_id, number)

    def _check_repeated(self, custom_id: str, body: bytes) -> None:
        earlier, number = self._ids[custom_id]
        if earlier != body:
            raise InputLineError(f"has the custom_id {custom_id[:80]!r} of line {number} and another body; rename one")
        if self._strict:
            raise InputLineError(f"repeats line {number} (custom_id {custom_id[:80]!r}); the Batch API refuses that")

    def _sample(self, custom_id: str, request: Request, body: bytes) -> int:
        """The number whose key the `custom_id` is; else the first that no line of this body has yet."""
        if _KEY.fullmatch(custom_id) and self._strange < MAX_STRANGE:
            sample = sample_of(custom_id, request.method, request.url, request.body)
            if sample is not None:
                return sample
            self._strange += 1
        taken = self._samples.get(body, 0)
        return (~taken & taken + 1).bit_length() - 1  # the lowest bit that is not set

    def _check_fits(self, request: Request) -> None:
        self._first = first = self._first or request
        if request.url != first.url:
            raise InputLineError(f"asks {request.url}, lines before it {first.url}; a batch has one endpoint")
        if request.model != first.model:
            raise InputLineError(
                f"asks {request.model[:80]!r}, lines before it {first.model[:80]!r}; a batch has one model"
            )
        if self.requests >= MAX_REQUESTS:
            raise InputLineError(f"is request {MAX_REQUESTS + 1:,} or later; a batch takes {MAX_REQUESTS:,}")

    def _add_bad(self, line: BadLine) -> None:
        self.bad += 1
        if self._on_bad is not None:
            self._on_bad(line)
        if len(self._shown) < LISTED:
            self._shown.append(line)

    def _conclude(self) -> None:
        if not self.lines:
            raise InputFileError(f"{self.name}: the file is empty; write one request a line")
        if self.bad and (self._on_bad is None or not self.requests):
            raise InputFileError(self._bad_text(), self._shown)

    def _bad_text(self) -> str:
        shown = "\n".join(f"{self.name}:{line.number}: {line.reason}" for line in self._shown)
        more = f"\n… and {self.bad - LISTED} more" if self.bad > LISTED else ""
        how_many = "1 line" if self.bad == 1 else f"{self.bad} lines"
        return f"{self.name}: {how_many} of {self.lines} cannot be used:\n{shown}{more}"


def _from_file(path: str | os.PathLike[str]) -> Iterator[bytes]:
    try:
        with open(path, "rb") as stream:
            yield from iter(lambda: stream.read(2**20), b"")
    except OSError as error:
        raise InputFileError(f"{os.fspath(path)} cannot be read ({error.strerror}); name a batch input file") from None


def _bytes(lines: Iterable[bytes | str]) -> Iterator[bytes]:
    for line in lines:
        data = line.encode("utf-8", "surrogatepass") if isinstance(line, str) else line
        yield data if data.endswith(b"\n") else data + b"\n"


PROMPTS = {
    CHAT: "messages",
    RESPONSES: "input",
    EMBEDDINGS: "input",
    "/v1/completions": "prompt",
    "/v1/moderations": "input",
    "/v1/images/generations": "prompt",
    "/v1/images/edits": "prompt",
    "/v1/videos": "prompt",
}
"""The endpoints that OpenAI's Batch API names, and the member of a body that each cannot do without."""

OFFICIAL = ("custom_id", "method", "url", "body")
SIMPLIFIED = ("model", "input")

_decode = msgspec.json.Decoder().decode


class InputLineError(ValueError):
    """Why a line is no request, and what to do about it."""


def parse_input_line(line: bytes, model: str | None = None) -> tuple[str, Request]:
    """The given `custom_id` (empty in the simplified form) and the request; `model` for a line that names none.

    Raises:
        InputLineError: the line is no request.
    """
    value = _object(line)
    if any(name in value for name in OFFICIAL):
        return _official(value, model)
    if "input" in value:
        return "", _simplified(value, model)
    raise InputLineError(
        f"has neither the members of a batch input line ({', '.join(OFFICIAL)}) "
        f"nor those of a simplified one ({', '.join(SIMPLIFIED)})"
    )


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = _decode(line)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise InputLineError(_unreadable(line, error)) from None
    if not isinstance(value, dict):
        kind = "a list" if isinstance(value, list) else "no object"
        raise InputLineError(f"is JSON but {kind}; write one object a line")
    return value


def _unreadable(line: bytes, error: Exception) -> str:
    """What is wrong with a line that the strict decoder refused; a lenient one may tell where."""
    try:
        text = line.decode()
    except UnicodeDecodeError as wrong:
        return f"is not UTF-8 (byte {wrong.start + 1} of the line); save the file as UTF-8"
    if isinstance(error, RecursionError):
        return "is nested too deep"
    try:
        canonical(json.loads(text))
    except BodyError as wrong:
        return f"is no JSON: {wrong}"
    except (ValueError, RecursionError):
        pass
    return f"is no JSON ({error}); write one whole object a line, as json.dumps does"


def _official(line: Mapping[str, Any], model: str | None) -> tuple[str, Request]:
    _check_members(line, OFFICIAL)
    if missing := [name for name in OFFICIAL if name not in line]:
        raise InputLineError(f"lacks {', '.join(missing)}; a batch input line has {', '.join(OFFICIAL)}")
    custom_id, method, url, body = (line[name] for name in OFFICIAL)
    if not isinstance(custom_id, str):
        raise InputLineError(f"has a custom_id that is no text: {_shown(custom_id)}; put it in quotes")
    if method != "POST":
        raise InputLineError(f"has method {_shown(method)}; the Batch API takes POST only")
    if not isinstance(url, str) or url not in PROMPTS:
        raise InputLineError(f"has url {_shown(url)}; the Batch API takes {', '.join(PROMPTS)}")
    if not isinstance(body, dict):
        raise InputLineError(f"has a body that is no object: {_shown(body)}")
    return custom_id, _request(body, url, model)


def _simplified(line: Mapping[str, Any], model: str | None) -> Request:
    _check_members(line, SIMPLIFIED)
    text = line["input"]
    if not isinstance(text, str) or not text:
        raise InputLineError(f"has an input that is no text: {_shown(text)}; a simplified line's input is the prompt")
    body = {name: line[name] for name in ("model",) if name in line}
    return _request({**body, "messages": [{"role": "user", "content": text}]}, CHAT, model)


def _check_members(line: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    if unknown := [name for name in line if name not in allowed]:
        raise InputLineError(
            f"has {', '.join(map(_shown, unknown))} beside {', '.join(allowed)}, which would be lost; take it out"
        )


def _request(body: dict[str, Any], url: str, model: str | None) -> Request:
    if body.get("model") is None:
        if model is None:
            raise InputLineError("names no model; add `model` to its body, or name one for such lines: --model, model=")
        body = {**body, "model": model}
    if not isinstance(body["model"], str) or not body["model"]:
        raise InputLineError(f"has a model that is no name: {_shown(body['model'])}")
    if body.get(PROMPTS[url]) is None:
        raise InputLineError(f"has a body without `{PROMPTS[url]}`, which {url} needs")
    if body.get("stream") is not None and body["stream"] is not False:  # 0 == False, but not in JSON
        raise InputLineError("asks for `stream`, which the Batch API does not support; take it out")
    request = Request(body, url)
    try:
        _ = request.custom_id
    except BodyError as error:
        raise InputLineError(f"has a body that cannot be sent: {error}") from None
    return request


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
