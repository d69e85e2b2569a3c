"""Anthropic's Messages API: `content` blocks and `stop_reason`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from pytest_batcheval.wire.bodies.error_report import ErrorReport
from pytest_batcheval.wire.bodies.form import BodyForm, ToolCall, argument_text, count, no_answer
from pytest_batcheval.wire.plain import mappings, scalar_text

_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""Finish reasons in the words of chat completions; others stay as they are."""

_INPUT = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
"""Parts of the input, which this API counts apart (its documentation of prompt caching)."""


class MessagesBody(BodyForm):
    """A message; its words are those after its last use of a tool, or before it if nothing comes after."""

    urls = ("/v1/messages",)

    @classmethod
    def recognises(cls, body: Mapping[str, Any]) -> bool:
        """Whether it says that it is a message, or has `content` and `stop_reason`."""
        return "content" in body and (body.get("type") == "message" or "stop_reason" in body)

    @property
    def failure(self) -> ErrorReport | None:
        """That it has no content, and no reason for that but the end of the turn."""
        if self._blocks or self.finish_reason not in (None, "stop"):
            return None
        return no_answer("the message has no content")

    @property
    def text(self) -> str:
        """Its last run of text blocks, joined."""
        runs = groupby(self._blocks, lambda block: block.get("type") == "text")
        texts = ["".join(scalar_text(block.get("text")) for block in run) for is_text, run in runs if is_text]
        return next((text for text in reversed(texts) if text), "")

    @property
    def finish_reason(self) -> str | None:
        """The `stop_reason` in the words of chat completions."""
        reason = scalar_text(self.body.get("stop_reason"))
        return _REASONS.get(reason, reason) or None

    @property
    def refusal(self) -> str | None:
        """Its words, when it stopped with `refusal`."""
        return self.text or "refusal" if self.body.get("stop_reason") == "refusal" else None

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """Its `tool_use` blocks."""
        used = (block for block in self._blocks if block.get("type") == "tool_use")
        return tuple(
            ToolCall(scalar_text(b.get("id")), scalar_text(b.get("name")), argument_text(b.get("input"))) for b in used
        )

    @property
    def tokens(self) -> tuple[int, int]:
        """Input with what was written to the cache and read from it, and output."""
        usage = self.usage
        return sum(count(usage.get(name)) for name in _INPUT), count(usage.get("output_tokens"))

    @property
    def _blocks(self) -> list[Mapping[str, Any]]:
        return mappings(self.body.get("content"))
