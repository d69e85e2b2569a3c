"""A dialect: its calls, and its form of what the simulator keeps in the form of OpenAI's API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pytest_batcheval.catalogue.providers import PROVIDERS, Capabilities
from pytest_batcheval.simulator.batch.form import OPENAI_FORM
from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.http_exchange import Exchange, HttpReply
from pytest_batcheval.simulator.state import State

Handler = Callable[[Exchange], Awaitable[HttpReply]]


@dataclass(frozen=True)
class Call:
    """One kind of call: its name in fault plans, its handler, and the scope that a key needs for it."""

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
    """

    state: State
    host: str
    request_id: str


class Dialect:
    """The API of one provider; this class is OpenAI's, others change what theirs does differently.

    Attributes:
        name: as in `PROVIDERS`.
        calls: its calls, with `/v1` in place of `path`.
        path: the beginning of all its paths.
        base_path: the path of its base URL.
        headers: of every reply.
        request_id_header: the header with a reply's own id.
        form: of its batches.
    """

    name = "openai"
    path = "/v1"
    base_path = "/v1"
    headers: Mapping[str, str] = {"openai-version": "2020-10-01", "openai-organization": "org-simulator"}
    request_id_header = "x-request-id"
    form = OPENAI_FORM

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    @property
    def provider(self) -> Capabilities:
        """What is known of the provider."""
        return PROVIDERS[self.name]

    def limited(self, behaviour: Behaviour) -> Behaviour:
        """The behaviour with the provider's limits, where it leaves OpenAI's."""
        usual, own = Behaviour(), self.provider
        limits: dict[str, Any] = {"max_requests": own.requests, "max_file_bytes": own.bytes, "max_inputs": own.inputs}
        unset = {name: limit for name, limit in limits.items() if getattr(behaviour, name) == getattr(usual, name)}
        return replace(behaviour, **unset)

    def authorization(self, headers: Mapping[str, str]) -> str:
        """The key among a request's headers, as `Bearer <key>`.

        Raises:
            ApiError: a header that every request needs is missing.
        """
        return headers.get("authorization", "")

    def shown(self, reply: HttpReply, view: View) -> HttpReply:
        """The reply in the provider's form."""
        return reply
