"""Individual calls to any provider, on an event loop in a thread of its own.

The caller may run an event loop already (an async test, a notebook): it is not touched. URL and headers are those of
the SDK, made once: its client takes more than half of a call's CPU.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
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
    """A `Calls` on the SDK's HTTP library. One HTTP request per call: no retries, no redirects.

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
        self._cap = (caps or Caps(reply=LONGEST_ANSWER)).reply
        self._clients = Clients(base_url, self._key, self.traffic, sign)
        self._finished: SimpleQueue[tuple[int, CallReply | ProviderFailure | BaseException]] = SimpleQueue()
        self._signalling = False
        self._numbers = itertools.count(1)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self.signal, self._wake = socket.socketpair()
        self.signal.setblocking(False)
        self._wake.setblocking(False)
        self._loop = RealTimeLoop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="batcheval-calls", daemon=True)
        self._thread.start()
        # Also at the end of the process: Python would close the loop while it runs, and complain.
        self._end = weakref.finalize(self, _end, self._loop, self._thread, self._clients, self._tasks)

    def start(self, url: str, body: bytes, key: str) -> int:
        """Send a body, in JSON, to an endpoint; returns the call's number. `key` names the request to the provider."""
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

    def _begin(self, number: int, url: str, body: bytes, key: str) -> None:
        self._tasks[number] = self._loop.create_task(self._run(number, url, body, key))

    def _cancel(self, number: int) -> None:
        if number in self._tasks:
            self._tasks[number].cancel()

    async def _run(self, number: int, url: str, body: bytes, key: str) -> None:
        outcome: CallReply | ProviderFailure | BaseException
        try:
            outcome = await self._call(url, body, key)
        except asyncio.CancelledError:
            outcome = UnknownOutcome("given_up", "no answer came in time")
        except BaseException as error:  # unheard, it would be waited for without end
            outcome = error
        del self._tasks[number]
        self._finished.put((number, outcome))
        if not self._signalling:
            self._signalling = True
            self._loop.call_soon(self._signal)  # once for all that finish together

    def _signal(self) -> None:
        self._signalling = False
        with suppress(OSError):  # full of signals already, or closed
            self._wake.send(b"!")

    async def _call(self, url: str, body: bytes, key: str) -> CallReply | ProviderFailure:
        try:
            async with self._clients.sent(url, body, key) as reply:
                content = await self._content(reply)
        except Exception as error:
            # The library's exception is not chained to the failure: it holds the request with its key.
            return classify("create", error).without(self._key())
        secrets = (self._key(), *environment_secrets())
        if reply.status_code >= 400:
            content = redacted(content.decode("utf-8", "replace"), *secrets).encode("utf-8", "replace")
        request_id = redacted(storable(reply.headers.get("x-request-id", "")), *secrets)
        return CallReply(reply.status_code, content, request_id, retry_after(reply.headers))

    async def _content(self, reply: Any) -> bytes:
        """A reply's body, unpacked.

        Raises:
            BadReply: it is too long, cut off, or packed in a way that is not known here.
        """
        unpacker, found, came = taken_over(reply), bytearray(), 0

        def add(pieces: Iterable[bytes]) -> None:
            for piece in pieces:
                found.extend(piece)
                self._check(len(found))

        async for packed in reply.aiter_raw():
            came += len(packed)
            self.traffic.came(len(packed))
            self._check(came)
            add(unpacker.pieces(packed))
        add(unpacker.end())
        return bytes(found)

    def _check(self, total: int) -> None:
        if total > self._cap:
            raise BadReply("too_large", f"the reply is longer than {self._cap} bytes")


class Clients:
    """HTTP clients with one connection each; a call under way has one for itself.

    A client of the library looks at each of its connections at every call, so that one for all would take a time for
    each that grows with their number.
    """

    def __init__(
        self, base_url: str | None, api_key: Callable[[], str], traffic: Traffic, sign: Callable[[Any], None] | None
    ) -> None:
        self._key, self._traffic, self._sign = api_key, traffic, sign
        self._mounts = past_proxies(base_url)
        self._verify = http.create_ssl_context()
        first = self._client()
        self._all, self._free = [first], [first]
        sdk = openai.AsyncOpenAI(api_key=SET_WHEN_SENT, base_url=base_url, http_client=first)
        self._base, self._urls = sdk.base_url, dict[str, Any]()
        given = {name: value for name, value in sdk.default_headers.items() if isinstance(value, str)}
        given.pop("Authorization", None)  # the SDK's placeholder
        self._headers = http.Headers(given | {"Accept-Encoding": "identity"})
        self._extensions = {"timeout": openai.Timeout(LONGEST_CALL, connect=CONNECT_TIMEOUT).as_dict()}

    @asynccontextmanager
    async def sent(self, url: str, body: bytes, key: str) -> AsyncIterator[Any]:
        """The reply to a body that is sent to an endpoint, without its contents."""
        if not self._free:
            self._all.append(self._client())
            self._free.append(self._all[-1])
        client = self._free.pop()
        try:
            headers = self._headers.copy()
            headers[OWN_ID] = key
            where, extensions = self._url(url), {**self._extensions}
            request = http.Request("POST", where, headers=headers, content=body, extensions=extensions)
            reply = await client.send(request, stream=True)
            try:
                yield reply
            finally:
                await reply.aclose()
        finally:
            self._free.append(client)

    def _url(self, url: str) -> Any:
        if url not in self._urls:
            path = http.URL(url.removeprefix("/v1")).raw_path.lstrip(b"/")
            self._urls[url] = self._base.copy_with(raw_path=self._base.raw_path + path)
        return self._urls[url]

    async def close(self) -> None:
        """Close the connections."""
        for client in self._all:
            await client.aclose()

    async def _leaving(self, request: Any) -> None:
        if self._sign is None:
            request.headers["Authorization"] = f"Bearer {self._key()}"
        else:
            self._sign(request)
        self._traffic.sending(request)

    def _client(self) -> Any:
        return openai.DefaultAsyncHttpxClient(
            follow_redirects=False,
            event_hooks={"request": [self._leaving]},
            mounts=self._mounts,
            verify=self._verify,
            limits=http.Limits(max_connections=1, max_keepalive_connections=1),
        )


def _end(
    loop: asyncio.AbstractEventLoop,
    thread: threading.Thread,
    clients: Clients,
    calls: Mapping[int, asyncio.Task[None]],
) -> None:
    async def shut() -> None:
        for task in (tasks := list(calls.values())):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await clients.close()
        await loop.shutdown_default_executor()  # it has looked up host names

    with suppress(TimeoutError):
        asyncio.run_coroutine_threadsafe(shut(), loop).result(CLOSING)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(CLOSING)
    if not thread.is_alive():
        loop.close()
