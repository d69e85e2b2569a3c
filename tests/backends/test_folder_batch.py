"""`folder:DIR`: input files go into a folder, results come back from whoever works on them."""

import json
import threading

import pytest

from pytest_batcheval.backends.clocks import SystemClock
from pytest_batcheval.backends.connect import capabilities_of, connect, expected_origin
from pytest_batcheval.backends.errors import Refused
from pytest_batcheval.backends.folder_batch import RESULTS, FolderBatch
from pytest_batcheval.engine.metadata import our_metadata
from pytest_batcheval.engine.send import SendPolicy, collect, send
from pytest_batcheval.engine.split import Limits
from pytest_batcheval.errors import UsageError
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.wire.objects import Request

REQUESTS = [Request({"model": "m", "messages": [{"role": "user", "content": f"question {n}"}]}) for n in range(5)]


class Clock(SystemClock):
    """Real time that does not wait long."""

    def sleep(self, seconds):
        super().sleep(min(seconds, 0.01))


def work_on(folder, stop, seen):
    """Answer whatever is in the folder, as `vllm run-batch` does."""
    while not stop.is_set():
        for source in folder.glob("batcheval-*.jsonl"):
            results = folder / f"{source.stem}{RESULTS}"
            if source.name.endswith(RESULTS) or results.exists():
                continue
            lines = [json.loads(line) for line in source.read_text().splitlines()]
            seen += [line["custom_id"] for line in lines]
            part = results.with_suffix(".part")
            part.write_text("".join(json.dumps(answered(line)) + "\n" for line in lines))
            part.rename(results)
        stop.wait(0.005)


def answered(line):
    text = f"answer to {line['body']['messages'][0]['content']}"
    body = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
    response = {"status_code": 200, "request_id": "r", "body": body}
    return {"id": "x", "custom_id": line["custom_id"], "response": response, "error": None}


@pytest.fixture
def worker(tmp_path):
    seen, stop = [], threading.Event()
    folder = tmp_path / "batches"
    folder.mkdir()
    thread = threading.Thread(target=work_on, args=(folder, stop, seen))
    thread.start()
    yield folder, seen
    stop.set()
    thread.join()


def sending(folder, journal, **policy):
    with FolderBatch(folder) as backend, Journal.open(journal) as opened:
        limits = Limits(requests=2)
        sent = send(
            REQUESTS, backend=backend, journal=opened, clock=Clock(), policy=SendPolicy(limits=limits, **policy)
        )
        return sent, opened.reader.answers(REQUESTS, backend.origin)


def test_answers_come_back_and_are_asked_for_once(worker, tmp_path):
    folder, seen = worker
    sent, answers = sending(folder, tmp_path / "journal.sqlite")
    assert (sent.answered, sent.batches) == (5, 3)
    assert {answer.text for answer in answers.values()} == {f"answer to question {n}" for n in range(5)}
    again, _ = sending(folder, tmp_path / "journal.sqlite")
    assert (again.batches, sorted(seen)) == (0, sorted(request.custom_id for request in REQUESTS))


@pytest.mark.sampled
def test_a_lost_journal_is_rebuilt_from_the_folder(worker, tmp_path):
    folder, seen = worker
    sending(folder, tmp_path / "journal.sqlite")
    with FolderBatch(folder) as backend, Journal.open(tmp_path / "other.sqlite") as journal:
        collect(backend=backend, journal=journal, clock=Clock(), adopt=True)
        assert len(journal.reader.answers(REQUESTS, backend.origin)) == 5
    assert len(seen) == 5


def test_a_create_that_is_repeated_makes_no_second_batch(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(REQUESTS[0].line() + b"\n")
    with FolderBatch(tmp_path / "batches") as backend:
        file = backend.upload(path, "batcheval-00-11111111.jsonl")
        first = backend.create(file.id, "/v1/chat/completions", {"batcheval": "x"}, "k")
        second = backend.create(file.id, "/v1/chat/completions", {"batcheval": "x"}, "k")
        assert first.id == second.id == "batcheval-00-11111111"
        assert [batch.id for batch in backend.list_batches()] == [first.id]
        assert (first.total, first.status, first.terminal) == (1, "in_progress", False)


def test_a_batch_ends_with_its_last_line_or_when_it_is_said(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"".join(request.line() + b"\n" for request in REQUESTS[:2]))
    with FolderBatch(tmp_path / "batches") as backend:
        backend.upload(path, "batcheval-00-11111111.jsonl")
        name = backend.create("batcheval-00-11111111.jsonl", "/v1/chat/completions", {}, "k").id
        results = backend.folder / f"{name}{RESULTS}"
        results.write_text("{}\n{")
        assert not backend.retrieve(name).terminal
        (backend.folder / f"{name}.done").touch()
        assert backend.retrieve(name).status == "completed"
        with pytest.raises(Refused, match="has results"):
            backend.delete_file(f"{name}.jsonl")


def test_a_batch_that_nobody_has_begun_can_be_stopped(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(REQUESTS[0].line() + b"\n")
    with FolderBatch(tmp_path / "batches") as backend:
        backend.upload(path, "batcheval-00-11111111.jsonl")
        name = backend.create("batcheval-00-11111111.jsonl", "/v1/chat/completions", {}, "k").id
        assert backend.cancel(name).status == "cancelled"
        with pytest.raises(Refused, match="there is no"):
            backend.get_file(f"{name}.jsonl")
        with pytest.raises(Refused, match="no batch"):
            backend.retrieve("batcheval-00-22222222")


def test_it_is_chosen_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert expected_origin("folder:out") == "folder:out" == expected_origin(f"folder:{tmp_path}/out")
    assert capabilities_of("folder:out").promise == "A"
    with connect("folder:out") as connection:
        assert connection.backend.origin == "folder:out"
    with pytest.raises(UsageError, match="name the folder"), connect("folder:"):
        pass
    with pytest.raises(UsageError, match="no individual calls"), connect("folder:out", individual=True):
        pass


@pytest.mark.sampled
def test_our_mark_is_beside_the_input_file(worker, tmp_path):
    folder, _ = worker
    sending(folder, tmp_path / "journal.sqlite")
    marks = [our_metadata(json.loads(path.read_text())["metadata"]) for path in folder.glob("batcheval-*.json")]
    assert sorted(mark.requests for mark in marks) == [1, 2, 2]
