"""Gemini's generateContent: `candidates` with parts, `promptFeedback`, `usageMetadata`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from pytest_batcheval.wire.bodies.error_report import ErrorReport
from pytest_batcheval.wire.bodies.form import BodyForm, ToolCall, argument_text, count, no_answer
from pytest_batcheval.wire.endpoints import GENERATE
from pytest_batcheval.wire.plain import mapping, mappings, scalar_text

_FILTERED = (
    *("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "ESCALATION", "MODEL_ARMOR"),
    *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"),
)
_REASONS = {"STOP": "stop", "MAX_TOKENS": "length", **dict.fromkeys(_FILTERED, "content_filter")}
"""Finish reasons in the words of chat completions; others stay as they are."""

_INPUT = ("promptTokenCount", "toolUsePromptTokenCount")
_OUTPUT = ("candidatesTokenCount", "thoughtsTokenCount")
"""Parts of what is billed as output; cached tokens are among those of the prompt."""


class GenerateContentBody(BodyForm):
    """A response with candidates, of which the first with content is read; thoughts are no part of its words."""

    urls = (GENERATE,)

    @classmethod
    def recognises(cls, body: Mapping[str, Any]) -> bool:
        """Whether it has candidates, feedback on the prompt, or the usage of this API."""
        return not {"candidates", "promptFeedback", "usageMetadata"}.isdisjoint(body)

    @property
    def failure(self) -> ErrorReport | None:
        """That it has no candidate with content, and nothing that explains it."""
        if self._blocked or self._parts or self._reason not in ("", "STOP", "FINISH_REASON_UNSPECIFIED"):
            return None
        return no_answer("no candidate has any content" if self._candidates else "the body has no candidates")

    @property
    def text(self) -> str:
        """The text parts of the candidate, joined, without thoughts."""
        return "".join(scalar_text(part.get("text")) for part in self._parts if part.get("thought") is not True)

    @property
    def finish_reason(self) -> str | None:
        """The `finishReason` in the words of chat completions; a prompt that was blocked is filtered."""
        if self._reason == "STOP" and self.tool_calls:
            return "tool_calls"
        return _REASONS.get(self._reason, self._reason) or ("content_filter" if self._blocked else None)

    @property
    def refusal(self) -> str | None:
        """The reason for which the prompt was blocked or the candidate filtered; its words where it has some."""
        if self._reason in _FILTERED:
            return scalar_text(self._candidate.get("finishMessage")) or self._reason
        return None if self._reason else self._blocked or None

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """Its `functionCall` parts."""
        calls = (mapping(part.get("functionCall")) for part in self._parts)
        return tuple(
            ToolCall(scalar_text(c.get("id")), scalar_text(c.get("name")), argument_text(c.get("args")))
            for c in calls
            if c
        )

    @property
    def usage(self) -> Mapping[str, Any]:
        """Its `usageMetadata`."""
        return mapping(self.body.get("usageMetadata"))

    @property
    def model(self) -> str:
        """Its `modelVersion`."""
        return scalar_text(self.body.get("modelVersion"))

    @property
    def tokens(self) -> tuple[int, int]:
        """Input with that of tools, and output with thoughts."""
        given, written = (sum(count(self.usage.get(name)) for name in names) for names in (_INPUT, _OUTPUT))
        return given, written

    @cached_property
    def _candidates(self) -> list[Mapping[str, Any]]:
        return mappings(self.body.get("candidates"))

    @cached_property
    def _candidate(self) -> Mapping[str, Any]:
        found = (candidate for candidate in self._candidates if _parts_of(candidate))
        return next(found, next(iter(self._candidates), {}))

    @property
    def _parts(self) -> list[Mapping[str, Any]]:
        return _parts_of(self._candidate)

    @property
    def _reason(self) -> str:
        return scalar_text(self._candidate.get("finishReason"))

    @property
    def _blocked(self) -> str:
        feedback = mapping(self.body.get("promptFeedback"))
        return scalar_text(feedback.get("blockReasonMessage") or feedback.get("blockReason"))


def _parts_of(candidate: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return mappings(mapping(candidate.get("content")).get("parts"))
