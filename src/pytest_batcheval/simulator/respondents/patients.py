"""Patients: an opener for the question, then for each dimension it targets a sign of a pole, or a filler.

They differ in which poles they show. One that shows the told ones passes every measure; each of
the others breaks the rule that some measure is there to notice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_batcheval.catalogue.load import CODES, dimensions, fillers, openers, questions
from pytest_batcheval.simulator.ids import chance, digest
from pytest_batcheval.simulator.respondents.protocol import RespondentReply, RespondentRequest

USUAL_SHARE = 0.75
"""Probability that a sign of the told pole is shown at each chance to show it."""

SENTENCES = 3
"""Chances to show a sign where a question targets nothing we know."""

TEMPERAMENT = ("NS", "HA", "RD", "P")
"""The dimensions that `PartialPatient` shows unless told otherwise."""

Levels = Mapping[str, int]

GOOD: Levels = {"NS": 1, "HA": -1, "RD": 1, "P": 1, "SD": 1, "CO": 1, "ST": 1}
"""The poles that make a good impression."""


@dataclass(frozen=True)
class Patient:
    """Shows the told poles, each with probability `share`: the faithful one, and the base of the others."""

    name: str = "faithful"
    share: float = USUAL_SHARE

    def reply(self, asked: RespondentRequest) -> RespondentReply:
        """The patient's answer."""
        told = asked.recognised
        levels = self.levels(asked)
        opener = self.opener(asked)
        sentences = [opener]
        planted: dict[str, int] = {}
        unused = [filler for filler in fillers(told.language) if filler != opener]
        asked.chance("fillers").shuffle(unused)
        for code in self.targets(asked):
            level = levels.get(code, 0)
            if level and asked.chance("shown", code).random() < self.share:
                sentences.append(asked.chance("sign", code).choice(_utterances(code, level, told.language)))
                planted[code] = level
            else:
                sentences.append(unused.pop())
        return RespondentReply(" ".join(sentences), told.persona, told.question, planted)

    def levels(self, asked: RespondentRequest) -> Levels:
        """The pole to show by dimension: -1, 1, or 0 for none."""
        return asked.recognised.levels

    def targets(self, asked: RespondentRequest) -> tuple[str, ...]:
        """The dimensions that get a chance, in the order of the question."""
        known = next((q.targets for q in questions() if q.id == asked.recognised.question), None)
        return known or tuple(asked.chance("targets").sample(CODES, SENTENCES))

    def opener(self, asked: RespondentRequest) -> str:
        """A first sentence that fits the question and shows no trait."""
        language = asked.recognised.language
        if asked.recognised.question is None:
            return asked.chance("opener").choice(fillers(language))
        return asked.chance("opener").choice(openers(asked.recognised.question, language))


class BlindPatient(Patient):
    """Shows random poles in every answer, whoever it is told to be."""

    def levels(self, asked: RespondentRequest) -> Levels:
        """Random poles of this answer."""
        return {code: asked.chance("level", code).choice((-1, 1)) for code in CODES}


class PromptSensitivePatient(BlindPatient):
    """Shows random poles that are the same in each sample of a request: consistent, but nobody."""

    def reply(self, asked: RespondentRequest) -> RespondentReply:
        """The answer to the body, whatever the sample."""
        return super().reply(
            RespondentRequest(
                asked.prompt, asked.seed, digest(json.dumps(asked.body, sort_keys=True, default=str)), asked.body
            )
        )


class FlatPatient(Patient):
    """Shows nothing of anybody: openers and fillers."""

    def levels(self, asked: RespondentRequest) -> Levels:
        """No pole."""
        return {}


class InvertedPatient(Patient):
    """Shows the opposite of every told pole."""

    def levels(self, asked: RespondentRequest) -> Levels:
        """The opposite poles."""
        return {code: -level for code, level in asked.recognised.levels.items()}


@dataclass(frozen=True)
class NoisyPatient(Patient):
    """Shows the opposite of a told pole with probability `wrong`, drawn anew for each chance."""

    wrong: float = 0.45

    def levels(self, asked: RespondentRequest) -> Levels:
        """The told poles, some of them turned."""
        return {
            code: -level if asked.chance("wrong", code).random() < self.wrong else level
            for code, level in asked.recognised.levels.items()
        }


@dataclass(frozen=True)
class PartialPatient(Patient):
    """Shows the told poles of some dimensions only; nothing of the others."""

    shown: tuple[str, ...] = TEMPERAMENT

    def levels(self, asked: RespondentRequest) -> Levels:
        """The told poles of the shown dimensions."""
        return {code: level for code, level in asked.recognised.levels.items() if code in self.shown}


class HaloPatient(Patient):
    """All traits well or all traits ill: what most of its told poles are, it is through and through."""

    def levels(self, asked: RespondentRequest) -> Levels:
        """The good poles, or all their opposites; a persona we know nothing of is liked or not by chance."""
        told = asked.recognised.levels
        liking = sum(GOOD[code] * level for code, level in told.items())
        if not told:
            liking = chance(asked.seed, "halo", asked.setting).choice((-1, 1))
        return {code: (liking > 0) * level - (liking < 0) * level for code, level in GOOD.items()}


@dataclass(frozen=True)
class CollapsedPatient(FlatPatient):
    """Gives everybody the same answer: one for each question, or one and the same everywhere."""

    everywhere: bool = False

    def reply(self, asked: RespondentRequest) -> RespondentReply:
        """The one answer of this question, or of all, in the language of the prompt."""
        told = asked.recognised
        topic = "" if self.everywhere else asked.topic
        key = digest("collapsed", topic, told.language)
        if self.everywhere:
            said = chance(asked.seed, key).sample(fillers(told.language), SENTENCES)
            return RespondentReply(" ".join(said), told.persona, told.question)
        return super().reply(RespondentRequest(asked.prompt, asked.seed, key, asked.body))


class PlaceboPatient(Patient):
    """Has habits of wording that hang on the persona's words and mean nothing: the floor of differentiation."""

    def reply(self, asked: RespondentRequest) -> RespondentReply:
        """Fillers, one of them from the few this persona is fond of."""
        told = asked.recognised
        persona = tuple(told.levels.items()) or asked.setting
        fond = chance(asked.seed, "habit", persona).sample(fillers(told.language), 3)
        said = [self.opener(asked), asked.chance("fond").choice(fond)]
        rest = [sentence for sentence in fillers(told.language) if sentence not in said]
        said += asked.chance("rest").sample(rest, 2)
        return RespondentReply(" ".join(said), told.persona, told.question)


def _utterances(code: str, level: int, language: str) -> tuple[str, ...]:
    dimension = next(d for d in dimensions() if d.code == code)
    return dimension.pole(level).utterances[language]
