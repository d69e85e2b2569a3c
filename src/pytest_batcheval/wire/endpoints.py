"""Paths of the endpoints whose requests a batch can hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
EMBEDDINGS = "/v1/embeddings"
ENDPOINTS = (CHAT, RESPONSES, EMBEDDINGS)


def endpoint_of(body: Mapping[str, Any]) -> str | None:
    """The endpoint of a body: `messages` means chat, `input` means responses."""
    if "messages" in body:
        return CHAT
    return RESPONSES if "input" in body else None
