"""What a respondent is asked, and what it says."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from pytest_batcheval.catalogue.recognise import Recognised, recognise
from pytest_batcheval.simulator.ids import chance


@dataclass(frozen=True)
class Asked:
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

    def chance(self, *names: object) -> random.Random:
        """Random numbers for one purpose; the same for the same seed, body and sample."""
        return chance(self.seed, self.key, *names)


@dataclass(frozen=True)
class Reply:
    """What a respondent says.

    Attributes:
        persona, question: ids that it recognised, `None` for none.
        planted: the pole shown for each dimension of which a sign was put into the text: -1 or 1 by code.
        refused: whether the model marked it as a refusal.
    """

    text: str
    persona: str | None = None
    question: str | None = None
    planted: Mapping[str, int] = field(default_factory=dict)
    finish_reason: str = "stop"
    refused: bool = False


class Respondent(Protocol):
    """A name that goes into the origin, and a pure function."""

    @property
    def name(self) -> str:
        """How it is asked for: `faithful`, `noisy-0.3` …."""

    def reply(self, asked: Asked) -> Reply:
        """The reply to a request; the same for the same seed, body and sample."""
