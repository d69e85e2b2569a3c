"""Respondents whose answers are degenerate: echoes, refusals, shuffled letters."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pytest_batcheval.catalogue.describe import short_description
from pytest_batcheval.catalogue.load import dimensions
from pytest_batcheval.simulator.respondents.patients import FlatPatient, Patient
from pytest_batcheval.simulator.respondents.phrases import refusals, self_label
from pytest_batcheval.simulator.respondents.protocol import RespondentReply, RespondentRequest

_LONGEST_LABEL = 200


class EchoPatient(FlatPatient):
    """A patient that repeats its description instead of showing traits."""

    def reply(self, request: RespondentRequest) -> RespondentReply:
        """A self-label, an opener and fillers."""
        said = super().reply(request)
        label = self_label(request.recognised.language, _described(request))
        return replace(said, text=f"{label} {said.text}")


@dataclass(frozen=True)
class RefusingPatient(Patient):
    """A patient that refuses with probability `rate`, half of the time marked as a refusal, and else is faithful."""

    rate: float = 0.3

    def reply(self, request: RespondentRequest) -> RespondentReply:
        """A refusal in the model's own voice, or the patient's answer."""
        recognised = request.recognised
        if request.chance("refuses").random() >= self.rate:
            return super().reply(request)
        text = request.chance("refusal").choice(refusals(recognised.language))
        marked = request.chance("marked").random() < 0.5
        return RespondentReply(text, recognised.persona, recognised.question, refused=marked)


class SaladPatient(Patient):
    """A patient whose faithful answer has its letters shuffled: varied, without meaning."""

    def reply(self, request: RespondentRequest) -> RespondentReply:
        """The shuffled letters."""
        said = super().reply(request)
        letters = list(said.text)
        request.chance("salad").shuffle(letters)
        return replace(said, text="".join(letters).strip(), planted={})


def _described(request: RespondentRequest) -> str:
    """The persona's description: its types, else its poles, else the beginning of the request's setting."""
    recognised = request.recognised
    levels, language = recognised.levels, recognised.language
    poles = [d.pole(levels[d.code]).phrase[language] for d in dimensions() if levels.get(d.code)]
    words = short_description(levels, language) or ", ".join(poles)
    return words or " ".join(request.setting.split())[:_LONGEST_LABEL]
