"""The server in process: start, reset, ledger, what others rely on."""

from __future__ import annotations

import json
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import openai
import pytest

from pytest_batcheval.errors import UsageError
from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.encoding import encode
from pytest_batcheval.simulator.http_exchange import Exchange
from pytest_batcheval.simulator.server import SimulatorServer
from pytest_batcheval.simulator.state import LinePositions
from pytest_batcheval.wire.objects import Request

CHAT = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"


def test_a_port_that_is_taken_raises_and_leaves_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = SimulatorServer(port=taken.getsockname()[1], state_dir=tmp_path)
        with pytest.raises(OSError, match="in use"):
            server.start()
    with SimulatorServer(state_dir=tmp_path) as server:
        assert server.base_url


def test_stop_can_be_called_twice() -> None:
    server = SimulatorServer().start()
    server.stop()
    server.stop()


@pytest.mark.parametrize(("respondent", "clock"), [("nobody", "jump"), ("faithful", "fast")])
def test_what_there_is_not_is_told(respondent: str, clock: str) -> None:
    with pytest.raises(UsageError):
        SimulatorServer(respondent, clock=clock)


def test_in_process_any_name_is_a_model(body: Any, http_client: Any) -> None:
    with SimulatorServer() as server:
        asked = body(CHAT, "Hello", model="m")
        key = {"authorization": "Bearer k"}
        answer = http_client.post(f"{server.base_url}/chat/completions", json=asked, headers=key)
    assert answer.json()["model"] == "m-2025-01-01"


def test_a_server_that_is_not_started_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    SimulatorServer()
    assert list(tmp_path.iterdir()) == []
    with SimulatorServer() as server:
        server.reset()
        assert [path.name[:10] for path in tmp_path.iterdir()] == ["batcheval-"]
    assert list(tmp_path.iterdir()) == []


def test_origin_names_respondent_and_seed() -> None:
    assert SimulatorServer("noisy-0.3", seed=7).origin == "simulator:noisy-0.3@7"


def test_a_reset_empties_everything(simulator: SimulatorServer, api: Any, client: openai.OpenAI, body: Any) -> None:
    def everything() -> tuple[Any, ...]:
        batch = api.ended(api.batch(3))
        return batch, api.content(batch["output_file_id"]), api.get("/v1/files"), simulator.ledger.to_data()

    first = everything()
    simulator.faults.hold_batches()
    simulator.faults.fail_lines("Question")
    simulator.behaviour = Behaviour(usage=False)
    api.batch(2)
    simulator.reset()
    assert api.get("/v1/files")["data"] == api.get("/v1/batches")["data"] == []
    assert simulator.ledger.executions == []
    assert simulator.ledger.intervals == {}
    simulator.reset()
    assert everything() == first


@pytest.mark.sampled
def test_a_reset_ends_what_is_running(simulator: SimulatorServer, api: Any, line: Any) -> None:
    batch = api.batch([line(number, content="x" * 300) for number in range(4_000)])
    poll = threading.Thread(target=api.request, args=("GET", f"/v1/batches/{batch['id']}"))
    poll.start()
    while not simulator.ledger.executions and poll.is_alive():
        api.request("GET", f"/v1/batches/{batch['id']}")
    simulator.reset()
    poll.join()
    assert api.ended(api.batch(2))["status"] == "completed"
    assert len(simulator.ledger.executions) == 2


def test_the_ledger_says_what_was_executed_when(simulator: SimulatorServer, api: Any) -> None:
    batch = api.ended(api.batch(4))
    ledger = simulator.ledger
    assert ledger.custom_ids() == {"line-0", "line-1", "line-2", "line-3"}
    assert [ledger.executed(name) for name in ("line-0", "line-9")] == [1, 0]
    assert {execution.batch_id for execution in ledger.executions} == {batch["id"]}
    times = [execution.at for execution in ledger.executions]
    assert times == sorted(times)
    assert batch["in_progress_at"] <= times[0] < times[-1] <= batch["finalizing_at"] + 1
    start, end = ledger.intervals[batch["id"]]
    assert int(start) == batch["created_at"]
    assert end is not None
    assert int(end) == batch["completed_at"]


def test_a_live_batch_has_no_end_yet(simulator: SimulatorServer, api: Any) -> None:
    batch = api.batch(1)
    assert simulator.ledger.intervals[batch["id"]][1] is None


def test_the_ledger_is_told_by_the_control_api(simulator: SimulatorServer, api: Any) -> None:
    batch = api.ended(api.batch(2))
    answer = api.request("GET", "/_simulator/ledger", headers={"authorization": f"Bearer {simulator.token}"}).json()
    assert [entry["custom_id"] for entry in answer["executions"]] == [
        entry.custom_id for entry in simulator.ledger.executions
    ]
    assert {entry["billed"] for entry in answer["executions"]} == {True}
    assert list(answer["intervals"]) == [batch["id"]]


def test_a_request_key_is_the_key_of_its_execution(simulator: SimulatorServer, api: Any, body: Any) -> None:
    request = Request(body(CHAT, "How do you sleep?"), sample=3)
    api.ended(api.create(api.upload(request.line())))
    assert simulator.ledger.billed() == {request.custom_id: 1}


def test_answers_depend_on_seed_body_and_sample_alone(api: Any, body: Any, http_client: Any) -> None:
    asked = body(CHAT, "How do you sleep?")
    lines = [json.loads(Request(asked, sample=sample).line()) for sample in range(3)]
    first = api.lines(api.ended(api.batch(lines))["output_file_id"])
    api.ended(api.batch(2))
    again = api.lines(api.ended(api.batch(lines[::-1]))["output_file_id"])
    assert again == first
    assert len({json.dumps(line["response"]["body"]) for line in first.values()}) == 3
    with SimulatorServer(seed=1) as other:
        key = {"authorization": "Bearer k"}
        url = f"{other.base_url}/chat/completions"
        answers = [http_client.post(url, json=asked, headers=key).json() for _ in range(2)]
    assert answers[0] == answers[1] != api.post(CHAT, asked)


@pytest.mark.parametrize("endpoint", [CHAT, "/v1/responses", EMBEDDINGS])
def test_a_call_and_a_line_of_the_same_body_say_the_same(api: Any, line: Any, endpoint: str) -> None:
    asked = line(1, endpoint)
    called = api.post(endpoint, asked["body"])
    output = api.lines(api.ended(api.batch([asked], endpoint))["output_file_id"])
    assert output["line-1"]["response"]["body"] == called


def test_text_that_utf_8_cannot_hold_is_escaped() -> None:
    assert encode({"a": "\ud800", "b": "잠"}) == b'{"a":"\\ud800","b":"\\uc7a0"}'
    assert encode({"b": "잠"}) == '{"b":"잠"}'.encode()


def test_held_batches_stay_until_they_are_released(simulator: SimulatorServer, api: Any) -> None:
    simulator.faults.hold_batches()
    batch = api.status(api.batch(2), "in_progress")
    simulator.forward(10_000)
    for _ in range(3):
        assert api.retrieve(batch)["request_counts"]["completed"] == 0
    simulator.faults.release()
    assert api.ended(batch)["request_counts"]["completed"] == 2


def test_faults_can_be_asked_for_over_the_control_api(simulator: SimulatorServer, api: Any) -> None:
    headers = {"authorization": f"Bearer {simulator.token}"}

    def ask(**fault: Any) -> None:
        assert api.request("POST", "/_simulator/faults", headers=headers, json=fault).status_code == 200

    ask(fault="fail_next_batch", code="token_limit_exceeded", message="Wait.")
    assert api.errors([{"custom_id": "a"}])[0]["code"] == "token_limit_exceeded"
    ask(fault="expire_next_batch", after=1)
    assert api.ended(api.batch(2))["status"] == "expired"
    ask(fault="fail_lines", match="Question 0", status_code=429, code="rate_limit_exceeded")
    assert api.ended(api.batch(2))["request_counts"] == {"total": 2, "completed": 1, "failed": 1}


@pytest.mark.sampled
def test_counts_grow_while_a_long_batch_is_executed(simulator: SimulatorServer, api: Any, line: Any) -> None:
    batch = api.batch([line(number) for number in range(3_000)])
    ended = api.ended(batch)
    assert ended["request_counts"] == {"total": 3_000, "completed": 3_000, "failed": 0}
    assert len(simulator.ledger.executions) == 3_000
    assert max(simulator.ledger.billed().values()) == 1


@pytest.mark.sampled
def test_other_requests_are_served_while_a_batch_is_executed(
    simulator: SimulatorServer, api: Any, api_of: Any, line: Any
) -> None:
    batch = api.batch([line(number) for number in range(4_000)])
    other = api_of("another-key")
    polls = threading.Thread(target=api.ended, args=(batch,))
    polls.start()
    served = 0
    while polls.is_alive():
        other.get("/v1/models")
        served += 1
    polls.join()
    assert served > 20


@pytest.mark.sampled
def test_a_cancel_stops_the_execution_where_it_is(simulator: SimulatorServer, api: Any, api_of: Any) -> None:
    batch = api.batch(4_000)

    def look() -> None:
        while api.retrieve(batch)["status"] in ("validating", "in_progress"):
            pass

    poll = threading.Thread(target=look)
    poll.start()
    other = api_of("key-one")
    while not simulator.ledger.executions:
        other.get("/v1/models")
    cancelling = other.cancel(batch)
    poll.join()
    assert cancelling["status"] == "cancelling"
    ended = api.ended(cancelling)
    counts = ended["request_counts"]
    output, errors = api.results(ended)
    assert (ended["status"], ended["finalizing_at"]) == ("cancelled", None)
    assert 0 < counts["completed"] < 2_000
    assert counts["completed"] == len(output) == len(simulator.ledger.executions) == 4_000 - len(errors)


@pytest.mark.sampled
def test_a_cancel_while_the_input_is_read_counts(simulator: SimulatorServer, api: Any) -> None:
    cancelling = api.cancel(api.batch(20_000))
    assert (cancelling["status"], cancelling["in_progress_at"]) == ("cancelling", None)
    ended = api.ended(cancelling)
    assert (ended["status"], ended["in_progress_at"]) == ("cancelled", None)
    assert simulator.ledger.executions == []


def test_keys_that_only_look_leave_no_trace(simulator: SimulatorServer, api_of: Any) -> None:
    for number in range(5):
        looking = api_of(f"looking-{number}")
        assert looking.get("/v1/files")["data"] == looking.get("/v1/batches")["data"] == []
    assert list(simulator._state.projects) == []
    api_of("making").batch(1)
    assert len(list(simulator._state.projects)) == 1


def test_places_of_lines_take_little_room() -> None:
    lines = LinePositions()
    assert lines.offsets.itemsize + lines.lengths.itemsize == 12


def test_what_breaks_in_the_server_is_a_500_and_is_kept() -> None:
    def broken(name: str, value: Any) -> None:
        raise RuntimeError("planted")

    with SimulatorServer(check=broken) as server:
        with (
            openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client,
            pytest.raises(openai.InternalServerError) as error,
        ):
            client.models.list()
        assert error.value.response.json()["error"]["type"] == "server_error"
        assert [str(crash) for crash in server.crashes] == ["planted"]


def test_an_interceptor_takes_over_until_the_reset(simulator: SimulatorServer, api: Any) -> None:
    seen: list[str] = []

    async def watch(exchange: Exchange) -> None:
        seen.append(exchange.call)
        await exchange.answer()

    simulator.intercept(watch)
    batch = api.ended(api.batch(1))
    api.content(batch["output_file_id"])
    assert seen[:2] == ["files.create", "batches.create"]
    assert seen[-1] == "files.content"
    simulator.reset()
    api.get("/v1/models")
    assert "models.list" not in seen


def test_a_stopped_server_is_gone() -> None:
    before = set(threading.enumerate())
    with SimulatorServer():
        assert {thread.name for thread in set(threading.enumerate()) - before} >= {"batcheval-simulator"}
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("clock", ["real", "x600", "x1000000"])
def test_time_that_flows_begins_at_its_start(clock: str) -> None:
    before = time.time()
    with SimulatorServer(clock=clock) as server, openai.OpenAI(base_url=server.base_url, api_key="k") as client:
        batch = client.batches.create(input_file_id="file-abc", endpoint="/v1/responses", completion_window="24h")
    start = int(before) if clock == "real" else 1_767_225_600
    assert start <= batch.created_at
    assert clock == "x1000000" or batch.created_at < start + 3_600
