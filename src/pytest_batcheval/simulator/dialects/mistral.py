"""Mistral's batch jobs, over batches that are kept in the form of OpenAI's: one model a job, lists in numbered pages.

From the source of the official SDK 3.7, the guide to batch processing and what users report; docs/simulator.md says
what is a guess.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from pytest_batcheval.simulator.batch.form import BATCH, DAY
from pytest_batcheval.simulator.batch.inspection import parse_line
from pytest_batcheval.simulator.batch.lifecycle import OPEN, BatchLifecycle
from pytest_batcheval.simulator.cooperative import CooperativeWork
from pytest_batcheval.simulator.dialects.dialect import Call, Calls, Dialect, View
from pytest_batcheval.simulator.dialects.mistral_bodies import answer, refusal, result_line
from pytest_batcheval.simulator.dialects.openai import ANY_NAME
from pytest_batcheval.simulator.dialects.openai import CALLS as OPENAI_CALLS
from pytest_batcheval.simulator.encoding import encode
from pytest_batcheval.simulator.endpoints import batches, files
from pytest_batcheval.simulator.errors import ApiError, no_quota
from pytest_batcheval.simulator.http_exchange import Exchange, HttpReply
from pytest_batcheval.simulator.ids import EPOCH, uuid
from pytest_batcheval.simulator.inference.models import Model, find_model, mistral_models
from pytest_batcheval.simulator.state import State, StoredBatch, StoredFile
from pytest_batcheval.wire.plain import mapping

STATUS = {
    "validating": "QUEUED",
    "in_progress": "RUNNING",
    "finalizing": "RUNNING",
    "completed": "SUCCESS",
    "failed": "FAILED",
    "expired": "TIMEOUT_EXCEEDED",
    "cancelling": "CANCELLATION_REQUESTED",
    "cancelled": "CANCELLED",
}
"""Its words by OpenAI's."""

HOURS = range(1, 168)
WINDOWS = {"24h": DAY, **{f"{hours}h": hours * 3_600 for hours in HOURS}}
"""From an hour to less than a week, by `timeout_hours`."""

PAGE, MOST_LISTED = 100, 1_000
_CREATE = ("endpoint", "input_files", "requests", "model", "agent_id", "metadata", "timeout_hours")
_QUERY = ("page", "page_size", "model", "agent_id", "created_after", "created_by_me", "status", "order_by")
_KEPT_FOR_EVER = 1_000 * 365 * DAY


async def create(exchange: Exchange) -> HttpReply:
    """POST /v1/batch/jobs, of an input file or of requests in the call itself."""
    state = exchange.state
    body = await exchange.json(state.behaviour.max_file_bytes)
    project = state.project(exchange.key)
    if exchange.key.insufficient_quota:
        raise no_quota()
    _check(body, state)
    file = _named_file(exchange, body["input_files"][0]) if body.get("input_files") else _file_of(exchange, body)
    exchange.visit.subject = file.id
    await batches.count_create(exchange)
    window = f"{body.get('timeout_hours') or 24}h"
    known = {"endpoint": body["endpoint"], "input_file_id": file.id, "metadata": body.get("metadata") or {}}
    batch = batches.new_batch(exchange, {**known, "completion_window": window})
    batch.fields["id"], batch.fields["model"] = uuid(batch.id), body.get("model")
    batch.progress.output_life = _KEPT_FOR_EVER
    await _copy(state, batch, file, body.get("model"))
    state.save_batch(project, batch)
    created = dict(batch.fields)
    BatchLifecycle(state, project, batch).start()
    return HttpReply(200, created)


async def list_jobs(exchange: Exchange) -> HttpReply:
    """GET /v1/batch/jobs; a parameter that is none of its own is a pair of metadata to look for."""
    asked = parse_qs(exchange.scope["query_string"].decode("latin-1"))
    found = [batch.fields for batch in await batches.listed(exchange) if _is_wanted(batch.fields, asked)]
    if asked.get("order_by") == ["created"]:
        found.reverse()
    return _numbered(exchange, found)


async def retrieve(exchange: Exchange) -> HttpReply:
    """GET /v1/batch/jobs/{id}, with `inline` also with the lines of its output file."""
    batch, project = await batches.looked_at(exchange), exchange.project
    file = project.files.get(str(batch.fields["output_file_id"]))
    if exchange.query.get("inline") != "true" or file is None:
        return HttpReply(200, batch.fields)
    lines = exchange.state.path(file.id).read_bytes().splitlines()
    return HttpReply(200, {**batch.fields, "outputs": [json.loads(line) for line in lines]})


async def delete(exchange: Exchange) -> HttpReply:
    """DELETE /v1/batch/jobs/{id}."""
    batch = batches.find_batch(exchange)
    if batch.status in OPEN:
        raise ApiError(409, "This job has not ended yet; cancel it before you delete it.")
    exchange.state.drop_batch(exchange.project, batch)
    return HttpReply(200, {"id": batch.id, "object": "batch", "deleted": True})


async def list_files(exchange: Exchange) -> HttpReply:
    """GET /v1/files, the newest first."""
    query = exchange.query
    seen = (file for file in reversed(exchange.project.files.values()) if files.is_seen(exchange, file))
    shown = [file.to_json() for file in seen if query.get("search", "") in file.filename]
    purposes = [file for file in shown if query.get("purpose", "") in ("", _purpose(file["purpose"]))]
    return _numbered(exchange, purposes)


async def list_models(exchange: Exchange) -> HttpReply:
    """GET /v1/models."""
    return HttpReply(200, {"object": "list", "data": [_card(model) for model in mistral_models()]})


async def retrieve_model(exchange: Exchange) -> HttpReply:
    """GET /v1/models/{id}."""
    model = find_model(exchange.name, exchange.state.behaviour)
    if model is None:
        raise ApiError(404, f"No model {exchange.name[:200]}")
    return HttpReply(200, _card(model))


def _check(body: Mapping[str, Any], state: State) -> None:
    for name in body:
        if name not in _CREATE:
            raise _invalid(name[:100], "extra_forbidden", "Extra inputs are not permitted")
    if "endpoint" not in body:
        raise _invalid("endpoint", "missing", "Field required")
    if body["endpoint"] not in state.form.endpoints:
        raise _invalid("endpoint", "enum", f"Input should be {' or '.join(map(repr, state.form.endpoints))}")
    given = [body[name] for name in ("input_files", "requests") if body.get(name) is not None]
    if len(given) != 1 or not isinstance(given[0], list) or not given[0]:
        raise _invalid("input_files", "value_error", "Value error, give either input files or requests")
    if body.get("input_files") and (len(given[0]) > 1 or not isinstance(given[0][0], str)):
        raise _invalid("input_files", "value_error", "Value error, the simulator takes the id of one input file a job")
    hours, metadata = body.get("timeout_hours", 24), body.get("metadata") or {}
    if isinstance(hours, bool) or not isinstance(hours, int) or hours not in HOURS:
        raise _invalid("timeout_hours", "int", f"Input should be from {HOURS.start} to {HOURS.stop - 1}")
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _invalid("metadata", "dict_type", "Input should be a valid dictionary of strings")


def _invalid(name: str, kind: str, text: str) -> ApiError:
    return ApiError(422, text, code=kind, param=f"body.{name}")


def _named_file(exchange: Exchange, name: str) -> StoredFile:
    file = exchange.project.files.get(name)
    if file is None or file.purpose != BATCH:
        raise ApiError(404, f"No batch file {name[:200]}")
    return file


def _file_of(exchange: Exchange, body: Mapping[str, Any]) -> StoredFile:
    """An input file of the requests that came with a create."""
    state = exchange.state
    file = state.new_file(state.project(exchange.key), "requests.jsonl", BATCH, None)
    file.bytes = state.path(file.id).write_bytes(b"".join(encode(request) + b"\n" for request in body["requests"]))
    state.add_file(state.project(exchange.key), file)
    return file


async def _copy(state: State, batch: StoredBatch, file: StoredFile, model: str | None) -> None:
    """Write the lines where those of a job are read, each with the job's model and with a `custom_id`."""
    work = CooperativeWork()
    with state.path(file.id).open("rb") as source, state.path(f"{batch.id}.input").open("wb") as target:
        for number, raw in enumerate(source):
            line = parse_line(raw)
            if line is not None and isinstance(line.get("body"), dict):
                own = {"model": model} if model else {}
                line |= {"custom_id": line.get("custom_id") or str(number), "body": {**line["body"], **own}}
            target.write(raw.rstrip(b"\n") + b"\n" if line is None else encode(line) + b"\n")
            if work.due:
                await work.pause()


def _is_wanted(fields: Mapping[str, Any], asked: Mapping[str, list[str]]) -> bool:
    pairs = {name: values[-1] for name, values in asked.items() if name not in _QUERY}
    after = datetime.fromisoformat(asked["created_after"][0]) if "created_after" in asked else None
    return (
        STATUS[fields["status"]] in asked.get("status", STATUS.values())
        and fields["model"] in asked.get("model", [fields["model"]])
        and pairs.items() <= mapping(fields["metadata"]).items()
        and (after is None or datetime.fromtimestamp(fields["created_at"], UTC) > after)
    )


def _numbered(exchange: Exchange, found: list[dict[str, Any]]) -> HttpReply:
    page = _number(exchange.query, "page", 0, 0, 10**9)
    size = _number(exchange.query, "page_size", PAGE, 1, MOST_LISTED)
    data = found[page * size : (page + 1) * size]
    return HttpReply(200, {"object": "list", "data": data, "total": len(found)})


def _number(query: Mapping[str, str], name: str, usual: int, low: int, high: int) -> int:
    text = query.get(name, str(usual))
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
    if not low <= number <= high:
        raise ApiError(422, f"Input should be from {low} to {high}", code="int_parsing", param=f"query.{name}")
    return number


def _job(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The API's BatchJob of a batch's fields."""
    status, counts = str(fields["status"]), fields["request_counts"]
    problems = Counter(problem["message"] for problem in mapping(fields["errors"]).get("data", ()))
    return {
        "id": fields["id"],
        "object": "batch",
        "input_files": [fields["input_file_id"]],
        "metadata": fields["metadata"],
        "endpoint": fields["endpoint"],
        "model": fields["model"],
        "agent_id": None,
        "output_file": fields["output_file_id"] or None,
        "error_file": fields["error_file_id"] or None,
        "outputs": fields.get("outputs"),
        "errors": [{"message": text, "count": count} for text, count in problems.items()],
        "status": STATUS.get(status, status.upper()),
        "created_at": fields["created_at"],
        "started_at": fields["in_progress_at"],
        "completed_at": None if status in OPEN else fields.get(f"{status}_at"),
        "total_requests": counts["total"],
        "completed_requests": counts["completed"] + counts["failed"],
        "succeeded_requests": counts["completed"],
        "failed_requests": counts["failed"],
    }


def _purpose(kept: str) -> str:
    return BATCH if kept == "batch_output" else kept


def _file(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The API's file of a file's fields."""
    made = fields["purpose"] == "batch_output"
    result = "batch_error" if fields["filename"].endswith("_error.jsonl") else "batch_result"
    kept = {name: fields[name] for name in ("id", "object", "bytes", "created_at", "filename")}
    return {
        **kept,
        "purpose": _purpose(fields["purpose"]),
        "sample_type": result if made else "batch_request" if fields["purpose"] == BATCH else "instruct",
        "source": "mistral" if made else "upload",
        "num_lines": None,
        "mimetype": "application/jsonl",
        "signature": None,
        "expires_at": None,
        "visibility": "workspace",
    }


def _card(model: Model) -> dict[str, Any]:
    return {
        "id": model.id,
        "object": "model",
        "created": EPOCH,
        "owned_by": "mistralai",
        "capabilities": {"completion_chat": not model.dimensions},
        "max_context_length": model.window,
        "aliases": [],
        "type": "base",
    }


class Mistral(Dialect):
    """Mistral's API."""

    def shown(self, reply: HttpReply, view: View) -> HttpReply:
        """Jobs, files, lists, answers and errors in the forms of this API."""
        body = reply.body
        if not isinstance(body, dict):
            return reply
        if reply.status >= 400 and isinstance(body.get("error"), dict):
            status, body = refusal(reply.status, body["error"])
            return replace(reply, status=status, body=body)
        return replace(reply, body=_shown(body, view.call))


def _shown(body: dict[str, Any], call: str) -> dict[str, Any]:
    kind = body.get("object")
    if body.get("deleted"):
        return body
    if kind == "batch":
        return _job(body)
    if kind == "file":
        return {**_file(body), **({"deleted": False} if call == "files.retrieve" else {})}
    if call in ("batches.list", "files.list"):
        return {**body, "data": _shown_all(body["data"])}
    return answer(body)


def _shown_all(items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [_job(item) if item["object"] == "batch" else _file(item) for item in items]


CALLS: Calls = {
    "/v1/files": {**OPENAI_CALLS["/v1/files"], "GET": Call("files.list", list_files, "api.files.read")},
    **{path: OPENAI_CALLS[path] for path in ("/v1/files/{}", "/v1/files/{}/content")},
    "/v1/batch/jobs": {
        "POST": Call("batches.create", create, "api.batches.write"),
        "GET": Call("batches.list", list_jobs, "api.batches.read"),
    },
    "/v1/batch/jobs/{}": {
        "GET": Call("batches.retrieve", retrieve, "api.batches.read"),
        "DELETE": Call("batches.delete", delete, "api.batches.write"),
    },
    "/v1/batch/jobs/{}/cancel": {"POST": Call("batches.cancel", batches.cancel, "api.batches.write")},
    "/v1/models": {"GET": Call("models.list", list_models, "api.model.read")},
    "/v1/models/{}": {"GET": Call("models.retrieve", retrieve_model, "api.model.read")},
    **{path: OPENAI_CALLS[path] for path in ("/v1/chat/completions", "/v1/embeddings")},
}
MISTRAL = Mistral(
    "mistral", CALLS, usual=ANY_NAME, line=result_line, short_lines=True, copies=True, windows=WINDOWS, file_id=uuid
)
