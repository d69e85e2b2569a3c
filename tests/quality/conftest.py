from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_batcheval.matrix.axes import Persona, Question
from pytest_batcheval.matrix.load import load_axis
from pytest_batcheval.wire.answers import Answers

DATA = Path(__file__).parents[2] / "fixtures"
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
