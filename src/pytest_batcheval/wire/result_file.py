"""Output and error files of a batch, decoded line by line; one unreadable line never hides another.

A line needs a `custom_id`, and a response or an error. No other member is relied on, whatever its type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from pytest_batcheval.text.sanitize import redacted
from pytest_batcheval.wire.bodies import failure_in, form_of, is_known
from pytest_batcheval.wire.bodies.error_report import ErrorReport, error_in, report_of
from pytest_batcheval.wire.json_text import (
    MAX_DEPTH,
    TOO_DEEP,
    JsonError,
    decode_json,
    encode_json,
    may_be_deep,
    too_deep,
    with_numbers,
    with_unicode,
)
from pytest_batcheval.wire.lines import split_lines
from pytest_batcheval.wire.plain import mapping, scalar_text, whole_number

EXCERPT = 200
"""Bytes of a broken line that are shown."""

_CUSTOM_ID = re.compile(rb'"custom_id"\s*:\s*"([A-Za-z0-9_-]{1,64})"')


@dataclass(frozen=True)
class LineResponse:
    """`response` of a line: what the endpoint returned; `None` for a member that is missing or means nothing."""

    status_code: int | None = None
    request_id: str | None = None
    body: Any = None

    @property
    def successful(self) -> bool:
        """Whether the status is one of success; where it cannot be read, the body alone decides."""
        return self.status_code is None or 200 <= self.status_code < 300

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON data, as it is stored."""
        return {"status_code": self.status_code, "request_id": self.request_id, "body": self.body}


@dataclass(frozen=True)
class ResultLine:
    """One line of an output or error file.

    Attributes:
        url: the endpoint's path, where it is known.
        remark: what was replaced in the answer, so that it can be stored; empty for a line that is as it was sent.
    """

    custom_id: str
    id: str = ""
    response: LineResponse | None = None
    error: ErrorReport | None = None
    url: str = ""
    remark: str = ""

    def without(self, secrets: Iterable[str]) -> ResultLine:
        """The line without these secrets in its ids, in which a server may have echoed one."""
        line_id = redacted(self.id, *secrets)
        if self.response is None or self.response.request_id is None:
            return self if line_id == self.id else replace(self, id=line_id)
        request_id = redacted(self.response.request_id, *secrets)
        if (line_id, request_id) == (self.id, self.response.request_id):
            return self
        return replace(self, id=line_id, response=replace(self.response, request_id=request_id))

    @property
    def succeeded(self) -> bool:
        """Whether the line has an answer: no error, a status of success, and a body with a result."""
        return self.failure is None

    @cached_property
    def failure(self) -> ErrorReport | None:
        """The failure as the line reports it, in its body, beside it or by what is missing; `None` for an answer."""
        response = self.response
        if self.error is None and response is not None and response.successful:
            return failure_in(response.body, self.url)
        in_body = None
        if response is not None and isinstance(response.body, Mapping):
            in_body = error_in(response.body) or (None if response.successful else report_of(response.body))
        found = [report for report in (in_body, self.error) if report is not None]
        codes, messages = (report.code for report in found), (report.message for report in found)
        return ErrorReport(next(filter(None, codes), ""), next(filter(None, messages), ""))

    def stored_response(self) -> bytes:
        """The line's `response` as JSON."""
        return encode_json((self.response or LineResponse()).to_dict())


@dataclass(frozen=True)
class BrokenLine:
    """A line that could not be read, with its place in the file.

    Attributes:
        offset: bytes before it in the file.
        excerpt: its first bytes.
        custom_id: its `custom_id`, if that can still be read; else empty.
    """

    offset: int
    reason: str
    excerpt: bytes
    custom_id: str = ""


def read_lines(chunks: Iterable[bytes], url: str = "") -> Iterator[ResultLine | BrokenLine]:
    """Decode a result file given as chunks of bytes; broken lines are returned as `BrokenLine`.

    `url` is the endpoint's path, where it is known. No more than one line is held.
    """
    for offset, line, _ in split_lines(chunks):
        text = line if offset else line.removeprefix(b"\xef\xbb\xbf")
        if text and not text.isspace():
            yield decode_line(text, offset, url)
        del line, text  # not beside the next one


def decode_line(line: bytes, offset: int = 0, url: str = "") -> ResultLine | BrokenLine:
    """Decode one line."""
    try:
        value, strict = decode_json(line)
        custom_id = _custom_id(value, line)
    except JsonError as error:
        return _broken(line, offset, str(error))
    given, deep = value.get("response"), may_be_deep(line)
    try:
        body, remark = storable_body(_body(given), strict, deep, url)
    except JsonError as error:
        return BrokenLine(offset, str(error), line[:EXCERPT], custom_id)
    response = None if given is None else _response(mapping(given), body)
    reported = _error(value["error"], deep) if value.get("error") else None
    return ResultLine(custom_id, _text(value.get("id")), response, reported, url, remark)


def storable_body(body: Any, strict: bool, deep: bool, url: str = "") -> tuple[Any, str]:
    """A body as it can be stored, and a remark on what was replaced in it.

    `strict` is that of `decode_json`, `deep` that of `may_be_deep`.

    Raises:
        JsonError: it is nested too deeply, or a number that JSON does not have is part of what the answer says.
    """
    if deep and too_deep(body):
        raise JsonError(f"its body is nested more than {MAX_DEPTH} levels deep")
    if strict:
        return body, ""
    unicode = with_unicode(body)
    numbers = with_numbers(unicode)
    if _said(unicode, url) != _said(numbers, url):
        raise JsonError("a number that JSON does not have (NaN, Infinity, 1e999) is part of the answer")
    remarks = ["characters that are not Unicode became U+FFFD"] if unicode != body else []
    remarks += ["numbers that JSON does not have became null"] if numbers != unicode else []
    return numbers, " and ".join(remarks)


def _said(body: Any, url: str) -> tuple[object, ...]:
    """The parts of an answer that its readers need."""
    form = form_of(mapping(body), url)
    return form.text, form.refusal, form.tool_calls, form.embeddings


def _response(given: Mapping[str, Any], body: Any) -> LineResponse:
    status = whole_number(given.get("status_code"))
    known = status is not None and (status == 0 or 100 <= status <= 999)  # 0 is a line lost inside the provider
    return LineResponse(status if known else None, _text(given.get("request_id")) or None, body)


def _body(response: object) -> Any:
    """The body of a response; some servers write it in place of the response."""
    given = mapping(response)
    return given.get("body") if "body" in given or not is_known(given) else given


def _error(value: Any, deep: bool) -> ErrorReport | None:
    return ErrorReport(message=TOO_DEEP) if deep and too_deep(value) else report_of(with_unicode(value))


def _text(value: object) -> str:
    text = scalar_text(value)
    return text if text.isascii() else str(with_unicode(text))


def _custom_id(value: Any, line: bytes) -> str:
    """The key of a line.

    Raises:
        JsonError: the line is no object, or names no key, or two.
    """
    if not isinstance(value, dict):
        raise JsonError("a line must be a JSON object")
    found = value.get("custom_id")
    if isinstance(found, bool) or not isinstance(found, (str, int)):
        raise JsonError("custom_id must be a string")
    if line.count(b'"custom_id"') > 1 and _names_two(line):
        raise JsonError("it has two custom_ids, so that its answer may be that of either")
    return _text(found)


def _names_two(line: bytes) -> bool:
    try:
        pairs = json.loads(line.decode("utf-8", "replace"), object_pairs_hook=list, parse_int=str)
        return len({str(value) for name, value in pairs if name == "custom_id"}) > 1
    except (ValueError, RecursionError):
        return False


def _broken(line: bytes, offset: int, reason: str) -> BrokenLine:
    # Only before any nested object: an answer may contain another request's key.
    nested = line.find(b"{", 1)
    end = nested if nested >= 0 else len(line)
    found = _CUSTOM_ID.search(line, 0, end) if line.startswith(b"{") else None
    return BrokenLine(offset, reason, line[:EXCERPT], found[1].decode() if found else "")
