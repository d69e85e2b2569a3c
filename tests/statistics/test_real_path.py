"""The gate on answers that went the whole way: prompt, batch, journal, recording, table."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_batcheval import Answers, BatchClient, PersonaMatrix, Request
from pytest_batcheval.matrix.load import load_axis
from pytest_batcheval.quality import quality_gate
from pytest_batcheval.recordings.answer_table import Row
from pytest_batcheval.recordings.answers import NewRecording, Recordings

ROOT = Path(__file__).parents[2]
CAUGHT_BY = {
    "faithful": set(),
    "collapsed": {"diverse", "different"},
    "blind": {"traits", "discriminant"},
    "flat": {"traits", "discriminant"},
    "inverted": {"traits", "discriminant"},
    "noisy": {"traits"},
    "echo": {"own_words"},
    "halo": {"traits", "discriminant"},
    "partial": {"traits"},
    "refuser": {"form"},
    "salad": {"traits", "discriminant"},
    "prompt_sensitive": {"traits", "discriminant"},
    "placebo": {"traits", "discriminant"},
}
"""The parts that must fail, whatever else does."""


def interview(persona, question):
    return {
        "model": "gpt-6-luna",
        "messages": [
            {"role": "system", "content": f"환자로서 대답하세요. 페르소나: {persona.description}"},
            {"role": "user", "content": question.text},
        ],
    }


def answers_of(respondent, samples, folder):
    """Sent as one batch, exported from the journal into a recording, and read back from that."""
    axes = {axis: load_axis(axis, ROOT / "fixtures" / f"{axis}s.yaml") for axis in ("persona", "question")}
    matrix = PersonaMatrix(axes)
    asked = [
        (cell, sample, Request(interview(**cell), sample=sample))
        for cell in matrix.cells()
        for sample in range(samples)
    ]
    with BatchClient(f"simulator:{respondent}", journal=folder / "journal.sqlite") as client:
        run = client.run(request for _, _, request in asked)
    assert run.finished
    recordings = Recordings(folder / "cassettes")
    ids = [{axis: value.id for axis, value in cell.items()} for cell, _, _ in asked]
    recordings.export([NewRecording(a, i, "test_it.py") for a, i in zip(run.answers, ids, strict=True)])
    recorded = recordings.find(request for _, _, request in asked)
    failed = {answer.custom_id: answer for answer in run.failed}
    return Answers(Row(cell, sample, recorded.get(r.custom_id) or failed[r.custom_id]) for cell, sample, r in asked)


@pytest.mark.sampled
@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("respondent", CAUGHT_BY)
def test_each_respondent_is_judged_as_it_is(respondent, samples, tmp_path, proof):
    if samples == 3 and proof == "quick" and respondent not in ("faithful", "blind", "prompt_sensitive"):
        pytest.skip("three samples of every respondent are for --proof=ci")
    gate = quality_gate(answers_of(respondent, samples, tmp_path), permutations=1999)
    if not CAUGHT_BY[respondent]:
        assert gate.passed, gate.explain()
    assert set(gate.failed) >= CAUGHT_BY[respondent], gate.explain()
