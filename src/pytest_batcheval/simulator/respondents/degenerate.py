"""Respondents that break the form of an answer: echo, refusals, letters without words."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pytest_batcheval.catalogue.describe import short_description
from pytest_batcheval.catalogue.load import dimensions
from pytest_batcheval.simulator.respondents.patients import FlatPatient, Patient
from pytest_batcheval.simulator.respondents.phrases import refusals, self_label
from pytest_batcheval.simulator.respondents.protocol import RespondentReply, RespondentRequest

_LONGEST_LABEL = 200


class EchoPatient(FlatPatient):
    """Repeats the words it was described with instead of showing anything."""

    def reply(self, asked: RespondentRequest) -> RespondentReply:
        """Self-label, opener and fillers."""
        said = super().reply(asked)
        label = self_label(asked.recognised.language, _described(asked))
        return replace(said, text=f"{label} {said.text}")


@dataclass(frozen=True)
class RefusingPatient(Patient):
    """Refuses with probability `rate`, half of the time marked as a refusal; else it is faithful."""

    rate: float = 0.3

    def reply(self, asked: RespondentRequest) -> RespondentReply:
        """A refusal in the first person of a model, or the patient's answer."""
        told = asked.recognised
        if asked.chance("refuses").random() >= self.rate:
            return super().reply(asked)
        text = asked.chance("refusal").choice(refusals(told.language))
        marked = asked.chance("marked").random() < 0.5
        return RespondentReply(text, told.persona, told.question, refused=marked)


class SaladPatient(Patient):
    """A faithful answer with its letters shuffled: varied, and saying nothing."""

    def reply(self, asked: RespondentRequest) -> RespondentReply:
        """The letters."""
        said = super().reply(asked)
        letters = list(said.text)
        asked.chance("salad").shuffle(letters)
        return replace(said, text="".join(letters).strip(), planted={})


def _described(asked: RespondentRequest) -> str:
    """The words the persona was told in: its types, else its poles, else what the request says of it."""
    told = asked.recognised
    poles = [d.pole(told.levels[d.code]).phrase[told.language] for d in dimensions() if told.levels.get(d.code)]
    words = short_description(told.levels, told.language) or ", ".join(poles)
    return words or " ".join(asked.setting.split())[:_LONGEST_LABEL]
