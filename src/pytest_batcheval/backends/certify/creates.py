"""Cases on creates, on lists and cancels of batches."""

from __future__ import annotations

from typing import Any

from pytest_batcheval.backends.certify.case import Chapter, Deviation, Lacking
from pytest_batcheval.backends.certify.expect import equal, is_one_of, shown
from pytest_batcheval.backends.certify.server import OPEN, Reply, Server
from pytest_batcheval.text.format import counted

CREATE = Chapter("create")
LISTS = Chapter("lists and paging")
CANCEL = Chapter("cancel")

_PARAMETERS = ("input_file_id", "endpoint", "completion_window")


@CREATE.case(requests=1)
def create_a_batch(server: Server) -> None:
    """A create gives a Batch of status validating with its parameters and without files and errors."""
    file_id = server.upload([server.line(1)])
    batch = server.create(input_file_id=file_id, metadata={"by": "certify"}).object()
    equal(batch, object="batch", endpoint="/v1/chat/completions", input_file_id=file_id, completion_window="24h")
    equal(batch, metadata={"by": "certify"}, status="validating")
    for name in ("output_file_id", "error_file_id", "errors"):
        if batch.get(name):
            raise Deviation(f"{name} is set at once")


@CREATE.case()
def create_without_input_file_id(server: Server) -> None:
    """`input_file_id` is required: 400 with that `param`."""
    _missing(server, "input_file_id")


@CREATE.case(requests=1)
def create_without_endpoint(server: Server) -> None:
    """`endpoint` is required: 400 with that `param`."""
    _missing(server, "endpoint")


@CREATE.case(requests=1)
def create_without_completion_window(server: Server) -> None:
    """`completion_window` is required: 400 with that `param`."""
    _missing(server, "completion_window")


@CREATE.case(requests=1)
def unknown_endpoint(server: Server) -> None:
    """An endpoint that the API does not have is a 400 with `param` endpoint."""
    error = _attempt(server, endpoint="/v1/invalid/endpoint").refusal(400)
    equal(error, param="endpoint")


@CREATE.case(requests=1)
def another_window(server: Server) -> None:
    """The completion window can only be 24h: 48h is a 400."""
    _attempt(server, completion_window="48h").refusal(400)


@CREATE.case(requests=1)
def metadata_that_are_no_strings(server: Server) -> None:
    """Values of metadata are strings: an array is a 400."""
    _attempt(server, metadata={"tags": ["a"]}).refusal(400)


@CREATE.case(requests=1)
def too_many_metadata(server: Server) -> None:
    """Metadata have at most 16 pairs: 17 are a 400."""
    _attempt(server, metadata={f"k{number}": "v" for number in range(17)}).refusal(400)


@CREATE.case()
def create_of_an_unknown_file(server: Server) -> None:
    """A create that names no file is a 400 or 404, or its batch fails."""
    _fails(server, server.create(input_file_id="file-00000000000000000000abcd"))


@CREATE.case(requests=1)
def create_of_a_file_of_another_purpose(server: Server) -> None:
    """A create with a file of purpose user_data is a 400, or its batch fails."""
    file_id = server.upload([server.line(1)], purpose="user_data")
    _fails(server, server.create(input_file_id=file_id))


@LISTS.case(requests=2)
def batches_are_listed(server: Server) -> None:
    """GET /batches gives {object: list, data, has_more} with the batches just made."""
    made = _two(server)
    page = server.get("/batches?limit=100")
    equal(page, object="list")
    is_one_of("has_more", page.get("has_more"), (True, False))
    if not made <= set(_ids(page)):
        raise Deviation("the batches just made are not in the list")


@LISTS.case()
def pages_follow_each_other(server: Server) -> None:
    """`limit` and `after` give the list in pages: no batch twice, has_more until the last."""
    _two(server)
    first = server.get("/batches?limit=1")
    names = _ids(first)
    if len(names) != 1 or first.get("has_more") is not True:
        raise Deviation(f"limit=1 gives {counted(len(names), 'batch', 'batches')}, has_more {first.get('has_more')!r}")
    second = _ids(server.get(f"/batches?limit=1&after={names[0]}"))
    if len(second) != 1 or second == names:
        raise Deviation(f"after the first batch comes {shown(second)}, after {shown(names)}")


@LISTS.case()
def limit_out_of_range(server: Server) -> None:
    """`limit` is from 1 to 100: 0 and 101 are a 400."""
    _two(server)
    for limit in (0, 101):
        server.ask("GET", f"/batches?limit={limit}").refusal(400)


@LISTS.case()
def unknown_batch(server: Server) -> None:
    """A batch that does not exist is a 404."""
    server.ask("GET", "/batches/batch_0000000000000000000000000000abcd").refusal(404)


@CANCEL.case(requests=3)
def cancel_a_batch(server: Server) -> None:
    """A cancel of an open batch gives it as cancelling, with cancelling_at."""
    batch = _cancelled(server)
    is_one_of("status", batch.get("status"), ("cancelling", "cancelled"))
    if not isinstance(batch.get("cancelling_at"), int):
        raise Deviation(f"cancelling_at is {batch.get('cancelling_at')!r}")


@CANCEL.case()
def cancel_again(server: Server) -> None:
    """A second cancel is a 200 with the same batch."""
    batch = _cancelled(server)
    again = server.ask("POST", f"/batches/{batch['id']}/cancel").object()
    equal(again, id=batch["id"])
    is_one_of("status", again.get("status"), ("cancelling", "cancelled"))


@CANCEL.case()
def cancelled_in_the_end(server: Server) -> None:
    """A cancelling batch ends as cancelled, with cancelled_at."""
    ended = server.ended(_cancelled(server))
    equal(ended, status="cancelled")
    if not isinstance(ended.get("cancelled_at"), int):
        raise Deviation(f"cancelled_at is {ended.get('cancelled_at')!r}")


@CANCEL.case(requests=1)
def cancel_an_ended_batch(server: Server) -> None:
    """A batch that has failed or completed cannot be cancelled: 409."""
    batch = server.ended(server.batch([server.line(1, stream=True)]))
    if batch["status"] not in ("failed", "completed"):
        raise Lacking("an ended batch")
    server.ask("POST", f"/batches/{batch['id']}/cancel").refusal(409)


@CANCEL.case()
def cancel_an_unknown_batch(server: Server) -> None:
    """A cancel of a batch that does not exist is a 404."""
    server.ask("POST", "/batches/batch_0000000000000000000000000000abcd/cancel").refusal(404)


def _attempt(server: Server, **changes: Any) -> Reply:
    """A create with a good file but one wrong parameter."""
    return server.create(**{"input_file_id": server.upload([server.line(1)]), **changes})


def _missing(server: Server, name: str) -> None:
    error = _attempt(server, **{name: ...}).refusal(400)
    equal(error, param=name)


def _fails(server: Server, reply: Reply) -> None:
    """Require a refusal, or a batch that fails."""
    if reply.status in (400, 404):
        reply.refusal(400, 404)
        return
    equal(server.ended(reply.object()), status="failed")


def _two(server: Server) -> set[str]:
    """The ids of two batches, of which no line can run."""

    def make() -> set[str]:
        return {str(server.batch([server.line(1, stream=True)])["id"]) for _ in range(2)}

    names: set[str] = server.shared("two batches", make)
    return names


def _cancelled(server: Server) -> dict[str, Any]:
    """A batch as the reply to its cancel has it."""

    def make() -> dict[str, Any]:
        batch = server.batch([server.line(number) for number in range(3)])
        reply = server.ask("POST", f"/batches/{batch['id']}/cancel")
        if reply.status == 409 and server.get(f"/batches/{batch['id']}").get("status") not in OPEN:
            raise Lacking("a batch that is open long enough to be cancelled")
        return reply.object()

    batch: dict[str, Any] = server.shared("cancel", make)
    return batch


def _ids(page: dict[str, Any]) -> list[str]:
    data = page.get("data")
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        raise Deviation("no data")
    return [str(item.get("id")) for item in data]
