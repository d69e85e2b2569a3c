from __future__ import annotations

import unicodedata
from typing import Any

import pytest

from pytest_batcheval.matrix.axes import Question
from pytest_batcheval.quality import format_checks
from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.measures._format_checks import echoed_share, likely_language, says, script_share
from pytest_batcheval.recordings.answer_table import Answers, Row
from pytest_batcheval.wire.objects import Answer, Request

GOOD = "요즘은 잠을 잘 못 자요."


def answered(*odd: dict[str, Any], count: int = 100) -> Answers:
    rows = [{"persona": f"p{n}", "question": "q", "text": GOOD} for n in range(count - len(odd))]
    return Answers.from_records([*rows, *({"persona": f"odd{n}", "question": "q", **o} for n, o in enumerate(odd))])


@pytest.mark.parametrize(
    ("texts", "language"),
    [
        (["요즘 잠을 잘 못 자요.", "I see."], "ko"),
        (["I sleep badly.", "네."], "en"),
        (["Je dors mal."], "en"),
        (["よく眠れません。"], "ja"),
        (["我睡不好。"], "zh"),
        (["Я плохо сплю."], "ru"),
        ([], "en"),
        (["42"], "en"),
    ],
)
def test_the_language_is_told_by_its_script(texts, language):
    assert likely_language(texts) == language


def test_good_answers_pass_every_check() -> None:
    result = format_checks(answered())
    assert result.failing == ()
    assert (result.effect, result.n) == (0.0, 100)
    assert set(result.checks) == {"failed", "empty", "unfinished", "other_script", "refusal", "role_flip"}


@pytest.mark.parametrize(
    ("check", "odd"),
    [
        ("failed", {"error": "server_error"}),
        ("empty", {"text": "  \n"}),
        ("unfinished", {"text": GOOD, "status": "length"}),
        ("other_script", {"text": "I sleep badly, 요즘."}),
        ("refusal", {"text": "죄송하지만 그 질문에는 답변할 수 없습니다."}),
        ("refusal", {"text": "저는 AI 언어 모델입니다."}),
        ("refusal", {"text": unicodedata.normalize("NFD", "저는 인공지능이라 모릅니다.")}),
        ("role_flip", {"text": "안녕하세요, 무엇을 도와드릴까요?"}),
    ],
)
def test_each_fault_is_found_and_named(check: str, odd: dict[str, Any]) -> None:
    result = format_checks(answered(odd, odd, odd))
    assert result.failing == (check,)
    assert result[check].hits == 3
    assert result[check].interval[0] < 0.03 < result[check].interval[1]
    assert result[check].found[0].startswith("odd0 x q (")
    assert f"FAIL {check}: 3 of " in result.explain()
    assert "odd0 x q" in result.explain()


def test_one_stray_answer_in_a_hundred_is_borne() -> None:
    assert format_checks(answered({"text": ""})).failing == ()


def test_a_marked_refusal_is_a_refusal_and_not_empty() -> None:
    message = {"content": None, "refusal": "I can't."}
    body = {"choices": [{"message": message, "finish_reason": "stop"}]}
    answer = Answer(Request({"model": "m"}), "x", {"status_code": 200, "body": body})
    rows = [*answered(count=9).rows, Row({"persona": "p", "question": "q"}, 0, answer)]
    result = format_checks(Answers(rows))
    assert result.failing == ("refusal",)


def test_repeating_the_question_is_found() -> None:
    question = Question("q", {"text": "어디가 불편해서 방문하게 되셨나요?"})
    rows = [{"persona": f"p{n}", "question": question, "text": GOOD} for n in range(9)]
    echoing = [*rows, {"persona": "p9", "question": question, "text": f"{question.text}라고요?"}]
    assert format_checks(Answers.from_records(rows)).failing == ()
    assert format_checks(Answers.from_records(echoing)).failing == ("question_echo",)


def test_shares_by_hand() -> None:
    assert script_share("가나 ab", "ko") == 0.5
    assert script_share("123 !", "ko") == 1.0
    assert script_share("ab é 가", "en") == 0.75
    assert echoed_share("abcdef", "xxabcdex") == pytest.approx(2 / 3)
    assert echoed_share("abc", "abc") == 0.0


def test_says_knows_no_phrase_in_an_ordinary_answer() -> None:
    assert not says(GOOD, "refusal", "ai_mention", "role_flip")


def test_other_languages() -> None:
    english = [{"persona": f"p{n}", "question": "q", "text": "I have not been sleeping."} for n in range(10)]
    assert format_checks(Answers.from_records(english), language="en").failing == ()
    assert format_checks(Answers.from_records(english)).failing == ("other_script",)
    with pytest.raises(TableError, match="unknown language 'xx'; the languages are ko, en"):
        format_checks(answered(), language="xx")
    with pytest.raises(TableError, match="no answers"):
        format_checks(Answers([]))
    with pytest.raises(KeyError, match="unknown check 'tone'; the checks are failed"):
        format_checks(answered())["tone"]
