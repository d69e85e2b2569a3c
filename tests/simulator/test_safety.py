"""Bad input and unfriendly clients leave the server serving, and never get a 500."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_batcheval.backends.connect import connect
from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.peers import is_of_process
from pytest_batcheval.simulator.server import SimulatorServer

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
EMBEDDINGS = "/v1/embeddings"

shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)


@pytest.fixture
def apart() -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """A server in a process of its own: the process, its host and port."""
    command = "from pytest_batcheval.cli import main; raise SystemExit(main())"
    with subprocess.Popen([sys.executable, "-c", command, "serve"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        host, port = process.stdout.readline().split("/")[2].split(":")
        yield process, host, int(port)
        process.send_signal(signal.SIGTERM)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost", 200),
        ("LocalHost:8080", 200),
        ("[::1]:8080", 200),
        ("[::1]", 200),
        ("example.com", 421),
        ("example.com:80", 421),
        ("localhost.example.com", 421),
        ("127.0.0.1.example.com", 421),
        ("127.0.0.2", 421),
        ("", 421),
        (":80", 421),
        ("localhost@example.com", 421),
    ],
)
@pytest.mark.parametrize("path", ["/v1/models", "/_simulator/ledger"])
def test_a_foreign_host_is_misdirected(api: Any, simulator: SimulatorServer, host: str, status: int, path: str) -> None:
    headers = {"host": host, "authorization": f"Bearer {simulator.token}"}
    assert api.request("GET", path, headers=headers).status_code == status


def test_hosts_can_be_allowed(http_client: Any) -> None:
    with SimulatorServer(allow_hosts=["Simulator"]) as server:
        url, key = f"{server.base_url}/models", {"authorization": "Bearer k"}
        assert http_client.get(url, headers={"host": "simulator:80", **key}).status_code == 200
        assert http_client.get(url, headers={"host": "simulators", **key}).status_code == 421


def test_on_all_addresses_it_answers_to_addresses_not_to_names(http_client: Any) -> None:
    with SimulatorServer(host="0.0.0.0") as server:
        url, key = server.base_url + "/models", {"authorization": "Bearer k"}
        for host, status in (("192.0.2.7:80", 200), ("[2001:db8::1]:80", 200), ("example.com", 421)):
            assert http_client.get(url, headers={"host": host, **key}).status_code == status


def test_it_listens_on_loopback_unless_told(simulator: SimulatorServer) -> None:
    assert simulator.base_url.startswith("http://127.0.0.1:")
    assert simulator.clock_address.startswith("127.0.0.1:")


def test_ipv6_has_an_address_of_its_own(http_client: Any) -> None:
    try:
        server = SimulatorServer(host="::1").start()
    except OSError:
        pytest.skip("no IPv6 here")
    try:
        assert server.base_url.startswith("http://[::1]:")
        answer = http_client.get(f"{server.base_url}/models", headers={"authorization": "Bearer k"})
        assert answer.status_code == 200
    finally:
        server.stop()


def test_a_page_of_a_stranger_gets_no_leave(api: Any, simulator: SimulatorServer) -> None:
    headers = {"origin": "https://example.com", "access-control-request-method": "POST"}
    for path in ("/v1/batches", CHAT, "/_simulator/reset"):
        answer = api.request("OPTIONS", path, headers=headers)
        assert answer.status_code == 405
        assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("token", [None, "", "Bearer", "Bearer x", "Bearer \u00e9", "key-one"])
@pytest.mark.parametrize(("method", "name"), [("GET", "ledger"), ("GET", "clock"), ("POST", "clock"), ("POST", "reset"), ("POST", "faults")])  # fmt: skip
def test_the_control_api_is_closed_without_its_token(
    http_client: Any, simulator: SimulatorServer, method: str, name: str, token: str | None
) -> None:
    url = simulator.base_url.replace("/v1", f"/_simulator/{name}")
    headers = {} if token is None else {"authorization": token.encode("utf-8")}
    answer = http_client.request(method, url, headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == "the control API requires its token"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"fault": 5}', b'{"fault": "reset"}', b'{"fault": "__init__"}',
                                  b'{"fault": "fail_lines", "wrong": 1}', b"[" * 100_000, b"x" * 2_000_000])  # fmt: skip
def test_a_control_request_that_is_wrong_is_refused(api: Any, simulator: SimulatorServer, body: bytes) -> None:
    headers = {"authorization": f"Bearer {simulator.token}"}
    assert api.request("POST", "/_simulator/faults", headers=headers, content=body).status_code in (400, 413)


IDS = ["..", "../..", "..%2f..%2fetc%2fpasswd", "%2e%2e", "%00", "a%0d%0ab", "file-%F0%9F%98%80", "~root", "a" * 5_000,
       "%2fetc%2fpasswd", "file-*", "'; DROP TABLE object; --", "%ff%fe", "{}"]  # fmt: skip


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", IDS, ids=lambda name: name[:20])
@pytest.mark.parametrize("kind", ["files", "batches", "models"])
def test_ids_like_paths_are_not_there(api: Any, kind: str, name: str) -> None:
    for method, tail in (("GET", ""), ("GET", "/content"), ("DELETE", ""), ("POST", "/cancel")):
        answer = api.request(method, f"/v1/{kind}/{name}{tail}")
        assert answer.status_code in (404, 405), answer.text


def test_a_file_id_like_a_path_reaches_no_file(simulator: SimulatorServer, api: Any) -> None:
    for name in ("../../../etc/passwd", "/etc/passwd", "..", "\x00", "\U0001f600", "x" * 10_000):
        assert api.ended(api.create(name))["status"] == "failed"
    assert simulator.ledger.executions == []


def test_an_upload_named_like_a_path_stays_in_its_folder(api: Any, line: Any) -> None:
    data = json.dumps(line(1)).encode()
    for name in ("../../../tmp/x.jsonl", "/etc/x.jsonl", "a\\b.jsonl", ".jsonl"):
        file = api.send_file(data, name=name).json()
        assert file["filename"] == name
        assert api.content(file["id"]) == data
    assert not Path("/tmp/x.jsonl").exists()


BOMBS = [
    b"[" * 100_000 + b"]" * 100_000,
    b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    b'{"model": "gpt-6-luna", "messages": ' + b"[" * 900 + b"]" * 900 + b"}",
    b'{"n": ' + b"9" * 100_000 + b"}",
    b'{"n": 1e999}',
    b'{"n": NaN}',
    b'{"n": -' + b"0" * 100_000 + b"}",
    b'{"\\ud800": "\\udfff"}',
    b'"\xed\xa0\x80"',
    b"\xef\xbb\xbf{}",
    "{}".encode("utf-16"),
    b"\x00" * 1_000,
    b"",
    b"null",
    b"[]",
    b'{"a": 1, "a": 2',
]


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: repr(bomb[:20]))
@pytest.mark.parametrize("path", ["/v1/batches", CHAT, RESPONSES, EMBEDDINGS])
def test_json_that_is_a_bomb_is_a_400(api: Any, path: str, bomb: bytes) -> None:
    status, error = api.refused("POST", path, content=bomb)
    assert (status, error["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: repr(bomb[:20]))
def test_a_bomb_in_a_line_fails_its_batch_or_its_line(api: Any, line: Any, bomb: bytes) -> None:
    lines = [json.dumps(line(1)).encode(), bomb]
    body = b'{"custom_id": "b", "method": "POST", "url": "/v1/chat/completions", "body": ' + (bomb or b"0") + b"}"
    for data in (b"\n".join(lines), b"\n".join([lines[0], body])):
        batch = api.ended(api.create(api.upload(data)))
        assert batch["status"] in ("failed", "completed")


def test_a_body_that_is_nested_too_deep_for_a_key_fails_its_line(api: Any, line: Any) -> None:
    deep: Any = []
    for _ in range(300):
        deep = [deep]
    batch = api.ended(api.batch([line(1), line(2, metadata=deep)]))
    assert batch["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
    assert api.refused("POST", CHAT, json=line(2, metadata=deep)["body"])[0] == 400


def test_a_body_that_is_too_large_is_a_413(api: Any) -> None:
    status, error = api.refused("POST", CHAT, content=b" " * (33 * 2**20))
    assert (status, error["type"]) == (413, "invalid_request_error")


def test_a_line_that_is_too_long_is_no_line(simulator: SimulatorServer, api: Any, line: Any) -> None:
    simulator.behaviour = Behaviour(max_line_bytes=1_000)
    long = json.dumps(line(2, padding="x" * 1_000))
    faults = api.errors([line(1), long, line(3), long])
    assert [(fault["code"], fault["line"]) for fault in faults] == [("invalid_json_line", 2), ("invalid_json_line", 4)]
    exact = json.dumps(line(5, padding=""))
    exact = exact.replace('"padding": ""', f'"padding": "{"x" * (1_000 - len(exact))}"')
    assert len(exact) == 1_000
    assert api.ended(api.create(api.upload(f"{exact}\n".encode())))["status"] == "completed"
    assert api.ended(api.create(api.upload(exact.encode())))["status"] == "completed"


def test_a_file_of_faults_tells_the_first_of_them(simulator: SimulatorServer, api: Any) -> None:
    assert len(api.errors([{}] + ["x"] * 5_000)) == 1_000
    simulator.behaviour = Behaviour(max_faults=5)
    assert len(api.errors([{}] + ["x"] * 5_000)) == 5


MULTIPART = "multipart/form-data; boundary=x"


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("", b""),
        ("text/plain", b"hello"),
        ("multipart/form-data", b"--x--"),
        ("multipart/form-data; boundary=", b"--x--"),
        ("multipart/form-data; boundary=\xff", b"--x--"),
        ("multipart/form-data; boundary=" + "y" * 1_000, b"--x--"),
        (MULTIPART, b""),
        (MULTIPART, b"--x"),
        (MULTIPART, b"hello"),
        (MULTIPART, b"--x--\r\n"),
        (MULTIPART, b"--x\r\nno header\r\n\r\nvalue\r\n--x--\r\n"),
        (MULTIPART, b"--x\r\n" + b"a" * 100_000 + b": b\r\n\r\nvalue\r\n--x--\r\n"),
        (MULTIPART, b"--x\r\na: " + b"b" * 100_000 + b"\r\n\r\nvalue\r\n--x--\r\n"),
        (MULTIPART, b'--x\r\ncontent-disposition: form-data; name="a"\r\n\r\n' + b"b" * 100_000 + b"\r\n--x--\r\n"),
        (MULTIPART, b'--x\r\ncontent-disposition: form-data; name="a"\r\n\r\nb\r\n' * 50 + b"--x--\r\n"),
        (MULTIPART, b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n{}\r\n'),
        (MULTIPART, b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n{}\r\n' * 2 + b"--x--\r\n"),
        (MULTIPART, b'--x\r\ncontent-disposition: form-data; name="file\r\n\r\n{}\r\n--x--\r\n'),
    ],
    ids=lambda value: repr(value)[:50],
)  # fmt: skip
def test_a_form_that_is_broken_is_a_400(api: Any, kind: str, data: bytes) -> None:
    headers = {"content-type": kind.encode("latin-1")}
    status, error = api.refused("POST", "/v1/files", content=data, headers=headers)
    assert (status, error["type"]) == (400, "invalid_request_error")
    assert api.get("/v1/files")["data"] == []


@pytest.mark.parametrize("order", ["purpose first", "file first"])
def test_parts_come_in_either_order(api: Any, line: Any, order: str) -> None:
    data = json.dumps(line(1)).encode()
    parts = [
        b'--x\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n',
        b'--x\r\nContent-Type: text/x\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'
        + data + b"\r\n",
    ]  # fmt: skip
    if order == "file first":
        parts.reverse()
    headers = {"content-type": MULTIPART}
    file = api.post("/v1/files", content=b"".join(parts) + b"--x--\r\n", headers=headers)
    assert api.content(file["id"]) == data


def test_a_form_may_come_byte_by_byte(api: Any, line: Any) -> None:
    data = json.dumps(line(1)).encode()
    form = (
        b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n' + data + b"\r\n"
        b'--x\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--x--\r\n'
    )
    pieces = (bytes([byte]) for byte in form)
    file = api.post("/v1/files", content=pieces, headers={"content-type": MULTIPART})
    assert api.content(file["id"]) == data


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = ["model", "messages", "input", "n", "stream", "temperature", "max_tokens", "max_completion_tokens", "text",
         "response_format", "instructions", "encoding_format", "dimensions", "metadata", "input_file_id", "endpoint",
         "completion_window", "output_expires_after", "tools", "reasoning"]  # fmt: skip
MESSAGE = st.fixed_dictionaries({"role": st.just("user"), "content": JSON}) | JSON


def bodies(endpoint: str) -> st.SearchStrategy[Any]:
    """Bodies that are nearly right, and any others."""
    right: dict[str, Any] = {
        "model": "gpt-6-luna",
        "messages": [{"role": "user", "content": "Hello"}],
        "input": "Hello",
    }
    if endpoint == EMBEDDINGS:
        right["model"] = "text-embedding-3-small"
    if endpoint == "/v1/batches":
        right = {"input_file_id": "file-abc", "endpoint": CHAT, "completion_window": "24h"}
    changed = st.dictionaries(st.sampled_from(NAMES), JSON, max_size=3).map(lambda change: {**right, **change})
    messages = st.lists(MESSAGE, max_size=3).map(lambda given: {**right, "messages": given, "input": given})
    return changed | messages | JSON


@pytest.mark.sampled
@given(data=st.data(), endpoint=st.sampled_from(["/v1/batches", CHAT, RESPONSES, EMBEDDINGS]))
@shared
def test_any_body_is_answered_or_refused(simulator: SimulatorServer, api: Any, data: Any, endpoint: str) -> None:
    body = data.draw(bodies(endpoint))
    answer = api.request("POST", endpoint, json=body)
    assert answer.status_code < 500, simulator.crashes
    assert simulator.crashes == []
    answer.json()


@pytest.mark.sampled
@given(data=st.data(), endpoint=st.sampled_from([CHAT, RESPONSES, EMBEDDINGS]))
@shared
def test_any_lines_end_a_batch(simulator: SimulatorServer, api: Any, data: Any, endpoint: str) -> None:
    changes = data.draw(st.lists(st.dictionaries(st.sampled_from(["custom_id", "method", "url"]), JSON), max_size=3))
    asked = [data.draw(bodies(endpoint)) for _ in range(3)]
    right = {"method": "POST", "url": endpoint}
    lines = [{"custom_id": f"a{number}", **right, "body": body} for number, body in enumerate(asked)]
    lines += [{"custom_id": f"b{number}", **right, "body": asked[0], **change} for number, change in enumerate(changes)]
    batch = api.ended(api.batch(lines, endpoint))
    assert simulator.crashes == []
    if batch["status"] == "completed":
        output, errors = api.results(batch)
        assert set(output) | set(errors) == {line["custom_id"] for line in lines}
        assert batch["request_counts"] == {"total": len(lines), "completed": len(output), "failed": len(errors)}


@given(data=st.binary(max_size=300), name=st.text(max_size=20), purpose=st.sampled_from(["batch", "evals", "x"]))
@shared
def test_any_file_is_kept_or_refused(
    simulator: SimulatorServer, api: Any, data: bytes, name: str, purpose: str
) -> None:
    simulator.reset()
    safe = name.encode("ascii", "ignore").decode().replace("\0", "") or "upload"
    answer = api.send_file(data, name=safe, purpose=purpose)
    assert answer.status_code in (200, 400), simulator.crashes
    if answer.status_code == 200:
        assert api.content(answer.json()["id"]) == data


@given(query=st.dictionaries(st.sampled_from(["limit", "after", "order", "purpose", "x"]), st.text(max_size=12)))
@shared
def test_any_query_is_answered_or_refused(simulator: SimulatorServer, api: Any, query: dict[str, str]) -> None:
    for path in ("/v1/files", "/v1/batches"):
        assert api.request("GET", path, params=query).status_code in (200, 400), simulator.crashes


RAW = [
    b"\x00\x01\x02",
    b"GET\r\n\r\n",
    b"GET /v1/models HTTP/9.9\r\n\r\n",
    b"GET /v1/\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /v1/models?limit=%zz&%ff=%00&=&& HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer k\r\n\r\n",
    b"GET http://example.com/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST /v1/batches HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
    b"POST /v1/batches HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /v1/batches HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \xff\xfe\r\n\r\n",
    b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"x: y\r\n" * 50_000,
]  # fmt: skip


@pytest.mark.parametrize("data", RAW, ids=lambda data: repr(data[:30]))
def test_any_bytes_leave_it_serving(simulator: SimulatorServer, api: Any, data: bytes) -> None:
    host, port = simulator.base_url.split("/")[2].split(":")
    with socket.create_connection((host, int(port)), timeout=30) as stranger, contextlib.suppress(OSError):
        stranger.sendall(data)
        stranger.shutdown(socket.SHUT_WR)
        answer = stranger.recv(65_536)
        assert not answer.startswith(b"HTTP/1.1 5"), answer
    assert api.get("/v1/models")["object"] == "list"


def test_headers_without_end_are_cut_off(simulator: SimulatorServer) -> None:
    host, port = simulator.base_url.split("/")[2].split(":")
    sent = 0
    with socket.create_connection((host, int(port)), timeout=30) as stranger, contextlib.suppress(ConnectionError):
        stranger.sendall(b"GET / HTTP/1.1\r\n")
        while sent < 50_000_000:
            sent += stranger.send(b"x: " + b"y" * 1_000 + b"\r\n")
    assert sent < 50_000_000


def test_slow_clients_hold_nobody_up(simulator: SimulatorServer, api: Any) -> None:
    host, port = simulator.base_url.split("/")[2].split(":")
    beginnings = [
        b"GET /v1/mod",
        b"POST /v1/batches HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer k\r\nContent-Length: 100\r\n\r\n{",
        b"POST /v1/files HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer k\r\nContent-Length: 100000\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
        b'Content-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\nabc',
    ]
    with contextlib.ExitStack() as stack:
        for data in beginnings * 20:
            slow = stack.enter_context(socket.create_connection((host, int(port))))
            slow.sendall(data)
        assert api.ended(api.batch(3))["status"] == "completed"
    assert api.get("/v1/files", purpose="batch")["data"]


def test_an_upload_that_breaks_off_leaves_nothing(simulator: SimulatorServer, api: Any) -> None:
    host, port = simulator.base_url.split("/")[2].split(":")
    with socket.create_connection((host, int(port))) as stranger:
        stranger.sendall(
            b"POST /v1/files HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer key-one\r\nContent-Length: 9999\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
            b'Content-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\nabc'
        )
    batch = api.ended(api.batch(1))
    listed = {file["id"] for file in api.get("/v1/files")["data"]}
    assert listed == {batch["input_file_id"], batch["output_file_id"]}


@pytest.mark.sampled
def test_1000_idle_connections_leave_it_serving(
    apart: tuple[subprocess.Popen[str], str, int], http_client: Any
) -> None:
    _, host, port = apart
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with contextlib.ExitStack() as stack:
            for _ in range(1_000):
                stack.enter_context(socket.create_connection((host, port), timeout=30))
            url = f"http://{host}:{port}/v1/models"
            assert http_client.get(url, headers={"authorization": "Bearer k"}).status_code == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _form(size: int) -> Iterator[bytes]:
    yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n{}\n'
    for _ in range(size // 2**20):
        yield b" " * (2**20 - 1) + b"\n"
    yield b'\r\n--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--x--\r\n'


@pytest.mark.sampled
@pytest.mark.parametrize(("megabytes", "status"), [(150, 200), (300, 400)])
def test_a_large_upload_never_sits_in_memory(
    apart: tuple[subprocess.Popen[str], str, int], http_client: Any, megabytes: int, status: int
) -> None:
    process, host, port = apart
    headers = {"authorization": "Bearer k", "content-type": MULTIPART}
    url = f"http://{host}:{port}/v1/files"
    http_client.post(url, headers=headers, content=_form(1 * 2**20), timeout=60)
    before = _peak(process.pid)
    answer = http_client.post(url, headers=headers, content=_form(megabytes * 2**20), timeout=60)
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["error"]["message"] == "File is too large."
    assert _peak(process.pid) - before < 20_000


def test_a_file_that_is_too_large_for_anything_is_refused_while_it_comes(http_client: Any, tmp_path: Path) -> None:
    sizes = [0]

    def watched() -> Iterator[bytes]:
        for piece in _form(20 * 2**20):
            sizes.extend(path.stat().st_size for path in (tmp_path / "files").iterdir())
            yield piece

    limits = Behaviour(max_file_bytes=1_000, max_other_bytes=2_000)
    with SimulatorServer(behaviour=limits, state_dir=tmp_path) as server:
        headers = {"authorization": "Bearer k", "content-type": MULTIPART}
        answer = http_client.post(f"{server.base_url}/files", headers=headers, content=watched())
        assert (answer.status_code, answer.json()["error"]["message"]) == (400, "File is too large.")
        assert max(sizes) <= 2_000
        assert list((tmp_path / "files").iterdir()) == []


def _peak(pid: int) -> int:
    """Largest resident set so far, in kB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def test_what_is_on_disk_is_the_users_alone(tmp_path: Path) -> None:
    with SimulatorServer(state_dir=tmp_path / "state"):
        assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    assert os.listdir(tmp_path) == ["state"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_on_all_addresses_its_url_and_clock_can_be_used(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "any-key")
    try:
        server = SimulatorServer(host=host).start()
    except OSError:
        pytest.skip("no IPv6 here")
    try:
        port = server.base_url.rpartition(":")[2]
        for url in (server.base_url, f"http://127.0.0.1:{port}"):
            with connect(url) as connection:
                assert connection.clock.now() > 0
    finally:
        server.stop()


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_connection_belongs_to_the_process_that_opened_it(family: int) -> None:
    host = "127.0.0.1" if family == socket.AF_INET else "::1"
    try:
        listener = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip("no IPv6 here")
    with listener, socket.create_connection(listener.getsockname()[:2]) as client:
        served, peer = listener.accept()
        with served:
            assert is_of_process(peer, served.getsockname(), os.getpid())
            assert not is_of_process(peer, served.getsockname(), os.getppid())
            assert not is_of_process(peer, served.getsockname(), 2**40)
            assert not is_of_process(client.getpeername(), ("192.0.2.1", 9), os.getpid())


def test_a_stranger_that_registers_another_process_has_it_not_killed(http_client: Any) -> None:
    with subprocess.Popen(["sleep", "60"]) as bystander, SimulatorServer() as server:
        server.misbehave({"fault": "kill_client", "call": "models.list", "nth": 1})
        host, _, port = server.clock_address.rpartition(":")
        with socket.create_connection((host, int(port))) as stranger:
            stranger.sendall(json.dumps(["register", bystander.pid]).encode() + b"\n")
            stranger.recv(100)
            with pytest.raises(Exception, match=r"(?i)disconnect|reset"):
                http_client.get(f"{server.base_url}/models", headers={"authorization": "Bearer k"})
        assert bystander.poll() is None
        bystander.kill()


def test_an_existing_state_folder_keeps_its_files_private(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "state.sqlite").touch(0o644)
    with SimulatorServer(state_dir=tmp_path):
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert {path.name for path in files} >= {"state.sqlite", "state.sqlite-wal", "state.sqlite-shm"}
        assert [path.name for path in files if path.stat().st_mode & 0o077] == []
