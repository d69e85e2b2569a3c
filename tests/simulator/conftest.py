"""One simulator for the session, reset for each test; every object it sends is checked against its schema."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import openai
import pytest

from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.server import SimulatorServer
from pytest_batcheval.wire.schemas import schema, validator

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
EMBEDDINGS = "/v1/embeddings"
OPEN = ("validating", "in_progress", "finalizing", "cancelling")

http: Any = importlib.import_module("httpx2" if int(openai.__version__.split(".")[0]) >= 3 else "httpx")
"""The HTTP client the installed SDK is built on."""


def follow_schema(name: str, value: Any) -> None:
    """Fail unless `value` follows the schema and has no name the schema doesn't know."""
    for error in validator(name).iter_errors(value):
        raise AssertionError(f"{name}: {error.json_path}: {error.message}")
    unknown = set(value) - set(schema(name)["properties"])
    assert not unknown, f"{name}: unknown names {unknown}"


def body_of(endpoint: str, words: str, **more: Any) -> dict[str, Any]:
    """A small request body for an endpoint."""
    if endpoint == CHAT:
        return {"model": "gpt-6-luna", "messages": [{"role": "user", "content": words}], **more}
    model = "text-embedding-3-small" if endpoint == EMBEDDINGS else "gpt-6-luna"
    return {"model": model, "input": words, **more}


def line_of(number: int, endpoint: str = CHAT, **body: Any) -> dict[str, Any]:
    """Line `line-<number>` of an input file."""
    asked = body_of(endpoint, f"Question {number}: how do you sleep?", **body)
    return {"custom_id": f"line-{number}", "method": "POST", "url": endpoint, "body": asked}


def jsonl(lines: Iterable[Mapping[str, Any] | str]) -> bytes:
    """An input file; a line given as text stands there as it is."""
    return "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines).encode()


class Api:
    """Raw HTTP with one key; bodies come back as data, refusals as (status, error)."""

    def __init__(self, server: SimulatorServer, key: str) -> None:
        self.server = server
        self.key = key
        headers = {"authorization": f"Bearer {key}"}
        url = server.base_url.removesuffix("/v1")
        # Reading the certificates that nobody needs here takes longer than most tests.
        self.http = http.Client(base_url=url, headers=headers, timeout=60, verify=False)

    def request(self, method: str, path: str, **options: Any) -> Any:
        """The response of any request."""
        return self.http.request(method, path, **options)

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of a GET that works."""
        return self._good(self.request("GET", path, params=query))

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        """The JSON of a POST that works."""
        return self._good(self.request("POST", path, json=body, **options))

    def delete(self, path: str) -> Any:
        """The JSON of a DELETE that works."""
        return self._good(self.request("DELETE", path))

    def refused(self, method: str, path: str, **options: Any) -> tuple[int, dict[str, Any]]:
        """Status and error of a request that is refused in the API's form."""
        response = self.request(method, path, **options)
        assert response.status_code >= 400, response.text
        body = response.json()
        assert set(body) == {"error"}
        assert set(body["error"]) == {"message", "type", "param", "code"}
        return response.status_code, body["error"]

    def send_file(self, data: bytes, name: str | None = "input.jsonl", purpose: str | None = "batch", **fields: str):
        """The response to an upload."""
        form = {**({"purpose": purpose} if purpose is not None else {}), **fields}
        files = {"file": (name, data, "application/octet-stream")} if name is not None else {"other": ("x", b"x")}
        return self.request("POST", "/v1/files", data=form, files=files)

    def upload(self, lines: Iterable[Mapping[str, Any] | str] | bytes, **options: Any) -> str:
        """The id of an uploaded file."""
        data = lines if isinstance(lines, bytes) else jsonl(lines)
        return str(self._good(self.send_file(data, **options))["id"])

    def create(self, file_id: str, endpoint: str = CHAT, **more: Any) -> dict[str, Any]:
        """A new batch."""
        asked = {"input_file_id": file_id, "endpoint": endpoint, "completion_window": "24h", **more}
        return dict(self.post("/v1/batches", asked))

    def batch(
        self, lines: Iterable[Mapping[str, Any] | str] | int, endpoint: str = CHAT, **more: Any
    ) -> dict[str, Any]:
        """A new batch of these lines, or of so many."""
        if isinstance(lines, int):
            lines = [line_of(number, endpoint) for number in range(lines)]
        return self.create(self.upload(lines), endpoint, **more)

    def retrieve(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """The batch as it is now."""
        return dict(self.get(f"/v1/batches/{batch['id']}"))

    def polled(self, batch: Mapping[str, Any], until: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """What polls see, from the batch given to the first of which `until` is true."""
        seen = [dict(batch)]
        while not until(seen[-1]):
            assert len(seen) < 200, seen[-1]
            seen.append(self.retrieve(batch))
        return seen

    def status(self, batch: Mapping[str, Any], status: str) -> dict[str, Any]:
        """The batch once it has that status."""
        return self.polled(batch, lambda seen: bool(seen["status"] == status))[-1]

    def ended(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """The batch once it has ended."""
        return self.polled(batch, lambda seen: seen["status"] not in OPEN)[-1]

    def cancel(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """The reply to a cancel."""
        return dict(self.post(f"/v1/batches/{batch['id']}/cancel"))

    def content(self, file_id: str) -> bytes:
        """The bytes of a file."""
        response = self.request("GET", f"/v1/files/{file_id}/content")
        assert response.status_code == 200, response.text
        return bytes(response.content)

    def lines(self, file_id: str | None) -> dict[str, Any]:
        """The lines of a result file by custom_id; none for no file."""
        read = [json.loads(line) for line in self.content(file_id).splitlines()] if file_id else []
        for line in read:
            follow_schema("output-line", line)
        assert len({line["custom_id"] for line in read}) == len(read)
        return {line["custom_id"]: line for line in read}

    def results(self, batch: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Output and error lines of an ended batch."""
        return self.lines(batch["output_file_id"]), self.lines(batch["error_file_id"])

    def errors(self, lines: Iterable[Mapping[str, Any] | str] | bytes, endpoint: str = CHAT) -> list[dict[str, Any]]:
        """`errors.data` of a batch of these lines, which must fail."""
        batch = self.ended(self.create(self.upload(lines), endpoint))
        assert batch["status"] == "failed", batch
        assert batch["errors"]["object"] == "list"
        return list(batch["errors"]["data"])

    def _good(self, response: Any) -> Any:
        assert response.status_code == 200, response.text
        return response.json()


@pytest.fixture(scope="session")
def _simulator_of_session() -> Iterator[SimulatorServer]:
    with SimulatorServer(behaviour=Behaviour(), check=follow_schema) as server:
        yield server


@pytest.fixture
def simulator(_simulator_of_session: SimulatorServer) -> Iterator[SimulatorServer]:
    """An empty simulator that behaves as the API is best known to; nothing in it may break."""
    _simulator_of_session.reset()
    yield _simulator_of_session
    assert [repr(crash) for crash in _simulator_of_session.crashes] == []


@pytest.fixture
def api_of(simulator: SimulatorServer) -> Iterator[Callable[[str], Api]]:
    """`api_of("other")`: raw HTTP with that key."""
    opened: list[Api] = []

    def connect(key: str) -> Api:
        opened.append(Api(simulator, key))
        return opened[-1]

    yield connect
    for api in opened:
        api.http.close()


@pytest.fixture
def api(api_of: Callable[[str], Api]) -> Api:
    """Raw HTTP with a key."""
    return api_of("key-one")


@pytest.fixture
def client(simulator: SimulatorServer) -> Iterator[openai.OpenAI]:
    """The SDK with the same key as `api`, its retries off."""
    transport = openai.DefaultHttpxClient(verify=False)
    url = simulator.base_url
    with openai.OpenAI(base_url=url, api_key="key-one", max_retries=0, http_client=transport) as client:
        yield client


@pytest.fixture
def line() -> Callable[..., dict[str, Any]]:
    """`line(3, model="x")`: line 3 of an input file, with that in its body."""
    return line_of


@pytest.fixture
def body() -> Callable[..., dict[str, Any]]:
    """`body(CHAT, "words", n=2)`: a request body."""
    return body_of


@pytest.fixture
def http_client() -> Any:
    """The HTTP library the installed SDK is built on."""
    return http
