"""The prompts of docs/statistics.md that judge several answers at once, driven as a run drives them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_batcheval import Answers
from pytest_batcheval.catalogue.load import design, questions
from pytest_batcheval.prompts.prompt_call import PromptCall
from pytest_batcheval.quality.recognition import paraphrased, recognised, recognition
from pytest_batcheval.recordings.answer_table import Row
from pytest_batcheval.simulator.inference.answering import Answering
from pytest_batcheval.simulator.respondents.registry import make
from pytest_batcheval.wire.objects import Answer

PAGE = Path(__file__).parents[2] / "docs" / "statistics.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def code(name):
    """The block of the page that defines a name, executed."""
    found = {}
    exec(next(block for block in BLOCKS if f"def {name}(" in block), found)
    return found


def driven(prompt, respondent, asked):
    """The table of a prompt's last turns, answered by a respondent and by the simulator's judge; equal requests once."""
    answering, known = Answering(make(respondent), seed=0), {}

    def answer(request):
        if request.custom_id not in known:
            body = {**request.body, "model": "gpt-6-luna"}
            status, found = answering.answer(request.url, body, request.custom_id)
            assert status == 200, found
            known[request.custom_id] = Answer(request, "test", {"status_code": status, "body": found})
        return known[request.custom_id]

    rows = []
    for persona in design():
        for question in asked:
            cell = {"persona": persona} if question is None else {"persona": persona, "question": question}
            turns = PromptCall(prompt, cell).drive(answer).answers
            rows.append(Row(cell, 0, replace(turns[-1], turns=turns)))
    return Answers(rows), len(known)


@pytest.mark.parametrize(
    ("respondent", "verdict"), [("factual", "consistent"), ("contradicting", "contradicts itself")]
)
def test_contradictions(respondent, verdict):
    page = code("contradictions")
    answers, sent = driven(page["contradictions"], respondent, [None])
    found = page["contradictions_of"](answers)
    assert (found.verdict, found.unread) == (verdict, 0)
    assert sent == len(design()) * (len(questions()) + 2)


@pytest.mark.parametrize(
    ("respondent", "verdict"), [("faithful", "keeps to the question"), ("oversharer", "overshares")]
)
def test_oversharing(respondent, verdict):
    page = code("oversharing_of")
    answers, _ = driven(page["interview"], respondent, questions())
    found = page["oversharing_of"](answers)
    assert (found.verdict, found.n) == (verdict, len(design()) * len(questions()))


@pytest.mark.parametrize(("respondent", "verdict"), [("faithful-1.0", "recognised"), ("emoji", "not shown")])
def test_restatements(respondent, verdict):
    page = code("whose_in_other_words")
    answers, _ = driven(page["whose_in_other_words"], respondent, [None])
    chosen = {}
    for row in answers.rows:
        *_, reply = row.answer.turns
        said = [paraphrased(turn.text) for turn in row.answer.turns[-1 - len(questions()) : -1]]
        chosen[row.cell["persona"].id] = [recognised(reply.text, said, page["DESCRIPTIONS"])]
    assert recognition(chosen, permutations=1999).verdict == verdict
