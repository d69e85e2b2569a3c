"""Single calls of the Messages API: bodies, content blocks, tools, stop reasons, limits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from pytest_batcheval.simulator.api_keys import KeyRing
from pytest_batcheval.simulator.behaviour import Behaviour

OLD, NEW = "claude-haiku-4-5", "claude-haiku-5-5"
HELLO = [{"role": "user", "content": "How do you sleep?"}]
INTERVIEW = {
    "system": "You are a patient: isolated and fearful, immature",
    "messages": [{"role": "user", "content": "What do you usually do when you disagree with someone?"}],
}
SCHEMA = {"type": "object", "properties": {"hours": {"type": "integer"}}, "required": ["hours"]}
TOOL = {"name": "note", "input_schema": SCHEMA}
CODES = ("NS", "HA", "RD", "P", "SD", "CO", "ST")
MARK = {
    "type": "object",
    "properties": {"evidence": {"type": "string"}, "score": {"type": ["integer", "null"]}},
    "required": ["evidence", "score"],
}
RUBRIC = {
    "type": "object",
    "properties": {
        "role": {"type": "string"},
        "scores": {"type": "object", "required": CODES, "properties": dict.fromkeys(CODES, MARK)},
    },
    "required": ["role", "scores"],
}
VERDICT = {"messages": [{"role": "user", "content": "<answer>I keep things to myself.</answer>"}]}


@pytest.fixture
def ask(provider: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """`ask(max_tokens=5)`: the message that answers a body."""
    api = provider("anthropic")

    def send(**body: Any) -> dict[str, Any]:
        return dict(api.good("POST", "/v1/messages", json={"model": NEW, "max_tokens": 300, "messages": HELLO, **body}))

    return send


@pytest.fixture
def refuse(provider: Callable[..., Any]) -> Callable[..., tuple[int, str, str]]:
    """`refuse(max_tokens=0)`: status, type and message of the error; `None` leaves a member out."""
    api = provider("anthropic")

    def send(**body: Any) -> tuple[int, str, str]:
        whole = {"model": NEW, "max_tokens": 300, "messages": HELLO, **body}
        response = api.request("POST", "/v1/messages", json={name: v for name, v in whole.items() if v is not None})
        error = response.json()["error"]
        assert not api.server.ledger.billed()
        return response.status_code, error["type"], error["message"]

    return send


def text_of(message: dict[str, Any]) -> str:
    (block,) = message["content"]
    assert block["type"] == "text"
    return str(block["text"])


def test_persona_and_question_are_found_in_system_and_messages(ask) -> None:
    message = ask(**INTERVIEW)
    assert message["x_simulator"]["persona"]
    assert message["x_simulator"]["question"]
    blocks = {
        "system": [{"type": "text", "text": INTERVIEW["system"], "cache_control": {"type": "ephemeral"}}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": INTERVIEW["messages"][0]["content"]}]}],
    }
    assert ask(**blocks)["x_simulator"]["persona"] == message["x_simulator"]["persona"]


def test_the_system_prompt_comes_before_a_conversation(ask) -> None:
    turns = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Hello."}, *INTERVIEW["messages"]]
    assert "grumpy sailor" in text_of(ask(model="sim-echo", system="You are a grumpy sailor.", messages=turns))


def test_a_model_of_the_simulator_names_its_respondent(ask) -> None:
    message = ask(model="sim-inverted", **INTERVIEW)
    assert (message["model"], message["x_simulator"]["respondent"]) == ("sim-inverted", "inverted")


@pytest.mark.parametrize("asked", ["format", "tool", "any"])
def test_a_judge_fills_a_rubric(ask, asked) -> None:
    tool = {"tools": [{"name": "verdict", "input_schema": RUBRIC}]}
    body = {
        "format": {"output_config": {"format": {"type": "json_schema", "schema": RUBRIC}}},
        "tool": {**tool, "tool_choice": {"type": "tool", "name": "verdict"}},
        "any": {**tool, "tool_choice": {"type": "any"}},
    }[asked]
    message = ask(model="sim-judge", **body, **VERDICT)
    (block,) = message["content"]
    if asked == "format":
        assert '"RD"' in block["text"]
        return
    assert (block["type"], block["name"], message["stop_reason"]) == ("tool_use", "verdict", "tool_use")
    assert block["id"].startswith("toolu_")
    assert block["input"]["scores"]["RD"]["score"] == 2


def test_tools_that_nothing_asks_for_are_not_used(ask) -> None:
    for choice in ({}, {"tool_choice": {"type": "auto"}}, {"tool_choice": {"type": "none"}}):
        assert text_of(ask(tools=[TOOL], **choice))
    used = ask(tools=[TOOL], tool_choice={"type": "tool", "name": "note"})
    assert set(used["content"][0]["input"]) == {"hours"}


def test_the_reason_that_it_stopped(ask) -> None:
    assert ask(**INTERVIEW)["stop_reason"] == "end_turn"
    cut = ask(max_tokens=3, **INTERVIEW)
    assert (cut["stop_reason"], cut["usage"]["output_tokens"]) == ("max_tokens", 3)
    stopped = ask(stop_sequences=["nowhere in it", "."], **INTERVIEW)
    assert (stopped["stop_reason"], stopped["stop_sequence"]) == ("stop_sequence", ".")
    assert "." not in text_of(stopped)


def test_a_refusal_is_marked(provider) -> None:
    api = provider("anthropic", respondent="refuser-1")
    body = {"model": NEW, "max_tokens": 300, **INTERVIEW}
    reasons = {
        api.good("POST", "/v1/messages", json={**body, "metadata": {"user_id": str(n)}})["stop_reason"]
        for n in range(12)
    }
    assert reasons == {"refusal", "end_turn"}  # half of the refusals are plain text
    api.stop()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"model": None}, "model: Field required"),
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"messages": None}, "messages: Field required"),
        ({"max_tokens": 0}, "max_tokens: Input should be greater than or equal to 1"),
        ({"max_tokens": "9"}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": 10**6}, "max_tokens: 1000000 > 128000, which is the maximum allowed number of output tokens"),
        ({"messages": []}, "messages: at least one message is required"),
        ({"messages": "hello"}, "messages: Input should be a valid list"),
        ({"messages": ["hello"]}, "messages.0: Input should be a valid dictionary"),
        ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
        (
            {"messages": [{"role": "user", "content": "x", "name": "y"}]},
            "messages.0.name: Extra inputs are not permitted",
        ),
        ({"messages": [{"role": "system", "content": "x"}]}, 'messages: Unexpected role "system"'),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role: Input should be 'user' or 'assistant'"),
        (
            {"messages": [{"role": "user", "content": ""}, *HELLO]},
            "messages.0: all messages must have non-empty content",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "input_text"}]}]}, "messages.0.content.0: Input tag"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": " "}]}]},
            "messages.0.content: text content",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text.text: Field req"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content: Input should be a valid string"),
        ({"system": {}}, "system: Input should be a valid string"),
        ({"system": [{"type": "image"}]}, "system.0: Input tag 'image'"),
        ({"model": OLD, "temperature": 1.5}, "temperature: Input should be from 0 to 1"),
        ({"model": OLD, "temperature": "hot"}, "temperature: Input should be a valid number"),
        ({"model": OLD, "top_k": -1}, "top_k: Input should be at least 0"),
        ({"temperature": 0.5}, "`temperature` is not supported by this model."),
        ({"stop_sequences": [" "]}, "stop_sequences: each stop sequence must contain non-whitespace"),
        ({"tools": 1}, "tools: Input should be a valid list"),
        ({"tools": [{}]}, "tools.0.name: Field required"),
        ({"tools": [{"name": "x"}]}, "tools.0.input_schema: Field required"),
        ({"tool_choice": {"type": "any"}}, "tool_choice: may only be specified while providing tools."),
        ({"tools": [TOOL], "tool_choice": {"type": "must"}}, "tool_choice: Input tag 'must'"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "x"}}, "tool_choice: Tool 'x' not found"),
        ({"output_config": {"format": {"type": "json_schema", "schema": {"type": 5}}}}, "Invalid schema"),
        ({"messages": [{"role": "user", "content": "x" * 5_000_000}]}, "prompt is too long: 1150000 tokens > 1000000"),
        ({"stream": True}, "The simulator does not stream"),
    ],
)
def test_a_body_that_is_refused(refuse, body, message) -> None:
    status, kind, words = refuse(**body)
    assert (status, kind) == (400, "invalid_request_error")
    assert words.startswith(message)


def test_an_unknown_model_is_not_found(provider) -> None:
    api = provider("anthropic", behaviour=Behaviour())
    for name in ("gpt-6-luna", "sim-nobody"):
        response = api.request("POST", "/v1/messages", json={"model": name, "max_tokens": 9, "messages": HELLO})
        assert (response.status_code, response.json()["error"]["type"]) == (404, "not_found_error")
    api.stop()


def test_earlier_models_take_a_temperature(ask) -> None:
    assert text_of(ask(model=OLD, temperature=0.2, top_p=0.9, top_k=40))
    assert text_of(ask(temperature=1))


def test_limits_and_credit(provider) -> None:
    keys = KeyRing.from_data(
        {
            "keys": [
                {"key": "key-one", "project": "one", "requests_per_minute": 1},
                {"key": "poor", "project": "poor", "insufficient_quota": True},
            ]
        }
    )
    api = provider("anthropic", keys=keys)
    body = {"model": NEW, "max_tokens": 9, "messages": HELLO}
    good = api.request("POST", "/v1/messages", json=body)
    assert good.headers["anthropic-ratelimit-requests-limit"] == "1"
    reset = datetime.fromisoformat(good.headers["anthropic-ratelimit-requests-reset"])
    assert reset.timestamp() == int(api.server.now() + 60)
    assert not [name for name in good.headers if name.startswith("x-ratelimit")]
    limited = api.request("POST", "/v1/messages", json=body)
    assert (limited.status_code, limited.json()["error"]["type"]) == (429, "rate_limit_error")
    assert int(limited.headers["retry-after"]) > 0
    for path in ("/v1/messages", "/v1/messages/batches"):
        poor = api.request("POST", path, json=body, headers={"x-api-key": "poor"})
        assert (poor.status_code, poor.json()["error"]["type"]) == (400, "invalid_request_error")
        assert "credit balance is too low" in poor.json()["error"]["message"]
    wrong = api.request("GET", "/v1/models", headers={"x-api-key": "nobody"})
    assert (wrong.status_code, wrong.json()["error"]["type"]) == (401, "authentication_error")
    api.stop()
