"""The backend and its clock against a whole server: the simulator."""

from __future__ import annotations

import json
import threading

import pytest

from pytest_batcheval.backends.clocks import SimulatorClock
from pytest_batcheval.backends.errors import Refused, UnknownOutcome
from pytest_batcheval.backends.openai_batch import OpenAIBatch
from pytest_batcheval.engine.send import send
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.simulator.server import SimulatorServer
from pytest_batcheval.wire.objects import Request


@pytest.fixture(scope="module")
def running():
    with SimulatorServer(seed=3) as server:
        yield server


@pytest.fixture
def simulator(running):
    running.reset()
    return running


@pytest.fixture
def backend(simulator):
    with OpenAIBatch(simulator.base_url, "key", scope="here") as opened:
        yield opened


@pytest.fixture
def clock(backend):
    with SimulatorClock(backend.clock_address) as opened:
        yield opened


@pytest.fixture
def requests():
    bodies = ({"model": "gpt-6-luna", "messages": [{"role": "user", "content": f"질문 {n}"}]} for n in range(4))
    return [Request(body) for body in bodies]


@pytest.fixture
def input_file(tmp_path, requests):
    path = tmp_path / "input.jsonl"
    path.write_bytes(b"".join(request.line() + b"\n" for request in requests))
    return path


def ended(backend, clock, batch):
    while not (seen := backend.retrieve(batch.id)).terminal:
        clock.sleep(600)
    return seen


def test_a_simulator_is_known_by_its_headers_whatever_its_port(backend, simulator):
    assert backend.origin == simulator.origin == "simulator:faithful@3"
    assert backend.clock_address == simulator.clock_address
    assert backend.scope == "here"


def test_a_batch_from_upload_to_its_answers(backend, clock, input_file, requests, simulator, tmp_path):
    file = backend.upload(input_file, "batcheval-1.jsonl")
    assert file.bytes == input_file.stat().st_size
    assert backend.find_file("batcheval-1.jsonl") == file
    batch = backend.create(file.id, requests[0].url, {"batcheval": "1;a"}, "batcheval-1")
    assert (batch.status, batch.input_file_id, batch.metadata) == ("validating", file.id, {"batcheval": "1;a"})
    assert [seen.id for seen in backend.list_batches()] == [batch.id]
    done = ended(backend, clock, batch)
    assert (done.status, done.completed, done.failed, done.total) == ("completed", 4, 0, 4)
    backend.download(done.output_file_id, tmp_path / "output.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "output.jsonl").read_bytes().splitlines()]
    assert {line["custom_id"] for line in lines} == {request.custom_id for request in requests}
    assert simulator.ledger.billed() == dict.fromkeys((r.custom_id for r in requests), 1)


def test_a_deleted_file_is_gone_and_a_create_of_it_fails_unpaid(backend, clock, input_file, simulator):
    file = backend.upload(input_file, "batcheval-1.jsonl")
    backend.delete_file(file.id)
    assert backend.find_file("batcheval-1.jsonl") is None
    with pytest.raises(Refused, match="404"):
        backend.delete_file(file.id)
    batch = backend.create(file.id, "/v1/chat/completions", {}, "k")
    assert ended(backend, clock, batch).errors[0].param == "file_id"
    assert simulator.ledger.executions == []


def test_what_is_unknown_to_the_server_is_refused(backend, tmp_path):
    for call in (
        lambda: backend.retrieve("batch_0"),
        lambda: backend.download("file-0", tmp_path / "out"),
        lambda: backend.cancel("batch_0"),
    ):
        with pytest.raises(Refused) as caught:
            call()
        assert caught.value.status_code == 404


def test_cancelling_what_runs_and_what_has_ended(backend, clock, input_file):
    file = backend.upload(input_file, "batcheval-1.jsonl")
    batch = backend.create(file.id, "/v1/chat/completions", {}, "k")
    assert backend.cancel(batch.id).status == "cancelling"
    assert ended(backend, clock, batch).status == "cancelled"
    second = backend.create(file.id, "/v1/chat/completions", {}, "k")
    ended(backend, clock, second)
    assert backend.cancel(second.id).status == "completed"


def test_a_create_whose_reply_is_dropped_is_unknown_and_asked_for_once(backend, input_file, simulator):
    file = backend.upload(input_file, "batcheval-1.jsonl")
    simulator.faults.drop_create_reply()
    with pytest.raises(UnknownOutcome):
        backend.create(file.id, "/v1/chat/completions", {}, "k")
    (batch,) = backend.list_batches()
    assert batch.input_file_id == file.id


def test_another_key_sees_nothing(backend, simulator, input_file):
    backend.upload(input_file, "batcheval-1.jsonl")
    with OpenAIBatch(simulator.base_url, "another") as other, OpenAIBatch(simulator.base_url, "third") as third:
        assert other.find_file("batcheval-1.jsonl") is None
        assert other.scope != third.scope


def test_a_whole_send_over_http_pays_once_though_the_create_is_unclear(backend, clock, requests, simulator, tmp_path):
    simulator.faults.drop_create_reply()
    with Journal.open(tmp_path / "j" / "journal.sqlite") as journal:
        sent = send(requests, backend=backend, journal=journal, clock=clock)
        assert (sent.answered, sent.sent) == (4, 4)
        assert send(requests, backend=backend, journal=journal, clock=clock).sent == 0
    assert set(simulator.ledger.billed().values()) == {1}


def test_time_jumps_for_whoever_sleeps_alone(clock):
    before = clock.now()
    clock.sleep(86_400)
    assert clock.now() - before == pytest.approx(86_400)
    clock.sleep(-5)
    assert clock.now() - before == pytest.approx(86_400)


def test_a_sleeper_that_leaves_does_not_hold_the_others(backend, clock):
    clock.now()
    with SimulatorClock(backend.clock_address) as other:
        start = other.now()
        slept = []
        thread = threading.Thread(target=lambda: slept.append(clock.sleep(3600)))
        thread.start()
    thread.join()
    assert clock.now() - start >= 3600
