"""One answer for many questions is seen, and its cells are named."""

from __future__ import annotations

import pytest
from free_text import Speaker, honest, spoken

from pytest_batcheval.quality import quality_gate
from pytest_batcheval.quality.measures._copied_answers import COPIES, copied_answers
from pytest_batcheval.quality.table import table_of
from pytest_batcheval.recordings.answer_table import Answers

PERMUTATIONS = 199


def test_by_hand() -> None:
    texts = {"q0": "one long text about a river", "q1": "another of a mountain", "q2": "ONE", "q3": "and a third song"}
    rows = [
        {"persona": f"p{i}", "question": q, "text": f"{text} {'xyzwvuts'[i] * 9}"}
        for i in range(8)
        for q, text in texts.items()
    ]
    assert copied_answers(table_of(Answers.from_records(rows))) == (0.0, ())
    rows[3]["text"] = rows[1]["text"]
    share, cells = copied_answers(table_of(Answers.from_records(rows)))
    assert (share, cells) == (1 / 48, ("p0: q1 and q3 (1.00)",))


def test_samples_of_one_cell_are_no_copies() -> None:
    rows = [
        {"persona": f"p{i}", "question": f"q{j}", "sample": s, "text": f"{'abcdefgh'[i] * 5} {'mnop'[j] * 9}"}
        for i in range(8)
        for j in range(4)
        for s in range(2)
    ]
    assert copied_answers(table_of(Answers.from_records(rows)))[0] == 0.0


@pytest.mark.sampled(6)
@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize(("speaker", "share"), [({}, 0.0), ({"neighbours": True}, 0.091), ({"monologue": True}, 1.0)])
def test_the_gate_sees_one_answer_for_many_questions(language: str, speaker: dict[str, bool], share: float) -> None:
    said = spoken(Speaker(language, **speaker), 20_000)
    assert copied_answers(table_of(said.answers))[0] == pytest.approx(share, abs=0.001)
    gate = quality_gate(said.answers, scores=honest(said, 1), language=language, permutations=PERMUTATIONS)
    assert ("copies" in gate.failed) == (share > COPIES)
    if speaker.get("neighbours"):
        assert "adventurous-bossy: cause_course and chief_complaint (1.00)" in gate["copies"].reason.replace(
            "chief_complaint and cause_course", "cause_course and chief_complaint"
        )


def test_a_table_of_one_axis_has_no_copies() -> None:
    answers = Answers.from_records({"item": f"i{n}", "text": f"{'abcdefghijkl'[n] * 5} {n}"} for n in range(12))
    assert "copies" in quality_gate(answers, language="en", permutations=PERMUTATIONS).unseen
