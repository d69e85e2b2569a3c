"""The readings that a judge is asked for besides a rubric, each known by its reply's JSON Schema."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

from pytest_batcheval.catalogue.load import questions
from pytest_batcheval.simulator.respondents.choice import choice
from pytest_batcheval.simulator.respondents.judged_answer import other_words, signs_in
from pytest_batcheval.simulator.respondents.phrases import facts_in
from pytest_batcheval.simulator.respondents.protocol import RespondentRequest
from pytest_batcheval.simulator.respondents.rubric import asked_schema_of
from pytest_batcheval.wire.plain import mapping

Reading = Callable[[RespondentRequest], str]

_SAID = re.compile(r"<said-([0-9a-f]{16})>\n(.*)\n</said-\1>", re.DOTALL)
_NUMBERED = re.compile(r"^\d+\. ", re.MULTILINE)


def asked_reading(body: Mapping[str, Any]) -> Reading | None:
    """The reading that the response format of a request asks for; `None` for any other format, or none."""
    return _READINGS.get(frozenset(mapping(asked_schema_of(body).get("properties"))))


def contradictions(request: RespondentRequest) -> str:
    """The JSON text of the pairs of answers with both poles of a dimension, or with two values of one fact."""
    statements = [_statements(answer) for answer in _NUMBERED.split(_said(request))[1:]]
    pairs = [
        {"first": first, "first_quote": one[what][1], "second": second, "second_quote": other[what][1]}
        for (first, one), (second, other) in combinations(enumerate(statements, 1), 2)
        for what in [what for what in one if what in other and one[what][0] != other[what][0]][:1]
    ]
    return json.dumps({"pairs": pairs}, ensure_ascii=False)


def disclosures(request: RespondentRequest) -> str:
    """The JSON text of the signs of dimensions that the question does not aim at, and of the facts."""
    asked = next((one.targets for one in questions() if one.id == request.recognised.question), ())
    said = _said(request)
    beyond = [sign.quote for sign in signs_in(said) if sign.code not in asked]
    return json.dumps({"beyond": [*beyond, *(words for _, _, words in facts_in(said))]}, ensure_ascii=False)


def restatement(request: RespondentRequest) -> str:
    """The JSON text of the signs and facts of an answer in other words: utterances of the same poles."""
    said = _said(request)
    signs = [request.chance("restated", n).choice(other_words(sign)) for n, sign in enumerate(signs_in(said))]
    return json.dumps({"restated": " ".join([*signs, *(words for _, _, words in facts_in(said))])}, ensure_ascii=False)


def _statements(answer: str) -> dict[str, tuple[object, str]]:
    """The sayings of an answer by what they are about: the pole or value, and the words."""
    poles = {sign.code: (sign.level, sign.quote) for sign in signs_in(answer)}
    return {**poles, **{fact: (value, words) for fact, value, words in facts_in(answer)}}


def _said(request: RespondentRequest) -> str:
    found = _SAID.search(request.messages[-1][1] if request.messages else request.prompt)
    return found[2] if found else ""


_READINGS: Mapping[frozenset[str], Reading] = {
    frozenset({"number"}): choice,
    frozenset({"pairs"}): contradictions,
    frozenset({"beyond"}): disclosures,
    frozenset({"restated"}): restatement,
}
