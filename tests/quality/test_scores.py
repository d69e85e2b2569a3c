from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from pytest_batcheval.quality import format_checks
from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.scores import scored, spoken
from pytest_batcheval.recordings.answer_table import Answers, Row
from pytest_batcheval.wire.objects import Answer, Request, RequestError


def reply(text: str, turns: tuple[Answer, ...] = ()) -> Answer:
    body = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
    one = Answer(Request({"model": "m", "messages": text}), "x", {"status_code": 200, "body": body})
    return Answer(one.request, "x", one.response, turns=(*turns, one))


def judged(*verdicts: Any) -> Answers:
    rows = []
    for n, verdict in enumerate(verdicts):
        text = verdict if isinstance(verdict, str) else json.dumps(verdict)
        rows.append(Row({"persona": f"p{n}", "question": "q"}, 0, reply(text, (reply(f"answer {n}"),))))
    return Answers(rows)


def test_a_judges_verdicts_are_read_and_its_answers_are_those_before() -> None:
    plain = {"scores": {"NS": 4, "HA": None}}
    rubric = {
        "role": "in_role",
        "scores": {"NS": {"evidence": "answer 1", "score": 2}, "HA": {"evidence": "", "score": None}},
    }
    answers, scores = scored(judged(plain, rubric))
    assert [a.text for a in answers] == ["answer 0", "answer 1"]
    np.testing.assert_array_equal(scores["NS"], [4, 2])
    assert np.isnan(scores["HA"]).all()


def test_texts_are_read_from_what_was_judged() -> None:
    answers = judged(*[{"scores": {"NS": 4}}] * 3)
    assert [a.text for a in spoken(answers)] == ["answer 0", "answer 1", "answer 2"]
    assert format_checks(answers, language="en").failing == ()
    plain = Answers.from_records([{"text": '{"scores": {"NS": 4}}'}])
    assert spoken(plain) is plain


def test_a_failed_verdict_has_no_score() -> None:
    failed = Answer(Request({"model": "m"}), "x", error=RequestError("server_error", "no"))
    answers = Answers([*judged({"scores": {"NS": 4}}).rows, Row({"persona": "p9", "question": "q"}, 0, failed)])
    kept, scores = scored(answers)
    assert kept.rows[1].answer.error is not None
    np.testing.assert_array_equal(scores["NS"], [4, np.nan])


def test_an_answer_among_verdicts_that_is_none_is_named() -> None:
    with pytest.raises(TableError, match="answer 1 is not a judge's verdict, but others are: 'Sorry'"):
        scored(judged({"scores": {"NS": 4}}, "Sorry"))


def test_json_that_is_no_verdict_is_an_answer() -> None:
    for other in ({"a": 1}, {"scores": 3}, "{not json"):
        answers, scores = scored(judged(other))
        assert answers[0].text != "answer 0"
        assert np.isnan(scores["NS"][0])


def test_the_word_list_is_on_the_judges_scale() -> None:
    texts = [
        "무서워요.",
        "혹시 더 나빠질까 봐 무서워요. 걱정돼요.",
        "별일 아닐 거예요.",
        "무서워요. 별일 아닐 거예요.",
        "네.",
    ]
    _, scores = scored(Answers.from_records({"text": text} for text in texts))
    np.testing.assert_array_equal(scores["HA"], [4, 5, 2, 3, np.nan])


@pytest.mark.parametrize(
    ("values", "message"),
    [([1], "scores of NS: 1 for 2 answers"), ([1, np.inf], "not a number"), ([1, "high"], "not a number")],
)
def test_a_wrong_score_is_named(values: list[Any], message: str) -> None:
    with pytest.raises(TableError, match=message):
        scored(Answers.from_records([{"text": "a"}, {"text": "b"}]), {"NS": values})
