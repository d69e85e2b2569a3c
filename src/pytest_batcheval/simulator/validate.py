"""What the API checks of a batch's input file after a create: every fault with its line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

MAX_REQUESTS = 50_000
_REQUIRED = ("custom_id", "method", "url", "body")
_MODEL_LINE = "The requests of a batch must all name the same model; this one names another."


Line = tuple[str, Mapping[str, Any]]
Fault = dict[str, Any]


def read_input(path: Path, endpoint: str) -> tuple[list[Line], list[Fault]]:
    """The requests of an input file by `custom_id`, and the faults that fail the batch."""
    lines: list[Line] = []
    faults: list[Fault] = []
    seen: set[str] = set()
    models: set[str] = set()
    number = 0
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            if not raw.strip():
                continue
            parsed = _parse(raw)
            if parsed is None:
                faults.append(fault("invalid_json_line", "This line is not parseable as valid JSON.", number))
                continue
            found = list(_line_faults(parsed, endpoint, number, seen, models))
            faults += found
            if not found:
                lines.append((str(parsed["custom_id"]), parsed["body"]))
    if not lines and not faults:
        text = "The input file is empty. Please ensure that the batch contains at least one request."
        faults.append(fault("empty_file", text))
    if len(lines) > MAX_REQUESTS:
        faults.append(fault("too_many_requests", f"A batch has at most {MAX_REQUESTS} requests, not {len(lines)}."))
    return lines, faults


def fault(code: str, message: str, line: int | None = None, param: str | None = None) -> Fault:
    """One entry of a failed batch's `errors.data`."""
    return {"code": code, "message": message, "line": line, "param": param}


def _parse(raw: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _line_faults(
    line: Mapping[str, Any], endpoint: str, number: int, seen: set[str], models: set[str]
) -> Iterator[Fault]:
    for name in _REQUIRED:
        if name not in line:
            yield fault("missing_required_parameter", f"Missing required parameter: '{name}'.", number, name)
    if any(name not in line for name in _REQUIRED):
        return
    if line["url"] != endpoint:
        text = "The URL provided for this request does not match the batch endpoint."
        yield fault("invalid_url", text, number, "url")
    if line["method"] != "POST":
        yield fault("invalid_method", "The method of a batch request must be POST.", number, "method")
    custom_id = str(line["custom_id"])
    if custom_id in seen:
        yield fault("duplicate_custom_id", f"The custom_id '{custom_id}' is used twice.", number, "custom_id")
    seen.add(custom_id)
    yield from _body_faults(line["body"], number, models)


def _body_faults(body: object, number: int, models: set[str]) -> Iterator[Fault]:
    if not isinstance(body, dict):
        yield fault("invalid_request", "The body of a request must be an object.", number, "body")
        return
    if body.get("stream"):
        text = "Chat Completions: Streaming is not supported in the Batch API."
        yield fault("streaming_unsupported", text, number, "body.stream")
    model = body.get("model")
    if not model:
        yield fault("invalid_request", "Model parameter is required.", number, "body.model")
    elif models and model not in models:
        yield fault("mismatched_model", _MODEL_LINE, number, "body.model")
    models.add(str(model))
