"""The judged answer is found behind any delimiter."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from respondent_tables import asked, rubric_schema, said_by

from pytest_batcheval.simulator.respondents.judged_answer import first_sentence, judged_text, signs_in
from pytest_batcheval.simulator.respondents.registry import make

ANSWER = "요즘 잠을 잘 못 자서 왔어요. 혹시 더 나빠질까 봐 계속 걱정돼요. 어제는 저녁에 비가 왔어요."
OTHER = "I'm a plumber and my back hurts."
QUESTION = "어디가 불편해서 방문하게 되셨나요?"
FENCES = {
    "tags": "<question>{q}</question>\n<answer>\n{a}\n</answer>\nReturn JSON.",
    "unnamed tags": "<q>{q}</q><x9f3>{a}</x9f3>",
    "tags with attributes": 'Judge what <answer id="1"> holds.\n<answer id="1">\n{a}\n</answer>',
    "backticks": "Question: {q}\n```\n{a}\n```\nScore it.",
    "backticks with a word": "```text\n{q}\n```\n```text\n{a}\n```",
    "triple quotes": 'Question: {q}\nAnswer: """{a}"""',
    "rules": "{q}\n-----\n{a}\n-----\nScore the text between the rules.",
    "headings": "### Question\n{q}\n### Answer\n{a}",
    "begin and end": "{q}\n=== BEGIN 7f3a ===\n{a}\n=== END 7f3a ===",
    "begin and end in words": "{q}\nBEGIN ANSWER 7f3a\n{a}\nEND ANSWER 7f3a\nNow score it.",
    "angles": "{q} <<<{a}>>>",
    "brackets": "[질문] {q} [/질문]\n[답변] {a} [/답변]",
    "label": "Question: {q}\nAnswer: {a}",
    "Korean label": "질문: {q}\n환자의 답변: {a}",
    "Korean quotes": "질문 {q} 대답은 다음과 같다 「{a}」",
    "curly quotes": "{q} “{a}”",
}


def of(*messages: tuple[str, str]) -> Any:
    return asked({"messages": [{"role": role, "content": text} for role, text in messages]})


@pytest.mark.parametrize("answer", [ANSWER, OTHER], ids=["patient", "other"])
@pytest.mark.parametrize("fence", FENCES)
def test_what_a_fence_holds(fence: str, answer: str) -> None:
    text = FENCES[fence].format(q=QUESTION, a=answer)
    assert judged_text(of(("system", "You score answers."), ("user", text))).strip('"') == answer


def test_without_a_fence_it_is_the_message() -> None:
    assert ANSWER in judged_text(of(("user", f"{QUESTION} {ANSWER}")))
    assert judged_text(of(("user", f"{QUESTION} {OTHER}"))) == f"{QUESTION} {OTHER}"


@pytest.mark.parametrize("answer", [ANSWER, OTHER], ids=["patient", "other"])
def test_an_answer_in_json_is_decoded(answer: str) -> None:
    text = "Score: " + json.dumps({"question": QUESTION, "answer": answer})
    assert judged_text(of(("user", text))) == answer


@pytest.mark.parametrize("answer", [ANSWER, OTHER], ids=["patient", "other"])
def test_an_answer_may_be_the_assistants_turn(answer: str) -> None:
    turns = ("system", "Score."), ("user", QUESTION), ("assistant", answer), ("user", "Fill the rubric.")
    assert judged_text(of(*turns)) == answer


def test_everything_may_stand_in_the_instructions() -> None:
    assert judged_text(of(("system", f"{QUESTION}\n<answer>{ANSWER}</answer>"))) == ANSWER
    assert judged_text(asked({"instructions": f"<answer>{ANSWER}</answer>"})) == ANSWER


def test_examples_in_the_instructions_are_not_judged() -> None:
    examples = "high: 지루한 걸 못 견뎌서 그 자리에서 그만뒀어요."
    found = judged_text(of(("system", examples), ("user", f"<example>{examples}</example>\n<answer>{ANSWER}</answer>")))
    assert [sign.code for sign in signs_in(found)] == ["HA"]


@pytest.mark.parametrize("fence", ["</answer>", "```", "---\n", '"""', "END", "Answer:", "{", "«", "[/답변]"])
@pytest.mark.parametrize("around", FENCES)
def test_an_answer_that_holds_a_fence_keeps_its_signs_or_is_judged_in_its_message(around: str, fence: str) -> None:
    sign = "혹시 더 나빠질까 봐 계속 걱정돼요."
    text = FENCES[around].format(q=QUESTION, a=f"음, {fence} {sign} {fence}")
    assert [s.quote for s in signs_in(judged_text(of(("user", text))))] == [sign]


def test_signs_may_be_wrapped_and_evidence_is_as_it_stands() -> None:
    assert [sign.quote for sign in signs_in("혹시 더\n나빠질까 봐  계속 걱정돼요.")] == [
        "혹시 더\n나빠질까 봐  계속 걱정돼요."
    ]


def test_signs_are_in_the_order_of_the_text() -> None:
    text = "I keep things to myself. What if it gets worse? I keep worrying. 보자마자 충동적으로 사 버렸어요."
    assert [(sign.code, sign.level) for sign in signs_in(text)] == [("RD", -1), ("HA", 1), ("NS", 1)]


def test_all_answers_of_the_faithful_are_found_behind_every_fence() -> None:
    for fence in FENCES.values():
        for _, question, _, reply in said_by("faithful")[::9]:
            found = judged_text(of(("user", fence.format(q=question.text, a=reply.text))))
            assert {sign.code: sign.level for sign in signs_in(found)} == reply.planted


PIECES = [*"<>[]{}`\"'=-*#:/\n a답", "answer", "답변", "BEGIN ", "END", "```", "</answer>", "score 9", ANSWER]
PARTS = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


@pytest.mark.sampled
@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), PARTS), max_size=4))
def test_any_prompt_gets_a_valid_verdict(turns: list[tuple[str, str]]) -> None:
    from jsonschema import Draft202012Validator

    body = {
        "messages": [{"role": role, "content": text} for role, text in turns],
        "response_format": {"type": "json_schema", "json_schema": {"schema": rubric_schema()}},
    }
    for judge in ("judge", "judge_three", "judge_order", "judge_gullible"):
        Draft202012Validator(rubric_schema()).validate(json.loads(make(judge).reply(asked(body)).text))


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "text",
    ["<answer>", "[답변]", "BEGIN \n", '"""', "<<<", "{", '{"a":', "```\n", "답변: ", "«", "score ", "<", "점수"],
)
def test_a_prompt_of_openings_takes_no_time(text: str) -> None:
    body = {"messages": [{"role": "user", "content": text * (200_000 // len(text))}]}
    start = time.process_time()
    make("judge_gullible").reply(asked(body))
    assert time.process_time() - start < 2


def test_first_sentence() -> None:
    assert first_sentence("  Hello there. Bye.") == "Hello there."
    assert first_sentence("\n...\nno end") == "no end"
    assert first_sentence(" ") == ""
