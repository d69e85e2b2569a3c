"""The control API below /_simulator/, a prefix no provider uses; closed without its token."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pytest_batcheval.errors import UsageError
from pytest_batcheval.simulator.errors import ApiError
from pytest_batcheval.simulator.faults.plan import FaultPlan
from pytest_batcheval.simulator.faults.switches import Faults
from pytest_batcheval.simulator.state import State

PREFIX = "/_simulator"
KINDS = ("fail_lines", "expire_next_batch", "fail_next_batch", "hold_batches", "release", "drop_create_reply")
"""The faults that can be asked for; the rest of the JSON object are the arguments."""

LONGEST_STEP = 10 * 366 * 86_400
"""Seconds of virtual time that one request can pass."""

_MAX_BODY = 2**20


def routes(token: str) -> list[Route]:
    """The control routes, each open only to `Authorization: Bearer <token>`."""

    def guarded(endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def checked(request: Request) -> Response:
            given = request.headers.get("authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode(), token.encode()):
                return JSONResponse(ApiError(401, "the control API needs its token").body, 401)
            try:
                return await endpoint(request)
            except ApiError as error:
                return JSONResponse(error.body, error.status)

        return checked

    return [
        Route(f"{PREFIX}/ledger", guarded(_ledger), methods=["GET"]),
        Route(f"{PREFIX}/clock", guarded(_clock), methods=["GET"]),
        Route(f"{PREFIX}/clock", guarded(_forward), methods=["POST"]),
        Route(f"{PREFIX}/reset", guarded(_reset), methods=["POST"]),
        Route(f"{PREFIX}/faults", guarded(_faults), methods=["POST"]),
    ]


async def _ledger(request: Request) -> Response:
    state: State = request.app.state.simulator
    executions, intervals = state.ledger.to_data(), state.ledger.intervals
    return JSONResponse({"now": state.clock.now(), "executions": executions, "intervals": intervals})


async def _clock(request: Request) -> Response:
    state: State = request.app.state.simulator
    return JSONResponse({"now": state.clock.now(), "mode": state.clock.mode})


async def _forward(request: Request) -> Response:
    """Let `seconds` of virtual time pass; returns when everything on the way has happened."""
    state: State = request.app.state.simulator
    seconds = (await _json(request)).get("seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= LONGEST_STEP:
        raise ApiError(400, f"'seconds' is a number from 0 to {LONGEST_STEP}", param="seconds")
    await state.clock.forward(float(seconds))
    return JSONResponse({"now": state.clock.now(), "mode": state.clock.mode})


async def _reset(request: Request) -> Response:
    state: State = request.app.state.simulator
    state.reset()
    return JSONResponse({"reset": True})


async def _faults(request: Request) -> Response:
    state: State = request.app.state.simulator
    asked = await _json(request)
    if "faults" in asked:
        return JSONResponse({"faults": _follow(state, asked)})
    return JSONResponse({"fault": _set(state.faults, asked)})


async def _json(request: Request) -> dict[str, Any]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            raise ApiError(413, f"a control request has at most {_MAX_BODY} bytes")
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ApiError(400, "the body must be a JSON object")
    return value


def _follow(state: State, asked: dict[str, Any]) -> int:
    """Follow a fault plan from now, instead of any before; the number of its faults."""
    try:
        plan = FaultPlan.of(asked["faults"], state.seed)
    except (UsageError, TypeError) as error:
        raise ApiError(400, str(error), param="faults") from None
    return len(plan.rule(state).entries)


def _set(faults: Faults, asked: dict[str, Any]) -> str:
    kind = str(asked.pop("fault", ""))
    if kind not in KINDS:
        raise ApiError(400, f"no fault {kind!r}; there are {', '.join(KINDS)}", param="fault")
    try:
        getattr(faults, kind)(**asked)
    except TypeError as error:
        raise ApiError(400, f"fault {kind}: {error}") from None
    return kind
