"""What the OpenAI SDK does when something goes wrong: how often it asks, what it raises, what is left behind.

The figures are those of openai 3.54.0. Waits of the SDK are written down, not waited for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from pytest_batcheval.simulator.errors import ApiError
from pytest_batcheval.simulator.http_exchange import ClientGone, Exchange, HttpReply
from pytest_batcheval.simulator.server import SimulatorServer

CHAT = "/v1/chat/completions"
MAJOR = int(openai.__version__.split(".")[0])
since_3 = pytest.mark.skipif(MAJOR < 3, reason="observed with openai 3")

Deed = Callable[[Exchange], Awaitable[None]]


class Watched:
    """A server that does something to one kind of call, and counts how often that is tried."""

    def __init__(self, server: SimulatorServer) -> None:
        self._server = server
        self.tries: list[str | None] = []

    def do(self, call: str, deed: Deed) -> None:
        async def intercept(exchange: Exchange) -> None:
            if exchange.call != call:
                await exchange.answer()
                return
            self.tries.append(exchange.headers.get("x-stainless-retry-count"))
            await deed(exchange)

        self._server.intercept(intercept)


@pytest.fixture
def watched(simulator: SimulatorServer) -> Watched:
    return Watched(simulator)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds the SDK would have slept."""
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    return waits


@pytest.fixture
def usual(simulator: SimulatorServer) -> Iterator[openai.OpenAI]:
    """The SDK as it comes, but for a timeout that is short."""
    transport = openai.DefaultHttpxClient(verify=False)
    with openai.OpenAI(base_url=simulator.base_url, api_key="key-one", timeout=0.5, http_client=transport) as client:
        yield client


def status(code: int, **headers: str) -> Deed:
    """Refuse with a status."""

    async def deed(exchange: Exchange) -> None:
        marks = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        kind = "insufficient_quota" if code == 429 else "invalid_request_error"
        await exchange.send(HttpReply(code, ApiError(code, "No.", code=kind, kind=kind).body, headers=marks))

    return deed


def raw(data: bytes) -> Deed:
    """Write these bytes and close."""

    async def deed(exchange: Exchange) -> None:
        exchange.write(data)
        await exchange.hang_up()

    return deed


async def reset(exchange: Exchange) -> None:
    """Drop the connection."""
    await exchange.drop()


async def silence(exchange: Exchange) -> None:
    """Never answer."""
    await exchange.gone()
    raise ClientGone


SHORT = raw(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"id": "batch_')


def create(client: openai.OpenAI) -> Any:
    return client.batches.create(input_file_id="file-abc", endpoint=CHAT, completion_window="24h")


@pytest.mark.sampled(12)
@pytest.mark.parametrize(
    ("deed", "tries", "error"),
    [
        pytest.param(status(500), 3, openai.InternalServerError, id="500"),
        pytest.param(status(503), 3, openai.InternalServerError, id="503"),
        pytest.param(reset, 3, openai.APIConnectionError, id="reset"),
        pytest.param(silence, 3, openai.APITimeoutError, id="timeout"),
        pytest.param(SHORT, 3, openai.APIConnectionError, id="short body"),
        pytest.param(status(408), 3, openai.APIStatusError, id="408"),
        pytest.param(status(409), 3, openai.ConflictError, id="409"),
        pytest.param(status(429), 3, openai.RateLimitError, id="429"),
        pytest.param(status(400), 1, openai.BadRequestError, id="400"),
        pytest.param(status(401), 1, openai.AuthenticationError, id="401"),
        pytest.param(status(403), 1, openai.PermissionDeniedError, id="403"),
        pytest.param(status(404), 1, openai.NotFoundError, id="404"),
        pytest.param(status(422), 1, openai.UnprocessableEntityError, id="422"),
        pytest.param(status(429, x_should_retry="false"), 1, openai.RateLimitError, id="429 and should not"),
        pytest.param(status(400, x_should_retry="true"), 3, openai.BadRequestError, id="400 and should"),
    ],
)
def test_a_create_that_goes_wrong(
    watched: Watched, usual: openai.OpenAI, slept: list[float], deed: Deed, tries: int, error: type[Exception]
) -> None:
    watched.do("batches.create", deed)
    with pytest.raises(error):
        create(usual)
    assert watched.tries == [str(number) for number in range(tries)]
    assert len(slept) == tries - 1
    for number, wait in enumerate(slept):
        assert 0.75 * 0.5 * 2**number <= wait <= 0.5 * 2**number


@pytest.mark.parametrize(
    ("header", "value", "tries", "wait"),
    [
        ("retry_after_ms", "300", 3, 0.3),
        ("retry_after", "1", 3, 1.0),
        ("retry_after", "120", 3, 120.0),
        pytest.param("retry_after", "121", 1, None, marks=since_3),
    ],
)
def test_a_wait_that_the_server_asks_for(
    watched: Watched,
    usual: openai.OpenAI,
    slept: list[float],
    header: str,
    value: str,
    tries: int,
    wait: float | None,
) -> None:
    watched.do("batches.create", status(429, **{header: value}))
    with pytest.raises(openai.RateLimitError):
        create(usual)
    assert len(watched.tries) == tries
    if MAJOR >= 3:
        assert slept == [wait] * (tries - 1)


def test_a_cancel_that_conflicts_is_tried_three_times(
    watched: Watched, usual: openai.OpenAI, slept: list[float], api: Any
) -> None:
    batch = api.ended(api.batch(1))
    watched.do("batches.cancel", Exchange.answer)
    with pytest.raises(openai.ConflictError):
        usual.batches.cancel(batch["id"])
    assert len(watched.tries) == 3
    assert 1.125 <= sum(slept) <= 1.5


CUT = {
    "short of content-length": b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n" + b"x" * 300,
    "chunked without end": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n12c\r\n" + b"x" * 300 + b"\r\n",
}


@pytest.mark.parametrize("how", CUT)
def test_content_that_is_cut_is_asked_for_again(
    watched: Watched, usual: openai.OpenAI, slept: list[float], how: str
) -> None:
    watched.do("files.content", raw(CUT[how]))
    with pytest.raises(openai.APIConnectionError):
        usual.files.content("file-abc")
    assert (len(watched.tries), len(slept)) == (3, 2)


def test_a_stream_that_is_cut_raises_an_error_that_is_not_the_sdks(
    watched: Watched, usual: openai.OpenAI, slept: list[float], tmp_path: Path, http_client: Any
) -> None:
    watched.do("files.content", raw(CUT["short of content-length"]))
    path = tmp_path / "content"
    with (
        pytest.raises(http_client.RemoteProtocolError) as error,
        usual.files.with_streaming_response.content("file-abc") as response,
    ):
        response.stream_to_file(path)
    assert not isinstance(error.value, openai.OpenAIError)
    assert (len(watched.tries), slept) == (1, [])
    assert path.stat().st_size == 300


def test_a_body_that_ends_with_the_connection_is_believed(
    watched: Watched, usual: openai.OpenAI, slept: list[float]
) -> None:
    watched.do("files.content", raw(b'HTTP/1.1 200 OK\r\n\r\n{"custom_id": "a"}\n{"custom'))
    assert usual.files.content("file-abc").text == '{"custom_id": "a"}\n{"custom'
    assert (len(watched.tries), slept) == (1, [])


def test_a_create_that_gives_a_page_returns_text(watched: Watched, usual: openai.OpenAI) -> None:
    page = b"<html>Welcome</html>"
    watched.do(
        "batches.create",
        lambda exchange: exchange.send(HttpReply(200, page, headers=[(b"content-type", b"text/html")])),
    )
    assert create(usual) == page.decode()
    assert len(watched.tries) == 1


def test_a_create_that_is_redirected_is_sent_again(
    watched: Watched, usual: openai.OpenAI, simulator: SimulatorServer, api: Any, line: Any
) -> None:
    async def elsewhere(exchange: Exchange) -> None:
        if exchange.query:
            await exchange.answer()
        else:
            place = f"{simulator.base_url}/batches?moved=yes".encode()
            await exchange.send(HttpReply(307, b"", headers=[(b"location", place)]))

    file_id = api.upload([line(1)])
    watched.do("batches.create", elsewhere)
    batch = usual.batches.create(input_file_id=file_id, endpoint=CHAT, completion_window="24h")
    assert len(watched.tries) == 2
    assert [seen["id"] for seen in api.get("/v1/batches")["data"]] == [batch.id]


def test_a_create_whose_replies_are_lost_leaves_three_batches(
    watched: Watched, usual: openai.OpenAI, slept: list[float], api: Any, line: Any
) -> None:
    async def lost(exchange: Exchange) -> None:
        assert (await exchange.handle(exchange)).status == 200
        await exchange.send(HttpReply(504, b"<html>504</html>"))

    file_id = api.upload([line(1)])
    watched.do("batches.create", lost)
    with pytest.raises(openai.InternalServerError):
        usual.batches.create(input_file_id=file_id, endpoint=CHAT, completion_window="24h")
    assert len(api.get("/v1/batches")["data"]) == 3


def test_an_upload_whose_replies_are_lost_leaves_three_files(
    watched: Watched, usual: openai.OpenAI, slept: list[float], api: Any, line: Any
) -> None:
    async def lost(exchange: Exchange) -> None:
        await exchange.handle(exchange)
        await exchange.drop()

    data = json.dumps(line(1)).encode()
    watched.do("files.create", lost)
    with pytest.raises(openai.APIConnectionError):
        usual.files.create(file=("a.jsonl", data), purpose="batch")
    assert [file["bytes"] for file in api.get("/v1/files")["data"]] == [len(data)] * 3
