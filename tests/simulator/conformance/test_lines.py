"""Cases 66 to 72: the lines of result files."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.http_exchange import Exchange, HttpReply
from pytest_batcheval.simulator.server import SimulatorServer

CHAT = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"
RESPONSES = "/v1/responses"


def test_66_a_success_line_has_all_four_names(client: openai.OpenAI, api: Any) -> None:
    batch = api.ended(api.batch(1))
    (text,) = client.files.content(batch["output_file_id"]).text.splitlines()
    line = json.loads(text)
    assert list(line) == ["id", "custom_id", "response", "error"]
    assert line["error"] is None
    assert list(line["response"]) == ["status_code", "request_id", "body"]
    assert line["response"]["status_code"] == 200
    assert line["response"]["request_id"]
    assert line["response"]["body"]["object"] == "chat.completion"


def test_67_a_prompt_that_is_too_long_is_a_400_line(api: Any, line: Any) -> None:
    long = [{"role": "user", "content": "words " * 20_000}]
    batch = api.ended(api.batch([line(1, model="gpt-3.5-turbo"), line(2, model="gpt-3.5-turbo", messages=long)]))
    output, errors = api.results(batch)
    assert list(output) == ["line-1"]
    response = errors["line-2"]["response"]
    assert response["status_code"] == 400
    error = response["body"]["error"]
    assert (error["code"], error["param"]) == ("context_length_exceeded", "messages")
    assert error["message"].startswith("This model's maximum context length is 16385 tokens. However, your messages")
    assert errors["line-2"]["error"] is None


@pytest.mark.parametrize("shuffled", [True, False])
def test_68_results_come_in_an_order_of_their_own(simulator: SimulatorServer, api: Any, shuffled: bool) -> None:
    simulator.behaviour = Behaviour(shuffle_output=shuffled)
    batch = api.ended(api.batch(20))
    ids = list(api.lines(batch["output_file_id"]))
    assert sorted(ids) == sorted(f"line-{number}" for number in range(20))
    assert (ids != [f"line-{number}" for number in range(20)]) is shuffled


@pytest.mark.parametrize("overlap", [False, True])
def test_68_failed_lines_stand_in_one_file_only(simulator: SimulatorServer, api: Any, line: Any, overlap: bool) -> None:
    simulator.behaviour = Behaviour(failed_lines_in_output=overlap)
    batch = api.ended(api.batch([line(1), line(2, temperature=3)]))
    output, errors = api.results(batch)
    assert set(output) & set(errors) == ({"line-2"} if overlap else set())
    assert set(output) | set(errors) == {"line-1", "line-2"}


def test_69_a_line_may_be_lost_inside(simulator: SimulatorServer, api: Any) -> None:
    def lost(exchange: Exchange, reply: HttpReply) -> HttpReply:
        if exchange.call != "files.content":
            return reply
        body = {"status_code": 0, "request_id": "", "body": {}}
        line = {"id": "batch_req_0", "custom_id": "line-0", "response": body, "error": None}
        return HttpReply(200, json.dumps(line).encode())

    simulator.faults.fail_lines("Question 0:", status_code=500)
    batch = api.ended(api.batch(2))
    simulator.intercept(changed(lost))
    assert api.lines(batch["error_file_id"]) == {
        "line-0": {
            "id": "batch_req_0",
            "custom_id": "line-0",
            "response": {"status_code": 0, "request_id": "", "body": {}},
            "error": None,
        }
    }


def test_70_one_line_may_be_broken(simulator: SimulatorServer, api: Any) -> None:
    async def broken(exchange: Exchange) -> None:
        reply = await exchange.handle(exchange)
        if reply.stream is not None:
            whole = b"".join([chunk async for chunk in reply.stream])
            reply = HttpReply(200, whole.replace(b'"custom_id":"line-1",', b'"custom_id":"line-1",\x00"', 1))
        await exchange.send(reply)

    batch = api.ended(api.batch(3))
    simulator.intercept(broken)
    texts = api.content(batch["output_file_id"]).splitlines()
    unreadable = []
    for text in texts:
        try:
            json.loads(text)
        except ValueError:
            unreadable.append(text)
    assert len(texts) == 3
    assert len(unreadable) == 1
    assert b'"custom_id":"line-1"' in unreadable[0]


def test_71_an_embeddings_line_has_one_item_per_input(api: Any, line: Any) -> None:
    lines = [line(1, EMBEDDINGS, input=["a", "bc", "def"]), line(2, EMBEDDINGS, input=[[1, 2], [3]], dimensions=8)]
    output = api.lines(api.ended(api.batch(lines, EMBEDDINGS))["output_file_id"])
    first, second = (output[name]["response"]["body"] for name in ("line-1", "line-2"))
    assert [item["index"] for item in first["data"]] == [0, 1, 2]
    assert {len(item["embedding"]) for item in first["data"]} == {1_536}
    assert {len(item["embedding"]) for item in second["data"]} == {8}
    assert second["usage"] == {"prompt_tokens": 3, "total_tokens": 3}


def test_71_a_reasoning_models_message_is_not_its_first_output(api: Any, line: Any) -> None:
    output = api.lines(api.ended(api.batch([line(1, RESPONSES, model="gpt-6-luna")], RESPONSES))["output_file_id"])
    body = output["line-1"]["response"]["body"]
    assert [item["type"] for item in body["output"]] == ["reasoning", "message"]
    assert body["usage"]["output_tokens_details"]["reasoning_tokens"] > 0


@pytest.mark.parametrize("endpoint", [CHAT, RESPONSES])
def test_72_an_answer_that_is_cut_is_a_success(simulator: SimulatorServer, api: Any, line: Any, endpoint: str) -> None:
    limit = {"max_completion_tokens" if endpoint == CHAT else "max_output_tokens": 2}
    batch = api.ended(api.batch([line(1, endpoint, **limit)], endpoint))
    body = api.lines(batch["output_file_id"])["line-1"]["response"]["body"]
    if endpoint == CHAT:
        assert body["choices"][0]["finish_reason"] == "length"
        assert body["usage"]["completion_tokens"] <= 2
    else:
        assert (body["status"], body["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert batch["error_file_id"] is None
    assert sum(simulator.ledger.billed().values()) == 1


def test_72_a_refusal_is_a_success(simulator: SimulatorServer, api: Any, line: Any) -> None:
    lines = [line(number, model="sim-refuser-1") for number in range(12)]
    batch = api.ended(api.batch(lines))
    messages = [
        answer["response"]["body"]["choices"][0]["message"] for answer in api.lines(batch["output_file_id"]).values()
    ]
    marked = [message for message in messages if message["refusal"]]
    assert 0 < len(marked) < 12
    assert {message["content"] for message in marked} == {None}
    assert batch["request_counts"] == {"total": 12, "completed": 12, "failed": 0}
    assert sum(simulator.ledger.billed().values()) == 12


def changed(change: Any) -> Any:
    """An interceptor that sends what `change(exchange, reply)` makes of each reply."""

    async def intercept(exchange: Exchange) -> None:
        await exchange.send(change(exchange, await exchange.handle(exchange)))

    return intercept
