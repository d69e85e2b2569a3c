"""The part of a report on quality: a gate's parts, those that cannot look among them."""

from __future__ import annotations

import json

from pytest_batcheval import Answers
from pytest_batcheval.journal.outcomes import KeptResult, Outcome
from pytest_batcheval.quality import quality_gate
from pytest_batcheval.report.language import Language
from pytest_batcheval.report.quality_part import quality_part

WORDS = [
    "harbour",
    "winter",
    "lamp",
    "bread",
    "river",
    "morning",
    "silver",
    "window",
    "cloud",
    "paper",
    "stone",
    "garden",
]


def kept():
    """A gate of items: they have one axis and no profile."""
    texts = (" ".join(WORDS[(n * (k + 1) + 5 * k) % 12] for k in range(6)) for n in range(1, 11))
    gate = quality_gate(
        Answers.from_records({"item": f"i{n}", "text": text} for n, text in enumerate(texts)), language="en"
    )
    figures = json.loads(json.dumps(gate.to_dict()))
    return KeptResult("QualityGate", repr(gate), gate.explain(), figures, {"ko": gate.translations("ko")})


def test_parts_that_cannot_look_are_rows_of_their_own():
    ((gate,), _) = quality_part([Outcome("test_a", "a", "passed", results=[kept()])])
    looks = {name: look for look, name, _ in gate["rows"]}
    assert looks == {
        "form": "good",
        "diverse": "good",
        **dict.fromkeys(
            ("different", "own_words", "copies", "traits", "discriminant", "each_persona", "each_question"), "other"
        ),
    }
    assert "the answers differ on one axis, item" in str(gate["rows"])


def test_they_are_said_in_korean_too():
    ((gate,), _) = quality_part([Outcome("test_a", "a", "passed", results=[kept()])], Language.of("ko"))
    assert "답변은 item 한 축에서만 다르다" in str(gate["rows"])
