"""The control API under /_simulator/, a prefix that no provider uses; it requires a token."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pytest_batcheval.errors import UsageError
from pytest_batcheval.simulator.conduct.judge import conduct_of
from pytest_batcheval.simulator.errors import ApiError
from pytest_batcheval.simulator.faults.plan import FaultPlan
from pytest_batcheval.simulator.state import State

PREFIX = "/_simulator"
ACTIONS = ("release", "drop_create_reply")
"""Methods of the fault plan that a single `fault` may name instead of a fault; they take no parameters."""

LONGEST_STEP = 10 * 366 * 86_400
"""Most seconds of virtual time that one request can let pass."""

_MAX_BODY = 2**20


def routes(token: str) -> list[Route]:
    """The control routes, each requiring `Authorization: Bearer <token>`."""

    def guarded(endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def checked(request: Request) -> Response:
            given = request.headers.get("authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode(), token.encode()):
                return JSONResponse(ApiError(401, "the control API requires its token").body, 401)
            try:
                return await endpoint(request)
            except ApiError as error:
                return JSONResponse(error.body, error.status)

        return checked

    return [
        Route(f"{PREFIX}/ledger", guarded(_ledger), methods=["GET"]),
        Route(f"{PREFIX}/report", guarded(_report), methods=["GET"]),
        Route(f"{PREFIX}/clock", guarded(_clock), methods=["GET"]),
        Route(f"{PREFIX}/clock", guarded(_forward), methods=["POST"]),
        Route(f"{PREFIX}/reset", guarded(_reset), methods=["POST"]),
        Route(f"{PREFIX}/faults", guarded(_faults), methods=["POST"]),
    ]


async def _ledger(request: Request) -> Response:
    state: State = request.app.state.simulator
    executions, intervals = state.ledger.to_data(), state.ledger.intervals
    return JSONResponse({"now": state.clock.now(), "executions": executions, "intervals": intervals})


async def _report(request: Request) -> Response:
    return JSONResponse(conduct_of(request.app.state.simulator).to_json())


async def _clock(request: Request) -> Response:
    state: State = request.app.state.simulator
    return JSONResponse({"now": state.clock.now(), "mode": state.clock.mode})


async def _forward(request: Request) -> Response:
    """Let `seconds` of virtual time pass; return when all events up to then are done."""
    state: State = request.app.state.simulator
    seconds = (await _json(request)).get("seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= LONGEST_STEP:
        raise ApiError(400, f"'seconds' must be a number from 0 to {LONGEST_STEP}", param="seconds")
    await state.clock.forward(float(seconds))
    return JSONResponse({"now": state.clock.now(), "mode": state.clock.mode})


async def _reset(request: Request) -> Response:
    state: State = request.app.state.simulator
    state.reset()
    return JSONResponse({"reset": True})


async def _faults(request: Request) -> Response:
    state: State = request.app.state.simulator
    body = await _json(request)
    if "faults" in body:
        return JSONResponse({"faults": _follow(state, body)})
    return JSONResponse({"fault": _set(state.faults, body)})


async def _json(request: Request) -> dict[str, Any]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            raise ApiError(413, f"a control request may have at most {_MAX_BODY} bytes")
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ApiError(400, "the body must be a JSON object")
    return value


def _follow(state: State, body: dict[str, Any]) -> int:
    """Replace the fault plan, and return the number of its faults."""
    try:
        plan = FaultPlan.of(body["faults"], state.seed)
    except (UsageError, TypeError) as error:
        raise ApiError(400, str(error), param="faults") from None
    return len(plan.rule(state).entries)


def _set(faults: FaultPlan, body: dict[str, Any]) -> str:
    """Add one fault, or do what one of `ACTIONS` says; return its name."""
    name = str(body.get("fault", ""))
    if name in ACTIONS:
        getattr(faults, name)()
        return name
    try:
        faults.add(body)
    except UsageError as error:
        raise ApiError(400, str(error), param="fault") from None
    return name
