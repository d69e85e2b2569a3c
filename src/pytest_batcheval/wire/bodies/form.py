"""A form of response body: the base of all, which reads what the forms have in common."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pytest_batcheval.wire.bodies.error_report import ErrorReport
from pytest_batcheval.wire.plain import mapping, whole_number

NO_ANSWER = "no_answer"
"""Code of a response of status 200 without an error and without an answer; it may have been paid."""

ECHOED = ("messages", "input", "prompt")
"""Members of a request: a body that has them and no result repeats the request."""


@dataclass(frozen=True)
class ToolCall:
    """A call of a tool that the model asks for, in the same shape for every endpoint.

    Attributes:
        id: the provider's id of the call, which the tool's result has to name; empty when it gave none.
        name: the tool's name; for a tool without one the type of the call, such as `computer_call`.
        arguments: its arguments as the model wrote them, usually JSON; for a custom tool its input.
    """

    id: str
    name: str
    arguments: str


class BodyForm:
    """A reader of one form of response body; each property is empty where the form or the body has nothing of it.

    Bodies come from outside: any member may be missing or of any type, and no property raises for it.

    Attributes:
        urls: paths of the endpoints that answer in this form.
    """

    urls: ClassVar[Sequence[str]] = ()

    def __init__(self, body: Mapping[str, Any]) -> None:
        self.body = body

    @classmethod
    def recognises(cls, body: Mapping[str, Any]) -> bool:
        """Whether the body has this form, whatever its endpoint."""
        return False

    @property
    def failure(self) -> ErrorReport | None:
        """The reason that the body, which reports no error, is no answer; `None` for an answer."""
        if not self.body:
            return no_answer("the body is empty")
        echoed = [name for name in ECHOED if name in self.body]
        return no_answer(f"the body repeats the request's `{echoed[0]}`, without a result") if echoed else None

    @property
    def text(self) -> str:
        """The words of the answer."""
        return ""

    @property
    def finish_reason(self) -> str | None:
        """The reason that the model stopped, in the words of chat completions where they have one for it."""
        return None

    @property
    def refusal(self) -> str | None:
        """The words of a refusal that is marked as one."""
        return None

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls of tools, in order."""
        return ()

    @property
    def embeddings(self) -> list[Any]:
        """The vectors in the order of the inputs, as sent: lists of numbers, or base64."""
        return []

    @property
    def usage(self) -> Mapping[str, Any]:
        """Token counts in the form's own terms."""
        return mapping(self.body.get("usage"))

    @property
    def model(self) -> str:
        """The model that served the answer."""
        return str(self.body.get("model", ""))

    @property
    def tokens(self) -> tuple[int, int]:
        """Input and output tokens; missing and implausible numbers count as 0."""
        usage = self.usage
        return (
            count(usage.get("prompt_tokens", usage.get("input_tokens"))),
            count(usage.get("completion_tokens", usage.get("output_tokens"))),
        )


def no_answer(reason: str) -> ErrorReport:
    """The failure of a body without a result."""
    return ErrorReport(NO_ANSWER, reason)


def count(number: object) -> int:
    """A number of tokens."""
    found = whole_number(number)
    return found if found is not None and 0 <= found < 2**31 else 0


def argument_text(arguments: object) -> str:
    """The arguments of a tool call as text."""
    if isinstance(arguments, str):
        return arguments
    return "" if arguments is None else json.dumps(arguments, ensure_ascii=False)
