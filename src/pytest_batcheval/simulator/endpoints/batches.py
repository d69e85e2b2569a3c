"""The calls under /v1/batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_batcheval.simulator.batch.lifecycle import OPEN, BatchLifecycle
from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.endpoints.file_life import file_life
from pytest_batcheval.simulator.endpoints.metadata import check_metadata
from pytest_batcheval.simulator.endpoints.paging import page
from pytest_batcheval.simulator.endpoints.strictness import check_parameters, check_polls
from pytest_batcheval.simulator.errors import (
    ApiError,
    invalid_type,
    invalid_value,
    missing,
    no_quota,
    no_such_batch,
    rate_limited,
)
from pytest_batcheval.simulator.http_exchange import Exchange, HttpReply
from pytest_batcheval.simulator.ids import hex_id
from pytest_batcheval.simulator.state import State, StoredBatch

_TIMES = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")


async def create(exchange: Exchange) -> HttpReply:
    """POST /v1/batches."""
    return await create_from(exchange, await exchange.json())


async def create_from(exchange: Exchange, body: Mapping[str, Any]) -> HttpReply:
    """A create with these parameters.

    Raises:
        ApiError: it is refused.
    """
    state = exchange.state
    project = state.project(exchange.key)
    if exchange.key.insufficient_quota:
        raise no_quota()
    repeated = _repeated(exchange)
    if repeated is not None:
        return HttpReply(200, repeated.fields, "batch")
    _check(body, state)
    await _check_file(exchange, str(body["input_file_id"]))
    await count_create(exchange)
    batch = new_batch(exchange, body)
    state.save_batch(project, batch)
    if key := exchange.headers.get("idempotency-key"):
        project.by_idempotency_key[key] = batch.id
    created = dict(batch.fields)
    BatchLifecycle(state, project, batch).start()
    return HttpReply(200, created, "batch")


async def list_batches(exchange: Exchange) -> HttpReply:
    """GET /v1/batches."""
    state = exchange.state
    found = await listed(exchange)
    if not state.form.paged:
        whole = {"object": "list", "data": [batch.fields for batch in found], "has_more": False}
        return HttpReply(200, whole, "batch-list")
    body = page(found, exchange.query, state.behaviour, lambda batch: batch.fields, most=100, usual=20)
    return HttpReply(200, body, "batch-list")


async def retrieve(exchange: Exchange) -> HttpReply:
    """GET /v1/batches/{id}."""
    if exchange.state.behaviour.strict:
        check_polls(exchange)
    return HttpReply(200, (await looked_at(exchange)).fields, "batch")


async def cancel(exchange: Exchange) -> HttpReply:
    """POST /v1/batches/{id}/cancel."""
    batch = find_batch(exchange)
    await BatchLifecycle(exchange.state, exchange.project, batch).cancel()
    if batch.status not in ("cancelling", "cancelled"):
        raise ApiError(409, f"Cannot cancel a batch with status '{batch.status}'.")
    return HttpReply(200, batch.fields, "batch")


async def listed(exchange: Exchange) -> list[StoredBatch]:
    """The project's batches in the order of the list, after the look of a poll."""
    state, project = exchange.state, exchange.project
    await _look(exchange, *project.batches.values())
    now, lag = state.clock.now(), state.behaviour.list_lag
    batches = [batch for batch in project.batches.values() if batch.made_at + lag <= now]
    return batches[::-1] if state.behaviour.newest_first else batches


async def looked_at(exchange: Exchange) -> StoredBatch:
    """The batch that the path names, after the look of a poll.

    Raises:
        ApiError: 404, there is none.
    """
    batch = find_batch(exchange)
    await _look(exchange, batch)
    return batch


async def _look(exchange: Exchange, *batches: StoredBatch) -> None:
    """Do what a poll does: without sleepers on the clock, move time on; update the counts."""
    state, project = exchange.state, exchange.project
    runs = [BatchLifecycle(state, project, batch) for batch in batches if batch.status in OPEN]
    if not runs:
        return
    await state.clock.polled(min((run.due for run in runs if run.due is not None), default=None))
    for run in runs:
        if run.behind:
            await state.clock.patiently(run.advance())


def find_batch(exchange: Exchange) -> StoredBatch:
    """The batch that the path names.

    Raises:
        ApiError: 404, there is none.
    """
    batch = exchange.project.batches.get(exchange.name)
    if batch is None:
        raise no_such_batch(exchange.name[:200])
    return batch


def _repeated(exchange: Exchange) -> StoredBatch | None:
    """The batch of an earlier create with the same `Idempotency-Key`, if the behaviour honours that."""
    project = exchange.project
    known = project.by_idempotency_key.get(exchange.headers.get("idempotency-key", ""))
    if known is None or exchange.state.behaviour.idempotency_key == "ignored":
        return None
    return project.batches.get(known)


async def count_create(exchange: Exchange) -> None:
    """Refuse a create beyond the project's hourly limit."""
    state, name = exchange.state, exchange.key.project
    limit = state.keys.limits(name).creates_per_hour or state.behaviour.creates_per_hour
    window = state.window("creates", name, limit, 3_600)
    now = state.clock.now()
    if wait := window.wait(now):
        text = f"Rate limit reached for batch creation. Limit: {limit} / 1h. Please try again in {wait:.0f}s."
        await state.clock.polled(now + wait)
        raise rate_limited(text, wait, state.behaviour.code("rate_limit"))
    window.take(now)


def new_batch(exchange: Exchange, body: Mapping[str, Any]) -> StoredBatch:
    """A batch of the parameters of its create, which is not stored yet."""
    state, project = exchange.state, exchange.project
    made_at, number = state.clock.now(), state.next_number()
    now = int(made_at)
    window = body.get("completion_window") or next(iter(state.form.windows))
    fields: dict[str, Any] = {
        "id": hex_id("batch_", now, state.seed, project.name, number),
        "object": "batch",
        "endpoint": body["endpoint"],
        "model": None,
        "errors": None,
        "input_file_id": body["input_file_id"],
        "completion_window": window,
        "status": "validating",
        "output_file_id": None,
        "error_file_id": None,
        "created_at": now,
        "expires_at": now + state.form.windows[window],
        **{f"{name}_at": None for name in _TIMES},
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "usage": None,
        "metadata": body.get("metadata"),
    }
    batch = StoredBatch(fields, number, made_at=made_at)
    if body.get("output_expires_after") is not None:
        batch.progress.output_life = body["output_expires_after"]["seconds"]
    return batch


def _check(body: Mapping[str, Any], state: State) -> None:
    behaviour, endpoints, windows = state.behaviour, state.form.endpoints, state.form.windows
    if behaviour.strict:
        check_parameters(body)
    for name in ("input_file_id", "endpoint", "completion_window"):
        if body.get(name) is None:
            raise missing(name)
        if not isinstance(body[name], str):
            raise invalid_type(name, "a string", body[name])
    if body["endpoint"] not in endpoints:
        raise invalid_value("endpoint", body["endpoint"], endpoints)
    if body["completion_window"] not in windows:
        code = behaviour.code("completion_window")
        raise invalid_value("completion_window", body["completion_window"], tuple(windows), code)
    check_metadata(body.get("metadata"), behaviour)
    _check_output_life(body.get("output_expires_after"), behaviour)


async def _check_file(exchange: Exchange, name: str) -> None:
    """Check the file of a create as far as the create itself does; the inspection checks the rest."""
    behaviour, file = exchange.state.behaviour, exchange.project.files.get(name)
    if file is None and (behaviour.strict or behaviour.unknown_file == "refused"):
        text = f"Cannot find file {name[:200]}, or project proj-simulator does not have access to it."
        raise ApiError(400, text, param="file_id")
    if file is not None and file.purpose != "batch" and behaviour.wrong_purpose == "refused":
        text = f"Invalid file purpose: expected 'batch', but file {name} has '{file.purpose}'."
        raise ApiError(400, text, code=behaviour.code("input_purpose"), param="input_file_id")
    if file is not None and exchange.state.is_pending(file):
        await exchange.state.clock.polled(file.made_at + exchange.state.form.pending_seconds)
        text = f"The input file '{name}' is in 'pending' state. Only files with status 'Processed' are accepted."
        raise ApiError(400, text)


def _check_output_life(given: Any, behaviour: Behaviour) -> None:
    if given is None:
        return
    if not isinstance(given, dict):
        raise invalid_type("output_expires_after", "an object", given)
    seconds = given.get("seconds")
    if given.get("anchor") == "created_at" and (isinstance(seconds, bool) or not isinstance(seconds, int)):
        raise invalid_type("output_expires_after.seconds", "an integer", seconds)
    file_life("output_expires_after", given.get("anchor"), seconds, behaviour)
