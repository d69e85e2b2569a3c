"""Single calls of generateContent: bodies, parts, functions, finish reasons, limits."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pytest_batcheval.wire.bodies import form_of

MODEL = "gemini-2.5-flash"
HELLO = [{"role": "user", "parts": [{"text": "How do you sleep?"}]}]
PERSONA = {"parts": [{"text": "You are a patient: isolated and fearful, immature"}]}
QUESTION = [{"role": "user", "parts": [{"text": "What do you usually do when you disagree with someone?"}]}]
INTERVIEW = {"systemInstruction": PERSONA, "contents": QUESTION}
SCHEMA = {
    "type": "OBJECT",
    "properties": {
        "hours": {"type": "INTEGER", "nullable": True},
        "tags": {"type": "ARRAY", "items": {"type": "STRING"}},
    },
    "required": ["hours", "tags"],
    "propertyOrdering": ["hours", "tags"],
}
TOOL = {"functionDeclarations": [{"name": "look"}, {"name": "note", "parameters": SCHEMA}]}
CODES = ("NS", "HA", "RD", "P", "SD", "CO", "ST")
MARK = {"type": "object", "properties": {"evidence": {"type": "string"}, "score": {"type": ["integer", "null"]}}}
RUBRIC = {
    "type": "object",
    "properties": {
        "role": {"type": "string"},
        "scores": {"type": "object", "required": CODES, "properties": dict.fromkeys(CODES, MARK)},
    },
    "required": ["role", "scores"],
}


@pytest.fixture
def ask(provider: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """`ask(contents=…)`: the response to a body."""
    api = provider("gemini")

    def send(model: str = MODEL, **body: Any) -> dict[str, Any]:
        path = f"/v1beta/models/{model}:generateContent"
        return dict(api.good("POST", path, json={"contents": HELLO, **body}))

    return send


@pytest.fixture
def refuse(provider: Callable[..., Any]) -> Callable[..., str]:
    """`refuse(contents=[])`: the message of the 400."""
    api = provider("gemini")

    def send(**body: Any) -> str:
        response = api.request("POST", f"/v1beta/models/{MODEL}:generateContent", json={"contents": HELLO, **body})
        assert (response.status_code, response.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
        assert not api.server.ledger.billed()
        return str(response.json()["error"]["message"])

    return send


def test_persona_and_question_are_found_in_instruction_and_contents(ask) -> None:
    response = ask(**INTERVIEW)
    assert response["x_simulator"]["persona"]
    assert response["x_simulator"]["question"]
    snake = {"system_instruction": PERSONA, "contents": QUESTION}
    assert ask(**snake)["x_simulator"]["persona"] == response["x_simulator"]["persona"]


def test_the_instruction_comes_before_a_conversation(ask) -> None:
    sailor = {"parts": [{"text": "You are a grumpy sailor."}]}
    turns = [*HELLO, {"role": "model", "parts": [{"text": "Badly."}]}, *QUESTION]
    assert "grumpy sailor" in form_of(ask("sim-echo", systemInstruction=sailor, contents=turns)).text


def test_a_model_of_the_simulator_names_its_respondent(ask) -> None:
    response = ask("sim-inverted", **INTERVIEW)
    assert (response["modelVersion"], response["x_simulator"]["respondent"]) == ("sim-inverted", "inverted")


@pytest.mark.parametrize("name", ["responseSchema", "responseJsonSchema"])
def test_an_answer_follows_a_schema(ask, name) -> None:
    plain = {"type": "object", "properties": {"hours": {"type": "integer"}}, "required": ["hours", "tags"]}
    schema = SCHEMA if name == "responseSchema" else {**plain, "required": ["hours"]}
    config = {"responseMimeType": "application/json", name: schema}
    found = json.loads(form_of(ask(generationConfig=config)).text)
    assert found["hours"] is None or isinstance(found["hours"], int)
    assert ("tags" in found) is (name == "responseSchema")
    assert isinstance(json.loads(form_of(ask(generationConfig={"responseMimeType": "application/json"})).text), dict)


def test_a_judge_fills_a_rubric(ask) -> None:
    verdict = [{"parts": [{"text": "<answer>I keep things to myself.</answer>"}]}]
    config = {"responseMimeType": "application/json", "responseJsonSchema": RUBRIC}
    assert '"RD"' in form_of(ask("sim-judge", generationConfig=config, contents=verdict)).text


def test_functions_are_called_when_they_must_be(ask) -> None:
    assert form_of(ask(tools=[TOOL])).text
    must = {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["note"]}}
    form = form_of(ask(tools=[TOOL], toolConfig=must))
    (call,) = form.tool_calls
    assert (call.name, set(json.loads(call.arguments)), form.finish_reason) == ("note", {"hours", "tags"}, "tool_calls")
    whole = {"functionDeclarations": [{"name": "note", "parametersJsonSchema": {"type": "object"}}]}
    calls = form_of(ask(tools=[whole], toolConfig={"functionCallingConfig": {"mode": "ANY"}})).tool_calls
    assert calls[0].name == "note"


def test_the_reason_that_it_stopped(ask) -> None:
    still = {"thinkingConfig": {"thinkingBudget": 0}}
    assert form_of(ask(**INTERVIEW)).finish_reason == "stop"
    cut = ask(generationConfig={**still, "maxOutputTokens": 3}, **INTERVIEW)
    assert (form_of(cut).finish_reason, cut["usageMetadata"]["candidatesTokenCount"]) == ("length", 3)
    assert "thoughtsTokenCount" not in cut["usageMetadata"]
    stopped = ask(generationConfig={"stopSequences": ["nowhere in it", "."]}, **INTERVIEW)
    assert (form_of(stopped).finish_reason, "." in form_of(stopped).text) == ("stop", False)
    thought = ask(generationConfig={"maxOutputTokens": 1}, **INTERVIEW)
    assert (form_of(thought).text, form_of(thought).finish_reason) == ("", "length")
    assert thought["usageMetadata"]["thoughtsTokenCount"] == 1


def test_several_candidates(ask) -> None:
    found = ask(generationConfig={"candidateCount": 3})["candidates"]
    assert [candidate["index"] for candidate in found] == [0, 1, 2]


def test_a_refusal_is_marked(provider) -> None:
    api = provider("gemini", respondent="refuser-1")
    bodies = ({**INTERVIEW, "generationConfig": {"seed": n}} for n in range(12))
    path = f"/v1beta/models/{MODEL}:generateContent"
    forms = [form_of(api.good("POST", path, json=body)) for body in bodies]
    assert {form.finish_reason for form in forms} == {"content_filter", "stop"}  # half are plain text
    assert all(form.refusal for form in forms if form.finish_reason == "content_filter")
    api.stop()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"contents": []}, "* GenerateContentRequest.contents: contents is not specified"),
        ({"contents": [{"role": "user"}]}, "* GenerateContentRequest.contents[0].parts: contents.parts must not be"),
        ({"contents": [{"parts": [{}]}]}, "* GenerateContentRequest.contents[0].parts: contents.parts must not be"),
        ({"contents": [{"parts": [{"text": 1}]}]}, "Invalid value at 'contents[0].parts[0]' (text)"),
        ({"contents": [{"parts": ["hello"]}]}, "Invalid value at 'contents[0].parts[0]'"),
        ({"contents": [{"role": "system", "parts": [{"text": "x"}]}]}, "Please use a valid role: user, model."),
        ({"systemInstruction": "be brief"}, "* GenerateContentRequest.system_instruction.parts"),
        ({"temperature": 1}, 'Invalid JSON payload received. Unknown name "temperature": Cannot find field.'),
        ({"generation_config": {"thinking": 1}}, 'Invalid JSON payload received. Unknown name "thinking" at'),
        ({"generationConfig": {"temperature": 3}}, "* GenerateContentRequest.generation_config.temperature: must be"),
        ({"generationConfig": {"maxOutputTokens": 0}}, "* GenerateContentRequest.generation_config.maxOutputTokens"),
        ({"generationConfig": {"topP": "hot"}}, "Invalid value at 'generation_config.topP'"),
        ({"generationConfig": {"responseSchema": SCHEMA}}, "* GenerateContentRequest.generation_config.response_sch"),
        ({"tools": [{"functionDeclarations": [{}]}]}, "* GenerateContentRequest.tools[0].function_declarations[0]"),
        ({"contents": [{"parts": [{"text": "x" * 5_000_000}]}]}, "The input token count (1150000) exceeds"),
    ],
)
def test_a_body_that_is_refused(refuse, body, message) -> None:
    assert refuse(**body).startswith(message)
