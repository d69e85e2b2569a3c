"""The use of vcrpy, which connects the SDK's HTTP library (httpx or httpx2) to a tape."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from importlib.metadata import version
from typing import Any
from unittest import mock
from urllib.parse import SplitResult, urlsplit

from vcr.cassette import Cassette
from vcr.persisters.filesystem import CassetteNotFoundError

from pytest_batcheval.backends._sdk import http
from pytest_batcheval.errors import RecordingError
from pytest_batcheval.recordings.conversations.player import Player
from pytest_batcheval.recordings.conversations.recorder import InterceptedReply, InterceptedRequest, Listener


@contextmanager
def intercepted(tape: Listener, base_url: str) -> Iterator[None]:
    """Pass every request of this process below `base_url` to a tape; a `Player` blocks requests to other URLs too.

    Raises:
        RecordingError: vcrpy does not support the SDK's HTTP library, and would let everything through.
    """
    below = _Below(base_url, everything=isinstance(tape, Player))
    transports = ((http.HTTPTransport, "handle_request"), (http.AsyncHTTPTransport, "handle_async_request"))
    unpatched = [getattr(transport, name) for transport, name in transports]
    with ExitStack() as stack:
        stack.enter_context(_Cassette.use(path="conversation", persister=_Nowhere, tape=tape, below=below))
        for (transport, name), before in zip(transports, unpatched, strict=True):
            patched = getattr(transport, name)
            if patched is before:
                raise RecordingError(
                    f"vcrpy {version('vcrpy')} does not see the requests of openai {version('openai')} "
                    f"({http.__name__}): pip install -U vcrpy"
                )
            watched = _watched_async if name == "handle_async_request" else _watched
            stack.enter_context(mock.patch.object(transport, name, watched(patched, tape, below)))
        yield


class _Below:
    """The filter of the conversation's requests: those below the base URL, or `everything` in a replay."""

    def __init__(self, base_url: str, everything: bool) -> None:
        self._base = urlsplit(base_url.rstrip("/"))
        self._everything = everything

    def match(self, method: str, url: str, body: bytes | None) -> InterceptedRequest | None:
        """The request, its path as if the base URL ended in `/v1`; `None` if it is not part of the conversation."""
        parts, base = urlsplit(url), self._base
        query = f"?{parts.query}" if parts.query else ""
        if _server(parts) == _server(base) and parts.path.startswith(f"{base.path}/"):
            return InterceptedRequest(method, f"/v1{parts.path.removeprefix(base.path)}{query}", body or b"")
        return (
            InterceptedRequest(method, f"{_server(parts)}{parts.path}{query}", body or b"")
            if self._everything
            else None
        )


def _server(url: SplitResult) -> str:
    return f"{url.scheme}://{url.hostname}" + (f":{url.port}" if url.port else "")


class _Nowhere:
    """A persister for vcrpy that loads and saves nothing, since we write the file ourselves."""

    @staticmethod
    def load_cassette(cassette_path: object, serializer: object) -> Any:
        raise CassetteNotFoundError

    @staticmethod
    def save_cassette(cassette_path: object, cassette_dict: object, serializer: object) -> None:
        pass


class _Cassette(Cassette):  # type: ignore[misc] # vcrpy has no types
    """vcrpy's side of a tape."""

    def __init__(self, path: str, persister: object, tape: Listener, below: _Below) -> None:
        super().__init__(path, persister=persister)
        self._tape = tape
        self._below = below

    def can_play_response_for(self, request: Any) -> bool:
        return isinstance(self._tape, Player)

    def play_response(self, request: Any) -> dict[str, Any]:
        __tracebackhide__ = True
        intercepted_request = self._intercepted(request)
        assert isinstance(self._tape, Player)
        assert intercepted_request is not None
        # The headers are not passed on: they have the key, and a traceback may show the locals of called functions.
        exchange = self._tape.reply(intercepted_request, _lower(request.headers).get("content-type", ""))
        if exchange.failure:
            raise _failure(exchange.failure)
        return {
            "status": {"code": exchange.status, "message": exchange.reason},
            "headers": {name: [value] for name, value in exchange.headers.items()},
            "body": {"string": exchange.content},
        }

    def append(self, request: Any, response: dict[str, Any]) -> None:
        intercepted_request = self._intercepted(request)
        if intercepted_request is None:
            return
        headers = {name.lower(): values[0] for name, values in response["headers"].items()}
        status = response["status"]
        reply = InterceptedReply(status["code"], status["message"] or "", headers, response["body"]["string"])
        self._tape.answered(intercepted_request, _lower(request.headers), reply)

    def _intercepted(self, request: Any) -> InterceptedRequest | None:
        return self._below.match(request.method, request.uri, request.body)


def _watched(send: Callable[..., Any], tape: Listener, below: _Below) -> Callable[..., Any]:
    """`handle_request` of a transport that reports requests and broken connections to a tape."""

    @wraps(send)
    def handle_request(transport: Any, request: Any) -> Any:
        __tracebackhide__ = True
        intercepted_request = _begin(request, b"".join(request.stream), tape, below)
        try:
            return send(transport, request)
        except http.TransportError as error:
            _broke(intercepted_request, request, error, tape, below)
            raise

    return handle_request


def _watched_async(send: Callable[..., Awaitable[Any]], tape: Listener, below: _Below) -> Callable[..., Awaitable[Any]]:
    @wraps(send)
    async def handle_async_request(transport: Any, request: Any) -> Any:
        __tracebackhide__ = True
        body = b"".join([piece async for piece in request.stream])
        intercepted_request = _begin(request, body, tape, below)
        try:
            return await send(transport, request)
        except http.TransportError as error:
            _broke(intercepted_request, request, error, tape, below)
            raise

    return handle_async_request


def _begin(request: Any, body: bytes, tape: Listener, below: _Below) -> InterceptedRequest | None:
    request.stream = http.ByteStream(body)  # the stream can be read only once
    intercepted_request = below.match(request.method, str(request.url), body)
    if intercepted_request is not None:
        request.headers["accept-encoding"] = "identity"  # the recording must be readable by people
        tape.begin(intercepted_request)
    return intercepted_request


def _broke(
    intercepted_request: InterceptedRequest | None, request: Any, error: Exception, tape: Listener, below: _Below
) -> None:
    if intercepted_request is not None:
        tape.broke(intercepted_request, _lower(request.headers), f"{type(error).__name__}: {error}")


def _failure(failure: str) -> Exception:
    """The HTTP library's exception of that name, else its most general one."""
    name, _, message = failure.partition(": ")
    kind: Any = getattr(http, name, None)
    if not (isinstance(kind, type) and issubclass(kind, http.TransportError)):
        kind = http.TransportError
    error: Exception = kind(message)
    return error


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
