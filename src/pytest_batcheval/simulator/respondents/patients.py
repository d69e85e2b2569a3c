"""Patients: an opener for the question, then a sign of a pole or a filler for each dimension it targets.

They differ in the poles they show. One that shows the prompted poles passes every measure; each of
the others has a defect that some measure must detect.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_batcheval.catalogue.load import CODES, dimensions, fillers, openers, questions
from pytest_batcheval.simulator.ids import chance, digest
from pytest_batcheval.simulator.respondents.protocol import RespondentReply, RespondentRequest

USUAL_SHARE = 0.75
"""Probability that a sign of the prompted pole is shown at each opportunity."""

SENTENCES = 3
"""Opportunities to show a sign where the question's targets are unknown."""

TEMPERAMENT = ("NS", "HA", "RD", "P")
"""The dimensions that `PartialPatient` shows by default."""

Levels = Mapping[str, int]

GOOD: Levels = {"NS": 1, "HA": -1, "RD": 1, "P": 1, "SD": 1, "CO": 1, "ST": 1}
"""The poles that make a good impression."""


@dataclass(frozen=True)
class Patient:
    """Shows the prompted poles, each with probability `share`: the faithful patient, and the base of the others."""

    name: str = "faithful"
    share: float = USUAL_SHARE

    def reply(self, request: RespondentRequest) -> RespondentReply:
        """The patient's answer."""
        recognised = request.recognised
        levels = self.levels(request)
        opener = self.opener(request)
        sentences = [opener]
        planted: dict[str, int] = {}
        unused = [filler for filler in fillers(recognised.language) if filler != opener]
        request.chance("fillers").shuffle(unused)
        for code in self.targets(request):
            level = levels.get(code, 0)
            if level and request.chance("shown", code).random() < self.share:
                sentences.append(request.chance("sign", code).choice(_utterances(code, level, recognised.language)))
                planted[code] = level
            else:
                sentences.append(unused.pop())
        return RespondentReply(" ".join(sentences), recognised.persona, recognised.question, planted)

    def levels(self, request: RespondentRequest) -> Levels:
        """The pole to show by dimension: -1, 1, or 0 for none."""
        return request.recognised.levels

    def targets(self, request: RespondentRequest) -> tuple[str, ...]:
        """The dimensions with an opportunity, in the order of the question."""
        known = next((q.targets for q in questions() if q.id == request.recognised.question), None)
        return known or tuple(request.chance("targets").sample(CODES, SENTENCES))

    def opener(self, request: RespondentRequest) -> str:
        """A first sentence that fits the question and shows no trait."""
        language = request.recognised.language
        if request.recognised.question is None:
            return request.chance("opener").choice(fillers(language))
        return request.chance("opener").choice(openers(request.recognised.question, language))


class BlindPatient(Patient):
    """Shows random poles in every answer, whatever its persona."""

    def levels(self, request: RespondentRequest) -> Levels:
        """Random poles of this answer."""
        return {code: request.chance("level", code).choice((-1, 1)) for code in CODES}


class PromptSensitivePatient(BlindPatient):
    """Shows random poles that are the same in each sample of a request: consistent, but without a persona."""

    def reply(self, request: RespondentRequest) -> RespondentReply:
        """The answer to the body, whatever the sample."""
        return super().reply(
            RespondentRequest(
                request.prompt,
                request.seed,
                digest(json.dumps(request.body, sort_keys=True, default=str)),
                request.body,
            )
        )


class FlatPatient(Patient):
    """Shows no traits at all: openers and fillers."""

    def levels(self, request: RespondentRequest) -> Levels:
        """No pole."""
        return {}


class InvertedPatient(Patient):
    """Shows the opposite of every prompted pole."""

    def levels(self, request: RespondentRequest) -> Levels:
        """The opposite poles."""
        return {code: -level for code, level in request.recognised.levels.items()}


@dataclass(frozen=True)
class NoisyPatient(Patient):
    """Shows the opposite of a prompted pole with probability `wrong`, drawn for each dimension of each answer."""

    wrong: float = 0.45

    def levels(self, request: RespondentRequest) -> Levels:
        """The prompted poles, some of them inverted."""
        return {
            code: -level if request.chance("wrong", code).random() < self.wrong else level
            for code, level in request.recognised.levels.items()
        }


@dataclass(frozen=True)
class PartialPatient(Patient):
    """Shows the prompted poles of some dimensions only."""

    shown: tuple[str, ...] = TEMPERAMENT

    def levels(self, request: RespondentRequest) -> Levels:
        """The prompted poles of the shown dimensions."""
        return {code: level for code, level in request.recognised.levels.items() if code in self.shown}


class HaloPatient(Patient):
    """Shows all good or all bad poles, by the majority of its prompted poles."""

    def levels(self, request: RespondentRequest) -> Levels:
        """The good poles, or all their opposites; at random for an unknown persona."""
        prompted = request.recognised.levels
        liking = sum(GOOD[code] * level for code, level in prompted.items())
        if not prompted:
            liking = chance(request.seed, "halo", request.setting).choice((-1, 1))
        return {code: (liking > 0) * level - (liking < 0) * level for code, level in GOOD.items()}


@dataclass(frozen=True)
class CollapsedPatient(FlatPatient):
    """Gives every persona the same answer: one for each question, or one for all questions."""

    everywhere: bool = False

    def reply(self, request: RespondentRequest) -> RespondentReply:
        """The answer for this question, or for all, in the language of the prompt."""
        recognised = request.recognised
        topic = "" if self.everywhere else request.topic
        key = digest("collapsed", topic, recognised.language)
        if self.everywhere:
            said = chance(request.seed, key).sample(fillers(recognised.language), SENTENCES)
            return RespondentReply(" ".join(said), recognised.persona, recognised.question)
        return super().reply(RespondentRequest(request.prompt, request.seed, key, request.body))


class PlaceboPatient(Patient):
    """Has habits of wording that depend on the persona's words but mean nothing: the floor of differentiation."""

    def reply(self, request: RespondentRequest) -> RespondentReply:
        """An opener and fillers, one of them from the persona's few favourites."""
        recognised = request.recognised
        persona = tuple(recognised.levels.items()) or request.setting
        fond = chance(request.seed, "habit", persona).sample(fillers(recognised.language), 3)
        said = [self.opener(request), request.chance("fond").choice(fond)]
        rest = [sentence for sentence in fillers(recognised.language) if sentence not in said]
        said += request.chance("rest").sample(rest, 2)
        return RespondentReply(" ".join(said), recognised.persona, recognised.question)


def _utterances(code: str, level: int, language: str) -> tuple[str, ...]:
    dimension = next(d for d in dimensions() if d.code == code)
    return dimension.pole(level).utterances[language]
