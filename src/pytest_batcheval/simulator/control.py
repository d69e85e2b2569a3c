"""The control API below /_simulator/, a prefix no provider uses; closed without its token."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pytest_batcheval.simulator.batches import json_body
from pytest_batcheval.simulator.errors import ApiError
from pytest_batcheval.simulator.faults import Faults
from pytest_batcheval.simulator.state import State

PREFIX = "/_simulator"
KINDS = ("fail_lines", "expire_next_batch", "fail_next_batch", "hold_batches", "release", "drop_create_reply")
"""The faults that can be asked for; the rest of the JSON object are the arguments."""


def routes(token: str) -> list[Route]:
    """The control routes, each open only to `Authorization: Bearer <token>`."""

    def guarded(endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def checked(request: Request) -> Response:
            given = request.headers.get("authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode(), token.encode()):
                return JSONResponse({"error": {"message": "the control API needs its token"}}, 401)
            try:
                return await endpoint(request)
            except ApiError as error:
                return JSONResponse(error.body, error.status)

        return checked

    return [
        Route(f"{PREFIX}/ledger", guarded(_ledger), methods=["GET"]),
        Route(f"{PREFIX}/reset", guarded(_reset), methods=["POST"]),
        Route(f"{PREFIX}/faults", guarded(_faults), methods=["POST"]),
    ]


async def _ledger(request: Request) -> Response:
    state: State = request.app.state.simulator
    return JSONResponse({"now": state.clock.now(), "executions": state.ledger.to_data()})


async def _reset(request: Request) -> Response:
    state: State = request.app.state.simulator
    state.reset()
    return JSONResponse({"reset": True})


async def _faults(request: Request) -> Response:
    state: State = request.app.state.simulator
    asked = await json_body(request)
    return JSONResponse({"fault": _set(state.faults, asked)})


def _set(faults: Faults, asked: dict[str, Any]) -> str:
    kind = str(asked.pop("fault", ""))
    if kind not in KINDS:
        raise ApiError(400, f"no fault {kind!r}; there are {', '.join(KINDS)}", param="fault")
    try:
        getattr(faults, kind)(**asked)
    except TypeError as error:
        raise ApiError(400, f"fault {kind}: {error}") from None
    return kind
