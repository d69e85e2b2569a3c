"""Cases on the life of a batch, on its input, its results and the errors of its lines."""

from __future__ import annotations

from typing import Any

from pytest_batcheval.backends.certify.case import Chapter, Deviation, Lacking
from pytest_batcheval.backends.certify.expect import equal, is_one_of, shown, times_in_order
from pytest_batcheval.backends.certify.server import OPEN, Server, jsonl

STATES = Chapter("states")
LINES = Chapter("input lines")
RESULTS = Chapter("results")
ERRORS = Chapter("errors")
EXPIRY = Chapter("expiry")

DAY, MONTH = 86_400, 2_592_000
GOOD, ALL = {"line-0", "line-1"}, {"line-0", "line-1", "line-2"}
"""Lines of the mixed batch; the parameters of line-2 are invalid."""


@STATES.case(requests=3)
def a_batch_completes(server: Server) -> None:
    """A batch whose lines ran is completed, although a line of it failed."""
    equal(_mixed(server), status="completed")


@STATES.case()
def states_follow_each_other(server: Server) -> None:
    """Polls see validating, in_progress, finalizing, completed, in this order."""
    order = ("validating", "in_progress", "finalizing", "completed")
    seen = [batch["status"] for batch in _polls(server)]
    for status in seen:
        is_one_of("status", status, order)
    if seen != sorted(seen, key=order.index):
        raise Deviation(" → ".join(dict.fromkeys(seen)))


@STATES.case()
def times_follow_each_other(server: Server) -> None:
    """created_at, in_progress_at, finalizing_at and completed_at are Unix seconds in this order."""
    times_in_order(_completed(server), "created", "in_progress", "finalizing", "completed")


@STATES.case()
def no_files_before_the_end(server: Server) -> None:
    """output_file_id and error_file_id are null until the batch has ended."""
    for batch in _polls(server):
        if batch["status"] in OPEN and (batch.get("output_file_id") or batch.get("error_file_id")):
            raise Deviation(f"a batch that is {batch['status']} has a result file")


@STATES.case()
def an_ended_batch_stays(server: Server) -> None:
    """A batch that has ended is the same at each later poll."""
    batch = _completed(server)
    if (again := server.get(f"/batches/{batch['id']}")) != batch:
        changed = [name for name in {**batch, **again} if batch.get(name) != again.get(name)]
        raise Deviation(f"changed: {', '.join(changed)}")


@LINES.case(requests=1)
def line_that_is_no_json(server: Server) -> None:
    """A line that is no JSON fails the batch: code invalid_json_line with its number from 1."""
    _has(server.failure([server.line(1), "{broken"]), code="invalid_json_line", line=2)


@LINES.case(requests=2)
def repeated_custom_id(server: Server) -> None:
    """A `custom_id` that an earlier line has fails the batch."""
    server.failure([server.line(1), {**server.line(2), "custom_id": "line-1"}])


@LINES.case(requests=1)
def line_without_custom_id(server: Server) -> None:
    """A line without `custom_id` fails the batch: missing_required_parameter with that `param`."""
    line = server.line(1)
    del line["custom_id"]
    _has(server.failure([line]), code="missing_required_parameter", param="custom_id", line=1)


@LINES.case(requests=2)
def line_for_another_endpoint(server: Server) -> None:
    """A `url` other than the batch's endpoint fails the batch: invalid_url at its line."""
    lines = [server.line(1), {**server.line(2), "url": "/v1/embeddings"}]
    _has(server.failure(lines), code="invalid_url", line=2)


@LINES.case(requests=1)
def line_that_streams(server: Server) -> None:
    """A body with stream: true fails the batch."""
    server.failure([server.line(1, stream=True)])


@LINES.case(requests=1)
def unknown_model(server: Server) -> None:
    """A model that does not exist fails the batch, `param` body.model."""
    _has(server.failure([server.line(1, model="model-of-nobody")]), param="body.model", line=1)


@LINES.case()
def only_blank_lines(server: Server) -> None:
    """A file of blank lines is refused, or fails its batch."""
    reply = server.send_file(b"\n\n")
    if reply.status == 400:
        reply.refusal(400)
    else:
        server.failure(b"\n\n")


@LINES.case(requests=1)
def a_failed_batch_has_no_results(server: Server) -> None:
    """A batch that failed at validation has failed_at, errors, and no result files."""
    batch = server.ended(server.batch([server.line(1, stream=True)]))
    if batch["status"] != "failed":
        raise Lacking("a batch that fails at validation")
    times_in_order(batch, "created", "failed")
    if batch.get("output_file_id") or batch.get("error_file_id") or not batch.get("errors"):
        raise Deviation(f"errors {shown(batch.get('errors'))}, output_file_id {shown(batch.get('output_file_id'))}")


@LINES.case(requests=50_001, large=True)
def too_many_lines(server: Server) -> None:
    """A batch of more than 50,000 lines is refused, or fails."""
    line = server.line(0)
    reply = server.send_file(jsonl([{**line, "custom_id": str(number)} for number in range(50_001)]))
    if reply.status != 200:
        reply.refusal(400, 413)
        return
    reply = server.create(input_file_id=str(reply.object()["id"]))
    if reply.status == 200:
        equal(server.ended(reply.object()), status="failed")
    else:
        reply.refusal(400)


@RESULTS.case()
def every_request_has_one_result(server: Server) -> None:
    """The output and error files have each `custom_id` of the input once, together."""
    batch = _completed(server)
    files = [batch.get(name) for name in ("output_file_id", "error_file_id")]
    names = [line["custom_id"] for file_id in files for line in server.lines(file_id)]
    if sorted(names) != sorted(ALL):
        raise Deviation(f"results of {shown(sorted(names))}, of {shown(sorted(ALL))}")


@RESULTS.case()
def an_output_line_has_all_members(server: Server) -> None:
    """An output line has id, custom_id, response {status_code, request_id, body} and error: null."""
    for line in _output(server):
        response = line.get("response")
        if not isinstance(response, dict) or not isinstance(line.get("id"), str):
            raise Deviation(shown(line))
        equal(line, error=None)
        equal(response, status_code=200)
        for name in ("request_id", "body"):
            if not response.get(name):
                raise Deviation(f"response without {name}")


@RESULTS.case()
def a_body_is_a_chat_completion(server: Server) -> None:
    """The body of an output line is that of an individual call: chat.completion with choices, model and usage."""
    for line in _output(server):
        is_completion((line.get("response") or {}).get("body"))


@RESULTS.case()
def counts_agree_with_the_files(server: Server) -> None:
    """request_counts of an ended batch are the numbers of its lines: total, completed, failed."""
    counts = _completed(server).get("request_counts")
    equal(counts or {}, total=3, completed=len(_output(server)), failed=len(_errors(server)))


@RESULTS.case()
def usage_is_the_sum_of_the_lines(server: Server) -> None:
    """A completed batch has `usage` with input, output and total tokens: the sum of its lines."""
    usage = _completed(server).get("usage")
    bodies = [line["response"]["body"] for line in _output(server)]
    if not all(isinstance(body, dict) and isinstance(body.get("usage"), dict) for body in bodies):
        raise Lacking("usage in the lines")
    total = sum(int(body["usage"]["total_tokens"]) for body in bodies)
    equal(usage or {}, total_tokens=total)


@RESULTS.case()
def a_result_file_is_a_file(server: Server) -> None:
    """The output file is a File of purpose batch_output whose bytes are those of its content."""
    _output(server)
    name = _completed(server)["output_file_id"]
    equal(server.get(f"/files/{name}"), purpose="batch_output", bytes=len(server.content(str(name))))


@ERRORS.case()
def a_bad_parameter_fails_its_line(server: Server) -> None:
    """A bad parameter (temperature 3) fails its line only, which is in the error file."""
    names = {line["custom_id"] for line in _errors(server)}
    if names != ALL - GOOD:
        raise Deviation(f"the error file has {shown(sorted(names))}")


@ERRORS.case()
def an_error_line_has_its_response(server: Server) -> None:
    """The line of a request that got a 400 has response.status_code 400 and body.error, and error: null."""
    if not (lines := _errors(server)):
        raise Lacking("an error file")
    for line in lines:
        equal(line, error=None)
        response = line.get("response") or {}
        equal(response, status_code=400)
        _has_all((response.get("body") or {}).get("error"))


@ERRORS.case(requests=2)
def a_batch_of_failures_completes(server: Server) -> None:
    """A batch all of whose lines failed is completed, with output_file_id null and an error file."""
    batch = server.ended(server.batch([server.line(number, temperature=3) for number in range(2)]))
    equal(batch, status="completed")
    if batch.get("output_file_id") or not batch.get("error_file_id"):
        raise Deviation(f"output {shown(batch.get('output_file_id'))}, error {shown(batch.get('error_file_id'))}")


@ERRORS.case()
def a_refusal_has_all_members(server: Server) -> None:
    """The body of a refusal is {error: {message, type, param, code}}, all four there."""
    reply = server.create(input_file_id=...)
    if reply.status == 200:
        raise Lacking("a refusal of a create without a file")
    _has_all(reply.refusal(reply.status))


@EXPIRY.case()
def a_batch_expires_after_a_day(server: Server) -> None:
    """expires_at of a batch is 24 hours after created_at."""
    batch = _completed(server)
    equal(batch, expires_at=int(batch["created_at"]) + DAY)


@EXPIRY.case()
def a_batch_file_expires_after_30_days(server: Server) -> None:
    """expires_at of a file of purpose batch is 30 days after created_at."""
    file = server.get(f"/files/{server.upload([server.line(1)])}")
    equal(file, expires_at=int(file["created_at"]) + MONTH)


@EXPIRY.case()
def a_file_expires_as_asked(server: Server) -> None:
    """`expires_after` of an upload is kept: expires_at is so many seconds after created_at."""
    fields = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    file = server.send_file(jsonl([server.line(1)]), **fields).object()
    equal(file, expires_at=int(file["created_at"]) + 3_600)


@EXPIRY.case(requests=1)
def result_files_expire_as_asked(server: Server) -> None:
    """`output_expires_after` of a create is kept by its result files."""
    expiry = {"anchor": "created_at", "seconds": 7_200}
    batch = server.ended(server.batch([server.line(1)], output_expires_after=expiry))
    if not batch.get("output_file_id"):
        raise Lacking("an output file")
    file = server.get(f"/files/{batch['output_file_id']}")
    equal(file, expires_at=int(file["created_at"]) + 7_200)


def _polls(server: Server) -> list[dict[str, Any]]:
    """The polls of a batch of two good lines and one with a bad parameter."""

    def make() -> list[dict[str, Any]]:
        return server.polls(server.batch([server.line(0), server.line(1), server.line(2, temperature=3)]))

    polls: list[dict[str, Any]] = server.shared("mixed", make)
    return polls


def _mixed(server: Server) -> dict[str, Any]:
    return _polls(server)[-1]


def _completed(server: Server) -> dict[str, Any]:
    batch = _mixed(server)
    if batch["status"] != "completed":
        raise Lacking("a completed batch")
    return batch


def _output(server: Server) -> list[dict[str, Any]]:
    name = _completed(server).get("output_file_id")
    if not name:
        raise Lacking("an output file")
    lines: list[dict[str, Any]] = server.shared("output", lambda: server.lines(name))
    return lines


def _errors(server: Server) -> list[dict[str, Any]]:
    name = _completed(server).get("error_file_id")
    lines: list[dict[str, Any]] = server.shared("errors", lambda: server.lines(name))
    return lines


def _has(errors: list[dict[str, Any]], **members: object) -> None:
    """Require an error with these members."""
    if not any(all(error.get(name) == value for name, value in members.items()) for error in errors):
        raise Deviation(f"errors.data is {shown(errors)}")


def _has_all(error: object) -> None:
    members = ("message", "type", "param", "code")
    if not isinstance(error, dict) or not set(members) <= set(error):
        raise Deviation(f"error is {shown(error)}, without all of {', '.join(members)}")


def is_completion(body: Any) -> None:
    """Require the body of a chat completion."""
    if not isinstance(body, dict):
        raise Deviation(f"a body that is no object: {shown(body)}")
    equal(body, object="chat.completion")
    for name in ("choices", "model", "usage"):
        if not body.get(name):
            raise Deviation(f"a body without {name}")
