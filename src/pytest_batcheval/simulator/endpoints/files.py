"""The calls under /v1/files."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from pytest_batcheval.simulator.batch.form import BATCH
from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.endpoints.file_content import content as content_of
from pytest_batcheval.simulator.endpoints.file_life import file_life
from pytest_batcheval.simulator.endpoints.multipart import MultipartUpload
from pytest_batcheval.simulator.endpoints.paging import page
from pytest_batcheval.simulator.errors import ApiError, missing, rate_limited
from pytest_batcheval.simulator.http_exchange import Exchange, HttpReply
from pytest_batcheval.simulator.state import FILE_LIFE, State, StoredFile

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
_FIRST_LINE = 1_000_000


async def create(exchange: Exchange) -> HttpReply:
    """POST /v1/files."""
    state = exchange.state
    project = state.project(exchange.key)
    behaviour = state.behaviour
    _check_edge(exchange.headers.get("content-length", ""), behaviour)
    window = state.window("uploads", project.name, behaviour.uploads_per_minute, 60)
    now = state.clock.now()
    if wait := window.wait(now):
        text = f"Rate limit reached for uploads: {window.limit} a minute."
        raise rate_limited(text, wait, behaviour.code("rate_limit"))
    file = state.new_file(project, "", "", None)
    path = state.path(file.id)
    upload = MultipartUpload(path, max(behaviour.max_file_bytes, behaviour.max_other_bytes))
    try:
        await upload.read(exchange.headers.get("content-type", ""), exchange.chunks())
        reply = keep(exchange, file, upload)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    window.take(now)
    return reply


def keep(exchange: Exchange, file: StoredFile, upload: MultipartUpload) -> HttpReply:
    """Make an uploaded file visible.

    Raises:
        ApiError: it is refused.
    """
    state = exchange.state
    _accept(file, upload, state.path(file.id), state)
    state.add_file(state.project(exchange.key), file)
    return HttpReply(200, _shown(state, file), "file")


async def list_files(exchange: Exchange) -> HttpReply:
    """GET /v1/files."""
    state, query = exchange.state, exchange.query
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        text = f"Invalid value: '{order[:40]}'. Supported values are: 'asc', 'desc'."
        raise ApiError(400, text, code="invalid_value", param="order")
    seen = [file for file in exchange.project.files.values() if is_seen(exchange, file)]
    purpose = _kept_purpose(query["purpose"], state) if "purpose" in query else None
    files = [file for file in seen if purpose in (None, file.purpose)]
    if order == "desc":
        files.reverse()
    body = page(files, query, state.behaviour, partial(_shown, state), most=10_000, usual=10_000)
    return HttpReply(200, body, "file-list")


async def retrieve(exchange: Exchange) -> HttpReply:
    """GET /v1/files/{id}."""
    file, state = _find(exchange), exchange.state
    if state.is_pending(file):
        await state.clock.polled(file.made_at + state.form.pending_seconds)
    return HttpReply(200, _shown(state, file), "file")


async def content(exchange: Exchange) -> HttpReply:
    """GET /v1/files/{id}/content."""
    file, state = _find(exchange), exchange.state
    if file.purpose == "batch" and not state.behaviour.download_input:
        raise ApiError(400, "Not allowed to download files of purpose: batch")
    return content_of(state.path(file.id), file.bytes, exchange.headers.get("range"))


async def delete(exchange: Exchange) -> HttpReply:
    """DELETE /v1/files/{id}."""
    file = _find(exchange)
    exchange.state.drop_file(exchange.project, file)
    return HttpReply(200, {"id": file.id, "object": "file", "deleted": True}, "file-deleted")


def _shown(state: State, file: StoredFile) -> dict[str, Any]:
    """The API's File object."""
    pending = {"status": "pending"} if state.is_pending(file) else {}
    return {**file.to_json(), **pending}


def _kept_purpose(word: str, state: State) -> str:
    """The purpose under which a file is kept, from the provider's word for it."""
    return {BATCH: "", state.form.purpose: BATCH}.get(word, word)


def _find(exchange: Exchange) -> StoredFile:
    file = exchange.project.files.get(exchange.name)
    if file is None or not is_seen(exchange, file):
        text = exchange.state.behaviour.text("no_such_file", id=exchange.name[:200])
        raise ApiError(404, text, param="id")
    return file


def is_seen(exchange: Exchange, file: StoredFile) -> bool:
    """Whether a file is there: it has not expired, and the lag after its upload is over."""
    now = exchange.state.clock.now()
    expired = file.expires_at is not None and file.expires_at <= now
    return not expired and file.made_at + exchange.state.behaviour.file_lag <= now


def _check_edge(length: str, behaviour: Behaviour) -> None:
    limit = behaviour.edge_limit_bytes
    if limit is not None and length.isascii() and length.isdigit() and int(length[:20]) > limit:
        raise EdgeRefusal


class EdgeRefusal(Exception):
    """A proxy in front of the API refuses a body for its size; its reply is HTML."""

    REPLY = (
        b"<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>\r\n"
        b"<center><h1>413 Request Entity Too Large</h1></center>\r\n</body>\r\n</html>\r\n"
    )


def _accept(file: StoredFile, upload: MultipartUpload, path: Path, state: State) -> None:
    """Check an upload as far as the API does at once; errors inside lines are found by the batch."""
    behaviour = state.behaviour
    code = behaviour.code("missing_form_field")
    if upload.filename is None:
        raise missing("file", code)
    if "purpose" not in upload.fields:
        raise missing("purpose", code)
    file.purpose = _kept_purpose(upload.fields["purpose"], state)
    if file.purpose not in PURPOSES:
        text = f"'{upload.fields['purpose'][:100]}' is not one of {list(PURPOSES)} - 'purpose'"
        raise ApiError(400, text, code=behaviour.code("purpose"), param="purpose")
    file.filename, file.bytes = upload.filename, upload.size
    if file.bytes > (behaviour.max_file_bytes if file.purpose == "batch" else behaviour.max_other_bytes):
        raise ApiError(400, "File is too large.")
    if file.purpose == "batch":
        _check_batch_file(file, path)
    life = _life(upload, behaviour)
    if life is not None or file.purpose == "batch":
        file.expires_at = file.created_at + (life or FILE_LIFE)


def _check_batch_file(file: StoredFile, path: Path) -> None:
    named = file.filename not in ("", "upload")  # the SDK sends plain bytes under the name `upload`
    if named and not file.filename.endswith(".jsonl"):
        raise ApiError(400, "Invalid file format for Batch API. Must be .jsonl")
    if not _first_line_is_json(path):
        raise ApiError(400, "Invalid file format for Batch API. Must be .jsonl: the first line is not valid JSON.")


def _first_line_is_json(path: Path) -> bool:
    with path.open("rb") as stream:
        line = stream.readline(_FIRST_LINE)
    if line and not line.strip():
        return True  # a file of blank lines is refused later, when the batch is validated: empty_file
    try:
        json.loads(line.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError):
        return len(line) == _FIRST_LINE
    return True


def _life(upload: MultipartUpload, behaviour: Behaviour) -> int | None:
    seconds = upload.fields.get("expires_after[seconds]")
    anchor = upload.fields.get("expires_after[anchor]")
    if seconds is None and anchor is None:
        return None
    digits = seconds if seconds and seconds.isascii() and seconds.isdigit() and len(seconds) < 10 else None
    return file_life("expires_after", anchor, seconds if digits is None else int(digits), behaviour)
