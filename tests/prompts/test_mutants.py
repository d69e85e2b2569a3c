"""Mutants of prompts: what they change, and what they leave as it is."""

import pytest

from pytest_batcheval import Request
from pytest_batcheval.catalogue.describe import describe
from pytest_batcheval.catalogue.load import CODES
from pytest_batcheval.matrix.axes import AxisValue, Persona
from pytest_batcheval.prompts.judged import judge
from pytest_batcheval.prompts.mutants import mutants_of, mutated
from pytest_batcheval.prompts.prompt_call import PromptCall
from pytest_batcheval.wire.objects import Answer

LEVELS = {"high": 1, "average": 0, "low": -1}


def persona(name, *levels):
    profile = dict(zip(CODES, levels, strict=True))
    words = describe({code: LEVELS[level] for code, level in profile.items()}, "en")
    return Persona(name, {"description": words, "profile": profile})


PERSONAS = [persona("bold", *["high"] * 7), persona("shy", *["low"] * 7), persona("plain", *["average"] * 7)]
QUESTIONS = [AxisValue("sleep", {"text": "Sleep?"}), AxisValue("work", {"text": "Work?"})]
MUTANTS = {one.id: one for one in mutants_of({"persona": PERSONAS, "question": QUESTIONS})}


def ask(persona, question):
    system = {"role": "system", "content": f"You are {persona.description}."}
    return {"model": "m", "messages": [system, {"role": "user", "content": question.text}]}


def talk(persona, question):
    body = ask(persona, question)
    answer = yield body
    said = {"role": "assistant", "content": answer.text}
    yield {**body, "messages": [*body["messages"], said, {"role": "user", "content": "Since when?"}]}


def about(answer, persona):
    return {"model": "j", "messages": [{"role": "user", "content": f"{persona.id}? {answer.text}"}]}


def bodies(prompt, mutant, **arguments):
    """The bodies of all turns, each answered with `yes`."""

    def known(request):
        body = {"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]}
        return Answer(request, "simulator:x", {"status_code": 200, "body": body})

    call = PromptCall(mutated(prompt, MUTANTS[mutant]), {"persona": PERSONAS[0], "question": QUESTIONS[0], **arguments})
    return [request.body for request in call.drive_twice(known).requests]


def texts(body):
    return [message["content"] for message in body["messages"]]


def test_there_is_one_for_each_way_to_be_wrong():
    exchanged = ["persona:swapped", "persona:one", "persona:opposite", "question:swapped", "question:one"]
    traits = [f"persona:without-{code}" for code in CODES]
    assert sorted(MUTANTS) == sorted([*exchanged, *traits, "instructions:cut", "language:other"])
    plain = mutants_of({"mood": ["calm", "angry"], "model": ["m", "n"], "one": [1]})
    assert [one.id for one in plain] == ["mood:swapped", "mood:one", "instructions:cut", "language:other"]


def test_a_persona_is_exchanged_for_the_next_the_first_and_the_opposite():
    (body,) = bodies(ask, "persona:swapped")
    assert PERSONAS[1].description in texts(body)[0]
    (body,) = bodies(ask, "persona:one", persona=PERSONAS[1])
    assert PERSONAS[0].description in texts(body)[0]
    (body,) = bodies(ask, "persona:opposite")
    assert PERSONAS[1].description in texts(body)[0]


def test_a_trait_is_dropped_and_the_others_stay():
    (before,), (after,) = bodies(ask, "persona:one"), bodies(ask, "persona:without-NS")
    kept = [part for part in texts(before)[0].split("; ") if part in texts(after)[0]]
    assert len(kept) == 6 - 1, "the last part ends with a bracket, the first is that of NS"
    assert texts(after)[1] == texts(before)[1]


def test_a_conversation_goes_on_with_what_was_asked_wrongly():
    first, second = bodies(talk, "persona:swapped")
    assert PERSONAS[1].description in texts(first)[0]
    assert texts(second) == [*texts(first), "yes", "Since when?"]
    first, second = bodies(talk, "instructions:cut")
    assert texts(first) == ["Sleep?"]
    assert texts(second) == ["Sleep?", "yes", "Since when?"]


def test_a_judge_is_asked_about_the_cell_of_the_test():
    asked, judged = bodies(judge(ask, about), "persona:swapped")
    assert PERSONAS[1].description in texts(asked)[0]
    assert texts(judged) == ["bold? yes"]
    assert texts(bodies(judge(ask, about), "language:other")[1]) == ["bold? yes"]


@pytest.mark.parametrize(
    ("body", "cut"),
    [
        ({"instructions": "Be kim.", "input": "Sleep?"}, {"input": "Sleep?"}),
        ({"system": "Be kim.", "messages": [{"role": "user", "content": "Sleep?"}]},
         {"messages": [{"role": "user", "content": "Sleep?"}]}),
        ({"input": [{"role": "developer", "content": "Be kim."}, {"role": "user", "content": "Sleep?"}]},
         {"input": [{"role": "user", "content": "Sleep?"}]}),
        ({"systemInstruction": {"parts": []}, "contents": []}, {"contents": []}),
        ({"messages": [{"role": "system", "content": "all there is"}]},
         {"messages": [{"role": "system", "content": "all there is"}]}),
    ],
)  # fmt: skip
def test_instructions_are_cut_wherever_a_provider_has_them(body, cut):
    assert MUTANTS["instructions:cut"].edit(dict(body)) == cut


@pytest.mark.parametrize(
    "body",
    [
        {"input": "Sleep?"},
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": "Sleep?"}]}]},
        {"messages": [{"role": "user", "content": "Sleep?"}]},
        {"contents": [{"role": "user", "parts": [{"text": "Sleep?"}]}]},
    ],
)
def test_another_language_is_asked_for_at_the_end(body):
    assert "'Sleep?\\n\\n한국어로만 답하세요.'" in str(MUTANTS["language:other"].edit(body))


def test_a_request_keeps_its_endpoint_and_backend():
    def elsewhere(persona, question):
        return Request(ask(persona, question), "/v1/chat/completions", backend="judge")

    call = PromptCall(mutated(elsewhere, MUTANTS["persona:one"]), {"persona": PERSONAS[1], "question": QUESTIONS[0]})
    (request,) = call.drive(lambda _: None).pending.values()
    assert request.backend == "judge"
    assert PERSONAS[0].description in str(request.body)
