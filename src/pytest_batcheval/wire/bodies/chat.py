"""Chat completions: `choices[].message`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from pytest_batcheval.wire.bodies.error_report import ErrorReport, report_of
from pytest_batcheval.wire.bodies.form import NO_ANSWER, BodyForm, ToolCall, argument_text, no_answer
from pytest_batcheval.wire.endpoints import CHAT
from pytest_batcheval.wire.plain import mapping, mappings, scalar_text

_UNEXPLAINED = (None, "", "stop", "error")
"""Finish reasons that do not explain a choice without content."""

_REASONS = {"model_length": "length"}
"""The API's words for those of other providers."""

_UNSAID = ("role", "prefix")
"""Members of a message that say nothing."""


class ChatBody(BodyForm):
    """A chat completion; of several choices the first that is an answer is read."""

    urls: ClassVar[Sequence[str]] = (CHAT, "/v1/fim/completions")

    @classmethod
    def recognises(cls, body: Mapping[str, Any]) -> bool:
        """Whether it has `choices`."""
        return "choices" in body

    @property
    def failure(self) -> ErrorReport | None:
        """That it has no choice, only choices without content, or only choices that failed."""
        if self._usable:
            return None
        failed = next(filter(None, (report_of(choice.get("error")) for choice in self._choices)), None)
        if failed is not None:
            return ErrorReport(failed.code or NO_ANSWER, failed.message)
        return no_answer("no choice of the body has any content" if self._choices else "the body has no choices")

    @property
    def text(self) -> str:
        """The content of the message; of a list of parts the text parts, joined."""
        return content_text(self._message.get("content"))

    @property
    def finish_reason(self) -> str | None:
        """As sent, but `length` for a model's own limit (`model_length`)."""
        reason = self._choice.get("finish_reason")
        return _REASONS.get(reason, reason) if isinstance(reason, str) else None

    @property
    def refusal(self) -> str | None:
        """The message's `refusal`, or that of its first refusal part."""
        return scalar_text(self._message.get("refusal")) or refusal_of(self._message.get("content"))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The message's `tool_calls`, and its `function_call` of former times."""
        return tuple(self._calls())

    @cached_property
    def _choices(self) -> list[Mapping[str, Any]]:
        return mappings(self.body.get("choices"))

    @cached_property
    def _usable(self) -> list[Mapping[str, Any]]:
        return [choice for choice in self._choices if not _failed(choice) and self._has_content(choice)]

    @property
    def _choice(self) -> Mapping[str, Any]:
        return next(iter(self._usable or self._choices), {})

    @property
    def _message(self) -> Mapping[str, Any]:
        return _said(self._choice)

    def _has_content(self, choice: Mapping[str, Any]) -> bool:
        if choice.get("finish_reason") not in _UNEXPLAINED:
            return True
        return any(value not in (None, [], {}) for name, value in _said(choice).items() if name not in _UNSAID)

    def _calls(self) -> Iterator[ToolCall]:
        for call in mappings(self._message.get("tool_calls")):
            called = mapping(call.get("function") or call.get("custom"))
            yield _called(scalar_text(call.get("id")), called)
        if former := mapping(self._message.get("function_call")):
            yield _called("", former)


def _said(choice: Mapping[str, Any]) -> Mapping[str, Any]:
    """The message of a choice; of several, as after calls that the provider itself made, the last."""
    return mapping(choice.get("message")) or next(reversed(mappings(choice.get("messages"))), {})


def content_text(content: object) -> str:
    """The text of a message's content: a string, or a list of parts, whose text parts are joined."""
    if isinstance(content, list):
        return "".join(part if isinstance(part, str) else _part_text(mapping(part)) for part in content)
    return "" if content is None else str(content)


def refusal_of(content: object) -> str | None:
    """The words of the first part of a content that is marked as a refusal."""
    parts = (part for part in mappings(content) if part.get("type") == "refusal")
    return next(filter(None, (scalar_text(part.get("refusal")) for part in parts)), None)


def _part_text(part: Mapping[str, Any]) -> str:
    text = part.get("text")
    return text if part.get("type") in ("text", "output_text", None) and isinstance(text, str) else ""


def _failed(choice: Mapping[str, Any]) -> bool:
    return choice.get("finish_reason") == "error" or report_of(choice.get("error")) is not None


def _called(identifier: str, called: Mapping[str, Any]) -> ToolCall:
    return ToolCall(
        identifier, scalar_text(called.get("name")), argument_text(called.get("arguments", called.get("input")))
    )
