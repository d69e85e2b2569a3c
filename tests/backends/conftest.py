"""A provider that answers whatever a test says, byte by byte, and remembers what it was asked."""

from __future__ import annotations

import json
import socket
import struct
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest

from pytest_batcheval.backends.openai_batch import OpenAIBatch

KEY = "sk-test-0123456789abcdef"
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Asked:
    """One HTTP request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> object:
        return json.loads(self.body)


Reply = bytes | Callable[[socket.socket], None]


def http(status: int = 200, body: object = None, headers: dict[str, str] | None = None, length: bool = True) -> bytes:
    """A whole reply; `body` is JSON unless it is bytes already."""
    content = body if isinstance(body, bytes) else json.dumps(body if body is not None else {}).encode()
    fields = {"content-type": "application/json", "connection": "close"} | (headers or {})
    if length:
        fields.setdefault("content-length", str(len(content)))
    head = f"HTTP/1.1 {status} Words\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return head.encode() + b"\r\n" + content


def reset(connection: socket.socket) -> None:
    """Close so that the other side sees a reset, not an end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class RawServer:
    """One connection, one request, one reply; `reply` says which, `asked` what was asked (but for the probe)."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.reply: Callable[[Asked], Reply] = lambda asked: http(404, {"error": {"message": "nothing here"}})
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        self.base_url = f"http://{HOST}:{self.port}/v1"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._attend, args=(connection,), daemon=True).start()

    def _attend(self, connection: socket.socket) -> None:
        with connection, suppress(OSError, ValueError):
            self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        with stream:
            method, path, _ = stream.readline().decode().split(" ")
            headers = dict(self._headers(stream))
            body = stream.read(int(headers.get("content-length", 0)))
            asked = Asked(method, path, headers, body)
            if path in ("/v1/models", "/v1beta/models"):
                connection.sendall(http(404, {"error": {"message": "no models here"}}))
                return
            self.asked.append(asked)
            reply = self.reply(asked)
            if callable(reply):
                reply(connection)
            else:
                connection.sendall(reply)

    def _headers(self, stream: object) -> Iterator[tuple[str, str]]:
        while line := stream.readline().strip():
            name, _, value = line.decode().partition(":")
            yield name.lower(), value.strip()


@pytest.fixture(scope="module")
def running() -> Iterator[RawServer]:
    raw = RawServer()
    yield raw
    raw.stop()


@pytest.fixture
def server(running: RawServer) -> RawServer:
    running.asked.clear()
    return running


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def opened(running: RawServer) -> Iterator[OpenAIBatch]:
    """Opened once: a client's certificates take 20 ms."""
    with OpenAIBatch(running.base_url, KEY) as backend:
        yield backend


@pytest.fixture
def backend(opened: OpenAIBatch, server: RawServer) -> OpenAIBatch:
    return opened


@pytest.fixture
def closed_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server((HOST, 0)) as gone:
        return gone.getsockname()[1]


@pytest.fixture
def calls(backend: OpenAIBatch, tmp_path) -> dict[str, Callable[[], object]]:
    """Every call of a backend by the kind of call it is."""
    source = tmp_path / "input.jsonl"
    source.write_bytes(b'{"custom_id": "a"}\n')
    return {
        "upload": lambda: backend.upload(source, "batcheval-x.jsonl"),
        "create": lambda: backend.create("file-1", "/v1/chat/completions", {"batcheval": "1;x"}, "batcheval-x"),
        "list": backend.list_batches,
        "find": lambda: backend.find_file("batcheval-x.jsonl"),
        "retrieve": lambda: backend.retrieve("batch_1"),
        "content": lambda: backend.download("file-2", tmp_path / "output.jsonl"),
        "delete": lambda: backend.delete_file("file-1"),
        "cancel": lambda: backend.cancel("batch_1"),
    }


@pytest.fixture(name="http")
def http_fixture() -> Callable[..., bytes]:
    return http


@pytest.fixture(name="reset")
def reset_fixture() -> Callable[[socket.socket], None]:
    return reset


@pytest.fixture
def key() -> str:
    return KEY


def _all_of(value, depth=6, seen=None):
    """Whatever can be reached from a value by its attributes, as text."""
    seen = set() if seen is None else seen
    if depth == 0 or id(value) in seen:
        return ""
    seen.add(id(value))
    text = repr(value)
    if isinstance(value, dict):
        text += "".join(_all_of(inner, depth - 1, seen) for inner in value.values())
    elif isinstance(value, (list, tuple, set)):
        text += "".join(_all_of(inner, depth - 1, seen) for inner in value)
    elif hasattr(value, "__dict__"):
        text += _all_of(dict(vars(value)), depth - 1, seen)
    return text


def _locals_shown(error):
    """What a traceback with locals shows of all frames but the tests' own, as pytest's --showlocals would."""
    trace = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [frame for frame in trace.stack if "/tests/" not in frame.filename]
    assert frames
    return "\n".join(f"{name} = {value}" for frame in frames for name, value in (frame.locals or {}).items())


@pytest.fixture
def all_of():
    """What can be reached from a value."""
    return _all_of


@pytest.fixture
def locals_shown():
    """What a traceback with locals shows."""
    return _locals_shown
