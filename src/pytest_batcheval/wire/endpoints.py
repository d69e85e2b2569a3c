"""Paths of the endpoints whose requests a batch can hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
EMBEDDINGS = "/v1/embeddings"
ENDPOINTS = (CHAT, RESPONSES, EMBEDDINGS)
"""Those of prompts, which the simulator answers."""

MESSAGES = "/v1/messages"
"""Anthropic's endpoint."""

GENERATE = "/v1beta/models:generateContent"
"""Gemini's endpoint, whose model is a member of our bodies and a part of Google's URLs."""

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
"""The endpoints of OpenAI's Batch API, with the required member of their bodies."""


def endpoint_of(body: Mapping[str, Any]) -> str | None:
    """The endpoint of a body: `messages` means chat, `input` means responses, `contents` means Gemini's."""
    if "messages" in body:
        return CHAT
    if "contents" in body:
        return GENERATE
    return RESPONSES if "input" in body else None
