"""The endpoints below /v1/files."""

from __future__ import annotations

import json
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from pytest_batcheval.simulator.errors import ApiError, missing, no_such_file
from pytest_batcheval.simulator.multipart import Upload
from pytest_batcheval.simulator.paging import page
from pytest_batcheval.simulator.state import FILE_LIFE, Project, State, StoredFile

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
LIFE = range(3_600, FILE_LIFE + 1)
"""Seconds a file may be told to live."""

_FIRST_LINE = 1_000_000


async def create(request: Request) -> Response:
    """POST /v1/files."""
    state, project = here(request)
    file = state.new_file(project, "", "", None)
    upload = Upload(file.path)
    try:
        await upload.read(request.headers.get("content-type", ""), request.stream())
        _accept(file, upload)
    except ApiError:
        file.path.unlink(missing_ok=True)
        raise
    project.files[file.id] = file
    return JSONResponse(file.to_json())


async def list_files(request: Request) -> Response:
    """GET /v1/files."""
    _, project = here(request)
    purpose = request.query_params.get("purpose")
    files = [f.to_json() for f in project.files.values() if purpose in (None, f.purpose)]
    if request.query_params.get("order") != "asc":
        files.reverse()
    return JSONResponse(page(files, request.query_params, most=10_000, usual=10_000))


async def retrieve(request: Request) -> Response:
    """GET /v1/files/{id}."""
    return JSONResponse(_find(request).to_json())


async def content(request: Request) -> Response:
    """GET /v1/files/{id}/content."""
    return FileResponse(_find(request).path, media_type="application/octet-stream")


async def delete(request: Request) -> Response:
    """DELETE /v1/files/{id}."""
    _, project = here(request)
    file = _find(request)
    del project.files[file.id]
    file.path.unlink(missing_ok=True)
    return JSONResponse({"id": file.id, "object": "file", "deleted": True})


def here(request: Request) -> tuple[State, Project]:
    """The server's state and the project of the caller's key."""
    state: State = request.app.state.simulator
    return state, request.state.project


def _find(request: Request) -> StoredFile:
    state, project = here(request)
    name = str(request.path_params["file_id"])
    file = project.files.get(name)
    if file is None or (file.expires_at is not None and file.expires_at <= state.clock.now()):
        raise no_such_file(name)
    return file


def _accept(file: StoredFile, upload: Upload) -> None:
    """Check an upload as the API does at once; faults inside lines show in the batch."""
    if upload.filename is None:
        raise missing("file")
    if "purpose" not in upload.fields:
        raise missing("purpose")
    file.purpose = upload.fields["purpose"]
    if file.purpose not in PURPOSES:
        raise ApiError(400, f"'{file.purpose}' is not one of {list(PURPOSES)} - 'purpose'", param="purpose")
    file.filename, file.bytes, file.sha256 = upload.filename, upload.size, upload.sha256.hexdigest()
    if file.purpose == "batch":
        _check_batch_file(file)
        file.expires_at = file.created_at + _life(upload)


def _check_batch_file(file: StoredFile) -> None:
    named = file.filename not in ("", "upload")  # the SDK sends plain bytes under the name `upload`
    if named and not file.filename.endswith(".jsonl"):
        raise ApiError(400, "Invalid file format for Batch API. Must be .jsonl")
    if not _first_line_is_json(file.path):
        raise ApiError(400, "Invalid file format for Batch API. Must be .jsonl: the first line is not valid JSON.")


def _first_line_is_json(path: Path) -> bool:
    with path.open("rb") as stream:
        line = stream.readline(_FIRST_LINE)
    if line and not line.strip():
        return True  # blank lines alone are found at validation: empty_file
    try:
        json.loads(line.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError):
        return len(line) == _FIRST_LINE
    return True


def _life(upload: Upload) -> int:
    seconds = upload.fields.get("expires_after[seconds]")
    anchor = upload.fields.get("expires_after[anchor]")
    if seconds is None and anchor is None:
        return FILE_LIFE
    if anchor != "created_at":
        raise ApiError(400, f"Invalid value: '{anchor}'.", code="invalid_value", param="expires_after.anchor")
    if seconds is None or not seconds.isdigit() or int(seconds) not in LIFE:
        text = f"Invalid 'expires_after.seconds': from {LIFE.start} to {LIFE.stop - 1}, not {seconds}."
        raise ApiError(400, text, code="invalid_value", param="expires_after.seconds")
    return int(seconds)
