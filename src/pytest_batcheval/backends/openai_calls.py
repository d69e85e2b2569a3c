"""Individual calls by the SDK's asynchronous client, to any provider, on an event loop in a thread of its own.

The caller may run an event loop already (an async test, a notebook): it is not touched.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

import openai

from pytest_batcheval.backends._sdk import http
from pytest_batcheval.backends.api_key import SET_WHEN_SENT, check, supplier
from pytest_batcheval.backends.base_url import past_proxies
from pytest_batcheval.backends.calls import CallReply
from pytest_batcheval.backends.errors import BadReply, ProviderFailure, UnknownOutcome, classify, retry_after
from pytest_batcheval.backends.provider_connection import CONNECT_TIMEOUT
from pytest_batcheval.backends.reply_limits import Caps, taken_over
from pytest_batcheval.backends.traffic import Traffic
from pytest_batcheval.backends.unpack import Unpacker
from pytest_batcheval.text.sanitize import environment_secrets, redacted, storable
from pytest_batcheval.wire.real_loop import RealTimeLoop

OWN_ID = "X-Client-Request-Id"
"""The header in which the API lets a client name a call, for its support (API reference, Debugging requests)."""

LONGEST_ANSWER = 2**29
"""Bytes of the longest answer: 2,048 embeddings of 3,072 dimensions have about 2**27."""

LONGEST_CALL = 960.0
"""Seconds of silence until a call is given up here; whoever makes it gives it up before that."""

CLOSING = 5.0
"""Seconds that the connections get to close."""


class IndividualCalls:
    """A `Calls` on the OpenAI SDK. One HTTP request per call: no retries, no redirects.

    Attributes:
        signal: readable when a call has finished.
        traffic: bytes that were sent and received.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | Callable[[], str] | None = None,
        caps: Caps | None = None,
        sign: Callable[[Any], None] | None = None,
    ) -> None:
        """Prepare calls to `base_url` with `api_key`, else by the SDK's environment variables.

        `sign` puts the key into a request as it leaves, for an API with another header than `Authorization`.

        Raises:
            UsageError: there is no API key.
        """
        self._key = supplier(api_key)
        del api_key  # a traceback may show the locals of this frame
        check(self._key)
        self.traffic = Traffic()
        self._client = _client(base_url, self._key, caps or Caps(reply=LONGEST_ANSWER), self.traffic, sign)
        self._finished: SimpleQueue[tuple[int, CallReply | ProviderFailure | BaseException]] = SimpleQueue()
        self._numbers = itertools.count(1)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self.signal, self._wake = socket.socketpair()
        self.signal.setblocking(False)
        self._wake.setblocking(False)
        self._loop = RealTimeLoop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="batcheval-calls", daemon=True)
        self._thread.start()
        # Also at the end of the process: Python would close the loop while it runs, and complain.
        self._end = weakref.finalize(self, _end, self._loop, self._thread, self._client, self._tasks)

    def start(self, url: str, body: Mapping[str, Any], key: str) -> int:
        """Send a body to an endpoint; returns the call's number. `key` names the request to the provider."""
        number = next(self._numbers)
        self._loop.call_soon_threadsafe(self._begin, number, url, body, key)
        return number

    def finished(self) -> list[tuple[int, CallReply | ProviderFailure]]:
        """Numbers and outcomes of the calls that have finished since the last time.

        Raises:
            BaseException: an error of a call that comes neither from HTTP nor from the network.
        """
        with suppress(BlockingIOError):
            self.signal.recv(2**16)
        found = []
        with suppress(Empty):
            while True:
                number, outcome = self._finished.get_nowait()
                if not isinstance(outcome, (CallReply, ProviderFailure)):
                    raise outcome
                found.append((number, outcome))
        return found

    def give_up(self, number: int) -> None:
        """End a call; it finishes soon, as `UnknownOutcome` or with the reply that has just come."""
        self._loop.call_soon_threadsafe(self._cancel, number)

    def close(self) -> None:
        """End all calls and the connections."""
        self._end()
        self.signal.close()
        self._wake.close()

    def __enter__(self) -> IndividualCalls:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _begin(self, number: int, url: str, body: Mapping[str, Any], key: str) -> None:
        self._tasks[number] = self._loop.create_task(self._run(number, url, body, key))

    def _cancel(self, number: int) -> None:
        if number in self._tasks:
            self._tasks[number].cancel()

    async def _run(self, number: int, url: str, body: Mapping[str, Any], key: str) -> None:
        outcome: CallReply | ProviderFailure | BaseException
        try:
            outcome = await self._call(url, body, key)
        except asyncio.CancelledError:
            outcome = UnknownOutcome("given_up", "no answer came in time")
        except BaseException as error:  # unheard, it would be waited for without end
            outcome = error
        del self._tasks[number]
        self._finished.put((number, outcome))
        with suppress(OSError):  # full of signals already, or closed
            self._wake.send(b"!")

    async def _call(self, url: str, body: Mapping[str, Any], key: str) -> CallReply | ProviderFailure:
        try:
            path, headers = url.removeprefix("/v1"), {OWN_ID: key}
            reply = await self._client.post(path, cast_to=http.Response, body=body, options={"headers": headers})
            content = reply.content
        except openai.APIStatusError as error:
            reply = error.response
            content = redacted(reply.text, self._key(), *environment_secrets()).encode("utf-8", "replace")
        except Exception as error:
            # The SDK's exception is not chained to the failure: it holds the request with its key.
            return classify("create", error).without(self._key())
        request_id = redacted(storable(reply.headers.get("x-request-id", "")), self._key(), *environment_secrets())
        return CallReply(reply.status_code, content, request_id, retry_after(reply.headers))


def _end(
    loop: asyncio.AbstractEventLoop,
    thread: threading.Thread,
    client: openai.AsyncOpenAI,
    calls: Mapping[int, asyncio.Task[None]],
) -> None:
    async def shut() -> None:
        for task in (tasks := list(calls.values())):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await client.close()
        await loop.shutdown_default_executor()  # it has looked up host names

    with suppress(TimeoutError):
        asyncio.run_coroutine_threadsafe(shut(), loop).result(CLOSING)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(CLOSING)
    if not thread.is_alive():
        loop.close()


def _client(
    base_url: str | None,
    api_key: Callable[[], str],
    caps: Caps,
    traffic: Traffic,
    sign: Callable[[Any], None] | None,
) -> openai.AsyncOpenAI:
    async def leaving(request: Any) -> None:
        del request.headers["Authorization"]  # the SDK's placeholder
        if sign is None:
            request.headers["Authorization"] = f"Bearer {api_key()}"
        else:
            sign(request)
        traffic.sending(request)

    async def answered(response: Any) -> None:
        response.stream = _Capped(response.stream, caps.reply, traffic, taken_over(response))

    return openai.AsyncOpenAI(
        api_key=SET_WHEN_SENT,
        base_url=base_url,
        max_retries=0,
        timeout=openai.Timeout(LONGEST_CALL, connect=CONNECT_TIMEOUT),
        default_headers={"Accept-Encoding": "identity"},
        http_client=openai.DefaultAsyncHttpxClient(
            follow_redirects=False,
            event_hooks={"request": [leaving], "response": [answered]},
            mounts=past_proxies(base_url),
        ),
    )


class _Capped(http.AsyncByteStream):  # type: ignore[misc] # the library is known at run time
    """A reply's body, unpacked, that is read up to a size."""

    def __init__(self, stream: Any, cap: int, traffic: Traffic, unpacker: Unpacker) -> None:
        self._stream = stream
        self._cap = cap
        self._traffic = traffic
        self._unpacker = unpacker
        self._total = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        came = 0
        async for packed in self._stream:
            came += len(packed)
            self._traffic.came(len(packed))
            self._check(came)
            for piece in self._unpacker.pieces(packed):
                yield self._counted(piece)
        for piece in self._unpacker.end():
            yield self._counted(piece)

    def _counted(self, piece: bytes) -> bytes:
        self._total += len(piece)
        self._check(self._total)
        return piece

    def _check(self, total: int) -> None:
        if total > self._cap:
            raise BadReply("too_large", f"the reply is longer than {self._cap} bytes")

    async def aclose(self) -> None:
        await self._stream.aclose()
