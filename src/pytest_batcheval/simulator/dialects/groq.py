"""Groq's API: OpenAI's with lists that have no pages, and windows up to a week; after the types of its SDK 1.7."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pytest_batcheval.simulator.batch.form import DAY, openai_line
from pytest_batcheval.simulator.dialects.dialect import Dialect, View
from pytest_batcheval.simulator.dialects.openai import ANY_NAME, CALLS
from pytest_batcheval.simulator.http_exchange import HttpReply

WINDOWS = {f"{hours}h": hours * 3_600 for hours in range(24, 169)} | {f"{days}d": days * DAY for days in range(1, 8)}
"""Any duration from a day to a week."""

_UNKNOWN = {
    "batch": ("model", "usage"),
    "file": ("expires_at", "status", "status_details"),
    "list": ("has_more", "first_id", "last_id"),
}


class Groq(Dialect):
    """Groq's API."""

    def shown(self, reply: HttpReply, view: View) -> HttpReply:
        """The reply without members that its types do not have."""
        return replace(reply, body=_shown(reply.body)) if isinstance(reply.body, dict) else reply


def result_line(
    name: str, custom_id: str, response: Mapping[str, Any] | None, error: Mapping[str, Any] | None
) -> dict[str, Any]:
    """A line of an output or error file."""
    shown = response and {**response, "body": _shown(response["body"])}
    return openai_line(name, custom_id, shown, error)


def _shown(body: dict[str, Any]) -> dict[str, Any]:
    if body.get("object") == "chat.completion":
        return {**body, "service_tier": "on_demand"}
    unknown = _UNKNOWN.get(str(body.get("object")), ())
    known = {name: value for name, value in body.items() if name not in unknown}
    if body.get("object") == "list":
        known["data"] = [_shown(item) for item in body["data"]]
    return known


GROQ = Groq("groq", CALLS, path="/openai/v1", usual=ANY_NAME, line=result_line, windows=WINDOWS)
