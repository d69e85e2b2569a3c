"""Respondents that break the form of an answer: echo, refusals, letters without words."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_batcheval.catalogue.describe import full_parts, short_description
from pytest_batcheval.catalogue.load import CODES
from pytest_batcheval.simulator.respondents.patients import Faithful, Levels
from pytest_batcheval.simulator.respondents.protocol import Asked, Reply

_LABEL = {"ko": "저는 {} 사람이에요.", "en": "I am {}, that is me."}
_REFUSAL = {
    "ko": "저는 인공지능이라 그런 질문에는 답변할 수 없습니다.",
    "en": "As an AI language model I can't answer that.",
}


class Echo(Faithful):
    """Repeats the words it was described with instead of showing anything."""

    def reply(self, asked: Asked) -> Reply:
        """Opener and self-label."""
        told = asked.recognised
        words = short_description(told.levels, told.language) if told.levels else None
        if words is None and len(told.levels) == len(CODES):
            words = full_parts(told.levels, told.language)
        said = super().reply(asked)
        label = _LABEL[told.language].format(words) if words else ""
        return Reply(f"{label} {said.text}".strip(), told.persona, told.question)

    def levels(self, asked: Asked) -> Levels:
        """No pole."""
        return {}


@dataclass(frozen=True)
class Refuser(Faithful):
    """Refuses with probability `rate`, else is faithful."""

    rate: float = 0.3

    def reply(self, asked: Asked) -> Reply:
        """A refusal in the first person of a model, or the patient's answer."""
        told = asked.recognised
        if asked.chance("refuses").random() < self.rate:
            return Reply(_REFUSAL[told.language], told.persona, told.question)
        return super().reply(asked)


class Salad(Faithful):
    """A faithful answer with its letters shuffled: varied, and saying nothing."""

    def reply(self, asked: Asked) -> Reply:
        """The letters."""
        said = super().reply(asked)
        letters = list(said.text)
        asked.chance("salad").shuffle(letters)
        return Reply("".join(letters).strip(), said.persona, said.question)
