from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_batcheval.matrix.axes import Persona, Question
from pytest_batcheval.matrix.load import load_axis
from pytest_batcheval.prompts.prompt_call import PromptCall
from pytest_batcheval.quality.judging._rubric import Rubric
from pytest_batcheval.recordings.answer_table import Answers, Row
from pytest_batcheval.simulator.inference.answering import Answering
from pytest_batcheval.simulator.respondents.registry import make
from pytest_batcheval.wire.objects import Answer, Request

DATA = Path(__file__).parents[2] / "fixtures"
sys.path.append(str(Path(__file__).parents[1] / "simulator" / "respondents"))
CUES = DATA.parent / "src/pytest_batcheval/quality/data/cues.json"
UTTERANCES = json.loads(CUES.read_text(encoding="utf-8"))
FILLERS = [
    "요즘 그래요.",
    "가끔 그래요.",
    "대체로 그래요.",
    "조금 그래요.",
    "자주 그래요.",
    "문득 그래요.",
    "늘 그래요.",
]
WORDS = [
    "".join(random.Random(n).choices("가나다라마바사아자차카타파하고노도로모보소오조초코토포호", k=3))
    for n in range(60)
]

Respondent = Callable[..., Answers]


@pytest.fixture(scope="session")
def personas() -> list[Persona]:
    return [p for p in load_axis("persona", DATA / "personas.yaml") if isinstance(p, Persona)]


@pytest.fixture(scope="session")
def questions() -> list[Question]:
    return [q for q in load_axis("question", DATA / "questions.yaml") if isinstance(q, Question)]


@pytest.fixture(scope="session")
def respondent(personas: list[Persona], questions: list[Question]) -> Respondent:
    """Answers of all personas to all questions: `respondent("faithful", seed=3, samples=2)`."""

    def answer(kind: str, persona: Persona, question: Question, rng: random.Random) -> str:
        texts = [f"{question.text[:6]} 말이군요."]
        for code in question.targets:
            level = persona.levels[code] if kind in ("faithful", "inverted") else 0
            pole = {1: "high", -1: "low", 0: rng.choice(["high", "low"])}[-level if kind == "inverted" else level]
            texts.append(rng.choice(UTTERANCES[code][pole][:3]) if rng.random() < 0.75 else rng.choice(FILLERS))
        return " ".join(texts)

    def build(kind: str, seed: int = 0, samples: int = 1) -> Answers:
        rng = random.Random(seed)
        records: list[dict[str, Any]] = [
            {"persona": p, "question": q, "sample": s, "text": answer(kind, p, q, rng)}
            for p in personas
            for q in questions
            for s in range(samples)
        ]
        return Answers.from_records(records)

    return build


@pytest.fixture(scope="session")
def words() -> Respondent:
    """Answers of random words, the same distribution for every persona: `words(personas=8, questions=4)`."""

    def build(personas: int = 8, questions: int = 4, seed: int = 0) -> Answers:
        rng = random.Random(seed)
        return Answers.from_records(
            {"persona": f"p{i}", "question": f"q{j}", "text": f"질문{j} " + " ".join(rng.choices(WORDS, k=6))}
            for i in range(personas)
            for j in range(questions)
        )

    return build


@pytest.fixture(scope="session")
def rubric() -> Rubric:
    return Rubric.load(DATA / "rubric.yaml")


@pytest.fixture(scope="session")
def driven(personas: list[Persona], questions: list[Question]) -> Respondent:
    """Answers of a prompt by the simulator's respondents, without a server: `driven(prompt, questions=["goals"])`."""
    answering = Answering(make("faithful"), seed=0)
    known: dict[str, Answer] = {}

    def answer(request: Request) -> Answer:
        if request.custom_id not in known:
            status, body = answering.answer(request.url, request.body, request.custom_id)
            assert status == 200, body
            known[request.custom_id] = Answer(request, "test", {"status_code": status, "body": body})
        return known[request.custom_id]

    def build(prompt: Callable[..., Any], questions_asked: list[str] | None = None, most: int = 25) -> Answers:
        rows = []
        for persona in personas[:most]:
            for question in questions:
                if questions_asked is None or question.id in questions_asked:
                    cell = {"persona": persona, "question": question}
                    turns = PromptCall(prompt, cell).drive(answer).answers
                    rows.append(Row(cell, 0, replace(turns[-1], turns=turns)))
        return Answers(rows)

    return build


@pytest.fixture(scope="session")
def with_texts(respondent: Respondent) -> Callable[[Callable[[int], str]], Answers]:
    """The answers of the whole design with these texts, two samples of each."""
    rows = respondent("blind", samples=2).rows

    def build(text: Callable[[int], str]) -> Answers:
        return Answers.from_records(
            {"persona": r.cell["persona"], "question": r.cell["question"], "sample": r.sample, "text": text(n)}
            for n, r in enumerate(rows)
        )

    return build
