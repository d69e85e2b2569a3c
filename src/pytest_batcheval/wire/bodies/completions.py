"""Completions, the endpoint before chat: `choices[].text`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_batcheval.wire.bodies.chat import ChatBody, content_text
from pytest_batcheval.wire.plain import mappings


class CompletionsBody(ChatBody):
    """A completion: choices as in a chat, with their text in place of a message."""

    urls = ("/v1/completions",)

    @classmethod
    def recognises(cls, body: Mapping[str, Any]) -> bool:
        """Whether its first choice has `text` and no `message`."""
        first = next(iter(mappings(body.get("choices"))), {})
        return "text" in first and "message" not in first

    @property
    def text(self) -> str:
        """The text of the choice."""
        return content_text(self._choice.get("text"))

    def _has_content(self, choice: Mapping[str, Any]) -> bool:
        return isinstance(choice.get("text"), str) or super()._has_content(choice)
