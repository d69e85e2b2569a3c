"""Operations, files, lists and errors of Gemini's API, made of what is kept in the form of OpenAI's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pytest_batcheval.simulator.dialects.dialect import View
from pytest_batcheval.simulator.errors import ApiError
from pytest_batcheval.simulator.http_exchange import HttpReply
from pytest_batcheval.simulator.ids import iso
from pytest_batcheval.wire.plain import mapping

WRONG_KEY = "API key not valid. Please pass a valid API key."
WORDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""The status of an error by its HTTP status; `INVALID_ARGUMENT` for any other below 500, `UNKNOWN` above."""

_STATES = {
    "validating": "PENDING",
    **dict.fromkeys(("in_progress", "finalizing", "cancelling"), "RUNNING"),
    "completed": "SUCCEEDED",
}
_ENDS = {
    "failed": (3, "The batch job failed."),
    "cancelled": (1, "The batch job was cancelled."),
    "expired": (4, "The batch job has expired."),
}
"""The error of an operation that ended otherwise than well."""

_TYPE = "type.googleapis.com/google.ai.generativelanguage.v1beta"
_OF_FILE = ("files.retrieve", "files.delete", "files.content")


def no_such_file(name: str) -> ApiError:
    """403: no file of that name, or one of another project."""
    given = name.removeprefix("files/")[:200]
    return ApiError(403, f"You do not have permission to access the File {given} or it may not exist.")


def _error(status: int, message: str) -> dict[str, Any]:
    word = WORDS.get(status, "UNKNOWN" if status >= 500 else "INVALID_ARGUMENT")
    reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    details = {"details": [reason]} if message == WRONG_KEY else {}
    return {"error": {"code": status, "message": message, "status": word, **details}}


def operation_of(fields: Mapping[str, Any], view: View) -> dict[str, Any]:
    """The API's Operation of a batch's fields; members that are 0 or empty are left out, as Google does."""
    status, about, name = str(fields["status"]), fields["metadata"], f"batches/{fields['id']}"
    word = _STATES.get(status, status.upper())
    ended = fields.get(f"{status}_at") if status == "completed" or status in _ENDS else None
    output = _output(fields, view) if status == "completed" else None
    batch = {
        "@type": f"{_TYPE}.GenerateContentBatch",
        "name": name,
        "model": about["model"],
        "displayName": about["displayName"],
        "createTime": iso(fields["created_at"]),
        "updateTime": iso(ended or fields["in_progress_at"] or fields["created_at"]),
        "endTime": iso(ended),
        "batchStats": _stats(fields["request_counts"], ended=bool(ended)),
        "state": f"BATCH_STATE_{word}",
        "inputConfig": {"fileName": f"files/{fields['input_file_id']}"} if fields["input_file_id"] else None,
        "output": output,
    }
    operation: dict[str, Any] = {"name": name, "metadata": {n: value for n, value in batch.items() if value}}
    if ended is not None:
        operation["done"] = True
    if output:
        operation["response"] = {"@type": f"{_TYPE}.GenerateContentBatchOutput", **output}
    elif status in _ENDS:
        operation["error"] = _end(status, fields)
    return operation


def _end(status: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    code, message = _ENDS[status]
    problems = mapping(fields.get("errors")).get("data") or [{}]
    return {"code": code, "message": problems[0].get("message") or message}


def _stats(counts: Mapping[str, int], *, ended: bool) -> dict[str, str]:
    """The counts, which are texts."""
    done = counts["completed"] + counts["failed"]
    found = {
        "requestCount": counts["total"],
        "successfulRequestCount": counts["completed"],
        "failedRequestCount": counts["failed"],
        "pendingRequestCount": 0 if ended else counts["total"] - done,
    }
    return {name: str(number) for name, number in found.items() if number}


def _output(fields: Mapping[str, Any], view: View) -> dict[str, Any] | None:
    """The place of the responses: a file, or for requests that the create brought the operation itself."""
    name, inline = fields["output_file_id"], fields["metadata"]["inline"]
    if inline is None or not name:
        return {"responsesFile": f"files/{name}"} if name else None
    path = view.state.path(name)
    if view.call == "batches.list" or not path.exists():
        return None
    with path.open("rb") as stream:
        found = {line.pop("key"): line for line in map(json.loads, stream)}
    each = [{**found[str(number)], "metadata": given} for number, given in enumerate(inline) if str(number) in found]
    return {"inlinedResponses": {"inlinedResponses": each}}


def file_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The API's File of a file's fields."""
    generated = fields["purpose"] != "batch"
    uri = f"https://generativelanguage.googleapis.com/v1beta/files/{fields['id']}"
    shown = {
        "name": f"files/{fields['id']}",
        "displayName": fields["filename"],
        "mimeType": "application/jsonl",
        "sizeBytes": str(fields["bytes"]),
        "createTime": iso(fields["created_at"]),
        "updateTime": iso(fields["created_at"]),
        "expirationTime": iso(fields["expires_at"]),
        "uri": uri,
        "downloadUri": f"{uri}:download?alt=media" if generated else None,
        "state": "PROCESSING" if fields["status"] == "pending" else "ACTIVE",
        "source": "GENERATED" if generated else "UPLOADED",
    }
    return {name: value for name, value in shown.items() if value is not None}


def list_of(body: Mapping[str, Any], view: View) -> dict[str, Any]:
    """A page, whose token is the id of its last entry; empty members are left out."""
    of_files, data = view.call == "files.list", body["data"]
    entries = [file_of(one) if of_files else operation_of(one, view) for one in data]
    token = data[-1]["id"] if body["has_more"] and data else None
    page = {"files" if of_files else "operations": entries, "nextPageToken": token}
    return {name: value for name, value in page.items() if value}


def refusal_of(reply: HttpReply, view: View) -> HttpReply:
    """An error in this API's words: an unknown key is a 400, an unknown file a 403."""
    error, status = mapping(reply.body.get("error")), reply.status
    message = str(error.get("message") or "")
    if "status" in error:
        return reply
    if status == 401 and "scope" not in message:
        status, message = 400, WRONG_KEY
    elif status == 404 and view.call in _OF_FILE:
        status, message = 403, no_such_file(message.rpartition(" ")[2]).args[0]
    return replace(reply, status=status, body=_error(status, message))
