"""The rubric that a judge fills, recognised by the form of the JSON Schema in a request."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_batcheval.catalogue.load import CODES, dimensions
from pytest_batcheval.simulator.structured.gemini_schema import asked_schema as schema_of_gemini
from pytest_batcheval.simulator.structured.messages_schema import asked_schema
from pytest_batcheval.wire.plain import mapping

ROLES = ("in_role", "ai_disclosure", "role_flip", "refusal", "meta_comment")
"""The labels for the role that the answer's author took."""

LOWEST, MIDDLE, HIGHEST = 1, 3, 5


@dataclass(frozen=True)
class Mark:
    """A judge's mark for one dimension: a score in points, or `None` for no evidence, and the words that decided it."""

    score: float | None = None
    evidence: str = ""

    def moved(self, points: float) -> Mark:
        """The mark, higher by `points`; unchanged if it has no score."""
        return self if self.score is None else Mark(self.score + points, self.evidence)

    def data(self) -> dict[str, Any]:
        """The mark in the rubric's form: an integer score from 1 to 5, or null without evidence."""
        if self.score is None or not self.evidence:
            return {"evidence": "", "score": None}
        # half a point goes up, always; round() would send 2.5 and 3.5 to even numbers
        return {"evidence": self.evidence, "score": int(min(HIGHEST, max(LOWEST, (self.score + 0.5) // 1)))}


@dataclass(frozen=True)
class RequestedRubric:
    """The rubric that a request asks a judge to fill.

    Attributes:
        codes: the dimensions to score, in the order of the schema's `required`.
        roles: the role labels to choose from.
    """

    codes: tuple[str, ...] = CODES
    roles: tuple[str, ...] = ROLES

    def verdict(self, role: str, marks: Mapping[str, Mark]) -> str:
        """The JSON text of a filled rubric."""
        label = role if role in self.roles else self.roles[0]
        scores = {code: marks.get(code, Mark()).data() for code in self.codes}
        return json.dumps({"role": label, "scores": scores}, ensure_ascii=False)

    def listed(self, words: str) -> tuple[str, ...]:
        """The dimensions in the order in which `words` name them, if they name all; else in the schema's order."""
        places = {code: _place(code, words) for code in self.codes}
        if any(place is None for place in places.values()):
            return self.codes
        return tuple(sorted(self.codes, key=lambda code: places[code] or 0))


def requested_rubric(body: Mapping[str, Any]) -> RequestedRubric | None:
    """The rubric in a request's response format; `None` for any other format, or none."""
    properties = mapping(asked_schema_of(body).get("properties"))
    scores = mapping(properties.get("scores"))
    scored = mapping(scores.get("properties"))
    if "role" not in properties or not scored or not set(scored) <= set(CODES):
        return None
    roles = mapping(properties["role"]).get("enum")
    known = tuple(filter(lambda role: isinstance(role, str), roles)) if isinstance(roles, list) else ()
    return RequestedRubric(_ordered(scores.get("required"), list(scored)), known or ROLES)


def asked_schema_of(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The JSON Schema of a request's response format, at whatever endpoint; empty without one."""
    chat = mapping(mapping(body.get("response_format")).get("json_schema"))
    responses = mapping(mapping(body.get("text")).get("format"))
    return mapping(chat.get("schema") or responses.get("schema") or asked_schema(body) or schema_of_gemini(body))


def _ordered(required: object, scored: Sequence[str]) -> tuple[str, ...]:
    """The codes in the order of `required`, since canonical JSON does not keep the order of properties."""
    if isinstance(required, list) and sorted(map(str, required)) == sorted(scored):
        return tuple(required)
    return tuple(scored)


def _place(code: str, words: str) -> int | None:
    dimension = next(d for d in dimensions() if d.code == code)
    names = "|".join(map(re.escape, (code, *dimension.name.values())))
    found = re.search(rf"(?<![A-Za-z])(?:{names})(?![A-Za-z])", words)
    return found.start() if found else None
