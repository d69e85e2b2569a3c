"""Waves: several requests of one `yield`, and the ready prompts that use them."""

import inspect

import pytest

from pytest_batcheval.errors import PromptError
from pytest_batcheval.prompts import judge, pairwise
from pytest_batcheval.prompts.prompt_call import PromptCall
from pytest_batcheval.wire.objects import Answer, RequestError


def body(text, model="m"):
    return {"model": model, "messages": [{"role": "user", "content": text}]}


def said(request):
    return request.body["messages"][0]["content"]


def answered(request, failed=()):
    if said(request) in failed:
        return Answer(request, "here", error=RequestError("bad_request", "no", 400))
    reply = {"choices": [{"message": {"content": f"re {said(request)}"}, "finish_reason": "stop"}]}
    return Answer(request, "here", {"status_code": 200, "body": reply})


def two():
    one, other = yield [body("a"), body("b")]
    yield body(f"{one.text} | {other.text}")


def test_a_list_is_one_wave_and_gets_a_list():
    call = PromptCall(two)
    first = call.drive(lambda _: None)
    assert {turn: said(request) for turn, request in first.pending.items()} == {0: "a", 1: "b"}
    half = call.drive(lambda request: answered(request) if said(request) == "b" else None)
    assert {turn: said(request) for turn, request in half.pending.items()} == {0: "a"}
    done = call.drive(answered)
    assert [said(answer.request) for answer in done.answers] == ["a", "b", "re a | re b"]
    assert done.pending == {}


def test_a_failed_request_of_a_wave_ends_the_prompt_and_is_its_last_turn():
    done = PromptCall(two).drive(lambda request: answered(request, failed="a"))
    assert [said(answer.request) for answer in done.answers] == ["b", "a"]
    assert done.answers[-1].error is not None
    assert done.pending == {}


@pytest.mark.parametrize(("yielded", "text"), [([], "an empty list"), ([body("a"), "b"], "a str, not a request body")])
def test_what_is_no_wave_is_refused(yielded, text):
    def wrong():
        yield yielded

    with pytest.raises(PromptError, match=text):
        PromptCall(wrong).drive(lambda _: None)


def ask(question, model="m"):
    return body(question, model)


def ask_other(question):
    return body(question, "other")


def verdict(answer, question, strict=False):
    return body(f"{question}: good? {answer.text}{'!' if strict else ''}")


def better(first, second, question):
    return body(f"{question}: {first.text} ({first.request.model}) or {second.text} ({second.request.model})?")


def test_a_judge_has_the_parameters_of_both():
    prompt = judge(ask, verdict)
    assert inspect.isgeneratorfunction(prompt)
    assert list(inspect.signature(prompt).parameters) == ["question", "model", "strict"]
    done = PromptCall(prompt, {"question": "q", "strict": True}).drive(answered)
    assert [said(answer.request) for answer in done.answers] == ["q", "q: good? re q!"]
    assert PromptCall(prompt, {"question": "q"}).name() == f"{__name__}.judge(ask)(question=q)"


def test_a_judge_sees_the_last_turn_of_a_conversation():
    def talk(question):
        first = yield body(question)
        yield body(f"and {first.text}")

    done = PromptCall(judge(talk, verdict), {"question": "q"}).drive(answered)
    assert [said(answer.request) for answer in done.answers] == ["q", "and re q", "q: good? re and re q"]


def test_a_pair_is_asked_in_one_wave_and_judged_in_both_orders():
    prompt = pairwise(ask, ask_other, better)
    call = PromptCall(prompt, {"question": "q"})
    assert [request.model for request in call.drive(lambda _: None).pending.values()] == ["m", "other"]
    done = call.drive(answered)
    assert [said(answer.request) for answer in done.answers][2:] == [
        "q: re q (m) or re q (other)?",
        "q: re q (other) or re q (m)?",
    ]


def test_a_pair_of_conversations_is_refused():
    with pytest.raises(TypeError, match="two"):
        pairwise(two, ask, better)
