"""One line of a batch input file, or of the simplified form, as a request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from pytest_batcheval.wire.key import BodyError, canonical
from pytest_batcheval.wire.objects import CHAT, EMBEDDINGS, RESPONSES, Request

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
