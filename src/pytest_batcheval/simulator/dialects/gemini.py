"""Gemini's batch mode, files and generateContent, over batches and files that are kept in the form of OpenAI's.

From Google's API reference and guide to batches, and the official SDK 3.6; docs/simulator.md says what is a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pytest_batcheval.simulator.batch.inspection import parse_line
from pytest_batcheval.simulator.batch.lifecycle import OPEN, BatchLifecycle
from pytest_batcheval.simulator.cooperative import CooperativeWork
from pytest_batcheval.simulator.dialects.dialect import Call, Calls, Dialect, View
from pytest_batcheval.simulator.dialects.gemini_forms import (
    file_of,
    list_of,
    no_such_file,
    operation_of,
    refusal_of,
)
from pytest_batcheval.simulator.encoding import encode
from pytest_batcheval.simulator.endpoints import batches, files, model_calls
from pytest_batcheval.simulator.errors import ApiError, no_quota
from pytest_batcheval.simulator.http_exchange import Exchange, HttpReply
from pytest_batcheval.simulator.inference.gemini_models import find_gemini, gemini_list, gemini_object
from pytest_batcheval.simulator.inference.generate_content import no_such_gemini
from pytest_batcheval.simulator.state import Project, State, StoredBatch, StoredFile
from pytest_batcheval.simulator.structured.gemini_schema import member
from pytest_batcheval.wire.endpoints import GENERATE
from pytest_batcheval.wire.plain import mapping

FILE_LIFE = 172_800
"""Seconds for which files are kept: 48 hours."""

NO_KEY = (
    "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other "
    "form of API consumer identity to call this API."
)
RPC = {400: 3, 403: 7, 404: 5, 409: 10, 429: 8, 499: 1, 500: 13, 501: 12, 503: 14, 504: 4}
"""The code in a line of responses by HTTP status; 2, unknown, for any other."""

_PATH = re.compile(r"/(?:(upload|download)/)?v1(?:beta)?/(.+)\Z")
_VERB = re.compile(r":(?=[A-Za-z]+\Z)")
_INLINE_BYTES = 20 * 2**20
_MOST_LISTED, _USUALLY_LISTED = 100, "10"


async def create(exchange: Exchange) -> HttpReply:
    """POST /v1beta/models/{model}:batchGenerateContent: the requests are in a file, or in the create itself."""
    state = exchange.state
    body = await exchange.json(_INLINE_BYTES)
    project = state.project(exchange.key)
    if exchange.key.insufficient_quota:
        raise no_quota()
    if find_gemini(exchange.name, state.behaviour) is None:
        raise no_such_gemini(exchange.name, "batchGenerateContent")
    given = mapping(body.get("batch"))
    file, inline = _input(project, mapping(member(given, "inputConfig")), state)
    await batches.count_create(exchange)
    exchange.visit.subject = file.id if file else ""
    about = {
        "displayName": str(member(given, "displayName") or ""),
        "model": f"models/{exchange.name}",
        "inline": None if inline is None else [mapping(mapping(one).get("metadata")) for one in inline],
    }
    fields = {"endpoint": GENERATE, "input_file_id": exchange.visit.subject, "metadata": about}
    batch = batches.new_batch(exchange, fields)
    batch.fields["id"] = batch.id.removeprefix("batch_")
    batch.progress.output_life = FILE_LIFE
    await _write(exchange, batch, _of_file(state, file) if file else _of_create(inline or []))
    state.save_batch(project, batch)
    created = dict(batch.fields)
    BatchLifecycle(state, project, batch).start()
    return HttpReply(200, created)


def _input(project: Project, config: Mapping[str, Any], state: State) -> tuple[StoredFile | None, list[Any] | None]:
    """The input file of a create, or its requests.

    Raises:
        ApiError: it has neither, or both, or there is no such file.
    """
    name, inline = member(config, "fileName"), mapping(config.get("requests")).get("requests")
    if (name is None) is (inline is None):
        raise ApiError(400, "* BatchGenerateContentRequest.batch.input_config: exactly one source must be set.")
    if name is None:
        if not isinstance(inline, list) or not inline:
            raise ApiError(400, "* BatchGenerateContentRequest.batch.input_config.requests: must not be empty.")
        return None, inline
    file = project.files.get(str(name).removeprefix("files/"))
    if file is None or (file.expires_at or 0) <= state.clock.now():
        raise no_such_file(str(name))
    return file, None


def _of_file(state: State, file: StoredFile) -> Iterator[bytes]:
    """The lines of an input file; one that is no request stays as it is, so that its batch fails."""
    with state.path(file.id).open("rb") as stream:
        for number, line in enumerate(stream):
            if line.strip():
                parsed = parse_line(line) or {}
                request = parsed if "contents" in parsed else parsed.get("request")
                name = parsed.get("key", str(number))
                yield encode({"custom_id": name, "body": request}) if isinstance(request, dict) else b"?"


def _of_create(inline: list[Any]) -> Iterator[bytes]:
    """Lines of the requests in a create, by their positions."""
    for number, one in enumerate(inline):
        request = mapping(one).get("request")
        yield encode({"custom_id": str(number), "body": request}) if isinstance(request, dict) else b"?"


async def _write(exchange: Exchange, batch: StoredBatch, lines: Iterator[bytes]) -> None:
    """Write the requests where the lines of an input file are linked to, each with the model of the batch."""
    work, model, total = CooperativeWork(), exchange.name, 0
    with exchange.state.path(f"{batch.id}.input").open("wb") as stream:
        for line in lines:
            read = parse_line(line)
            if read is not None:
                line = encode({**read, "body": {**read["body"], "model": model}})
            stream.write(line + b"\n")
            total += 1
            if work.due:
                await work.pause()
    batch.fields["request_counts"] = {"total": total, "completed": 0, "failed": 0}
    batch.progress.total = total


async def list_batches(exchange: Exchange) -> HttpReply:
    """GET /v1beta/batches."""
    _take_page(exchange)
    return replace(await batches.list_batches(exchange), schema=None)


async def list_files(exchange: Exchange) -> HttpReply:
    """GET /v1beta/files."""
    _take_page(exchange)
    return replace(await files.list_files(exchange), schema=None)


def _take_page(exchange: Exchange) -> None:
    """Read `pageSize` and `pageToken` for the lists that the dialects share; a page that is too long is cut."""
    size, query = exchange.query.get("pageSize", _USUALLY_LISTED), exchange.query
    query["limit"] = str(min(int(size), _MOST_LISTED)) if size.isdecimal() and len(size) < 9 else size
    if token := query.get("pageToken"):
        query["after"] = token


async def retrieve(exchange: Exchange) -> HttpReply:
    """GET /v1beta/batches/{id}."""
    return HttpReply(200, (await batches.looked_at(exchange)).fields)


async def cancel(exchange: Exchange) -> HttpReply:
    """POST /v1beta/batches/{id}:cancel, which changes nothing once the batch has ended."""
    batch = batches.find_batch(exchange)
    await BatchLifecycle(exchange.state, exchange.project, batch).cancel()
    return HttpReply(200, {})


async def delete(exchange: Exchange) -> HttpReply:
    """DELETE /v1beta/batches/{id}."""
    batch, project = batches.find_batch(exchange), exchange.project
    if batch.status in OPEN:
        raise ApiError(400, "The batch is still running; cancel it before it is deleted.")
    exchange.state.drop_batch(project, batch)
    return HttpReply(200, {})


async def begin_upload(exchange: Exchange) -> HttpReply:
    """POST /upload/v1beta/files: the announcement of a file, answered by the URL for its bytes."""
    state, project = exchange.state, exchange.state.project(exchange.key)
    about = mapping((await exchange.json()).get("file"))
    size = exchange.headers.get("x-goog-upload-header-content-length", "")
    if exchange.headers.get("x-goog-upload-command") != "start" or not size.isdecimal():
        raise ApiError(400, "The upload must begin with the command start and the length of the file.")
    if int(size) > state.behaviour.max_file_bytes:
        raise ApiError(400, f"The file is larger than {state.behaviour.max_file_bytes} bytes.")
    file = state.new_file(project, str(member(about, "displayName") or ""), "batch", FILE_LIFE)
    kind = member(about, "mimeType") or exchange.headers.get("x-goog-upload-header-content-type", "")
    project.uploads[file.id] = (file, {"size": size, "kind": str(kind)})
    state.path(file.id).touch()
    url = f"http://{exchange.headers.get('host', '')}/upload/v1beta/files/{file.id}?upload_protocol=resumable"
    return HttpReply(200, b"", headers=[(b"x-goog-upload-url", url.encode()), (b"x-goog-upload-status", b"active")])


async def upload(exchange: Exchange) -> HttpReply:
    """POST of bytes of an announced file, to the URL that only its uploader has, which is the key; the last end it."""
    state, name = exchange.state, exchange.name
    project = next((one for one in state.projects if name in one.uploads), None)
    path, command = state.path(name), exchange.headers.get("x-goog-upload-command", "")
    if project is None or not path.exists():
        raise ApiError(404, "There is no such upload.")
    file, about = project.uploads[name]
    if exchange.headers.get("x-goog-upload-offset") != str(path.stat().st_size):
        raise ApiError(400, "The offset is not the number of bytes that have come.")
    with path.open("ab") as stream:
        async for chunk in exchange.chunks():
            stream.write(chunk)
    if "finalize" not in command:
        return HttpReply(200, b"", headers=[(b"x-goog-upload-status", b"active")])
    file.bytes = path.stat().st_size
    if str(file.bytes) != about["size"]:
        raise ApiError(400, "The file has another length than was announced.")
    del project.uploads[name]
    state.add_file(project, file)
    return HttpReply(200, {"file": file_of(file.to_json())}, headers=[(b"x-goog-upload-status", b"final")])


async def list_models(exchange: Exchange) -> HttpReply:
    """GET /v1beta/models."""
    return HttpReply(200, {"models": gemini_list(exchange.state.behaviour)})


async def retrieve_model(exchange: Exchange) -> HttpReply:
    """GET /v1beta/models/{id}."""
    model = find_gemini(exchange.name, exchange.state.behaviour)
    if model is None:
        raise no_such_gemini(exchange.name, "generateContent")
    return HttpReply(200, gemini_object(model))


def result_line(
    name: str, custom_id: str, response: Mapping[str, Any] | None, error: Mapping[str, Any] | None
) -> dict[str, Any]:
    """A line of responses."""
    if response is not None and response["status_code"] == 200:
        return {"key": custom_id, "response": response["body"]}
    status, given = (500, error) if response is None else (response["status_code"], response["body"].get("error"))
    return {"key": custom_id, "error": {"code": RPC.get(status, 2), "message": mapping(given).get("message")}}


class Gemini(Dialect):
    """Gemini's API, at `/v1beta` as in its documentation and at `/v1` as in its SDK."""

    base_path = ""

    def place(self, path: str) -> str:
        """The path with its verb, if it has one, as a part of its own: `/v1/batches/x/cancel`."""
        found = _PATH.match(path)
        if found is None:
            return ""
        root = "upload/" if found[1] == "upload" else ""
        return f"/v1/{root}{_VERB.sub('/', found[2])}"

    def authorization(self, headers: Mapping[str, str]) -> str:
        """The key of `x-goog-api-key`."""
        if not headers.get("x-goog-api-key"):
            raise ApiError(403, NO_KEY)
        return f"Bearer {headers['x-goog-api-key']}"

    def shown(self, reply: HttpReply, view: View) -> HttpReply:
        """Batches, files, lists and errors in the forms of this API; what is in them already is left as it is."""
        body = reply.body
        if not isinstance(body, dict):
            return reply
        if reply.status >= 400:
            return refusal_of(reply, view)
        kind = body.get("object")
        if kind == "batch":
            body = operation_of(body, view)
        elif kind == "file":
            body = {} if body.get("deleted") else file_of(body)
        elif kind == "list":
            body = list_of(body, view)
        return replace(reply, body=body)


CALLS: Calls = {
    "/v1/upload/files": {"POST": Call("files.announce", begin_upload, "api.files.write")},
    "/v1/upload/files/{}": {"POST": Call("files.create", upload, "")},
    "/v1/files": {"GET": Call("files.list", list_files, "api.files.read")},
    "/v1/files/{}": {
        "GET": Call("files.retrieve", files.retrieve, "api.files.read"),
        "DELETE": Call("files.delete", files.delete, "api.files.write"),
    },
    "/v1/files/{}/download": {"GET": Call("files.content", files.content, "api.files.read")},
    "/v1/batches": {"GET": Call("batches.list", list_batches, "api.batches.read")},
    "/v1/batches/{}": {
        "GET": Call("batches.retrieve", retrieve, "api.batches.read"),
        "DELETE": Call("batches.delete", delete, "api.batches.write"),
    },
    "/v1/batches/{}/cancel": {"POST": Call("batches.cancel", cancel, "api.batches.write")},
    "/v1/models": {"GET": Call("models.list", list_models, "api.model.read")},
    "/v1/models/{}": {"GET": Call("models.retrieve", retrieve_model, "api.model.read")},
    "/v1/models/{}/batchGenerateContent": {"POST": Call("batches.create", create, "api.batches.write")},
    "/v1/models/{}/generateContent": {"POST": Call("generate", model_calls.call, "model.request")},
}
_USUAL: Mapping[str, Any] = {
    "shuffle_output": False,
    "download_input": False,
    "rate_limit_headers": False,
    "cancelling_seconds": 0,
}
GEMINI = Gemini("gemini", CALLS, usual=_USUAL, line=result_line, inline=True, partial=False)
