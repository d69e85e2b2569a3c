"""What a respondent is asked, and what it says."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from pytest_batcheval.catalogue.load import questions
from pytest_batcheval.catalogue.recognise import Recognised, recognise
from pytest_batcheval.simulator.ids import chance
from pytest_batcheval.simulator.respondents.messages import messages, storable


@dataclass(frozen=True)
class RespondentRequest:
    """One request as a respondent meets it.

    Attributes:
        prompt: all words of the request.
        seed: the server's seed.
        key: what makes this execution different from others: hash of body and sample.
        body: the request body in the API's own terms.
    """

    prompt: str
    seed: int
    key: str
    body: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def recognised(self) -> Recognised:
        """The persona and question of the catalogue that the prompt holds."""
        return recognise(self.prompt)

    @cached_property
    def messages(self) -> list[tuple[str, str]]:
        """Role and text of each message."""
        return messages(self.body)

    @cached_property
    def setting(self) -> str:
        """What is said before the last message, or a single message without its question: whom to play."""
        before = "\n".join(text for _, text in self.messages[:-1])
        return before or storable(_without_question(self.prompt))

    @property
    def topic(self) -> str:
        """What is asked: the catalogue's id, or the last of several messages; empty when neither is there."""
        if self.recognised.question is not None:
            return self.recognised.question
        return self.messages[-1][1] if len(self.messages) > 1 else ""

    def chance(self, *names: object) -> random.Random:
        """Random numbers for one purpose; the same for the same seed, body and sample."""
        return chance(self.seed, self.key, *names)


@dataclass(frozen=True)
class RespondentReply:
    """What a respondent says.

    Attributes:
        persona, question: ids that it recognised, `None` for none.
        planted: the pole shown for each dimension of which a sign was put into the text: -1 or 1 by code.
        finish_reason: `stop`, `length` or `content_filter`.
        refused: whether the model marked it as a refusal, which the text then is.
        status_code: of the response; any but 200 makes the text an error's message.
    """

    text: str
    persona: str | None = None
    question: str | None = None
    planted: Mapping[str, int] = field(default_factory=dict)
    finish_reason: str = "stop"
    refused: bool = False
    status_code: int = 200


class Respondent(Protocol):
    """A name that goes into the origin, and a pure function."""

    @property
    def name(self) -> str:
        """How it is asked for: `faithful`, `noisy-0.3` …."""

    def reply(self, asked: RespondentRequest) -> RespondentReply:
        """The reply to a request; the same for the same seed, body and sample."""


def _without_question(prompt: str) -> str:
    for question in questions():
        for wording in question.text.values():
            prompt = prompt.replace(wording, "")
    return prompt
