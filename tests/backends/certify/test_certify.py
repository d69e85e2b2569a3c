"""Servers that deviate are told apart, and none can make a case hang or break."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_batcheval.backends.certify.case import FAILED, PASSED, SKIPPED
from pytest_batcheval.backends.certify.run import CASES, CHAPTERS, Certificate, certify, wanted
from pytest_batcheval.backends.certify.server import Server
from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.http_exchange import Exchange, HttpReply
from pytest_batcheval.simulator.server import SimulatorServer

MODEL, EMBEDDING = "gpt-6-luna", "text-embedding-3-small"


@pytest.fixture(scope="module")
def _running() -> Iterator[SimulatorServer]:
    with SimulatorServer(clock="per-poll", behaviour=Behaviour()) as server:
        yield server


@pytest.fixture
def simulator(_running: SimulatorServer) -> SimulatorServer:
    _running.reset()
    return _running


def asked(url: str, *names: str, patience: float = 20, timeout: float = 20) -> Certificate:
    """The certificate of some cases."""
    assert set(names) <= {case.name for case in CASES}
    cases = [case for case in wanted(large=False) if not names or case.name in names]
    return certify(Server(url, "k", MODEL, EMBEDDING, patience, timeout), cases)


def failed(certificate: Certificate) -> dict[str, str]:
    return {result.case.name: result.seen for result in certificate.results if result.outcome == FAILED}


def changing(call: str, change: Callable[[Any], Any]) -> Any:
    """An interceptor that changes the body of the replies to a call."""

    async def intercept(exchange: Exchange) -> None:
        reply = await exchange.handle(exchange)
        if exchange.call == call and reply.status == 200 and isinstance(reply.body, dict):
            reply = HttpReply(200, change(dict(reply.body)), headers=reply.headers)
        await exchange.send(reply)

    return intercept


@pytest.mark.sampled
def test_the_simulator_has_all_points(simulator: SimulatorServer) -> None:
    certificate = asked(simulator.base_url)
    assert (failed(certificate), certificate.count(SKIPPED), certificate.score) == ({}, 0, 1.0)
    assert certificate.passed
    assert len(certificate.results) == len(CASES) - 2
    assert sum(simulator.ledger.billed().values()) <= sum(case.requests for case in wanted(large=False))


def test_without_an_embedding_model_that_case_is_skipped(simulator: SimulatorServer) -> None:
    case = next(case for case in CASES if case.name == "embeddings")
    certificate = certify(Server(simulator.base_url, "k", MODEL), [case])
    assert [result.outcome for result in certificate.results] == [SKIPPED]
    assert not certificate.passed


@pytest.mark.parametrize(
    ("behaviour", "name", "words"),
    [
        ({"failed_lines_in_output": True}, "every request has one result", "results of "),
        ({"usage": False}, "usage is the sum of the lines", "no total_tokens"),
        ({"models": "any"}, "unknown model", "the batch is completed"),
        ({"models": "any"}, "call with an unknown model", "POST /chat/completions: 200"),
        ({"codes": {"cancelled_line": None}}, None, ""),
    ],
)
def test_a_behaviour_that_is_not_documented(
    simulator: SimulatorServer, behaviour: dict[str, Any], name: str | None, words: str
) -> None:
    simulator.behaviour = Behaviour(**behaviour)
    found = failed(asked(simulator.base_url, *([name] if name else ["cancel a batch"])))
    assert set(found) == ({name} if name else set())
    assert all(seen.startswith(words) for seen in found.values()), found


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("call", "changed", "name"),
    [
        ("files.create", {"object": "upload"}, "upload"),
        ("files.create", {"created_at": "now"}, "upload"),
        ("files.delete", {"deleted": None}, "delete a file"),
        ("files.list", {"data": []}, "files of a purpose"),
        ("batches.create", {"status": "queued"}, "create a batch"),
        ("batches.create", {"metadata": None}, "create a batch"),
        ("batches.create", {"output_file_id": "file-1"}, "create a batch"),
        ("batches.retrieve", {"status": "processing"}, "a batch completes"),
        ("batches.retrieve", {"output_file_id": "file-1"}, "no files before the end"),
        ("batches.retrieve", {"finalizing_at": None}, "times follow each other"),
        (
            "batches.retrieve",
            {"request_counts": {"total": 3, "completed": 3, "failed": 0}},
            "counts agree with the files",
        ),
        ("batches.retrieve", {"expires_at": 1}, "a batch expires after a day"),
        ("batches.list", {"has_more": False}, "pages follow each other"),
        ("batches.cancel", {"status": "in_progress"}, "cancel a batch"),
        ("files.retrieve", {"purpose": "batch"}, "a result file is a file"),
        ("chat", {"usage": None}, "chat completion"),
        ("models.list", {"data": [{}]}, "models are listed"),
        ("embeddings", {"data": []}, "embeddings"),
    ],
)
def test_a_reply_that_is_not_documented(simulator: SimulatorServer, call: str, changed: Any, name: str) -> None:
    assert not failed(asked(simulator.base_url, name))
    simulator.reset()
    simulator.intercept(changing(call, lambda body: {**body, **changed}))
    assert set(failed(asked(simulator.base_url, name))) == {name}


def test_a_batch_that_does_not_end_is_given_up_and_cancelled(simulator: SimulatorServer) -> None:
    simulator.faults.hold_batches()
    certificate = asked(simulator.base_url, "a batch completes", "states follow each other", patience=0.2)
    assert [result.outcome for result in certificate.results] == [SKIPPED, SKIPPED]
    assert certificate.results[0].seen == "an end: the batch is in_progress after 0.2 s"
    assert not certificate.passed


def test_a_case_that_needs_what_failed_is_skipped(simulator: SimulatorServer) -> None:
    simulator.intercept(changing("batches.retrieve", lambda body: {**body, "status": "processing"}))
    found = {result.case.name: result.outcome for result in asked(simulator.base_url).results}
    assert (found["a batch completes"], found["usage is the sum of the lines"]) == (FAILED, SKIPPED)


@pytest.fixture
def says(request: pytest.FixtureRequest) -> Iterator[Callable[[bytes], str]]:
    """`says(bytes)`: the base URL of a server that answers everything with these bytes, and keeps the connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    opened: list[socket.socket] = []

    def serve(answer: bytes) -> None:
        while True:
            try:
                opened.append(listener.accept()[0])
                opened[-1].recv(65_536)
                opened[-1].sendall(answer)
            except OSError:
                return

    def start(answer: bytes) -> str:
        threading.Thread(target=serve, args=(answer,), daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/v1"

    yield start
    listener.close()
    for connection in opened:
        connection.close()


def page(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body)


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "answer",
    [
        page(b""),
        page(b"<html>"),
        page(b"{}"),
        page(b"[]"),
        page(b'{"id": "x", "data": [1], "error": 7, "status": "completed", "output_file_id": 7}'),
        page(b'{"id": "x", "data": 7, "status": "failed", "errors": []}'),
        page(b"no", b"404 Not Found"),
        page(b'{"error": "text"}', b"400 Bad Request"),
        b"nonsense\r\n\r\n",
    ],
)
def test_no_reply_breaks_a_case(says: Callable[[bytes], str], answer: bytes) -> None:
    certificate = asked(says(answer), timeout=5)
    assert len(certificate.results) == len(wanted(large=False))
    assert certificate.score < 0.5
    json.dumps(certificate.to_json())


def test_no_silence_makes_a_case_hang(says: Callable[[bytes], str]) -> None:
    begun = time.monotonic()
    silent = asked(says(b""), "upload", "create a batch", "models are listed", timeout=0.2)
    assert time.monotonic() - begun < 10
    assert not silent.passed
    assert "no reply (ReadTimeout)" in silent.results[0].seen


def test_what_a_server_says_is_shown_harmlessly(says: Callable[[bytes], str]) -> None:
    certificate = asked(says(page(b"\x1b[2J | <b> sk-proj-0123456789abcdef", b"500 x")), "models are listed")
    for text in (str(certificate), certificate.to_markdown()):
        assert "\x1b" not in text
        assert "0123456789" not in text
    assert "\\<b\\>" in certificate.to_markdown()
    row = certificate.to_markdown().splitlines()[-1]
    assert row.count("|") - row.count("\\|") == 4


def test_every_case_has_a_name_of_its_own_and_a_sentence() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 40
    assert all(case.says.endswith(".") for case in CASES)
    assert {case.chapter for case in CASES} == {chapter.name for chapter in CHAPTERS}


def test_a_certificate_is_data(simulator: SimulatorServer) -> None:
    data = asked(simulator.base_url, "upload", "models are listed").to_json()
    assert data["score"] == 1
    assert [case["outcome"] for case in data["cases"]] == [PASSED, PASSED]
    assert data["chapters"][0] == {"chapter": "files", "passed": 1, "failed": 0, "skipped": 0}
