from __future__ import annotations

import json
import unicodedata
from dataclasses import replace
from typing import Any

import pytest

from pytest_batcheval.matrix.axes import Question
from pytest_batcheval.quality import Rubric, format_checks, rubric_request, verdicts_of
from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.judging._rubric import RubricDimension
from pytest_batcheval.quality.measures._format_checks import echoed_share, likely_language, says, script_share
from pytest_batcheval.quality.measures._language_check import other_language
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
        (["Je dors mal."], "fr"),
        (["Duermo muy mal porque los vecinos hacen ruido."], "es"),
        (["Я погано сплю, її немає."], "uk"),
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


def judged_as(*roles: str, own: dict[str, str] | None = None) -> Answers:
    """The table of verdicts in which a judge gave the first answers these roles, and the others the first of its own."""
    known = list(own or {"in_role": "x", "role_flip": "x", "refusal": "x", "ai_disclosure": "x", "meta_comment": "x"})
    dimension = RubricDimension("HA", "harm avoidance", ("fears",), ("dares",))
    rubric = Rubric("v", own or dict.fromkeys(known, "x"), dict.fromkeys(range(1, 6), "x"), ("x",), (dimension,))
    rows = []
    for n, row in enumerate(answered().rows):
        body = rubric_request(row.answer, "?", rubric, model="judge")
        mark = {"evidence": "", "score": None}
        role = roles[n] if n < len(roles) else known[0]
        text = json.dumps({"role": role, "scores": {"HA": mark}})
        choice = {"message": {"content": text}, "finish_reason": "stop"}
        verdict = Answer(Request(body), "x", {"body": {"choices": [choice]}})
        rows.append(Row(row.cell, 0, replace(verdict, turns=(row.answer, verdict))))
    return Answers(rows)


@pytest.mark.parametrize(
    ("label", "check"),
    [
        ("role_flip", "role_flip"),
        ("refusal", "refusal"),
        ("ai_disclosure", "refusal"),
        ("meta_comment", "other_role"),
    ],
)
def test_a_judges_role_labels_count(label: str, check: str) -> None:
    assert format_checks(judged_as()).failing == ()
    assert format_checks(judged_as(label)).failing == ()  # 1 of 100 is allowed
    table = judged_as(label, label)
    found = format_checks(table)
    assert (found.failing, found[check].hits) == ((check,), 2)
    assert found[check].found[0].startswith("p0 x q (")
    plain = format_checks(answered(), roles=verdicts_of(table).roles)
    assert (plain.failing, plain[check].hits) == ((check,), 2)


def test_words_and_labels_of_one_answer_count_once() -> None:
    flipped = answered({"text": "안녕하세요, 무엇을 도와드릴까요?"})
    assert format_checks(flipped, roles=["role_flip"] + [""] * 99)["role_flip"].hits == 2
    assert format_checks(flipped, roles=[""] * 99 + ["role_flip"])["role_flip"].hits == 1
    with pytest.raises(TableError, match="2 roles for 100 answers; give one per answer"):
        format_checks(flipped, roles=["in_role"] * 2)


def test_the_first_role_of_a_rubric_of_ones_own_is_the_right_one() -> None:
    own = {"guest": "x", "waiter": "x"}
    assert format_checks(judged_as(own=own)).failing == ()
    assert format_checks(judged_as(*["waiter"] * 5, own=own)).failing == ("other_role",)


def test_plain_verdicts_may_have_a_role() -> None:
    rows = []
    for row in answered().rows:
        text = json.dumps({"role": "refusal", "scores": {"HA": None}})
        choice = {"message": {"content": text}, "finish_reason": "stop"}
        verdict = replace(row.answer, response={"status_code": 200, "body": {"choices": [choice]}})
        rows.append(Row(row.cell, 0, replace(verdict, turns=(row.answer, verdict))))
    assert format_checks(Answers(rows)).failing == ("refusal",)


SPANISH = "No duermo bien porque los ruidos de la calle no me dejan, y cuando me levanto estoy muy cansado."
ENGLISH = "I do not sleep well because of the noise in the street, and when I get up I am tired."
OF_SCRIPTS = {
    "en": ENGLISH,
    "es": SPANISH,
    "fr": "Je ne dors pas bien parce que les bruits de la rue sont forts, et je suis fatigué quand je me lève.",
    "de": "Ich schlafe nicht gut, weil die Straße laut ist, und wenn ich aufstehe, bin ich auch sehr müde.",
    "it": "Non dormo bene perché i rumori della strada sono forti, e quando mi alzo sono molto stanco.",
    "pt": "Não durmo bem porque os ruídos da rua são fortes, e quando me levanto estou muito cansado.",
    "ru": "Я плохо сплю, потому что на улице шумно, и утром я была разбита.",
    "uk": "Я погано сплю, бо на вулиці шумно, і вранці я її не чую.",
    "ja": "通りがうるさくてよく眠れません。朝はとても疲れています。",
    "zh": "街上太吵了，所以我睡得不好，早上起来的时候总是觉得很累。",
}


@pytest.mark.parametrize(
    ("language", "other"),
    [("en", "es"), ("es", "en"), ("fr", "it"), ("de", "pt"), ("ru", "uk"), ("uk", "ru"), ("ja", "zh")],
)
def test_another_language_of_the_same_script_is_seen(language: str, other: str) -> None:
    def table(foreign: int) -> Answers:
        texts = [OF_SCRIPTS[other]] * foreign + [OF_SCRIPTS[language]] * (60 - foreign)
        return Answers.from_records({"persona": f"p{n}", "question": "q", "text": text} for n, text in enumerate(texts))

    assert format_checks(table(0), language=language).failing == ()
    found = format_checks(table(20), language=language)
    assert "other_language" in found.failing
    assert found["other_language"].hits == 20


def test_names_and_short_answers_are_in_any_language() -> None:
    for text in ("Si.", "No.", "Maria Gonzales de la Cruz", "42", "", "My friend Jean works at Le Monde."):
        assert not other_language(text, "en")
    assert not other_language("東京都", "ja")
    assert "other_language" not in format_checks(answered()).checks
