"""Individual calls, models, and the headers of every response."""

from __future__ import annotations

import math
import re
from typing import Any

import openai
import pytest

from pytest_batcheval.catalogue.models import MODEL, SNAPSHOT
from pytest_batcheval.simulator.api_keys import KeyRing
from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.inference.answering import Answering
from pytest_batcheval.simulator.respondents.protocol import RespondentReply, RespondentRequest
from pytest_batcheval.simulator.server import SimulatorServer

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
EMBEDDINGS = "/v1/embeddings"


def keys(**limits: Any) -> KeyRing:
    """`key-one` with these limits, and `key-two` of the same project without."""
    return KeyRing.from_data(
        {"keys": [{"key": "key-one", "project": "p", **limits}, {"key": "key-two", "project": "p"}]}
    )


def test_chat_answers_in_its_own_shape(simulator: SimulatorServer, client: openai.OpenAI, body: Any) -> None:
    answer = client.chat.completions.create(**body(CHAT, "How do you sleep?"))
    (choice,) = answer.choices
    assert choice.message.content
    assert (choice.finish_reason, choice.message.refusal) == ("stop", None)
    assert answer.model == SNAPSHOT
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.model_extra is not None
    assert answer.model_extra["x_simulator"]["respondent"] == "faithful"
    (execution,) = simulator.ledger.executions
    assert (execution.batch_id, execution.status_code, execution.tokens) == (None, 200, answer.usage.total_tokens)
    assert sum(simulator.ledger.billed().values()) == 1


def test_chat_gives_as_many_choices_as_asked(client: openai.OpenAI, body: Any) -> None:
    answer = client.chat.completions.create(**body(CHAT, "How do you sleep?", n=3))
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in answer.choices}) > 1
    single = client.chat.completions.create(**body(CHAT, "How do you sleep?", n=1))
    assert single.choices[0].message.content


def test_responses_answer_in_their_own_shape(client: openai.OpenAI) -> None:
    answer = client.responses.create(
        model=MODEL, input="How do you sleep?", instructions="Answer briefly.", metadata={"a": "b"}
    )
    assert answer.output_text
    assert (answer.status, answer.error, answer.incomplete_details) == ("completed", None, None)
    assert (answer.instructions, answer.metadata) == ("Answer briefly.", {"a": "b"})
    assert [item.type for item in answer.output] == ["reasoning", "message"]


def test_responses_take_messages(client: openai.OpenAI) -> None:
    given: Any = [
        {"role": "developer", "content": "You are a patient."},
        {"role": "user", "content": [{"type": "input_text", "text": "How do you sleep?"}]},
    ]
    assert client.responses.create(model=MODEL, input=given).output_text


@pytest.mark.parametrize("endpoint", [CHAT, RESPONSES])
def test_reasoning_is_billed(api: Any, body: Any, endpoint: str) -> None:
    usage = api.post(endpoint, body(endpoint, "How do you sleep?", model=MODEL))["usage"]
    details = usage["completion_tokens_details" if endpoint == CHAT else "output_tokens_details"]
    said = usage["completion_tokens" if endpoint == CHAT else "output_tokens"]
    assert 0 < details["reasoning_tokens"] < said


WITHOUT = {CHAT: {"reasoning_effort": "none"}, RESPONSES: {"reasoning": {"effort": "none"}}}


@pytest.mark.parametrize("endpoint", [CHAT, RESPONSES])
def test_without_reasoning_nothing_of_it_is_billed_and_sampling_is_taken(api: Any, body: Any, endpoint: str) -> None:
    asked = body(endpoint, "How do you sleep?", temperature=0.2, **WITHOUT[endpoint])
    usage = api.post(endpoint, asked)["usage"]
    details = usage["completion_tokens_details" if endpoint == CHAT else "output_tokens_details"]
    assert details["reasoning_tokens"] == 0


def test_reasoning_counts_towards_the_limit_and_may_leave_nothing_for_the_answer(api: Any, body: Any) -> None:
    answer = api.post(CHAT, body(CHAT, "How do you sleep?", max_completion_tokens=20))
    (choice,), usage = answer["choices"], answer["usage"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("", "length")
    assert usage["completion_tokens"] == usage["completion_tokens_details"]["reasoning_tokens"] == 20


def test_embeddings_of_alike_texts_are_alike(client: openai.OpenAI) -> None:
    texts = ["I sleep badly at night.", "At night I sleep badly.", "The train leaves at seven."]
    answer = client.embeddings.create(model="text-embedding-3-small", input=texts)
    first, second, third = (item.embedding for item in answer.data)
    assert len(first) == 1_536
    assert math.isclose(sum(value * value for value in first), 1, rel_tol=1e-5)
    assert sum(a * b for a, b in zip(first, second, strict=True)) > 0.5
    assert abs(sum(a * b for a, b in zip(first, third, strict=True))) < 0.4


def test_embeddings_come_as_numbers_or_base64(client: openai.OpenAI) -> None:
    plain = client.embeddings.create(
        model="text-embedding-3-large", input="words", encoding_format="float", dimensions=16
    )
    packed = client.embeddings.create(model="text-embedding-3-large", input="words", dimensions=16)
    assert len(plain.data[0].embedding) == 16
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, rel=1e-6)


@pytest.mark.parametrize(
    ("endpoint", "change", "status", "param"),
    [
        (CHAT, {"model": None}, 400, "model"),
        (CHAT, {"model": 5}, 400, "model"),
        (CHAT, {"model": "nobody-knows-this"}, 404, "model"),
        (CHAT, {"model": "sim-nobody"}, 404, "model"),
        (CHAT, {"model": "sim-scripted-/etc/passwd"}, 404, "model"),
        (CHAT, {"model": "text-embedding-3-small"}, 404, "model"),
        (CHAT, {"messages": None}, 400, "messages"),
        (CHAT, {"messages": []}, 400, "messages"),
        (CHAT, {"messages": {"role": "user"}}, 400, "messages"),
        (CHAT, {"messages": ["Hello"]}, 400, "messages[0]"),
        (CHAT, {"messages": [{"role": "user", "content": "a"}, {"role": "boss", "content": "b"}]}, 400, "messages[1].role"),
        (CHAT, {"messages": [{"role": "user"}]}, 400, "messages[0].content"),
        (CHAT, {"messages": [{"role": "user", "content": 5}]}, 400, "messages[0].content"),
        (CHAT, {"messages": [{"role": "user", "content": ["a"]}]}, 400, "messages[0].content[0]"),
        (CHAT, {"messages": [{"role": "user", "content": [{"text": "a"}]}]}, 400, "messages[0].content[0].type"),
        (CHAT, {"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]}, 400, "messages[0].content[0].text"),
        (CHAT, {"n": 0}, 400, "n"),
        (CHAT, {"n": 129}, 400, "n"),
        (CHAT, {"n": 10**30}, 400, "n"),
        (CHAT, {"n": True}, 400, "n"),
        (CHAT, {"n": "2"}, 400, "n"),
        (CHAT, {"temperature": 2.1}, 400, "temperature"),
        (CHAT, {"temperature": "hot"}, 400, "temperature"),
        (CHAT, {"top_p": -0.1}, 400, "top_p"),
        (CHAT, {"max_tokens": 0}, 400, "max_tokens"),
        (CHAT, {"max_completion_tokens": 128_001}, 400, "max_completion_tokens"),
        (CHAT, {"max_tokens": 5}, 400, "max_tokens"),
        (CHAT, {"temperature": 0}, 400, "temperature"),
        (CHAT, {"reasoning_effort": "low", "top_p": 0.9}, 400, "top_p"),
        (RESPONSES, {"reasoning": {"effort": "low"}, "temperature": 0}, 400, "temperature"),
        (CHAT, {"stream": True}, 400, "stream"),
        (RESPONSES, {"input": None}, 400, "input"),
        (RESPONSES, {"input": ""}, 400, "input"),
        (RESPONSES, {"input": 5}, 400, "input"),
        (RESPONSES, {"input": ["Hello"]}, 400, "input[0]"),
        (RESPONSES, {"input": [{"content": "Hello"}]}, 400, "input[0].role"),
        (RESPONSES, {"instructions": 5}, 400, "instructions"),
        (RESPONSES, {"max_output_tokens": 1.5}, 400, "max_output_tokens"),
        (RESPONSES, {"metadata": 1}, 400, "metadata"),
        (CHAT, {"metadata": {"a": 1}}, 400, "metadata.a"),
        (EMBEDDINGS, {"input": None}, 400, "input"),
        (EMBEDDINGS, {"input": []}, 400, "input"),
        (EMBEDDINGS, {"input": ""}, 400, "input"),
        (EMBEDDINGS, {"input": ["a", ""]}, 400, "input"),
        (EMBEDDINGS, {"input": ["a", 1]}, 400, "input"),
        (EMBEDDINGS, {"input": [1, "a"]}, 400, "input"),
        (EMBEDDINGS, {"input": [[1], [-1]]}, 400, "input"),
        (EMBEDDINGS, {"input": [True]}, 400, "input"),
        (EMBEDDINGS, {"input": {"a": 1}}, 400, "input"),
        (EMBEDDINGS, {"input": ["a"] * 2_049}, 400, "input"),
        (EMBEDDINGS, {"input": "word " * 9_000}, 400, "input"),
        (EMBEDDINGS, {"input": [1] * 8_192}, 400, "input"),
        (EMBEDDINGS, {"model": MODEL}, 403, "model"),
        (EMBEDDINGS, {"dimensions": 1_537}, 400, "dimensions"),
        (EMBEDDINGS, {"dimensions": 0}, 400, "dimensions"),
        (EMBEDDINGS, {"encoding_format": "hex"}, 400, "encoding_format"),
    ],
)  # fmt: skip
def test_a_bad_parameter_is_named(
    simulator: SimulatorServer, api: Any, body: Any, endpoint: str, change: dict[str, Any], status: int, param: str
) -> None:
    asked = {name: value for name, value in {**body(endpoint, "Hello"), **change}.items() if value is not None}
    given, error = api.refused("POST", endpoint, json=asked)
    assert (given, error["param"], error["type"]) == (status, param, "invalid_request_error")
    assert simulator.ledger.billed() == {}


class Broken:
    """A respondent whose every answer is a failure."""

    name = "broken"

    def __init__(self, status: int) -> None:
        self.status = status

    def reply(self, asked: RespondentRequest) -> RespondentReply:
        return RespondentReply("It broke.", status_code=self.status)


@pytest.mark.parametrize(("status", "kind"), [(500, "server_error"), (429, "invalid_request_error")])
def test_a_failure_that_a_respondent_plays_is_one(body: Any, status: int, kind: str) -> None:
    given, answer = Answering(Broken(status), 0).answer(CHAT, body(CHAT, "Hello"))
    assert given == status
    assert answer == {"error": {"message": "It broke.", "type": kind, "param": None, "code": None}}


def test_a_model_may_name_who_answers(client: openai.OpenAI, body: Any) -> None:
    answer = client.chat.completions.create(**body(CHAT, "Hello", model="sim-salad"))
    assert answer.model == "sim-salad"
    assert answer.model_extra is not None
    assert answer.model_extra["x_simulator"]["respondent"] == "salad"


def test_models_are_listed_and_retrieved(simulator: SimulatorServer, client: openai.OpenAI) -> None:
    ids = [model.id for model in client.models.list()]
    assert {MODEL, "text-embedding-3-small"} <= set(ids)
    assert client.models.retrieve(SNAPSHOT).id == SNAPSHOT
    with pytest.raises(openai.NotFoundError) as refusal:
        client.models.retrieve("nobody-knows-this")
    assert refusal.value.code == "model_not_found"
    simulator.behaviour = Behaviour(models=("mine",))
    assert [model.id for model in client.models.list()] == ["mine"]
    simulator.behaviour = Behaviour(models="any")
    assert client.models.retrieve("nobody-knows-this").id == "nobody-knows-this"


@pytest.mark.parametrize(
    ("name", "served"),
    [("gpt-9-giant", "gpt-9-giant-2025-01-01"), ("gpt-9-2030-01-01", "gpt-9-2030-01-01"), ("text-embedding-9", "text-embedding-9")],
)  # fmt: skip
def test_a_model_of_a_known_family_is_one(api: Any, body: Any, name: str, served: str) -> None:
    endpoint = EMBEDDINGS if "embedding" in name else CHAT
    assert api.post(endpoint, body(endpoint, "Hello", model=name))["model"] == served


def test_every_response_says_who_answers(simulator: SimulatorServer, api: Any, http_client: Any, line: Any) -> None:
    responses = [
        api.request("GET", "/v1/models"),
        api.request("GET", f"/v1/files/{api.upload([line(1)])}/content"),
        api.request("GET", "/v1/nothing"),
        api.request("PUT", "/v1/models"),
        http_client.get(f"{simulator.base_url}/models"),
        http_client.get(f"{simulator.base_url}/models", headers={"host": "example.com"}),
        http_client.get(simulator.base_url.replace("/v1", "/_simulator/ledger")),
    ]
    assert [response.status_code for response in responses] == [200, 200, 404, 405, 401, 421, 401]
    for response in responses:
        assert response.headers["x-simulator"] == "pytest-batcheval"
        assert response.headers["x-simulator-respondent"] == "faithful@0"
        assert response.headers["x-simulator-clock"] == simulator.clock_address
        assert response.headers["openai-version"] == "2020-10-01"
        assert response.headers["openai-organization"] == "org-simulator"
        assert int(response.headers["openai-processing-ms"]) > 0
        assert response.headers["date"] == "Thu, 01 Jan 2026 00:00:00 GMT"
        assert re.fullmatch("req_[0-9a-f]{32}", response.headers["x-request-id"])
        assert not [name for name in response.headers if name.startswith("access-control-")]
    assert len({response.headers["x-request-id"] for response in responses}) == len(responses)


def test_the_date_is_virtual(simulator: SimulatorServer, api: Any) -> None:
    dates = []
    for _ in range(2):
        dates.append(api.request("GET", "/v1/models").headers["date"])
        simulator.forward(3_661)
    assert dates == ["Thu, 01 Jan 2026 00:00:00 GMT", "Thu, 01 Jan 2026 01:01:01 GMT"]


def test_request_ids_begin_anew_after_a_reset(simulator: SimulatorServer, api: Any) -> None:
    simulator.reset()
    first = api.request("GET", "/v1/models").headers["x-request-id"]
    simulator.reset()
    assert api.request("GET", "/v1/models").headers["x-request-id"] == first


def test_the_sdk_knows_the_request_id(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refusal:
        client.batches.retrieve("batch_0")
    assert (refusal.value.request_id or "").startswith("req_")


@pytest.mark.parametrize(("path", "method"), [("/v1/", "GET"), ("/", "GET"), ("/v1/batches/", "GET"), ("/v1/uploads", "POST"),
                                              ("/v1/files/a/b", "GET"), ("/v1/files/a/content/b", "GET")])  # fmt: skip
def test_an_unknown_url_is_a_404(api: Any, path: str, method: str) -> None:
    status, error = api.refused(method, path)
    assert (status, error["message"]) == (404, f"Invalid URL ({method} {path})")


def test_calls_are_limited_a_minute(simulator: SimulatorServer, client: openai.OpenAI, api: Any, body: Any) -> None:
    simulator.keys = keys(requests_per_minute=2)
    asked = body(CHAT, "Hello")
    first = api.request("POST", CHAT, json=asked).headers
    assert first["x-ratelimit-limit-requests"] == "2"
    assert first["x-ratelimit-remaining-requests"] == "1"
    assert first["x-ratelimit-reset-requests"] == "60.000s"
    simulator.forward(15)
    api.post(CHAT, asked)
    with pytest.raises(openai.RateLimitError) as refusal:
        client.chat.completions.create(**asked)
    assert refusal.value.code == "rate_limit_exceeded"
    headers = refusal.value.response.headers
    assert (headers["retry-after"], headers["retry-after-ms"]) == ("45", "45000")
    assert headers["x-ratelimit-remaining-requests"] == "0"
    assert api.post(CHAT, asked)["choices"], "a client that is told to wait need not know the clock"
    assert len(simulator.ledger.executions) == 3


def test_the_other_keys_of_a_project_have_their_own_limits(
    simulator: SimulatorServer, api: Any, api_of: Any, body: Any
) -> None:
    simulator.keys = keys(requests_per_minute=1)
    api.post(CHAT, body(CHAT, "Hello"))
    assert api_of("key-two").post(CHAT, body(CHAT, "Hello"))["choices"]
    assert api.refused("POST", CHAT, json=body(CHAT, "Hello"))[0] == 429


def test_tokens_are_limited_a_minute(simulator: SimulatorServer, api: Any, body: Any) -> None:
    simulator.keys = keys(tokens_per_minute=100)
    asked = body(CHAT, "word " * 60)
    headers = api.request("POST", CHAT, json=asked).headers
    assert headers["x-ratelimit-limit-tokens"] == "100"
    assert int(headers["x-ratelimit-remaining-tokens"]) == 100 - 69
    status, error = api.refused("POST", CHAT, json=asked)
    assert status == 429
    assert error["message"].startswith("Rate limit reached for tokens per min. Limit: 100.")
    assert api.post(CHAT, asked)["choices"]
    assert api.refused("POST", CHAT, json=body(CHAT, "word " * 200))[0] == 429


@pytest.mark.parametrize("shown", [True, False])
def test_rate_limit_headers_can_be_left_out(simulator: SimulatorServer, api: Any, body: Any, shown: bool) -> None:
    simulator.behaviour = Behaviour(rate_limit_headers=shown)
    headers = api.request("POST", CHAT, json=body(CHAT, "Hello")).headers
    names = {name for name in headers if name.startswith("x-ratelimit-")}
    wanted = {
        f"x-ratelimit-{what}-{kind}" for what in ("limit", "remaining", "reset") for kind in ("requests", "tokens")
    }
    assert names == (wanted if shown else set())


def test_uploads_are_limited_a_minute(simulator: SimulatorServer, api: Any, line: Any) -> None:
    simulator.behaviour = Behaviour(uploads_per_minute=1)
    api.upload([line(1)])
    response = api.send_file(b"{}")
    assert (response.status_code, response.headers["retry-after"]) == (429, "60")
    simulator.forward(60)
    api.upload([line(1)])
