"""Respondents' replies in the shapes of both endpoints, and in the ledger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from respondent_tables import interview, personas, questions, rubric_body

from pytest_batcheval.catalogue.models import MODEL
from pytest_batcheval.simulator.inference.answering import Answering
from pytest_batcheval.simulator.ledger import Execution
from pytest_batcheval.simulator.respondents.registry import make
from pytest_batcheval.wire.endpoints import CHAT, RESPONSES
from pytest_batcheval.wire.objects import Answer, Request

BODY = interview(personas()[0], questions()[0])
INPUT = {
    "model": MODEL,
    "reasoning": {"effort": "none"},
    "instructions": personas()[0].description,
    "input": questions()[0].text,
}
endpoints = pytest.mark.parametrize(("url", "body"), [(CHAT, BODY), (RESPONSES, INPUT)], ids=["chat", "responses"])


def answer(name: str, url: str, body: dict[str, Any], sample: int = 0) -> Answer:
    request = Request(body, url, sample=sample)
    status, answered = Answering(make(name), 0).answer(url, body, request.custom_id)
    return Answer(request, "simulator:x@0", {"status_code": status, "body": answered})


def scripted(tmp_path: Path, **entry: object) -> str:
    path = tmp_path / "answers.json"
    path.write_text(json.dumps([entry]), encoding="utf-8")
    return f"scripted-{path}"


@endpoints
def test_a_marked_refusal_has_no_text(tmp_path: Path, url: str, body: dict[str, Any]) -> None:
    given = answer(scripted(tmp_path, refusal="I would rather not."), url, body)
    assert (given.text, given.refusal, given.finish_reason) == ("", "I would rather not.", "stop")
    if url == CHAT:
        assert given.body["choices"][0]["message"]["content"] is None
    else:
        assert given.body["output"][0]["content"] == [{"type": "refusal", "refusal": "I would rather not."}]
    assert (given.usage.get("completion_tokens") or given.usage["output_tokens"]) > 1


@endpoints
def test_the_refuser_does_both(url: str, body: dict[str, Any]) -> None:
    answers = [answer("refuser-1", url, body, sample) for sample in range(20)]
    assert {a.refusal is None for a in answers} == {True, False}
    assert all(bool(a.text) == (a.refusal is None) for a in answers)


@endpoints
@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_reasons_to_stop(tmp_path: Path, url: str, body: dict[str, Any], reason: str) -> None:
    given = answer(scripted(tmp_path, text="음", finish_reason=reason), url, body)
    assert (given.text, given.finish_reason) == ("음", reason)
    if url == RESPONSES:
        assert given.body["status"] == given.body["output"][0]["status"] == "incomplete"


@endpoints
def test_a_scripted_failure_is_an_error_of_the_api(tmp_path: Path, url: str, body: dict[str, Any]) -> None:
    for status, kind in ((503, "server_error"), (422, "invalid_request_error")):
        name = scripted(tmp_path, text="try later", status_code=status)
        given = Answering(make(name), 0).answer(url, body)
        assert given == (status, {"error": {"message": "try later", "type": kind, "param": None, "code": None}})


@endpoints
def test_who_answers_signs(url: str, body: dict[str, Any]) -> None:
    assert answer("faithful", url, body).model.startswith(f"{body['model']}-20")
    assert answer("noisy-0.3", url, body).model == "sim-noisy-0.3"
    given = answer("faithful", url, {**body, "model": "sim-blind"})
    assert given.model == "sim-blind"
    assert given.body["x_simulator"]["respondent"] == "blind"


@endpoints
def test_a_model_of_no_respondent_is_not_found(url: str, body: dict[str, Any]) -> None:
    status, given = Answering(make("faithful"), 0).answer(url, {**body, "model": "sim-nobody"})
    assert (status, given["error"]["code"], given["error"]["param"]) == (404, "model_not_found", "model")


def test_a_rubric_is_filled_on_any_patients_server() -> None:
    given = answer("blind", CHAT, rubric_body("혹시 더 나빠질까 봐 계속 걱정돼요."))
    assert given.json()["scores"]["HA"]["score"] == 4
    assert given.model == "sim-blind"
    assert given.body["x_simulator"]["respondent"] == "judge"


def test_a_long_answer_is_cut() -> None:
    given = answer("faithful", CHAT, {**BODY, "max_completion_tokens": 5})
    assert given.finish_reason == "length"
    assert len(given.text) < 20


def test_the_ledger_keeps_planted_signs() -> None:
    planted = answer("faithful-1", CHAT, BODY).body["x_simulator"]["planted"]
    assert set(planted) == {"HA", "RD", "SD"}
    execution = Execution("k", "c", None, 0.0, "m", 200, 1, planted)
    assert execution.planted == planted
    assert Execution("k", "c", None, 0.0, "m", 200, 1).planted == {}
    assert isinstance(hash(execution), int)


def test_a_server_books_planted_signs_of_calls_and_batches() -> None:
    from pytest_batcheval.simulator.server import SimulatorServer

    openai = pytest.importorskip("openai")
    request = Request(BODY)
    with SimulatorServer("faithful-1") as server, openai.OpenAI(base_url=server.base_url, api_key="x") as client:
        client.chat.completions.create(**BODY)
        file = client.files.create(file=("a.jsonl", request.line() + b"\n"), purpose="batch")
        batch = client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
        _until_ended(client, batch.id, server.clock_address)
        booked = [dict(execution.planted) for execution in server.ledger.executions]
        assert all(execution["planted"] for execution in server.ledger.to_data())
    levels = personas()[0].levels
    assert booked == [{code: levels[code] for code in ("HA", "RD", "SD")}] * 2


def _until_ended(client: Any, batch_id: str, clock: str) -> None:
    from pytest_batcheval.backends.clocks import SimulatorClock

    with SimulatorClock(clock) as simulated:
        for _ in range(200):
            if client.batches.retrieve(batch_id).status == "completed":
                return
            simulated.sleep(60)
    raise AssertionError("the batch did not end")
