"""A connection to a provider's API: one HTTP request per call, no retries, no redirects, no key in a field."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import openai

from pytest_batcheval.backends.api_key import check
from pytest_batcheval.backends.base_url import api_url, past_proxies
from pytest_batcheval.backends.errors import Call, ProviderFailure, classify
from pytest_batcheval.backends.local_files import written
from pytest_batcheval.backends.reply_limits import Caps, Guard
from pytest_batcheval.catalogue.providers import Capabilities
from pytest_batcheval.errors import ProviderError
from pytest_batcheval.text.sanitize import redacted
from pytest_batcheval.wire.lines import whole_lines
from pytest_batcheval.wire.origin import (
    CLOCK_HEADER,
    RESPONDENT_HEADER,
    SIMULATOR_HEADER,
    SIMULATOR_NAME,
    SPEED_HEADER,
    provider_origin,
    simulator_origin,
)

T = TypeVar("T")

CONNECT_TIMEOUT, PROBE_TIMEOUT, TIMEOUT = 10.0, 30.0, 600.0
"""Seconds of silence until a connection, the first call to a server, any other call is given up."""


@dataclass(frozen=True)
class Identity:
    """The server at a base URL; of a simulator, `host:port` of its virtual clock, and that clock's speed."""

    origin: str
    clock_address: str | None = None
    clock_speed: float = 0.0


class ProviderConnection:
    """The base of backends that speak HTTP; `http` is the client of the SDK's library.

    Attributes:
        capabilities: what the provider's batches allow.
        base_url: without a password.
        origin: stored with its answers.
        scope: the account in the journal.
        clock_address: address of a simulator's virtual clock; `None` for a provider.
        clock_speed: its virtual seconds of a real one; 0 where time jumps.
        traffic: bytes that were sent and received.
    """

    def __init__(
        self,
        capabilities: Capabilities,
        base_url: str,
        key: Callable[[], str],
        scope: str | None,
        guard: Guard | None,
    ) -> None:
        """Connect with the key that `key` gives; `scope` is by default a fingerprint of the account.

        Raises:
            UsageError: there is no API key.
            ProviderError: a base URL other than the provider's own does not answer.
        """
        self.capabilities = capabilities
        self._key = key
        check(self._key)
        guard = guard or Guard(Caps())
        self.traffic = guard.traffic
        self.base_url = redacted(base_url)
        before: list[Callable[..., Any]] = [guard.sending, self.sign]
        self.http = openai.DefaultHttpxClient(
            base_url=base_url,
            follow_redirects=False,
            event_hooks={"request": before, "response": [guard.answered]},
            mounts=past_proxies(base_url),
            timeout=openai.Timeout(TIMEOUT, connect=CONNECT_TIMEOUT),
            headers={"Accept-Encoding": "identity"},
        )
        origin = provider_origin(self.base_url)
        usual = bool(capabilities.base_url) and origin == provider_origin(api_url(capabilities, capabilities.base_url))
        identity = Identity(origin) if usual else self.probe()
        self.origin, self.clock_address = identity.origin, identity.clock_address
        self.clock_speed = identity.clock_speed
        self.scope = scope or self._fingerprint()

    def sign(self, request: Any) -> None:
        """Put the key into a request as it leaves."""
        request.headers["Authorization"] = f"Bearer {self._key()}"

    def account(self) -> tuple[str, ...]:
        """The parts that tell accounts apart, other than origin and key."""
        return ()

    def probe(self) -> Identity:
        """Identify the server: one GET of its models, whose headers mark a simulator.

        Raises:
            ProviderError: it cannot be reached.
        """
        try:
            headers = self.ask("list", lambda: self.http.get("models", timeout=PROBE_TIMEOUT).headers)
        except ProviderFailure as failure:
            raise ProviderError(f"{self.base_url} cannot be reached: {failure}") from None
        if headers.get(SIMULATOR_HEADER) != SIMULATOR_NAME:
            return Identity(provider_origin(self.base_url))
        respondent, _, rest = headers.get(RESPONDENT_HEADER, "").rpartition("@")
        seed, _, provider = rest.partition("/")
        if not seed.isdecimal():
            raise ProviderError(f"{self.base_url} is a simulator that does not say which respondent answers; update it")
        speed = 0.0
        with suppress(ValueError):
            speed = max(float(headers.get(SPEED_HEADER, "0")), 0.0)
        return Identity(simulator_origin(respondent, int(seed), provider or "openai"), headers.get(CLOCK_HEADER), speed)

    def ask(self, call: Call, request: Callable[[], T]) -> T:
        """Make one HTTP request.

        Raises:
            ProviderFailure: it failed. The SDK's exception is not chained to it: it holds the request with its key.
        """
        try:
            return request()
        except Exception as error:
            failure = classify(call, error)
        raise failure.without(self._key())

    def json(self, call: Call, request: Callable[[], Any]) -> Any:
        """Make one HTTP request and parse its reply here: the SDK makes an object of anything, an empty list of a page.

        Raises:
            ProviderFailure: it failed, or the reply is not JSON.
        """
        return self.ask(call, lambda: parsed(request().content))

    @contextmanager
    def streamed(self, url: str, **params: str) -> Iterator[Iterator[bytes]]:
        """The pieces of the body of a GET."""
        with self.http.stream("GET", url, params=params) as reply:
            if reply.status_code >= 400:
                reply.read()
            yield checked(reply).iter_bytes(2**16)

    def save_lines(self, url: str, target: Path, convert: Callable[[bytes, bool], bytes], **params: str) -> None:
        """Write the lines of results to `target`, each as `convert` makes it of a line and whether that has ended.

        Raises:
            ProviderFailure: the call failed.
            JournalError: they cannot be stored.
        """
        # A download that an interrupted send left behind may still be writing to its own.
        part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")

        def stream() -> None:
            with self.streamed(url, **params) as pieces:
                written(part, (convert(line, ended) for line, ended in whole_lines(pieces)))

        self.ask("content", stream)
        part.replace(target)

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _fingerprint(self) -> str:
        """The first 64 bits of a SHA-256: enough to distinguish accounts, useless to find the key."""
        parts = (self.origin, *self.account(), self._key())
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def parsed(content: bytes) -> Any:
    """JSON of a reply.

    Raises:
        ValueError: it is none, or nested too deeply.
    """
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("the reply is nested too deeply") from None


def checked(reply: Any) -> Any:
    """A reply of the HTTP library.

    Raises:
        openai.APIStatusError: its status is none of success; `classify` knows that error.
    """
    if reply.status_code < 300:
        return reply
    try:
        body: Any = parsed(reply.content)
    except ValueError:
        body = None
    raise openai.APIStatusError(f"HTTP {reply.status_code}", response=reply, body=body)
