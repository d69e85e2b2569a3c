"""A dialect: its calls, and its form of what the simulator keeps in the form of OpenAI's API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pytest_batcheval.catalogue.providers import PROVIDERS
from pytest_batcheval.simulator.batch.form import BatchForm
from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.http_exchange import Exchange, HttpReply
from pytest_batcheval.simulator.state import State
from pytest_batcheval.wire.endpoints import ENDPOINTS

Handler = Callable[[Exchange], Awaitable[HttpReply]]


@dataclass(frozen=True)
class Call:
    """One kind of call: its name in fault plans, its handler, and the scope that a key needs for it.

    A call without a scope needs no key.
    """

    name: str
    handler: Handler
    scope: str


Calls = Mapping[str, Mapping[str, Call]]
"""Calls by path, in which `{}` is an id, and by method."""


@dataclass(frozen=True)
class View:
    """One reply's surroundings.

    Attributes:
        host: the `Host` by which the client came.
        request_id: of this exchange.
        call: its kind; empty for a path that is none.
    """

    state: State
    host: str
    request_id: str
    call: str = ""


class Dialect:
    """The API of one provider, which has OpenAI's files and batches; others override what theirs does differently.

    Attributes:
        provider: what is known of it.
        calls: its calls, with `/v1` in place of `path`.
        path: the beginning of all its paths.
        base_path: the path of its base URL.
        headers: of every reply.
        request_id_header: the header with a reply's own id.
        timing_header: that with the milliseconds it took; empty for none.
        form: of its batches.
        usual: what of its behaviour is not OpenAI's, by the name of the setting.
    """

    path = "/v1"
    base_path = "/v1"
    headers: Mapping[str, str] = {}
    request_id_header = "x-request-id"
    timing_header = ""

    def __init__(
        self, name: str, calls: Calls, *, path: str = "", usual: Mapping[str, Any] | None = None, **form: Any
    ) -> None:
        """A dialect of the provider of that name; `form` has members of `BatchForm`."""
        own = PROVIDERS[name]
        self.name, self.provider, self.calls = name, own, calls
        if path:
            self.path = self.base_path = path
        endpoints = tuple(url for url in ENDPOINTS if url in (own.endpoints or ENDPOINTS))
        windows = {window: int(window.removesuffix("h")) * 3_600 for window in own.windows}
        self.form = BatchForm(
            **{"endpoints": endpoints, "windows": windows, "purpose": own.purpose, "paged": own.paged, **form}
        )
        limits = {"max_requests": own.requests, "max_file_bytes": own.bytes, "max_inputs": own.inputs}
        self.usual: Mapping[str, Any] = {**limits, **(usual or {})}

    def adjusted(self, behaviour: Behaviour) -> Behaviour:
        """The behaviour with what is the provider's, where it leaves the default."""
        usual = Behaviour()
        unset = {name: value for name, value in self.usual.items() if getattr(behaviour, name) == getattr(usual, name)}
        return replace(behaviour, **unset)

    def authorization(self, headers: Mapping[str, str]) -> str:
        """The key among a request's headers, as `Bearer <key>`.

        Raises:
            ApiError: a header that every request needs is missing.
        """
        return headers.get("authorization", "")

    def place(self, path: str) -> str:
        """A path of the provider's as `calls` has it; empty for one that is none of its API."""
        return "/v1" + path[len(self.path) :] if path.startswith(f"{self.path}/") else ""

    def shown(self, reply: HttpReply, view: View) -> HttpReply:
        """The reply in the provider's form."""
        return reply
