"""The messages of a request body, of either endpoint, as role and text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_batcheval.text.sanitize import storable

SYSTEM = ("system", "developer")
"""The roles whose messages are instructions, not part of the conversation."""


def messages(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(role, text) of every message with text, in order; malformed messages are left out."""
    return [(role, text) for role, content in _contents(body) if (text := _text(content))]


def _contents(body: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    given = body.get("messages", body.get("contents", body.get("input")))
    instruction = body.get("systemInstruction", body.get("system_instruction"))
    parts = instruction.get("parts") if isinstance(instruction, dict) else None
    yield "system", body.get("instructions", body.get("system", parts))
    items = given if isinstance(given, list) else [{"role": "user", "content": given}]
    for item in items:
        if isinstance(item, dict):
            role = str(item.get("role", "user"))
            yield "assistant" if role == "model" else role, item.get("content", item.get("parts"))


def _text(content: object) -> str:
    parts = content if isinstance(content, list) else [{"text": content}]
    words = (part.get("text") for part in parts if isinstance(part, dict))
    return storable("\n".join(text for text in words if isinstance(text, str)))
