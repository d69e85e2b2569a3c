import itertools

import pytest

from pytest_batcheval.errors import PromptError
from pytest_batcheval.prompts.body_diff import body_diff
from pytest_batcheval.prompts.prompt_call import PromptCall
from pytest_batcheval.wire.objects import Answer, RequestError


def ask(persona="kim"):
    return {"model": "m", "messages": [{"role": "user", "content": f"Hello {persona}"}]}


def judged(persona="kim"):
    answer = yield ask(persona)
    yield {"model": "judge", "messages": [{"role": "user", "content": f"Rate: {answer.text}"}]}


def reply(request, text="fine"):
    body = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
    return Answer(request, "o", {"status_code": 200, "body": body})


def nothing(_request):
    return None


def test_a_plain_prompt_is_one_request():
    turns = PromptCall(ask, {"persona": "lee"}).drive(nothing)
    assert turns.pending[0].body["messages"][0]["content"] == "Hello lee"
    assert turns.pending[0].url == "/v1/chat/completions"
    done = PromptCall(ask).drive(reply)
    assert (len(done.answers), done.pending) == (1, {})


def test_a_generator_asks_the_next_turn_with_the_answers_known():
    call = PromptCall(judged)
    first = call.drive(nothing).pending[0]
    second = call.drive(lambda r: reply(r, "sad") if r == first else None)
    assert second.pending[1].body["messages"][0]["content"] == "Rate: sad"
    assert [r.model for r in second.requests] == ["m", "judge"]
    assert [a.request.model for a in call.drive(reply).answers] == ["m", "judge"]


def test_a_failed_turn_ends_the_conversation():
    def failed(request):
        return Answer(request, "o", error=RequestError("x", "y"))

    turns = PromptCall(judged).drive(failed)
    assert turns.pending == {}
    assert turns.answers[-1].error.code == "x"


def test_samples_of_one_prompt_have_keys_of_their_own():
    keys = {PromptCall(ask, sample=n).drive(nothing).pending[0].custom_id for n in range(3)}
    assert len(keys) == 3


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (lambda: None, "returned None, not a request body"),
        (lambda: [1], "returned a list, not a request body"),
        (lambda: {"model": "m", "prompt": "x"}, "neither `messages` nor `input`"),
        (lambda: {"messages": []}, "without `model`"),
        (lambda: {"model": "m", "messages": [], "stream": True}, "`stream`, which the Batch API does not support"),
        (
            lambda: {"model": "m", "messages": [], "temperature": float("nan")},
            r"not valid JSON: \$\.temperature is nan",
        ),
        (lambda: {"model": "m", "messages": ["\ud83d"]}, r"not valid JSON: \$\.messages\[0\] holds a lone surrogate"),
        (lambda: 1 / 0, r"raised ZeroDivisionError: division by zero \(.*test_prompt_call\.py:\d+\)"),
    ],
)
def test_what_is_no_request_body_is_an_error_that_teaches(prompt, message):
    with pytest.raises(PromptError, match=message):
        PromptCall(prompt).drive(nothing)


def test_an_async_prompt_is_refused():
    async def prompt():
        return ask()

    with pytest.raises(PromptError, match="is async"):
        PromptCall(prompt).drive(nothing)


def test_a_generator_that_yields_nothing_is_refused():
    def prompt():
        if False:
            yield {}

    with pytest.raises(PromptError, match="yields no body"):
        PromptCall(prompt).drive(nothing)


def test_errors_name_the_function_and_its_parameters():
    def broken(persona, question):
        raise KeyError("description")

    class Value:
        id = "average"

    with pytest.raises(PromptError, match=r"broken\(persona=average, question=family\) raised KeyError"):
        PromptCall(broken, {"persona": Value(), "question": "family"}).drive(nothing)


def test_an_impure_prompt_is_refused_with_the_difference():
    count = itertools.count(1)

    def stamped():
        return {"model": "m", "messages": [{"role": "user", "content": f"같은 질문\nat {next(count)} o'clock"}]}

    with pytest.raises(PromptError) as caught:
        PromptCall(stamped).drive_twice(nothing)
    assert "is not pure" in str(caught.value)
    assert "at 1 o'clock" in str(caught.value)
    assert "at 2 o'clock" in str(caught.value)
    assert "같은 질문" not in str(caught.value)


def test_an_impure_later_turn_is_refused():
    count = itertools.count()

    def talk():
        yield ask()
        yield ask(f"again {next(count)}")

    first = PromptCall(talk).drive(nothing).pending[0]
    with pytest.raises(PromptError, match="not pure"):
        PromptCall(talk).drive_twice(lambda r: reply(r) if r == first else None)


def test_a_long_difference_is_cut():
    one, two = ({"lines": [f"{n} {i}" for i in range(50)]} for n in "ab")
    assert body_diff(one, two, limit=5).splitlines()[-1] == "… and 95 more lines"
    assert body_diff(one, two, limit=99).splitlines()[-1] == "… and 1 more line"
