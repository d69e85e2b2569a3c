"""Patients whose defect lies between answers: in character for some personas or questions, in one text, or in code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from pytest_batcheval.catalogue.load import CODES, design, dimensions, fillers, questions
from pytest_batcheval.simulator.ids import chance, digest
from pytest_batcheval.simulator.respondents.patients import FlatPatient, Levels, Patient
from pytest_batcheval.simulator.respondents.phrases import facts, said_as, self_label
from pytest_batcheval.simulator.respondents.protocol import RespondentReply, RespondentRequest

EMOJI: Mapping[tuple[str, int], str] = {
    (code, level): chr(0x1F600 + 2 * place + (level > 0)) for place, code in enumerate(CODES) for level in (-1, 1)
}

USUAL_LENGTH = 3
"""Sentences of `LengthPatient` where the poles of a question's targets cancel out."""


class MonologuePatient(Patient):
    """Gives each persona one text for all questions, with signs of all its traits."""

    def reply(self, request: RespondentRequest) -> RespondentReply:
        """The persona's text."""
        own = digest("monologue", request.setting)
        return super().reply(replace(request, key=own))

    def targets(self, request: RespondentRequest) -> tuple[str, ...]:
        """All dimensions, whatever was asked."""
        return CODES

    def opener(self, request: RespondentRequest) -> str:
        """A sentence that fits any question."""
        return request.chance("opener").choice(fillers(request.recognised.language))


class Oversharer(Patient):
    """Shows all its traits in every answer, in other words each time."""

    def targets(self, request: RespondentRequest) -> tuple[str, ...]:
        """All dimensions, whatever was asked."""
        return CODES


class NeighbourPatient(Patient):
    """Answers every second question of the catalogue as the one before it; the same in every sample."""

    def reply(self, request: RespondentRequest) -> RespondentReply:
        """The answer to the first question of its pair."""
        pair = _question_place(request) // 2
        return super().reply(replace(request, key=digest("neighbours", request.setting, pair)))

    def targets(self, request: RespondentRequest) -> tuple[str, ...]:
        """The targets of the first question of the pair."""
        return questions()[_question_place(request) // 2 * 2].targets

    def opener(self, request: RespondentRequest) -> str:
        """A sentence that fits any question."""
        return request.chance("opener").choice(fillers(request.recognised.language))


@dataclass(frozen=True)
class MutePatient(Patient):
    """Shows nothing of the first personas of the catalogue; `FewPatient` nothing of the others."""

    count: int = 10

    def levels(self, request: RespondentRequest) -> Levels:
        """No pole of a mute persona."""
        return {} if _persona_place(request) < self.count else super().levels(request)


@dataclass(frozen=True)
class FewPatient(Patient):
    """Shows the first personas of the catalogue only."""

    count: int = 3

    def levels(self, request: RespondentRequest) -> Levels:
        """No pole of the other personas."""
        return super().levels(request) if _persona_place(request) < self.count else {}


@dataclass(frozen=True)
class LatePatient(Patient):
    """Is in character in the first questions of the catalogue only."""

    count: int = 5

    def levels(self, request: RespondentRequest) -> Levels:
        """No pole later."""
        return super().levels(request) if _question_place(request) < self.count else {}


class DriftingPatient(Patient):
    """Leaves its character from question to question: faithful at the first, silent at the last."""

    def levels(self, request: RespondentRequest) -> Levels:
        """The prompted poles that are left."""
        gone = _question_place(request) / (len(questions()) - 1)
        shown = super().levels(request).items()
        return {code: level for code, level in shown if request.chance("gone", code).random() >= gone}


@dataclass(frozen=True)
class FactualPatient(Patient):
    """Adds a fact of its life to each answer, the same whenever it comes up; another, with probability `wrong`."""

    wrong: float = 0.0

    def reply(self, request: RespondentRequest) -> RespondentReply:
        """The patient's answer, and one of the facts by the place of the question."""
        said = super().reply(request)
        known = facts(request.recognised.language)
        name = list(known)[_question_place(request) % len(known)]
        own = chance(request.seed, "fact", name, request.setting).choice(known[name])
        if request.chance("wrong fact").random() < self.wrong:
            own = request.chance("fact").choice([other for other in known[name] if other != own])
        return replace(said, text=f"{said.text} {own}")


@dataclass(frozen=True)
class OutOfRolePatient(Patient):
    """Speaks as somebody else with probability `rate`: as a counsellor, or as a patient who politely declines."""

    voice: str = "counsellor"
    rate: float = 0.1

    def reply(self, request: RespondentRequest) -> RespondentReply:
        """Two sentences in the other voice, or the patient's answer."""
        recognised = request.recognised
        if request.chance("out of role").random() >= self.rate:
            return super().reply(request)
        said = request.chance("voice").sample(said_as(self.voice, recognised.language), 2)
        return RespondentReply(" ".join(said), recognised.persona, recognised.question)


class SheetReader(FlatPatient):
    """Reads out what its sheet says on the dimensions that the question targets."""

    def reply(self, request: RespondentRequest) -> RespondentReply:
        """A label for each prompted pole."""
        return _with_code(super().reply(request), request, self.targets(request), _sheet_line)


class EmojiPatient(FlatPatient):
    """Has an emoji for each prompted pole, and no words for it."""

    def reply(self, request: RespondentRequest) -> RespondentReply:
        """Openers and fillers, then the emoji."""
        return _with_code(super().reply(request), request, self.targets(request), lambda _, *pole: EMOJI[pole])


class LengthPatient(FlatPatient):
    """Shows the prompted poles in the number of its sentences alone."""

    def reply(self, request: RespondentRequest) -> RespondentReply:
        """As many fillers as the poles add up to."""
        recognised = request.recognised
        leaning = sum(recognised.levels.get(code, 0) for code in self.targets(request))
        said = request.chance("length").sample(fillers(recognised.language), max(1, USUAL_LENGTH + leaning))
        return RespondentReply(" ".join((self.opener(request), *said)), recognised.persona, recognised.question)


def _with_code(
    said: RespondentReply, request: RespondentRequest, targets: tuple[str, ...], code: Callable[[str, str, int], str]
) -> RespondentReply:
    levels, language = request.recognised.levels, request.recognised.language
    parts = [code(language, one, levels[one]) for one in targets if levels.get(one)]
    return replace(said, text=" ".join((said.text, *parts)))


def _sheet_line(language: str, code: str, level: int) -> str:
    dimension = next(one for one in dimensions() if one.code == code)
    return self_label(language, dimension.pole(level).phrase[language])


def _persona_place(request: RespondentRequest) -> int:
    """The persona's place in the catalogue; for one that it does not have, a place by its words."""
    ids = [persona.id for persona in design()]
    known = request.recognised.persona
    return ids.index(known) if known in ids else chance("persona", request.setting).randrange(len(ids))


def _question_place(request: RespondentRequest) -> int:
    """The question's place in the catalogue; for one that it does not have, a place by its words."""
    ids = [question.id for question in questions()]
    known = request.recognised.question
    return ids.index(known) if known in ids else chance("question", request.topic).randrange(len(ids))
