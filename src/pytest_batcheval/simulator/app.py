"""The HTTP surface: routes, keys, headers, refusals."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from pytest_batcheval.simulator import batches, control, files
from pytest_batcheval.simulator.errors import ApiError
from pytest_batcheval.simulator.ids import EPOCH, digest
from pytest_batcheval.simulator.inference import Answering, key_of
from pytest_batcheval.simulator.ledger import Execution
from pytest_batcheval.simulator.state import State
from pytest_batcheval.wire.origin import CLOCK_HEADER, RESPONDENT_HEADER, SIMULATOR_HEADER, SIMULATOR_NAME

MODELS = ("gpt-4.1", "gpt-4.1-mini", "gpt-4o-mini", "gpt-4-turbo-preview")
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
Endpoint = Callable[[Request], Awaitable[Response]]


def make_app(state: State, token: str) -> Simulator:
    """The ASGI application over a state; `token` opens the control API."""
    routes = [
        Route("/v1/files", _guarded(files.create), methods=["POST"]),
        Route("/v1/files", _guarded(files.list_files), methods=["GET"]),
        Route("/v1/files/{file_id}", _guarded(files.retrieve), methods=["GET"]),
        Route("/v1/files/{file_id}", _guarded(files.delete), methods=["DELETE"]),
        Route("/v1/files/{file_id}/content", _guarded(files.content), methods=["GET"]),
        Route("/v1/batches", _guarded(batches.create), methods=["POST"]),
        Route("/v1/batches", _guarded(batches.list_batches), methods=["GET"]),
        Route("/v1/batches/{batch_id}", _guarded(batches.retrieve), methods=["GET"]),
        Route("/v1/batches/{batch_id}/cancel", _guarded(batches.cancel), methods=["POST"]),
        Route("/v1/chat/completions", _guarded(_call), methods=["POST"]),
        Route("/v1/responses", _guarded(_call), methods=["POST"]),
        Route("/v1/models", _guarded(_models), methods=["GET"]),
        *control.routes(token),
    ]
    inner = Starlette(routes=routes, exception_handlers={404: _unknown_url, 405: _unknown_url})
    inner.state.simulator = state
    return Simulator(inner, state)


class Simulator:
    """The application with what every response has: who answers, an id, a date; loopback hosts only."""

    def __init__(self, inner: Starlette, state: State) -> None:
        self._inner = inner
        self._state = state
        self._count = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; a reply that shall be dropped is an aborted connection."""
        if scope["type"] != "http":
            return await self._inner(scope, receive, send)
        marks = self._headers()

        async def marked(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *marks]
            await send(message)

        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        if host.rpartition(":")[0] not in LOOPBACK and host not in LOOPBACK:
            refusal = JSONResponse({"error": {"message": f"Unknown host: {host}"}}, 421)
            return await refusal(scope, receive, marked)
        await self._inner(scope, receive, marked)
        return None

    def _headers(self) -> list[tuple[bytes, bytes]]:
        state = self._state
        values = {
            SIMULATOR_HEADER: SIMULATOR_NAME,
            RESPONDENT_HEADER: f"{state.respondent.name}@{state.seed}",
            CLOCK_HEADER: state.clock_address,
            "x-request-id": f"req_{digest('http', state.seed, next(self._count))[:32]}",
            "openai-version": "2020-10-01",
            "date": formatdate(state.clock.now(), usegmt=True),
        }
        return [(name.encode(), value.encode()) for name, value in values.items()]


def _guarded(endpoint: Endpoint) -> Endpoint:
    """Check the key, hand the project over, answer refusals in the API's form."""

    async def guarded(request: Request) -> Response:
        try:
            request.state.project = request.app.state.simulator.project(_key(request))
            return await endpoint(request)
        except ApiError as error:
            return JSONResponse(error.body, error.status)

    return guarded


def _key(request: Request) -> str:
    kind, _, key = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not key.strip():
        text = "You didn't provide an API key. Send it in the Authorization header: Bearer YOUR_KEY."
        raise ApiError(401, text, code="invalid_api_key")
    return key.strip()


async def _call(request: Request) -> Response:
    """One individual call of an endpoint."""
    state: State = request.app.state.simulator
    body = await batches.json_body(request)
    status, answer = Answering(state.respondent, state.seed).answer(request.url.path, body)
    key = key_of(body)
    total = answer.get("usage", {}).get("total_tokens", 0)
    now = state.clock.now()
    state.ledger.add(Execution(key, "", None, now, str(body.get("model")), status, total))
    return JSONResponse(answer, status)


async def _models(_request: Request) -> Response:
    data = [{"id": name, "object": "model", "created": EPOCH, "owned_by": "simulator"} for name in MODELS]
    return JSONResponse({"object": "list", "data": data})


async def _unknown_url(request: Request, _error: Exception) -> Response:
    text = f"Invalid URL ({request.method} {request.url.path})"
    return JSONResponse(ApiError(404, text).body, 404)
