"""The endpoints below /v1/batches."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pytest_batcheval.simulator.errors import ApiError, missing, no_such_batch
from pytest_batcheval.simulator.files import here
from pytest_batcheval.simulator.ids import hex_id
from pytest_batcheval.simulator.inference import ENDPOINTS
from pytest_batcheval.simulator.paging import page
from pytest_batcheval.simulator.run import OPEN, WINDOW, BatchRun
from pytest_batcheval.simulator.state import Project, State, StoredBatch

WINDOW_NAME = "24h"
MAX_PAIRS, MAX_KEY, MAX_VALUE = 16, 64, 512
"""Limits of `metadata` (published schema)."""

_TIMES = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
_KINDS = {list: "an array", dict: "an object", bool: "a boolean", int: "an integer", float: "a number"}


class DroppedReply(Exception):
    """The connection shall be closed without an answer."""


async def create(request: Request) -> Response:
    """POST /v1/batches."""
    state, project = here(request)
    asked = await json_body(request)
    _check(asked)
    batch = _new(state, project, asked)
    project.batches[batch.id] = batch
    BatchRun(state, project, batch).start()
    if state.faults.drop_create:
        state.faults.drop_create = False
        raise DroppedReply
    return JSONResponse(batch.fields)


async def list_batches(request: Request) -> Response:
    """GET /v1/batches."""
    state, project = here(request)
    _look(state, project, *project.batches.values())
    fields = [batch.fields for batch in reversed(project.batches.values())]
    return JSONResponse(page(fields, request.query_params, most=100, usual=20))


async def retrieve(request: Request) -> Response:
    """GET /v1/batches/{id}."""
    state, project = here(request)
    batch = _find(request)
    _look(state, project, batch)
    return JSONResponse(batch.fields)


async def cancel(request: Request) -> Response:
    """POST /v1/batches/{id}/cancel."""
    state, project = here(request)
    batch = _find(request)
    if batch.status in ("validating", "in_progress"):
        BatchRun(state, project, batch).cancel()
    elif batch.status not in ("cancelling", "cancelled"):
        raise ApiError(409, f"Cannot cancel a batch with status '{batch.status}'.")
    return JSONResponse(batch.fields)


async def json_body(request: Request) -> dict[str, Any]:
    """The request's JSON object.

    Raises:
        ApiError: it is none.
    """
    try:
        value = json.loads(await request.body())
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ApiError(400, "We could not parse the JSON body of your request.")
    return value


def _look(state: State, project: Project, *batches: StoredBatch) -> None:
    """What a poll does: counts move on, and without sleepers on the clock, time does."""
    if any(batch.status in OPEN for batch in batches) and not state.faults.held:
        state.clock.polled()
    for batch in batches:
        BatchRun(state, project, batch).advance()


def _find(request: Request) -> StoredBatch:
    _, project = here(request)
    name = str(request.path_params["batch_id"])
    if name not in project.batches:
        raise no_such_batch(name)
    return project.batches[name]


def _new(state: State, project: Project, asked: Mapping[str, Any]) -> StoredBatch:
    now = int(state.clock.now())
    name = hex_id("batch_", now, state.seed, project.name, state.next_number())
    fields: dict[str, Any] = {
        "id": name,
        "object": "batch",
        "endpoint": asked["endpoint"],
        "model": None,
        "errors": None,
        "input_file_id": asked["input_file_id"],
        "completion_window": WINDOW_NAME,
        "status": "validating",
        "output_file_id": None,
        "error_file_id": None,
        "created_at": now,
        "expires_at": now + WINDOW,
        **{f"{name}_at": None for name in _TIMES},
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "usage": None,
        "metadata": asked.get("metadata"),
    }
    return StoredBatch(fields)


def _check(asked: Mapping[str, Any]) -> None:
    for name in ("input_file_id", "endpoint", "completion_window"):
        if name not in asked:
            raise missing(name)
    if asked["endpoint"] not in ENDPOINTS:
        raise _invalid_value("endpoint", asked["endpoint"], ENDPOINTS)
    if asked["completion_window"] != WINDOW_NAME:
        raise _invalid_value("completion_window", asked["completion_window"], (WINDOW_NAME,))
    _check_metadata(asked.get("metadata"))


def _invalid_value(param: str, value: object, allowed: tuple[str, ...]) -> ApiError:
    supported = ", ".join(f"'{name}'" for name in allowed)
    text = f"Invalid value: '{value}'. Supported values are: {supported}."
    return ApiError(400, text, code="invalid_value", param=param)


def _check_metadata(metadata: object) -> None:
    if metadata is None:
        return
    if not isinstance(metadata, dict):
        raise ApiError(400, "Invalid type for 'metadata': expected an object.", code="invalid_type", param="metadata")
    if len(metadata) > MAX_PAIRS:
        text = f"Invalid 'metadata': too many properties. Expected at most {MAX_PAIRS}, but got {len(metadata)}."
        raise ApiError(400, text, code="object_above_max_properties", param="metadata")
    for name, value in metadata.items():
        where = f"metadata.{name}"
        if not isinstance(value, str):
            got = _KINDS.get(type(value), "null")
            text = f"Invalid type for '{where}': expected a string, but got {got} instead."
            raise ApiError(400, text, code="invalid_type", param=where)
        if len(name) > MAX_KEY or len(value) > MAX_VALUE:
            text = f"Invalid '{where[:80]}': names have at most {MAX_KEY} characters, values {MAX_VALUE}."
            raise ApiError(400, text, code="string_above_max_length", param="metadata")
