"""`batcheval serve` as its users meet it: a process, two lines on stdout, a signal."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from forked import Forked

COMMAND = ("-c", "from pytest_batcheval.cli import main; raise SystemExit(main())", "serve")
CHAT = "/v1/chat/completions"
TIMEOUT = 60


class Served:
    """A running `batcheval serve`."""

    def __init__(self, *options: str) -> None:
        self.run = Forked((*COMMAND, *options), Path("/"))
        self.lines = [self.run.stdout.readline() for _ in range(2)]
        self.base_url = self.lines[0].strip().partition("=")[2]
        self.control = Path(self.lines[1].strip().partition("=")[2])

    def ask(self, method: str, path: str, body: object = None, key: str = "k", form: bytes | None = None) -> Any:
        """JSON of a call below /v1, bytes of a content."""
        headers = {"Authorization": f"Bearer {key}"}
        data = json.dumps(body).encode() if body is not None else form
        if form is not None:
            headers["Content-Type"] = "multipart/form-data; boundary=x"
        request = urllib.request.Request(self.base_url.removesuffix("/v1") + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=TIMEOUT) as reply:
            content = reply.read()
        return content if path.endswith("/content") else json.loads(content)

    def refusal(self, method: str, path: str, key: str) -> int:
        """HTTP status of a call that is refused."""
        with pytest.raises(urllib.error.HTTPError) as refused:
            self.ask(method, path, key=key)
        refused.value.close()
        return refused.value.code

    def batch_of(self, lines: int, key: str = "k") -> Any:
        """A batch of so many lines, just created."""
        requests = (
            {"custom_id": f"line-{n}", "method": "POST", "url": CHAT, "body": _body(f"Question {n}")}
            for n in range(lines)
        )
        data = "\n".join(map(json.dumps, requests))
        form = (
            '--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
            f'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n{data}\r\n--x--\r\n'
        )
        file = self.ask("POST", "/v1/files", key=key, form=form.encode())
        asked = {"input_file_id": file["id"], "endpoint": CHAT, "completion_window": "24h"}
        return self.ask("POST", "/v1/batches", asked, key=key)

    def poll(self, batch: Any, until: Callable[[Any], bool]) -> Any:
        deadline = time.monotonic() + TIMEOUT
        while not until(batch):
            assert time.monotonic() < deadline, batch
            batch = self.ask("GET", f"/v1/batches/{batch['id']}")
        return batch

    def executions(self) -> list[dict[str, Any]]:
        """What the ledger says was executed."""
        token = self.control.read_text().strip()
        return list(self.ask("GET", "/_simulator/ledger", key=token)["executions"])

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Exit status and stderr."""
        pid = self.run.process.pid
        assert pid is not None
        os.kill(pid, number)
        ended = self.run.completed(TIMEOUT)
        self.report = ended.stdout
        return ended.returncode, ended.stderr


def _body(words: str) -> dict[str, Any]:
    return {"model": "gpt-6-luna", "messages": [{"role": "user", "content": words}]}


def _done(batch: Any) -> bool:
    return bool(batch["status"] == "completed")


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """`serve("--clock", "per-poll")`: a server that is gone at the end of the test."""
    running: list[Served] = []

    def start(*options: str) -> Served:
        running.append(Served(*options))
        return running[-1]

    yield start
    for server in running:
        server.run.kill()


def refused(*options: str) -> tuple[int, str]:
    """Exit status and stderr of a server that doesn't come up."""
    with Forked((*COMMAND, *options), Path("/")) as run:
        ended = run.completed(TIMEOUT)
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stderr


@pytest.mark.sampled
def test_the_first_line_is_the_base_url_and_the_second_the_token_file(serve: Callable[..., Served]) -> None:
    server = serve()
    port = server.base_url.split(":")[2].removesuffix("/v1")
    assert server.lines == [
        f"OPENAI_BASE_URL=http://127.0.0.1:{port}/v1\n",
        f"BATCHEVAL_CONTROL={server.control}\n",
    ]
    assert stat.S_IMODE(server.control.stat().st_mode) == 0o600
    assert server.ask("GET", "/v1/models")["object"] == "list"
    assert server.executions() == []


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("dialect", "variable", "path"),
    [
        ("groq", "GROQ_BASE_URL", "/openai/v1"),
        ("mistral", "MISTRAL_BASE_URL", "/v1"),
        ("anthropic", "ANTHROPIC_BASE_URL", ""),
        ("gemini", "GOOGLE_GEMINI_BASE_URL", ""),
    ],
)
def test_the_first_line_is_the_variable_of_the_provider(
    serve: Callable[..., Served], dialect: str, variable: str, path: str
) -> None:
    server = serve("--dialect", dialect)
    port = server.base_url.split(":")[2].removesuffix(path)
    assert server.lines[0] == f"{variable}=http://127.0.0.1:{port}{path}\n"
    assert server.stop() == (0, "")


@pytest.mark.sampled
def test_an_unknown_dialect_lists_the_others() -> None:
    status, said = refused("--dialect", "claude")
    assert status == 4
    assert "unknown dialect 'claude'; known: openai, azure, groq, together, " in said


@pytest.mark.sampled(3)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_with_status_0(serve: Callable[..., Served], number: int) -> None:
    server = serve()
    assert server.stop(number) == (0, "")
    assert not server.control.exists()


def test_a_signal_stops_it_while_a_client_holds_a_connection(serve: Callable[..., Served]) -> None:
    server = serve()
    host, port = server.base_url.split("/")[2].split(":")
    with socket.create_connection((host, int(port))) as idle:
        idle.sendall(b"GET /v1/models HTTP/1.1\r\n")
        assert server.stop() == (0, "")


def test_a_port_that_is_taken_is_an_error_with_status_4(serve: Callable[..., Served]) -> None:
    port = serve().base_url.split(":")[2].removesuffix("/v1")
    status, complaint = refused("--port", port)
    assert status == 4
    assert f"127.0.0.1 port {port}" in complaint
    assert "choose another --port" in complaint


@pytest.mark.sampled(6)
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--clock", "fast"), "must be jump, per-poll, real or x<factor>"),
        (("--respondent", "nobody"), "unknown respondent 'nobody'"),
        (("--keys", "/nowhere.yaml"), "/nowhere.yaml: the"),
        (("--behaviour", "/nowhere.yaml"), "/nowhere.yaml: the"),
        (("--host", "203.0.113.7"), "cannot listen on 203.0.113.7"),
        (("--state-dir", "/dev/null/x"), "/dev/null/x cannot be used"),
    ],
)
def test_an_option_that_is_wrong_is_an_error_with_status_4(options: tuple[str, ...], words: str) -> None:
    status, complaint = refused(*options)
    assert status == 4
    assert words in complaint


@pytest.mark.parametrize("port", ["-1", "65536", "http", "8²"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    status, complaint = refused(f"--port={port}")
    assert status in (2, 4)
    assert "must be a port from 0 to 65535" in complaint


def test_a_wrong_keys_file_is_reported_without_the_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text("keys:\n  - key: sk-proj-abcdefghijklmnop secret\n    project: a\n")
    status, complaint = refused("--keys", str(path))
    assert status == 4
    assert "$.keys[0].key" in complaint
    assert "abcdefghijklmnop" not in complaint


def test_a_strict_server_ends_with_1_for_a_client_that_leaves_its_results(
    serve: Callable[..., Served], tmp_path: Path
) -> None:
    server = serve("--clock", "per-poll", "--strict", "--log", str(tmp_path / "log"))
    batch = server.poll(server.batch_of(3), _done)
    assert server.stop(signal.SIGINT) == (1, "")
    assert server.report.startswith(
        "the client made 1 mistake:\n  unread results: 3 lines of 1 output file never read\n"
    )
    calls = [json.loads(line)["call"] for line in (tmp_path / "log").read_text().splitlines()]
    assert calls[:2] == ["files.create", "batches.create"]
    assert calls[2:] == ["batches.retrieve"] * len(calls[2:])
    server = serve("--clock", "per-poll", "--strict")
    batch = server.poll(server.batch_of(3), _done)
    server.ask("GET", f"/v1/files/{batch['output_file_id']}/content")
    assert server.stop()[0] == 0


def test_a_log_that_cannot_be_written_is_an_error_with_status_4() -> None:
    assert refused("--log", "/nowhere/log") == (
        4,
        "batcheval serve: /nowhere/log cannot be written: No such file or directory\n",
    )


@pytest.mark.sampled(3)
@pytest.mark.parametrize("clock", ["per-poll", "jump", "x100000"])
def test_a_client_that_knows_no_clock_sees_its_batch_complete(serve: Callable[..., Served], clock: str) -> None:
    server = serve("--clock", clock)
    batch = server.poll(server.batch_of(3), _done)
    assert batch["request_counts"] == {"total": 3, "completed": 3, "failed": 0}
    content = server.ask("GET", f"/v1/files/{batch['output_file_id']}/content")
    assert Counter(json.loads(line)["custom_id"] for line in content.splitlines()) == Counter(
        ["line-0", "line-1", "line-2"]
    )


def test_polls_take_a_batch_through_its_states(serve: Callable[..., Served]) -> None:
    server = serve("--clock", "per-poll")
    batch = server.batch_of(2)
    seen = [(batch["status"], batch["request_counts"]["completed"])]
    while not _done(batch):
        batch = server.ask("GET", f"/v1/batches/{batch['id']}")
        seen.append((batch["status"], batch["request_counts"]["completed"]))
    assert seen == [
        ("validating", 0),
        ("in_progress", 0),
        ("in_progress", 1),
        ("finalizing", 2),
        ("completed", 2),
    ]


def test_real_time_is_real(serve: Callable[..., Served]) -> None:
    before = int(time.time())
    batch = serve("--clock", "real").batch_of(1)
    assert before <= batch["created_at"] <= time.time()


def test_keys_open_their_projects_and_no_others_do(serve: Callable[..., Served], tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [{"key": "one", "project": "a"}, {"key": "two", "project": "a"}]}))
    server = serve("--keys", str(path), "--clock", "per-poll")
    batch = server.batch_of(1, key="one")
    assert server.ask("GET", f"/v1/batches/{batch['id']}", key="two")["id"] == batch["id"]
    assert server.refusal("GET", "/v1/models", key="three") == 401


def test_behaviour_comes_from_a_file(serve: Callable[..., Served], tmp_path: Path) -> None:
    path = tmp_path / "behaviour.yaml"
    path.write_text("models: [only-this]\nvalidating_seconds: [1, 1]\n")
    server = serve("--behaviour", str(path), "--clock", "per-poll")
    assert [model["id"] for model in server.ask("GET", "/v1/models")["data"]] == ["only-this"]
    batch = server.poll(server.batch_of(1), lambda batch: batch["status"] == "failed")
    assert [error["code"] for error in batch["errors"]["data"]] == ["model_not_found"]


@pytest.mark.sampled
def test_answers_depend_on_seed_and_respondent(serve: Callable[..., Served]) -> None:
    def said(*options: str) -> str:
        reply = serve(*options).ask("POST", CHAT, _body("How do you sleep?"))
        return str(reply["choices"][0]["message"]["content"])

    first = said()
    assert said() == first
    assert said("--seed", "1") != first
    assert said("--respondent", "salad") != first


@pytest.mark.sampled(5)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_state_survives_a_restart(serve: Callable[..., Served], tmp_path: Path, number: int) -> None:
    options = ("--clock", "per-poll", "--state-dir", str(tmp_path / "state"))
    server = serve(*options)
    finished = server.poll(server.batch_of(4), _done)
    half = server.poll(server.batch_of(6), lambda batch: batch["request_counts"]["completed"] == 3)
    waiting = server.batch_of(2)
    server.stop(number)

    server = serve(*options)
    assert server.ask("GET", f"/v1/batches/{finished['id']}") == finished
    content = server.ask("GET", f"/v1/files/{finished['output_file_id']}/content")
    assert len(content.splitlines()) == 4
    half = server.poll(half, _done)
    server.poll(waiting, _done)
    assert half["request_counts"] == {"total": 6, "completed": 6, "failed": 0}
    assert half["created_at"] >= finished["completed_at"]
    content = server.ask("GET", f"/v1/files/{half['output_file_id']}/content")
    assert len({json.loads(line)["custom_id"] for line in content.splitlines()}) == 6
    executed = Counter((entry["batch_id"], entry["custom_id"]) for entry in server.executions())
    assert len(executed) == 12
    assert set(executed.values()) == {1}
    ids = {batch["id"] for batch in server.ask("GET", "/v1/batches")["data"]}
    assert ids == {finished["id"], half["id"], waiting["id"]}
    assert server.batch_of(1)["id"] not in ids


def test_what_a_killed_server_wrote_and_did_not_count_is_cut_off(serve: Callable[..., Served], tmp_path: Path) -> None:
    state = tmp_path / "state"
    server = serve("--clock", "per-poll", "--state-dir", str(state))
    half = server.poll(server.batch_of(6), lambda batch: batch["request_counts"]["completed"] == 3)
    server.stop(signal.SIGKILL)
    with (state / "files" / f"{half['id']}.output").open("ab") as stream:
        stream.write(b'{"custom_id": "half a li')

    server = serve("--clock", "per-poll", "--state-dir", str(state))
    half = server.poll(half, _done)
    content = server.ask("GET", f"/v1/files/{half['output_file_id']}/content")
    assert len([json.loads(line) for line in content.splitlines()]) == 6


def test_what_a_killed_upload_left_is_swept_away(serve: Callable[..., Served], tmp_path: Path) -> None:
    server = serve("--state-dir", str(tmp_path))
    host, port = server.base_url.split("/")[2].split(":")
    head = (
        f"POST /v1/files HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer k\r\nContent-Length: 99999\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
        'Content-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\nabc'
    )
    with socket.create_connection((host, int(port))) as uploading:
        uploading.sendall(head.encode())
        while not list((tmp_path / "files").iterdir()):
            server.ask("GET", "/v1/models")
        server.stop(signal.SIGKILL)
    (tmp_path / "removed-1").mkdir()
    kept = serve("--state-dir", str(tmp_path))
    assert kept.ask("GET", "/v1/files")["data"] == []
    assert list((tmp_path / "files").iterdir()) == []
    assert not (tmp_path / "removed-1").exists()


def test_a_state_directory_has_one_server(serve: Callable[..., Served], tmp_path: Path) -> None:
    serve("--state-dir", str(tmp_path))
    status, complaint = refused("--state-dir", str(tmp_path))
    assert status == 4
    assert "is in use by another running server" in complaint


def test_a_state_directory_holds_no_key(serve: Callable[..., Served], tmp_path: Path) -> None:
    key = "sk-proj-" + "A1b2C3d4" * 8
    server = serve("--clock", "per-poll", "--state-dir", str(tmp_path))
    server.poll(server.batch_of(1, key=key), lambda batch: True)
    server.ask("POST", CHAT, _body("Hello"), key=key)
    server.stop()
    stored = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(stored) > 2
    assert not [path for path in stored if key.encode() in path.read_bytes()]
    assert key not in " ".join(os.listdir(tmp_path))
