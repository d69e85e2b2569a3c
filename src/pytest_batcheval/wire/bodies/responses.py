"""The Responses API: `output` items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_batcheval.wire.bodies.chat import refusal_of
from pytest_batcheval.wire.bodies.error_report import ErrorReport
from pytest_batcheval.wire.bodies.form import BodyForm, ToolCall, argument_text, no_answer
from pytest_batcheval.wire.endpoints import RESPONSES
from pytest_batcheval.wire.plain import mapping, mappings, scalar_text

_UNFINISHED = ("failed", "queued", "in_progress")
"""Statuses without an answer, whatever is in `output`."""


class ResponsesBody(BodyForm):
    """A response; its words are those of the final answer, not of comments on the way to it."""

    urls = (RESPONSES,)

    @classmethod
    def recognises(cls, body: Mapping[str, Any]) -> bool:
        """Whether it says that it is a response, or has `output`."""
        return body.get("object") == "response" or "output" in body

    @property
    def failure(self) -> ErrorReport | None:
        """That its status is one without an answer, or that it has no output; thoughts alone explain no end."""
        status = self.body.get("status")
        if status in _UNFINISHED:
            return no_answer(f"the response is {status}")
        items = self._items
        if status not in ("incomplete", "cancelled"):
            items = [item for item in items if item.get("type") != "reasoning"]
        if items:
            return None
        why = scalar_text(mapping(self.body.get("incomplete_details")).get("reason"))
        state = scalar_text(status) + (f" ({why})" if why else "")
        return no_answer(f"the response is {state}, without output" if state else "the response has no output")

    @property
    def text(self) -> str:
        """The text parts of the last message: of those with the phase `final_answer`, else of those without a phase."""
        parts = mappings(self._final.get("content"))
        return "".join(_text(part.get("text")) for part in parts if part.get("type") == "output_text")

    @property
    def finish_reason(self) -> str | None:
        """`stop` for a completed response, `length` for one that reached its limit; else the reason, or the status."""
        status = self.body.get("status")
        if status == "completed":
            return "stop"
        reason = mapping(self.body.get("incomplete_details")).get("reason")
        return "length" if reason == "max_output_tokens" else _text(reason) or _text(status) or None

    @property
    def refusal(self) -> str | None:
        """The words of its first refusal part."""
        return next(filter(None, (refusal_of(item.get("content")) for item in self._items)), None)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The items that wait for a result: function calls, calls of custom tools, of a computer, of a shell."""
        return tuple(self._calls())

    @property
    def _items(self) -> list[Mapping[str, Any]]:
        return mappings(self.body.get("output"))

    @property
    def _final(self) -> Mapping[str, Any]:
        messages = [item for item in self._items if item.get("type", "message") == "message"]
        messages = [item for item in messages if item.get("role", "assistant") == "assistant"]
        final = [item for item in messages if item.get("phase") == "final_answer"]
        plain = [item for item in messages if not item.get("phase")]
        return next(reversed(final or plain or messages), {})

    def _calls(self) -> Iterator[ToolCall]:
        for item in self._items:
            kind = scalar_text(item.get("type"))
            if kind.endswith("_call") and item.get("call_id"):
                name = scalar_text(item.get("name")) or kind
                given = (item[member] for member in ("arguments", "input", "action", "operation") if member in item)
                yield ToolCall(scalar_text(item["call_id"]), name, argument_text(next(given, None)))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
