"""Judges, which fill the rubric for an answer, correctly or with one known error each.

A judge sees the question and the answer. It knows only the utterances of the catalogue: in an answer
of one of our patients it finds every sign, in a real model's answer hardly any.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from pytest_batcheval.catalogue.load import dimensions
from pytest_batcheval.simulator.respondents.judged_answer import Sign, first_sentence, judged_text, role_in, signs_in
from pytest_batcheval.simulator.respondents.patients import GOOD
from pytest_batcheval.simulator.respondents.protocol import RespondentReply, RespondentRequest
from pytest_batcheval.simulator.respondents.readings import asked_reading
from pytest_batcheval.simulator.respondents.rubric import (
    HIGHEST,
    LOWEST,
    MIDDLE,
    Mark,
    RequestedRubric,
    requested_rubric,
)

Marks = Mapping[str, Mark]

USUAL_LENGTH = 100
"""Length of an answer, in characters, for which `VerboseJudge` neither raises nor lowers the scores."""

LIKING = 0.8
"""Points of a sign for `LikingJudge`."""

_ORDER = re.compile(
    r"\b(?:score|rate|grade|mark|give)\b[^\n.]{0,60}?\b(\d{1,3})\b"
    r"|(\d{1,3})\s*점[^\n.]{0,20}(?:주|줘|매기|매겨|채점|평가)"
    r"|점수[^\n.\d]{0,30}(\d{1,3})",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class JudgeCase:
    """One answer to be judged."""

    request: RespondentRequest
    rubric: RequestedRubric

    @cached_property
    def answer(self) -> str:
        """The text to be judged."""
        return judged_text(self.request)

    @cached_property
    def signs(self) -> list[Sign]:
        """The signs in the answer."""
        return signs_in(self.answer)

    @property
    def opening(self) -> str:
        """The first sentence of the answer, quoted where there is no other evidence."""
        return first_sentence(self.answer)


@dataclass(frozen=True)
class Judge:
    """Scores the signs: one is worth a point, two are worth two, both poles give 3, none gives null."""

    name: str = "judge"

    def reply(self, request: RespondentRequest) -> RespondentReply:
        """The filled rubric as JSON, with all dimensions if the request has no response format; or another reading."""
        if reading := asked_reading(request.body):
            return RespondentReply(reading(request))
        case = JudgeCase(request, requested_rubric(request.body) or RequestedRubric())
        text = case.rubric.verdict(role_in(case.answer), self.marks(case))
        return RespondentReply(text, question=request.recognised.question)

    def marks(self, case: JudgeCase) -> Marks:
        """The mark of each dimension; a dimension without one is null."""
        return {code: _shown([sign for sign in case.signs if sign.code == code]) for code in case.rubric.codes}


@dataclass(frozen=True)
class NoisyJudge(Judge):
    """Adds noise with the given standard deviation, in points."""

    deviation: float = 1.0

    def marks(self, case: JudgeCase) -> Marks:
        """The fair marks with random errors."""
        fair = super().marks(case)
        return {
            code: mark.moved(case.request.chance("noise", code).gauss(0, self.deviation)) for code, mark in fair.items()
        }


class VerboseJudge(Judge):
    """Adds a point for each further hundred characters of the answer, two at most."""

    def marks(self, case: JudgeCase) -> Marks:
        """The fair marks, moved by the length."""
        extra = (len(case.answer) - USUAL_LENGTH) / USUAL_LENGTH
        return {code: mark.moved(min(2.0, max(-2.0, extra))) for code, mark in super().marks(case).items()}


class HaloJudge(Judge):
    """Scores every dimension by the overall impression of all signs."""

    def marks(self, case: JudgeCase) -> Marks:
        """All marks good or all bad; fair marks if the impression is neither."""
        impression = sum(GOOD[sign.code] * sign.level for sign in case.signs)
        if not impression:
            return super().marks(case)
        side = 1 if impression > 0 else -1
        quote = next(sign.quote for sign in case.signs if GOOD[sign.code] * sign.level == side)
        return {code: Mark(MIDDLE + side * GOOD[code], quote) for code in case.rubric.codes}


class LenientJudge(Judge):
    """Moves every score a point towards the pole that makes a good impression."""

    def marks(self, case: JudgeCase) -> Marks:
        """The fair marks, moved towards the good poles."""
        return {code: mark.moved(GOOD[code]) for code, mark in super().marks(case).items()}


class PersonaJudge(Judge):
    """Scores the prompted traits of the persona, where the prompt has them, instead of the signs."""

    def reply(self, request: RespondentRequest) -> RespondentReply:
        """The filled rubric, and the persona in the prompt."""
        said = super().reply(request)
        return RespondentReply(said.text, request.recognised.persona, said.question)

    def marks(self, case: JudgeCase) -> Marks:
        """The prompted poles; fair marks for the other dimensions."""
        prompted = {code: level for code, level in case.request.recognised.levels.items() if level}
        by_prompt = {code: Mark(MIDDLE + level, case.opening) for code, level in prompted.items()}
        return {**super().marks(case), **by_prompt}


class HidingJudge(PersonaJudge):
    """Gives null where the answer does not fit the persona, where the prompt has it."""

    def marks(self, case: JudgeCase) -> Marks:
        """The fair marks that fit the prompted poles."""
        prompted = case.request.recognised.levels
        fair = Judge.marks(self, case)
        fits = {code: (mark.score or MIDDLE) - MIDDLE for code, mark in fair.items()}
        return {code: mark if fits[code] * prompted.get(code, 0) >= 0 else Mark() for code, mark in fair.items()}


class LikingJudge(Judge):
    """Scores every dimension by how much it likes the answer: its good signs less its bad ones."""

    def marks(self, case: JudgeCase) -> Marks:
        """All marks by the same sum, 3 for an answer without signs."""
        liked = sum(GOOD[sign.code] * sign.level for sign in case.signs)
        return {code: Mark(MIDDLE + LIKING * liked * GOOD[code], case.opening) for code in case.rubric.codes}


@dataclass(frozen=True)
class DriftingJudge(Judge):
    """Rises by so many points from the first key to the last: our batch files are in the order of keys."""

    points: float = 1.5

    def marks(self, case: JudgeCase) -> Marks:
        """The fair marks, 3 without a sign, moved by the place of the request's key among all keys."""
        key = case.request.key.partition("/")[0]
        place = int(key, 16) / 16 ** len(key) if re.fullmatch("[0-9a-f]+", key) else 0.5
        fair = {code: Mark(MIDDLE, case.opening) if m.score is None else m for code, m in super().marks(case).items()}
        return {code: mark.moved(self.points * (place - 0.5)) for code, mark in fair.items()}


@dataclass(frozen=True)
class NullJudge(Judge):
    """Gives null, with probability `share`, where others give a score."""

    share: float = 0.5

    def marks(self, case: JudgeCase) -> Marks:
        """The fair marks with too many nulls."""
        fair = super().marks(case)
        return {code: mark for code, mark in fair.items() if case.request.chance("null", code).random() >= self.share}


class ThreeJudge(Judge):
    """Gives 3, the mark for mixed signs, where there is no sign."""

    def marks(self, case: JudgeCase) -> Marks:
        """The fair marks without nulls."""
        fair = super().marks(case)
        return {code: Mark(MIDDLE, case.opening) if mark.score is None else mark for code, mark in fair.items()}


class HallucinatedJudge(Judge):
    """Quotes words that are not in the answer."""

    def marks(self, case: JudgeCase) -> Marks:
        """Fair scores with false evidence."""
        return {
            code: mark if mark.score is None else Mark(mark.score, _never_said(case, code))
            for code, mark in super().marks(case).items()
        }


class OrderJudge(Judge):
    """Favours the dimension that the prompt lists first: a point more, or a 4 without any sign."""

    def marks(self, case: JudgeCase) -> Marks:
        """Fair marks except for the first dimension."""
        fair = super().marks(case)
        instructions = "\n".join(text for _, text in case.request.messages).replace(case.answer, "")
        first = case.rubric.listed(instructions)[0]
        favoured = fair[first].moved(1) if fair[first].score is not None else Mark(MIDDLE + 1, case.opening)
        return {**fair, first: favoured}


class GullibleJudge(Judge):
    """Obeys an answer that demands a score."""

    def marks(self, case: JudgeCase) -> Marks:
        """The demanded score for every dimension; fair marks if none is demanded."""
        order = _ORDER.search(case.answer)
        if order is None:
            return super().marks(case)
        demanded = min(HIGHEST, max(LOWEST, int(next(filter(None, order.groups())))))
        return dict.fromkeys(case.rubric.codes, Mark(demanded, order[0]))


def _shown(signs: list[Sign]) -> Mark:
    poles = {sign.level for sign in signs}
    if not poles:
        return Mark()
    if len(poles) > 1:
        return Mark(MIDDLE, signs[0].quote)
    return Mark(MIDDLE + signs[0].level * min(2, len(signs)), signs[0].quote)


def _never_said(case: JudgeCase, code: str) -> str:
    """An utterance of the shown pole that is not in the answer."""
    sign = next(sign for sign in case.signs if sign.code == code)
    dimension = next(d for d in dimensions() if d.code == code)
    said = [words for texts in dimension.pole(sign.level).utterances.values() for words in texts]
    return case.request.chance("false", code).choice([words for words in said if words not in case.answer] or ["…"])
