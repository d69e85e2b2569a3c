"""The real matrix of 25 personas and 11 questions, answered by respondents without any HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pytest_batcheval.matrix.axes import Persona, Question
from pytest_batcheval.matrix.load import load_axis
from pytest_batcheval.recordings.answer_table import Answers
from pytest_batcheval.simulator.respondents.messages import messages
from pytest_batcheval.simulator.respondents.protocol import RespondentReply, RespondentRequest
from pytest_batcheval.simulator.respondents.registry import make
from pytest_batcheval.simulator.respondents.rubric import ROLES
from pytest_batcheval.wire.endpoints import CHAT
from pytest_batcheval.wire.key import request_key

FIXTURES = Path(__file__).parents[3] / "fixtures"
CODES = ("NS", "HA", "RD", "P", "SD", "CO", "ST")
GOOD = {"NS": 1, "HA": -1, "RD": 1, "P": 1, "SD": 1, "CO": 1, "ST": 1}
PATIENT, JUDGE = "gpt-4.1-mini", "gpt-4.1"
"""Not the models of the examples: what a respondent says follows from the body, and these tables stay as they are."""

Body = Mapping[str, Any]
Said = list[tuple[Persona, Question, int, RespondentReply]]


def rubric_schema(codes: tuple[str, ...] = CODES) -> dict[str, Any]:
    score = {
        "type": "object",
        "additionalProperties": False,
        "required": ["evidence", "score"],
        "properties": {
            "evidence": {"type": "string"},
            "score": {"anyOf": [{"type": "integer", "enum": [1, 2, 3, 4, 5]}, {"type": "null"}]},
        },
    }
    scores = {
        "type": "object",
        "additionalProperties": False,
        "required": list(codes),
        "properties": {code: {"$ref": "#/$defs/score"} for code in codes},
    }
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["role", "scores"],
        "properties": {"role": {"type": "string", "enum": list(ROLES)}, "scores": scores},
        "$defs": {"score": score},
    }


def rubric_body(answer: str, question: str = "", codes: tuple[str, ...] = CODES, before: str = "") -> dict[str, Any]:
    text = f"{before}Question: {question}\n<answer>\n{answer}\n</answer>"
    return {
        "model": JUDGE,
        "messages": [
            {"role": "system", "content": f"Score the answer on these dimensions: {', '.join(codes)}."},
            {"role": "user", "content": text},
        ],
        "response_format": {"type": "json_schema", "json_schema": {"name": "rubric", "schema": rubric_schema(codes)}},
    }


def interview(persona: Persona, question: Question, language: str = "ko", style: str = "full") -> dict[str, Any]:
    return {
        "model": PATIENT,
        "messages": [
            {"role": "system", "content": persona.describe(language, style)},
            {"role": "user", "content": question["texts"][language]},
        ],
    }


def asked(body: Body, seed: int = 0, sample: int = 0) -> RespondentRequest:
    prompt = "\n".join(text for _, text in messages(body))
    return RespondentRequest(prompt, seed, request_key("POST", CHAT, body, sample), body)


@cache
def personas() -> tuple[Persona, ...]:
    return tuple(p for p in load_axis("persona", FIXTURES / "personas.yaml") if isinstance(p, Persona))


@cache
def questions() -> tuple[Question, ...]:
    return tuple(q for q in load_axis("question", FIXTURES / "questions.yaml") if isinstance(q, Question))


@cache
def said_by(name: str, seed: int = 0, samples: int = 1, language: str = "ko") -> Said:
    respondent = make(name)
    return [
        (p, q, s, respondent.reply(asked(interview(p, q, language), seed, s)))
        for p in personas()
        for q in questions()
        for s in range(samples)
    ]


def table(name: str, seed: int = 0, samples: int = 1, language: str = "ko") -> Answers:
    return Answers.from_records(
        {"persona": p, "question": q, "sample": s, "text": "" if r.refused else r.text}
        for p, q, s, r in said_by(name, seed, samples, language)
    )


@cache
def verdicts(
    judge: str, patient: str, seed: int = 0, samples: int = 1, language: str = "ko", told: bool = False
) -> list[dict[str, Any]]:
    """What a judge says of every answer of a patient; `told` puts the persona into the judge's prompt."""
    critic = make(judge)
    found = []
    for persona, question, sample, reply in said_by(patient, seed, samples, language):
        before = f"{persona.describe(language, 'full')}\n" if told else ""
        body = rubric_body(reply.text, question["texts"][language], before=before)
        found.append(json.loads(critic.reply(asked(body, seed, sample)).text))
    return found


def scores(found: list[dict[str, Any]]) -> dict[str, list[float | None]]:
    return {code: [verdict["scores"][code]["score"] for verdict in found] for code in CODES}
