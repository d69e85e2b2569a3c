"""The form of a file that is given as a batch's input or results, by its first bytes and its first line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_batcheval.text.file_head import form_by_head
from pytest_batcheval.wire.input_file import OFFICIAL
from pytest_batcheval.wire.json_text import JsonError, decode_json
from pytest_batcheval.wire.lines import chunks, split_lines
from pytest_batcheval.wire.plain import mapping

HEAD = 2**16
"""Bytes by which a file that is not JSON lines is recognised."""

LONGEST = 2**26
"""Bytes of a first line that is read."""

INPUT, RESULTS, OTHER = "input", "results", "other"


@dataclass(frozen=True)
class FileForm:
    """The form of a file.

    Attributes:
        kind: `input` and `results` of a batch, or `other`.
        what: the form and the remedy, in words that follow "is"; empty for an input file.
        lines: whether it has JSON lines, so that each of them can be named.
    """

    kind: str
    what: str = ""
    lines: bool = False


UNKNOWN = FileForm(OTHER)


def form_of_file(path: Path) -> FileForm:
    """The form of a file; `UNKNOWN` for one that is missing, not a regular file, or of no form that is known."""
    if path.is_dir():
        return FileForm(OTHER, "a directory; give the path of a file in it")
    if not path.is_file():
        return UNKNOWN
    try:
        with path.open("rb") as stream:
            head = stream.read(HEAD)
            stream.seek(0)
            first = next((line for _, line, _ in split_lines(chunks(stream), LONGEST) if line.strip(_BLANK)), b"")
    except OSError:
        return UNKNOWN
    what = _by_bytes(head) or _by_text(head.removeprefix(_BOM).lstrip().lower())
    return FileForm(OTHER, what) if what else _by_line(first.removeprefix(_BOM), head)


_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n" + _BOM


def _by_bytes(head: bytes) -> str:
    if not head.strip(_BLANK):
        return "empty; write one request per line"
    found = form_by_head(head)
    if not found and b"\r" in head.strip() and b"\n" not in head:
        return "one line, since its lines end with CR alone; write them with LF (tr '\\r' '\\n')"
    return found


def _by_text(text: bytes) -> str:
    if text.startswith((b"<!doctype html", b"<html")):
        return "an HTML page, such as that of a login or an error; download the file again"
    if text.startswith(b"<"):
        return "XML; give a file of JSON lines"
    if text.startswith(b"["):
        return "one JSON array; write one object per line (jq -c '.[]')"
    if text.startswith(b"{") and not text.partition(b"\n")[0].strip(b"{ \t\r"):
        return "one JSON object over several lines; write each object in a line of its own (jq -c .)"
    return ""


def _by_line(line: bytes, head: bytes) -> FileForm:
    try:
        value, _ = decode_json(line)
    except JsonError:
        return FileForm(OTHER, "CSV; write one JSON object per line") if _is_table(head) else UNKNOWN
    if not isinstance(value, dict):
        return UNKNOWN
    return next((form for is_one, form in _FORMS if is_one(value)), UNKNOWN)


def _is_table(head: bytes) -> bool:
    """Whether its first two lines have equal numbers of separators."""
    first, _, rest = head.partition(b"\n")
    second = rest.partition(b"\n")[0]
    counts = [(first.count(mark), second.count(mark)) for mark in (b",", b"\t", b";")]
    return not first.lstrip().startswith(b"{") and any(one and one <= other for one, other in counts)


def _has(*names: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda value: all(name in value for name in names)


def _other(what: str) -> FileForm:
    return FileForm(OTHER, what, lines=True)


_TAKEN = "the results of a batch, not its input"
_REWRITE = f"only lines of {', '.join(OFFICIAL)} are read; write each request in that form"
_FORMS: tuple[tuple[Callable[[Mapping[str, Any]], bool], FileForm], ...] = (
    (_has("custom_id", "params"), _other(f"of requests to Anthropic's Message Batches; {_REWRITE}")),
    (_has("custom_id", "result"), _other("of results of Anthropic's Message Batches, which cannot be imported")),
    (_has("recordId"), _other(f"of lines of Amazon Bedrock's batches; {_REWRITE}")),
    (
        lambda value: "contents" in mapping(value.get("request")),
        _other(f"of requests to Gemini's batches; {_REWRITE}"),
    ),
    (
        lambda value: "candidates" in mapping(value.get("response")),
        _other("of results of Gemini's batches, which cannot be imported"),
    ),
    (
        lambda value: "custom_id" in value and "body" not in value and ("response" in value or "error" in value),
        FileForm(RESULTS, _TAKEN, lines=True),
    ),
    (
        lambda value: "body" in value and not {"method", "url"} & value.keys(),
        _other(f"of requests to Mistral's or Together's batches (no method, no url); {_REWRITE}"),
    ),
    (lambda value: "messages" in value, _other(f"of chats without custom_id and body, as for fine-tuning; {_REWRITE}")),
    (lambda value: "input" in value or any(name in value for name in OFFICIAL), FileForm(INPUT, lines=True)),
)
"""The forms of a first line, the more special before."""
