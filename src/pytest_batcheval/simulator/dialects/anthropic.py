"""Anthropic's Message Batches and Messages, over batches that are kept in the form of OpenAI's.

From the API reference, the guide to batch processing and the official SDK 2.14; docs/simulator.md says what is a guess.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pytest_batcheval.simulator.batch.lifecycle import OPEN, BatchLifecycle
from pytest_batcheval.simulator.cooperative import CooperativeWork
from pytest_batcheval.simulator.dialects.dialect import Call, Calls, Dialect, View
from pytest_batcheval.simulator.encoding import encode
from pytest_batcheval.simulator.endpoints import batches, file_content, model_calls
from pytest_batcheval.simulator.errors import NO_QUOTA, ApiError, no_quota
from pytest_batcheval.simulator.http_exchange import Exchange, Headers, HttpReply
from pytest_batcheval.simulator.ids import base62, iso
from pytest_batcheval.simulator.inference.claude_models import claude_list, claude_object, find_claude
from pytest_batcheval.simulator.state import StoredBatch
from pytest_batcheval.wire.endpoints import MESSAGES
from pytest_batcheval.wire.plain import mapping

VERSION_HEADER = "anthropic-version"
KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""The type of an error by its HTTP status; `api_error` for any other from 500, `invalid_request_error` below."""

NO_CREDIT = "Your credit balance is too low to access the Anthropic API."

_STATUS = {"validating": "in_progress", "finalizing": "in_progress", "cancelling": "canceling"}
_ENDED = ("completed", "expired", "cancelled")
_RATE = re.compile(rb"x-ratelimit-(?P<part>limit|remaining|reset)-(?P<what>requests|tokens)\Z")
_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")
_DAY = 86_400
_MOST_LISTED = 1_000


async def create(exchange: Exchange) -> HttpReply:
    """POST /v1/messages/batches: what is wrong with a request's `params` is found when it runs."""
    state = exchange.state
    body = await exchange.json(state.behaviour.max_file_bytes)
    project = state.project(exchange.key)
    if exchange.key.insufficient_quota:
        raise no_quota()
    requests = _requests(body, state.behaviour.max_requests)
    await batches.count_create(exchange)
    batch = _new(exchange, len(requests))
    await _write(exchange, batch, requests)
    state.save_batch(project, batch)
    created = dict(batch.fields)
    BatchLifecycle(state, project, batch).start()
    return HttpReply(200, created)


async def list_batches(exchange: Exchange) -> HttpReply:
    """GET /v1/messages/batches."""
    found, query = await batches.listed(exchange), exchange.query
    limit = _limit(query.get("limit", "20"))
    ids = [batch.id for batch in found]
    start, end = 0, len(found)
    for name in ("after_id", "before_id"):
        if query.get(name) and query[name] not in ids:
            raise ApiError(400, f"{name}: unknown batch {query[name][:100]}")
    if after := query.get("after_id"):
        start = ids.index(after) + 1
    if before := query.get("before_id"):
        end = ids.index(before)
        start = max(start, end - limit)
    page = [batch.fields for batch in found[start : min(end, start + limit)]]
    more = start > 0 if before else start + limit < end
    return HttpReply(200, {"object": "list", "data": page, "has_more": more})


async def retrieve(exchange: Exchange) -> HttpReply:
    """GET /v1/messages/batches/{id}."""
    return HttpReply(200, (await batches.looked_at(exchange)).fields)


async def cancel(exchange: Exchange) -> HttpReply:
    """POST /v1/messages/batches/{id}/cancel, which changes nothing once the batch is cancelled or has ended."""
    batch = batches.find_batch(exchange)
    await BatchLifecycle(exchange.state, exchange.project, batch).cancel()
    return HttpReply(200, batch.fields)


async def delete(exchange: Exchange) -> HttpReply:
    """DELETE /v1/messages/batches/{id}."""
    batch, project = batches.find_batch(exchange), exchange.project
    if batch.status in OPEN:
        raise ApiError(400, "This batch has not ended yet; cancel it before you delete it.")
    exchange.state.drop_batch(project, batch)
    return HttpReply(200, {"id": batch.id, "type": "message_batch_deleted"})


async def results(exchange: Exchange) -> HttpReply:
    """GET /v1/messages/batches/{id}/results."""
    batch, state = batches.find_batch(exchange), exchange.state
    file = exchange.project.files.get(str(batch.fields["output_file_id"]))
    if batch.status in OPEN or file is None or _archived_at(batch.fields) <= state.clock.now():
        raise ApiError(404, f"No results are available for batch {batch.id}.")
    reply = file_content.content(state.path(file.id), file.bytes, None)
    kind = (b"content-type", b"application/x-jsonl")
    return replace(reply, headers=[kind, *(header for header in reply.headers if header[0] == b"content-length")])


async def list_models(exchange: Exchange) -> HttpReply:
    """GET /v1/models."""
    data = claude_list(exchange.state.behaviour)
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
    return HttpReply(200, {"data": data, "has_more": False, **ends})


async def retrieve_model(exchange: Exchange) -> HttpReply:
    """GET /v1/models/{id}."""
    model = find_claude(exchange.name, exchange.state.behaviour)
    if model is None:
        raise ApiError(404, f"model: {exchange.name[:200]}")
    return HttpReply(200, claude_object(model))


def result_line(
    name: str, custom_id: str, response: Mapping[str, Any] | None, error: Mapping[str, Any] | None
) -> dict[str, Any]:
    """A line of the results."""
    return {"custom_id": custom_id, "result": _result(name, response, error)}


def _result(name: str, response: Mapping[str, Any] | None, error: Mapping[str, Any] | None) -> dict[str, Any]:
    if response is not None and response["status_code"] == 200:
        body = response["body"]
        return {"type": "succeeded", "message": {**body, "usage": {**body["usage"], "service_tier": "batch"}}}
    if response is not None:
        return {"type": "errored", "error": _error(response["status_code"], response["body"], f"req_{name[-24:]}")}
    code = mapping(error).get("code")
    if code in ("batch_expired", "batch_cancelled"):
        return {"type": "expired" if code == "batch_expired" else "canceled"}
    return {"type": "errored", "error": _error(500, {"error": error}, f"req_{name[-24:]}")}


def _error(status: int, body: Mapping[str, Any], request_id: str) -> dict[str, Any]:
    kind = KINDS.get(status, "api_error" if status >= 500 else "invalid_request_error")
    text = mapping(body.get("error")).get("message")
    return {"type": "error", "error": {"type": kind, "message": text}, "request_id": request_id}


def _rate_headers(headers: Headers, now: float) -> Headers:
    """The headers, those of rate limits under this API's names and with the time of a reset instead of its seconds."""
    own: Headers = []
    for name, value in headers:
        found = _RATE.match(name)
        if found:
            name = b"anthropic-ratelimit-%s-%s" % (found["what"], found["part"])
            if found["part"] == b"reset":
                value = str(iso(int(now + float(value.removesuffix(b"s"))))).encode()
        own.append((name, value))
    return own


def _batch(fields: Mapping[str, Any], view: View) -> dict[str, Any]:
    """The API's MessageBatch of a batch's fields."""
    status, now = str(fields["status"]), view.state.clock.now()
    ended, archived = status in _ENDED, status in _ENDED and _archived_at(fields) <= now
    there = fields["output_file_id"] and not archived
    url = f"http://{view.host}{MESSAGES}/batches/{fields['id']}/results"
    return {
        "id": fields["id"],
        "type": "message_batch",
        "processing_status": "ended" if ended else _STATUS.get(status, status),
        "request_counts": _counts(fields["request_counts"], status),
        "created_at": iso(fields["created_at"]),
        "expires_at": iso(fields["expires_at"]),
        "ended_at": iso(fields[f"{status}_at"]) if ended else None,
        "cancel_initiated_at": iso(fields["cancelling_at"]),
        "archived_at": iso(_archived_at(fields)) if archived else None,
        "results_url": url if there else None,
    }


def _counts(counts: Mapping[str, int], status: str) -> dict[str, int]:
    """The tallies, of which all but `processing` are zero until the batch has ended."""
    found = Counter[str](succeeded=0, errored=0, canceled=0, expired=0, processing=0)
    if status in _ENDED:
        found.update(succeeded=counts["completed"], errored=counts["failed"])
    rest = {"cancelled": "canceled", "expired": "expired", "completed": "errored"}.get(status, "processing")
    found[rest] += counts["total"] - found.total()
    return dict(found)


def _archived_at(fields: Mapping[str, Any]) -> float:
    days = ANTHROPIC.provider.retention_days
    assert days is not None
    return float(fields["created_at"]) + days * _DAY


def _requests(body: Mapping[str, Any], most: int) -> list[dict[str, Any]]:
    requests = body.get("requests")
    if requests is None:
        raise ApiError(400, "requests: Field required")
    if not isinstance(requests, list):
        raise ApiError(400, "requests: Input should be a valid list")
    if not requests:
        raise ApiError(400, "requests: List should have at least 1 item after validation, not 0")
    if len(requests) > most:
        raise ApiError(400, f"requests: List should have at most {most} items after validation, not {len(requests)}")
    seen: set[str] = set()
    for number, request in enumerate(requests):
        where = f"requests.{number}"
        if not isinstance(request, dict):
            raise ApiError(400, f"{where}: Input should be a valid dictionary")
        _check_id(where, request.get("custom_id"), seen)
        if not isinstance(request.get("params"), dict):
            raise ApiError(400, f"{where}.params: Field required")
    return requests


def _check_id(where: str, custom_id: Any, seen: set[str]) -> None:
    if custom_id is None:
        raise ApiError(400, f"{where}.custom_id: Field required")
    if not isinstance(custom_id, str):
        raise ApiError(400, f"{where}.custom_id: Input should be a valid string")
    if len(custom_id) > 64:
        raise ApiError(400, f"{where}.custom_id: String should have at most 64 characters")
    if not _ID.match(custom_id):
        raise ApiError(400, f"{where}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
    if custom_id in seen:
        raise ApiError(400, f"{where}.custom_id: {custom_id} is used by an earlier request; it must be unique")
    seen.add(custom_id)


def _new(exchange: Exchange, count: int) -> StoredBatch:
    batch = batches.new_batch(exchange, {"endpoint": MESSAGES, "input_file_id": ""})
    batch.fields["id"] = f"msgbatch_01{base62(batch.id)}"
    batch.fields["request_counts"] = {"total": count, "completed": 0, "failed": 0}
    batch.progress.total = count
    batch.progress.output_life = (ANTHROPIC.provider.retention_days or 0) * _DAY
    return batch


async def _write(exchange: Exchange, batch: StoredBatch, requests: list[dict[str, Any]]) -> None:
    """Write the requests where the lines of an input file are linked to."""
    work = CooperativeWork()
    with exchange.state.path(f"{batch.id}.input").open("wb") as stream:
        for request in requests:
            stream.write(encode({"custom_id": request["custom_id"], "body": request["params"]}) + b"\n")
            if work.due:
                await work.pause()


def _limit(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if not 1 <= number <= _MOST_LISTED:
        raise ApiError(400, f"limit: Input should be from 1 to {_MOST_LISTED}")
    return number


class Anthropic(Dialect):
    """Anthropic's API."""

    base_path = ""
    headers: Mapping[str, str] = {"anthropic-organization-id": "org-simulator"}
    request_id_header = "request-id"

    def authorization(self, headers: Mapping[str, str]) -> str:
        """The key of `x-api-key`, or of `authorization`."""
        if VERSION_HEADER not in headers:
            raise ApiError(400, f"{VERSION_HEADER}: header is required")
        key = headers.get("x-api-key")
        if key is None and "authorization" not in headers:
            raise ApiError(401, "x-api-key header is required")
        return headers["authorization"] if key is None else f"Bearer {key}"

    def shown(self, reply: HttpReply, view: View) -> HttpReply:
        """Batches, lists and errors in the forms of this API; what is in them already is left as it is."""
        body = reply.body
        if not isinstance(body, dict):
            return reply
        if mapping(body.get("error")).get("code") == NO_QUOTA:
            return replace(reply, status=400, body=_error(400, {"error": {"message": NO_CREDIT}}, view.request_id))
        if reply.status >= 400 and isinstance(body.get("error"), dict):
            body = _error(reply.status, body, view.request_id)
        elif body.get("object") == "batch":
            body = _batch(body, view)
        elif body.get("object") == "list":
            data = [_batch(fields, view) for fields in body["data"]]
            ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
            body = {"data": data, **ends, "has_more": body["has_more"]}
        return replace(reply, body=body, headers=_rate_headers(reply.headers, view.state.clock.now()))


CALLS: Calls = {
    "/v1/messages/batches": {
        "POST": Call("batches.create", create, "api.batches.write"),
        "GET": Call("batches.list", list_batches, "api.batches.read"),
    },
    "/v1/messages/batches/{}": {
        "GET": Call("batches.retrieve", retrieve, "api.batches.read"),
        "DELETE": Call("batches.delete", delete, "api.batches.write"),
    },
    "/v1/messages/batches/{}/cancel": {"POST": Call("batches.cancel", cancel, "api.batches.write")},
    "/v1/messages/batches/{}/results": {"GET": Call("files.content", results, "api.batches.read")},
    "/v1/messages": {"POST": Call("messages", model_calls.call, "model.request")},
    "/v1/models": {"GET": Call("models.list", list_models, "api.model.read")},
    "/v1/models/{}": {"GET": Call("models.retrieve", retrieve_model, "api.model.read")},
}
ANTHROPIC = Anthropic("anthropic", CALLS, line=result_line, inline=True, fails=False)
