"""The protocol of respondents: request and reply."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from pytest_batcheval.catalogue.load import questions
from pytest_batcheval.catalogue.recognise import RecognisedPrompt, recognise
from pytest_batcheval.simulator.ids import chance
from pytest_batcheval.simulator.respondents.messages import messages
from pytest_batcheval.text.sanitize import storable


@dataclass(frozen=True)
class RespondentRequest:
    """One request to a respondent.

    Attributes:
        prompt: all text of the request.
        seed: the server's seed.
        key: the identity of this execution: a hash of body and sample.
        body: the request body in the API's own terms.
    """

    prompt: str
    seed: int
    key: str
    body: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def recognised(self) -> RecognisedPrompt:
        """The persona and question of the catalogue in the prompt."""
        return recognise(self.prompt)

    @cached_property
    def messages(self) -> list[tuple[str, str]]:
        """Role and text of each message."""
        return messages(self.body)

    @cached_property
    def setting(self) -> str:
        """The description of the role: the text before the last message, or a single message without its question."""
        before = "\n".join(text for _, text in self.messages[:-1])
        return before or storable(_without_question(self.prompt))

    @property
    def topic(self) -> str:
        """The question: its id in the catalogue, or the last of several messages; else empty."""
        if self.recognised.question is not None:
            return self.recognised.question
        return self.messages[-1][1] if len(self.messages) > 1 else ""

    def chance(self, *names: object) -> random.Random:
        """Random numbers for one purpose; the same for the same seed, body and sample."""
        return chance(self.seed, self.key, *names)


@dataclass(frozen=True)
class RespondentReply:
    """The reply of a respondent.

    Attributes:
        persona, question: the recognised ids; `None` for none.
        planted: the pole, -1 or 1 by code, of each dimension of which the text has a sign.
        finish_reason: `stop`, `length` or `content_filter`.
        refused: whether the text is a refusal, marked as one by the model.
        status_code: of the response; unless it is 200, the text is an error's message.
    """

    text: str
    persona: str | None = None
    question: str | None = None
    planted: Mapping[str, int] = field(default_factory=dict)
    finish_reason: str = "stop"
    refused: bool = False
    status_code: int = 200


class Respondent(Protocol):
    """A pure function from requests to replies, with a name that is part of the origin."""

    @property
    def name(self) -> str:
        """The name users type: `faithful`, `noisy-0.3` …."""

    def reply(self, request: RespondentRequest) -> RespondentReply:
        """The reply to a request; the same for the same seed, body and sample."""


def _without_question(prompt: str) -> str:
    for question in questions():
        for wording in question.text.values():
            prompt = prompt.replace(wording, "")
    return prompt
