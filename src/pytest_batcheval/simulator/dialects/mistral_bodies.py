"""Mistral's answers, result lines and errors, from those in the form of OpenAI's.

Forms of errors are those that users of the API report; docs/simulator.md says what is a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_batcheval.simulator.errors import NO_QUOTA
from pytest_batcheval.simulator.ids import digest

KINDS = {429: ("rate_limited", "1300"), 404: ("not_found", None), 409: ("conflict", None)}
"""Type and code of an error by its HTTP status."""

_USAGE = ("prompt_tokens", "completion_tokens", "total_tokens")
_MEMBERS = ("object", "created", "model", "x_simulator")


def answer(body: dict[str, Any]) -> dict[str, Any]:
    """A chat completion or embeddings without what this API does not have; any other body as it is."""
    if body.get("object") == "chat.completion":
        known = {name: body[name] for name in _MEMBERS if name in body}
        usage = {name: body["usage"][name] for name in _USAGE}
        choices = [_choice(choice) for choice in body["choices"]]
        return {"id": body["id"].removeprefix("chatcmpl-"), **known, "choices": choices, "usage": usage}
    if body.get("object") == "list" and "usage" in body:
        return {"id": digest("embeddings", body["data"])[:32], **body}
    return body


def _choice(choice: Mapping[str, Any]) -> dict[str, Any]:
    """A choice; refusals are words like others."""
    message = choice["message"]
    content = message["content"] if message.get("refusal") is None else message["refusal"]
    reason = {"content_filter": "stop"}.get(choice["finish_reason"], choice["finish_reason"])
    said = {"role": "assistant", "content": content, "tool_calls": message.get("tool_calls"), "prefix": False}
    return {"index": choice["index"], "finish_reason": reason, "message": said}


def result_line(
    name: str, custom_id: str, response: Mapping[str, Any] | None, error: Mapping[str, Any] | None
) -> dict[str, Any]:
    """A line of an output or error file."""
    shown = None
    if response is not None:
        status, body = response["status_code"], response["body"]
        status, body = refusal(status, body["error"]) if status != 200 else (status, answer(body))
        shown = {"status_code": status, "body": body}
    return {"id": name, "custom_id": custom_id, "response": shown, "error": error}


def refusal(status: int, error: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """HTTP status and body of an error."""
    text, param, code = error["message"], error.get("param"), error.get("code")
    if status == 401:
        return status, {"detail": "Unauthorized"}
    if code == NO_QUOTA:
        return 402, _object(402, text, "billing_error")
    if code == "model_not_found":
        return 400, _object(400, f"Invalid model: {text}", "invalid_model", "1500")
    if param and status in (400, 422):
        return 422, {"detail": [{"type": code, "loc": str(param).split("."), "msg": text, "input": None}]}
    kind, number = KINDS.get(status, (error.get("type"), code))
    return status, _object(status, text, kind, number)


def _object(status: int, message: object, kind: str | None, code: object = None) -> dict[str, Any]:
    shown = {"object": "error", "message": message, "type": kind, "param": None, "code": code}
    return {**shown, "raw_status_code": status}
