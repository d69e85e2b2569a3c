"""Together's API: another upload, other words for a status, ISO times, bare lists, no metadata.

After the types of its SDK 3.1 and its API reference; docs/simulator.md says what is a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pytest_batcheval.simulator.batch.form import BATCH
from pytest_batcheval.simulator.dialects.dialect import Call, Calls, Dialect, View
from pytest_batcheval.simulator.dialects.openai import ANY_NAME
from pytest_batcheval.simulator.dialects.openai import CALLS as OPENAI_CALLS
from pytest_batcheval.simulator.endpoints import batches, files
from pytest_batcheval.simulator.endpoints.multipart import MultipartUpload
from pytest_batcheval.simulator.errors import ApiError, missing
from pytest_batcheval.simulator.http_exchange import Exchange, HttpReply
from pytest_batcheval.simulator.ids import iso

_STATUS = {"finalizing": "IN_PROGRESS", "cancelling": "IN_PROGRESS"}
_USER = "user-simulator"


async def create(exchange: Exchange) -> HttpReply:
    """POST /v1/batches, whose window is optional; what a batch of another provider can carry besides is not kept."""
    body = await exchange.json()
    window = next(iter(exchange.state.form.windows))
    known: dict[str, Any] = {name: body[name] for name in ("input_file_id", "endpoint") if name in body}
    return await batches.create_from(exchange, {**known, "completion_window": body.get("completion_window") or window})


async def begin_upload(exchange: Exchange) -> HttpReply:
    """POST /v1/files of the SDK: a redirect to where the bytes are to be put."""
    state, project = exchange.state, exchange.state.project(exchange.key)
    file = state.new_file(project, "", "", None)
    form = MultipartUpload(state.path(file.id), 0)
    await form.read(exchange.headers.get("content-type", ""), exchange.chunks())
    for name in ("purpose", "file_name"):
        if name not in form.fields:
            raise missing(name)
    project.uploads[file.id] = (file, form.fields)
    host = exchange.headers.get("host", "")
    headers = [
        (b"location", f"http://{host}/v1/uploads/{file.id}".encode()),
        (b"x-together-file-id", file.id.encode()),
    ]
    return HttpReply(302, b"", headers=headers)


async def put_bytes(exchange: Exchange) -> HttpReply:
    """PUT of a file's bytes; the address, which only the uploader knows, is the key."""
    state = exchange.state
    if not any(exchange.name in project.uploads for project in state.projects):
        raise ApiError(404, "No such upload.")
    with state.path(exchange.name).open("wb") as stream:
        async for chunk in exchange.chunks():
            if stream.tell() > state.behaviour.max_file_bytes:
                raise ApiError(413, "File is too large.")
            stream.write(chunk)
    return HttpReply(200, b"")


async def end_upload(exchange: Exchange) -> HttpReply:
    """POST /v1/files/{id}/preprocess: the bytes are there."""
    path = exchange.state.path(exchange.name)
    file, fields = exchange.project.uploads.pop(exchange.name, (None, {}))
    if file is None or not path.exists():
        raise ApiError(404, f"No such File object: {exchange.name[:200]}")
    upload = MultipartUpload(path, 0)
    upload.fields, upload.filename, upload.size = fields, fields["file_name"], path.stat().st_size
    return files.keep(exchange, file, upload)


CALLS: Calls = {
    **OPENAI_CALLS,
    "/v1/files": {**OPENAI_CALLS["/v1/files"], "POST": Call("files.create", begin_upload, "api.files.write")},
    "/v1/files/upload": {"POST": Call("files.create", files.create, "api.files.write")},
    "/v1/uploads/{}": {"PUT": Call("files.put", put_bytes, "")},
    "/v1/files/{}/preprocess": {"POST": Call("files.preprocess", end_upload, "api.files.write")},
    "/v1/batches": {
        **OPENAI_CALLS["/v1/batches"],
        "POST": Call("batches.create", create, "api.batches.write"),
    },
}


class Together(Dialect):
    """Together's API."""

    def shown(self, reply: HttpReply, view: View) -> HttpReply:
        """Batches, files and lists in the forms of this API."""
        if not isinstance(reply.body, dict) or reply.status != 200:
            return reply
        body = _shown(reply.body, view)
        if view.call == "batches.create":
            body = {"job": body, "warning": ""}
        return replace(reply, body=body)


def _shown(body: Mapping[str, Any], view: View) -> Any:
    kind = body.get("object")
    if kind == "list" and view.call != "embeddings":
        data = [_shown(item, view) for item in body["data"]]
        return {"data": data} if view.call == "files.list" else data
    if kind == "batch":
        return _job(body, view)
    if kind == "file":
        return {"id": body["id"], "deleted": True} if body.get("deleted") else _file(body)
    return body


def _job(fields: Mapping[str, Any], view: View) -> dict[str, Any]:
    """The API's BatchJob of a batch's fields."""
    status, counts = str(fields["status"]), fields["request_counts"]
    done = counts["completed"] + counts["failed"]
    errors = (fields.get("errors") or {}).get("data") or [{}]
    found = (project.files.get(fields["input_file_id"]) for project in view.state.projects)
    file = next(filter(None, found), None)
    return {
        "id": fields["id"],
        "user_id": _USER,
        "input_file_id": fields["input_file_id"],
        "file_size_bytes": file.bytes if file else None,
        "status": _STATUS.get(status, status.upper()),
        "job_deadline": iso(fields["expires_at"]),
        "created_at": iso(fields["created_at"]),
        "endpoint": fields["endpoint"],
        "progress": 100.0 * done / counts["total"] if counts["total"] else 0.0,
        "model_id": fields["model"] or "",
        "output_file_id": fields["output_file_id"] or "",
        "error_file_id": fields["error_file_id"] or "",
        "error": errors[0].get("message") or "",
        "completed_at": iso(fields.get("completed_at")),
    }


def _file(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The API's FileResponse of a file's fields."""
    purpose = {BATCH: "batch-api", "batch_output": "batch-generated"}.get(fields["purpose"], fields["purpose"])
    kept = {name: fields[name] for name in ("id", "object", "bytes", "created_at", "filename")}
    return {**kept, "purpose": purpose, "FileType": "jsonl", "Processed": True, "LineCount": 0}


TOGETHER = Together("together", CALLS, usual=ANY_NAME, short_lines=True)
