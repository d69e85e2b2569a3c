"""Cases 39 to 53: what fails a batch after a create that went well."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.server import SimulatorServer

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
EMBEDDINGS = "/v1/embeddings"


def without(line: dict[str, Any], *names: str) -> dict[str, Any]:
    """The line without these names, of which `body.x` is one in its body."""
    body = {name: value for name, value in line["body"].items() if f"body.{name}" not in names}
    return {name: value for name, value in {**line, "body": body}.items() if name not in names}


def test_39_lines_that_are_no_json_fail_the_batch(
    simulator: SimulatorServer, client: openai.OpenAI, api: Any, line: Any
) -> None:
    lines = ["[1]", *[json.dumps(line(number)) for number in range(2, 10)], "{tenth"]
    file = client.files.create(file=("a.jsonl", "\n".join(lines).encode()), purpose="batch")
    created = client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
    failed = api.ended({"id": created.id, "status": created.status})
    assert failed["errors"]["data"] == [
        {"code": "invalid_json_line", "message": "This line is not parseable as valid JSON.", "param": None, "line": n}
        for n in (1, 10)
    ]
    assert failed["failed_at"] == failed["created_at"]
    assert failed["in_progress_at"] is None
    assert failed["request_counts"] == {"total": 0, "completed": 0, "failed": 0}
    assert (failed["output_file_id"], failed["error_file_id"], failed["usage"]) == (None, None, None)
    assert failed["expires_at"] == failed["created_at"] + 86_400
    assert simulator.ledger.executions == []


def test_40_a_byte_order_mark_fails_the_batch(api: Any, line: Any) -> None:
    faults = api.errors(b"\xef\xbb\xbf" + json.dumps(line(1)).encode())
    assert [(fault["code"], fault["line"]) for fault in faults] == [("invalid_json_line", 1)]


def test_41_names_that_are_missing_are_told_in_the_order_of_lines(api: Any, line: Any) -> None:
    names = ("custom_id", "method", "url", "body")
    faults = api.errors([without(line(number), name) for number, name in enumerate(names)])
    assert faults == [
        {
            "code": "missing_required_parameter",
            "message": f"Missing required parameter: '{name}'.",
            "param": name,
            "line": number,
        }
        for number, name in enumerate(names, start=1)
    ]


def test_42_a_url_other_than_the_endpoint_fails_the_batch(api: Any, line: Any) -> None:
    assert api.errors([line(1), {**line(2), "url": RESPONSES}]) == [
        {
            "code": "invalid_url",
            "message": "The URL provided for this request does not match the batch endpoint.",
            "param": "url",
            "line": 2,
        }
    ]


def test_43_streaming_fails_the_batch(api: Any, line: Any) -> None:
    assert api.errors([line(1), line(2, stream=True)]) == [
        {
            "code": "streaming_unsupported",
            "message": "Chat Completions: Streaming is not supported in the Batch API.",
            "param": "body.stream",
            "line": 2,
        }
    ]
    assert api.ended(api.batch([line(1, stream=False)]))["status"] == "completed"


def test_44_an_unknown_model_fails_the_batch(simulator: SimulatorServer, api: Any, line: Any) -> None:
    assert api.errors([line(1, model="nobody-knows-this")]) == [
        {
            "code": "model_not_found",
            "message": "The provided model 'nobody-knows-this' is not supported by the Batch API.",
            "param": "body.model",
            "line": 1,
        }
    ]
    simulator.behaviour = Behaviour(models=("nobody-knows-this",))
    assert api.ended(api.batch([line(1, model="nobody-knows-this")]))["status"] == "completed"
    assert api.errors([line(1)])[0]["code"] == "model_not_found"


def test_45_model_and_messages_are_required(api: Any, line: Any) -> None:
    faults = api.errors([without(line(1), "body.model"), without(line(2), "body.messages")])
    assert faults == [
        {"code": "invalid_request", "message": "Model parameter is required.", "param": "body.model", "line": 1},
        {"code": "invalid_request", "message": "Messages parameter is required.", "param": "body.messages", "line": 2},
    ]


@pytest.mark.parametrize("text", [None, "Used before: {id}"])
def test_46_a_repeated_custom_id_fails_the_batch_at_the_later_line(
    simulator: SimulatorServer, api: Any, line: Any, text: str | None
) -> None:
    if text is not None:
        simulator.behaviour = Behaviour(
            texts={"duplicate_custom_id": text}, codes={"duplicate_custom_id": "repeated_custom_id"}
        )
    (fault,) = api.errors([line(1), line(2), {**line(3), "custom_id": "line-1"}])
    assert (fault["line"], fault["param"]) == (3, "custom_id")
    assert fault["code"] == ("duplicate_custom_id" if text is None else "repeated_custom_id")
    assert fault["message"] == ("Used before: line-1" if text else fault["message"])
    assert "line-1" in fault["message"]


@pytest.mark.parametrize("code", ["mismatched_model", "model_mismatch"])
def test_47_a_second_model_fails_the_batch(simulator: SimulatorServer, api: Any, line: Any, code: str) -> None:
    if code != "mismatched_model":
        simulator.behaviour = Behaviour(codes={"mismatched_model": code})
    (fault,) = api.errors([line(1), line(2, model="gpt-6.1-terra"), line(3)])
    assert (fault["code"], fault["line"], fault["param"]) == (code, 2, "body.model")


@pytest.mark.parametrize("code", ["invalid_method", "method_not_allowed"])
def test_48_another_method_fails_the_batch(simulator: SimulatorServer, api: Any, line: Any, code: str) -> None:
    if code != "invalid_method":
        simulator.behaviour = Behaviour(codes={"invalid_method": code})
    (fault,) = api.errors([{**line(1), "method": "GET"}])
    assert (fault["code"], fault["line"], fault["param"]) == (code, 1, "method")


def test_49_only_blank_lines_fail_the_batch(api: Any, line: Any) -> None:
    assert api.errors(b"\n  \n\r\n") == [
        {
            "code": "empty_file",
            "message": "The input file is empty. Please ensure that the batch contains at least one request.",
            "param": None,
            "line": None,
        }
    ]


def test_49_blank_lines_between_requests_are_counted_and_skipped(api: Any, line: Any) -> None:
    data = b"\n" + json.dumps(line(1)).encode() + b"\r\n\r\n" + json.dumps(line(2)).encode() + b"\n"
    assert api.ended(api.create(api.upload(data)))["request_counts"]["completed"] == 2
    assert [fault["line"] for fault in api.errors(data + b"\n{x")] == [6]


@pytest.mark.sampled
@pytest.mark.parametrize("code", ["too_many_requests", "too_many_tasks"])
def test_50_50001_lines_fail_the_batch(simulator: SimulatorServer, api: Any, line: Any, code: str) -> None:
    if code != "too_many_requests":
        simulator.behaviour = Behaviour(codes={"too_many_requests": code})
    lines = [{**line(0), "custom_id": str(number)} for number in range(50_001)]
    (fault,) = api.errors(lines)
    assert (fault["code"], fault["line"]) == (code, None)
    assert "50000" in fault["message"]


def test_50_the_limit_itself_is_allowed(simulator: SimulatorServer, api: Any) -> None:
    assert simulator.behaviour.max_requests == 50_000
    simulator.behaviour = Behaviour(max_requests=3)
    assert api.ended(api.batch(3))["status"] == "completed"
    assert api.ended(api.batch(4))["status"] == "failed"


@pytest.mark.parametrize("code", ["too_many_inputs", "too_many_embedding_inputs"])
def test_51_50001_embedding_inputs_fail_the_batch(simulator: SimulatorServer, api: Any, line: Any, code: str) -> None:
    if code != "too_many_inputs":
        simulator.behaviour = Behaviour(codes={"too_many_inputs": code})
    lines = [line(number, EMBEDDINGS, input=["words"] * 2_000) for number in range(25)]
    (fault,) = api.errors([*lines, line(25, EMBEDDINGS, input="one more")], EMBEDDINGS)
    assert (fault["code"], fault["line"]) == (code, None)
    assert simulator.ledger.executions == []


def test_51_the_limit_itself_is_allowed(simulator: SimulatorServer, api: Any, line: Any) -> None:
    assert simulator.behaviour.max_inputs == 50_000
    simulator.behaviour = Behaviour(max_inputs=4)
    lines = [line(0, EMBEDDINGS, input=["a", "b", "c"]), line(1, EMBEDDINGS, input=[1, 2, 3, 4, 5])]
    assert api.ended(api.batch(lines, EMBEDDINGS))["status"] == "completed"
    lines.append(line(2, EMBEDDINGS, input="d"))
    assert api.ended(api.batch(lines, EMBEDDINGS))["status"] == "failed"


@pytest.mark.parametrize("all_faults", [True, False])
def test_52_two_faults_of_a_line_are_both_told(
    simulator: SimulatorServer, api: Any, line: Any, all_faults: bool
) -> None:
    simulator.behaviour = Behaviour(all_faults=all_faults)
    bad = {**line(1, stream=True), "method": "PUT"}
    faults = api.errors([bad, without(line(2), "custom_id", "body.model")])
    wanted = [(1, "method"), (1, "body.stream"), (2, "custom_id"), (2, "body.model")]
    assert [(fault["line"], fault["param"]) for fault in faults] == (wanted if all_faults else wanted[::2])


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"max_tokens": 1_000_000}, "max_tokens"),
        ({"messages": [{"role": "user", "text": "Hello"}]}, "messages[0].text"),
        ({"messages": [{"content": "Hello"}]}, "messages[0].role"),
        ({"messages": []}, "messages"),
        ({"messages": "Hello"}, "messages"),
        ({"temperature": 3}, "temperature"),
    ],
)
def test_53_a_bad_parameter_fails_its_line_not_the_batch(
    simulator: SimulatorServer, api: Any, line: Any, wrong: dict[str, Any], param: str
) -> None:
    batch = api.ended(api.batch([line(1), line(2, **wrong)]))
    assert batch["status"] == "completed"
    assert batch["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
    good, bad = api.results(batch)
    assert list(good) == ["line-1"]
    response = bad["line-2"]["response"]
    assert response["status_code"] == 400
    assert response["body"]["error"]["type"] == "invalid_request_error"
    assert response["body"]["error"]["param"] == param
    assert bad["line-2"]["error"] is None
    assert sum(simulator.ledger.billed().values()) == 1
