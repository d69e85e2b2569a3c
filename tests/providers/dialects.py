"""Ways in which providers, gateways and proxies answer differently, a few lines each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from pytest_batcheval.simulator.http_exchange import HttpReply

Change = Callable[[dict[str, Any]], Any]

OBJECTS = {
    "files.create": ("id", "object", "bytes", "created_at", "filename", "purpose", "status", "expires_at"),
    "batches.create": (
        *("id", "object", "endpoint", "errors", "input_file_id", "completion_window", "status", "output_file_id"),
        *("error_file_id", "created_at", "in_progress_at", "expires_at", "completed_at", "request_counts", "metadata"),
    ),
}
OBJECTS["batches.retrieve"] = OBJECTS["batches.list"] = OBJECTS["batches.create"]
LIST_FIELDS = ("object", "data", "first_id", "last_id", "has_more")
LINE_FIELDS = ("id", "custom_id", "response", "error", "response.status_code", "response.request_id", "response.body")
ERROR_FIELDS = ("error", "error.message", "error.type", "error.param", "error.code")


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


WAYS: dict[str, Callable[[dict[str, Any], str], None]] = {
    "missing": lambda data, name: data.pop(name, None),
    "null": lambda data, name: data.__setitem__(name, None),
    "a number": lambda data, name: data.__setitem__(name, 7),
    "a text": lambda data, name: data.__setitem__(name, "strange"),
    "an empty text": lambda data, name: data.__setitem__(name, ""),
    "a list": lambda data, name: data.__setitem__(name, []),
    "an object": lambda data, name: data.__setitem__(name, {"a": 1}),
    "true": lambda data, name: data.__setitem__(name, True),
    "spelled otherwise": lambda data, name: data.__setitem__(camel(name), data.pop(name, None)),
    "beside others": lambda data, name: data.update({f"x_{name}": {"of": ["any", None]}, "zz": 1e400}),
}


def object_of(call: str, change: Change) -> Callable[..., HttpReply | None]:
    """Bend each object in the replies to a call: the object itself, or the entries of a list."""

    def bend(made: str, reply: HttpReply, exchange: object) -> None:
        if made == call and reply.status == 200 and isinstance(reply.body, dict):
            listed = reply.body.get("data") if call.endswith(".list") else None
            for item in [reply.body] if listed is None else listed:
                change(item)

    return bend


def body_of(call: str, change: Callable[[Any], Any]) -> Callable[..., HttpReply | None]:
    """Replace the body of the replies to a call."""

    def bend(made: str, reply: HttpReply, exchange: object) -> None:
        if made == call and reply.status == 200:
            reply.body = change(reply.body)

    return bend


def refusal(call: str, status: int, body: Any = None, first: int = 10**9) -> Callable[..., HttpReply | None]:
    """Answer the first calls of a kind with this status; nothing says whether they were applied: they were."""
    left = [first]

    def bend(made: str, reply: HttpReply, exchange: object) -> HttpReply | None:
        if made != call or not left[0]:
            return None
        left[0] -= 1
        return HttpReply(status, body if body is not None else {"error": {"message": "no", "code": None}})

    return bend


def result_lines(change: Change) -> Callable[..., HttpReply | None]:
    """Bend each line of the result files; a change that returns text or bytes gives the line itself."""

    def bend(made: str, reply: HttpReply, exchange: object) -> None:
        if made == "files.content" and reply.status == 200 and b'"response"' in reply.body:
            reply.body = b"".join(_line(change, json.loads(line)) for line in reply.body.splitlines())

    return bend


def _line(change: Change, line: dict[str, Any]) -> bytes:
    made = change(line)
    text = made if isinstance(made, (str, bytes)) else json.dumps(line)
    return (text if isinstance(text, bytes) else text.encode()) + b"\n"


def field_rows() -> Iterator[tuple[str, Callable[..., HttpReply | None]]]:
    """A row for each way of each field of each object and list that the client reads."""
    for call, names in OBJECTS.items():
        for name in names:
            for way, change in WAYS.items():
                bend = object_of(call, lambda data, change=change, name=name: change(data, name))
                yield f"{call} {name} {way}", bend
    for name in LIST_FIELDS:
        for way, change in WAYS.items():
            bend = body_of("batches.list", lambda data, change=change, name=name: (change(data, name), data)[1])
            yield f"batches.list .{name} {way}", bend


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def together(made: str, reply: HttpReply, exchange: object) -> None:
    """Upper case, ISO times, a bare list, no metadata."""

    def batch(data: dict[str, Any]) -> None:
        data["status"] = data["status"].upper()
        data.pop("metadata", None)
        for name in [name for name in data if name.endswith("_at") and data[name]]:
            data[name] = iso(data[name])

    if made.startswith("batches.") and reply.status == 200:
        for item in reply.body["data"] if made == "batches.list" else [reply.body]:
            batch(item)
        if made == "batches.list":
            reply.body = reply.body["data"]


def own_file_ids(made: str, reply: HttpReply, exchange: object) -> None:
    """A gateway that shows the ids of its own files: another one for every batch."""
    if made.startswith("batches.") and reply.status == 200:
        for item in reply.body["data"] if made == "batches.list" else [reply.body]:
            item["input_file_id"] = f"gw-{item['id'][-8:]}"


def one_file_id(made: str, reply: HttpReply, exchange: object) -> None:
    """A gateway that shows the same file id for every batch."""
    if made.startswith("batches.") and reply.status == 200:
        for item in reply.body["data"] if made == "batches.list" else [reply.body]:
            item["input_file_id"] = "file-of-the-gateway"


def statuses(words: dict[str, str]) -> Callable[..., HttpReply | None]:
    """Other words for statuses."""

    def bend(made: str, reply: HttpReply, exchange: object) -> None:
        if made.startswith("batches.") and reply.status == 200:
            for item in reply.body["data"] if made == "batches.list" else [reply.body]:
                item["status"] = words.get(item["status"], item["status"])

    return bend


def strangers(*rows: Any) -> Callable[..., HttpReply | None]:
    """Rows of others in every list of batches."""
    return body_of("batches.list", lambda body: {**body, "data": [*rows, *body["data"]]})
