"""Cases 54 to 65: what polls see of a batch until its end and after."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from pytest_batcheval.catalogue.models import MODEL, SNAPSHOT
from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.http_exchange import Exchange, HttpReply
from pytest_batcheval.simulator.server import SimulatorServer

CHAT = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"
RESPONSES = "/v1/responses"


def failing(api: Any, line: Any, total: int, failed: int) -> dict[str, Any]:
    """An ended batch whose first `failed` lines have a bad parameter."""
    lines = [line(number, **({"temperature": 3} if number < failed else {})) for number in range(total)]
    return dict(api.ended(api.batch(lines)))


def test_54_polls_see_a_batch_go_through_its_states(client: openai.OpenAI, api: Any) -> None:
    created = api.batch(2)
    seen = [(created["status"], 0, 0)]
    while seen[-1][0] != "completed":
        batch = client.batches.retrieve(created["id"])
        assert batch.request_counts is not None
        seen.append((batch.status, batch.request_counts.completed, batch.request_counts.total))
    assert seen == [
        ("validating", 0, 0),
        ("in_progress", 0, 2),
        ("in_progress", 1, 2),
        ("finalizing", 2, 2),
        ("completed", 2, 2),
    ]


def test_54_times_follow_the_states(api: Any) -> None:
    batch = api.ended(api.batch(9))
    times = [batch[f"{name}_at"] for name in ("created", "in_progress", "finalizing", "completed", "expires")]
    assert times == sorted(times)
    assert 5 <= batch["in_progress_at"] - batch["created_at"] <= 57
    assert batch["completed_at"] - batch["finalizing_at"] in (2, 3)
    assert [batch[f"{name}_at"] for name in ("failed", "expired", "cancelling", "cancelled")] == [None] * 4


def test_55_file_ids_are_null_until_the_end(api: Any) -> None:
    seen = api.polled(api.batch(3), lambda batch: batch["status"] == "completed")
    for batch in seen[:-1]:
        assert (batch["output_file_id"], batch["error_file_id"], batch["usage"], batch["model"]) == (None,) * 4
    assert seen[-1]["output_file_id"].startswith("file-")


@pytest.mark.parametrize(("no_error_file", "wanted"), [("null", None), ("blank", "")])
def test_56_a_batch_without_failures_has_no_error_file(
    simulator: SimulatorServer, api: Any, no_error_file: Any, wanted: str | None
) -> None:
    simulator.behaviour = Behaviour(no_error_file=no_error_file)
    assert api.ended(api.batch(2))["error_file_id"] == wanted


def test_56_the_error_file_may_be_an_empty_one(simulator: SimulatorServer, api: Any) -> None:
    simulator.behaviour = Behaviour(no_error_file="empty_file")
    batch = api.ended(api.batch(2))
    assert api.content(batch["error_file_id"]) == b""
    assert api.get(f"/v1/files/{batch['error_file_id']}")["bytes"] == 0


def test_57_a_batch_of_failures_is_completed_without_output(api: Any, line: Any) -> None:
    batch = failing(api, line, 9, 9)
    assert batch["status"] == "completed"
    assert batch["output_file_id"] is None
    assert batch["request_counts"] == {"total": 9, "completed": 0, "failed": 9}
    assert len(api.lines(batch["error_file_id"])) == 9


def test_58_a_mixed_batch_has_both_files(client: openai.OpenAI, api: Any, line: Any) -> None:
    batch = failing(api, line, 2, 1)
    output, errors = api.results(batch)
    assert (set(output), set(errors)) == ({"line-1"}, {"line-0"})
    assert batch["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
    assert client.batches.retrieve(batch["id"]).output_file_id == batch["output_file_id"]


def test_59_counts_may_be_wrong_while_the_files_are_right(simulator: SimulatorServer, api: Any) -> None:
    def lost(exchange: Exchange, reply: HttpReply) -> HttpReply:
        if exchange.call == "batches.retrieve" and reply.body["status"] == "completed":
            counts = {"total": 10, "completed": 10, "failed": 0}
            reply = HttpReply(200, {**reply.body, "request_counts": counts}, headers=reply.headers)
        return reply

    simulator.faults.fail_lines("Question [0-3]:", status_code=0, code="lost", message="")
    simulator.intercept(changed(lost))
    batch = api.ended(api.batch(10))
    output, errors = api.results(batch)
    assert batch["request_counts"] == {"total": 10, "completed": 10, "failed": 0}
    assert (len(output), len(errors)) == (6, 4)
    assert {line["response"]["status_code"] for line in errors.values()} == {0}


@pytest.mark.parametrize("endpoint", [CHAT, RESPONSES, EMBEDDINGS])
def test_60_an_ended_batch_has_usage_and_a_dated_model(
    simulator: SimulatorServer, api: Any, line: Any, endpoint: str
) -> None:
    model = {} if endpoint == EMBEDDINGS else {"model": MODEL}
    batch = api.ended(api.batch([line(number, endpoint, **model) for number in range(3)], endpoint))
    bodies = [answer["response"]["body"] for answer in api.lines(batch["output_file_id"]).values()]
    assert {batch["model"]} == {body["model"] for body in bodies}
    assert batch["model"] == ("text-embedding-3-small" if endpoint == EMBEDDINGS else SNAPSHOT)
    usage = batch["usage"]
    assert usage["total_tokens"] == sum(body["usage"]["total_tokens"] for body in bodies)
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    reasoning = usage["output_tokens_details"]["reasoning_tokens"]
    assert (reasoning > 0) is (endpoint != EMBEDDINGS)
    assert reasoning <= usage["output_tokens"]
    assert usage["input_tokens_details"] == {"cached_tokens": 0}
    assert usage["total_tokens"] == sum(execution.tokens for execution in simulator.ledger.executions)


def test_60_batches_of_old_had_no_usage(simulator: SimulatorServer, api: Any) -> None:
    simulator.behaviour = Behaviour(usage=False)
    assert api.ended(api.batch(1))["usage"] is None


def test_61_a_batch_expires_after_a_day_with_what_is_done(simulator: SimulatorServer, api: Any) -> None:
    simulator.behaviour = Behaviour(line_seconds=(1e9, 1e9), longest_run=1 / 0.6, validating_seconds=(0, 0))
    batch = api.ended(api.batch(10))
    output, errors = api.results(batch)
    assert batch["status"] == "expired"
    assert batch["expired_at"] == batch["expires_at"] == batch["created_at"] + 86_400
    assert (len(output), len(errors)) == (6, 4)
    assert batch["request_counts"] == {"total": 10, "completed": 6, "failed": 0}
    for line in errors.values():
        assert line["response"] is None
        assert line["error"] == {
            "code": "batch_expired",
            "message": "This request could not be executed before the completion window expired.",
        }
    assert sum(simulator.ledger.billed().values()) == 6
    assert batch["usage"]["total_tokens"] == sum(execution.tokens for execution in simulator.ledger.executions)


def test_62_an_expired_batch_may_hold_server_errors(simulator: SimulatorServer, api: Any) -> None:
    message = "An error occurred while processing your request. You can retry your request."
    simulator.faults.fail_lines("Question", status_code=500, code="server_error", message=message)
    simulator.faults.expire_next_batch(after=3)
    batch = api.ended(api.batch(5))
    output, errors = api.results(batch)
    ran = [line["response"] for line in errors.values() if line["response"]]
    assert (batch["status"], output, len(errors), len(ran)) == ("expired", {}, 5, 3)
    assert {(line["status_code"], line["body"]["error"]["message"]) for line in ran} == {(500, message)}
    assert batch["request_counts"] == {"total": 5, "completed": 0, "failed": 3}


def test_63_an_ended_batch_stays_as_it_is(simulator: SimulatorServer, api: Any) -> None:
    batch = api.ended(api.batch(2))
    simulator.forward(86_400)
    assert api.retrieve(batch) == batch
    assert api.get("/v1/batches")["data"] == [batch]


def test_64_result_files_are_gone_after_30_days(simulator: SimulatorServer, api: Any) -> None:
    batch = api.ended(api.batch(1))
    file = api.get(f"/v1/files/{batch['output_file_id']}")
    assert file["expires_at"] == file["created_at"] + 2_592_000
    simulator.forward(2_592_000)
    assert api.refused("GET", f"/v1/files/{batch['output_file_id']}/content")[0] == 404
    assert api.retrieve(batch)["output_file_id"] == batch["output_file_id"]


def test_64_a_batch_may_vanish(simulator: SimulatorServer, api: Any) -> None:
    def vanished(exchange: Exchange, reply: HttpReply) -> HttpReply:
        error = {"message": "No batch found", "type": "invalid_request_error", "param": None, "code": None}
        return HttpReply(404, {"error": error}, "error") if exchange.call == "batches.retrieve" else reply

    batch = api.ended(api.batch(1))
    simulator.intercept(changed(vanished))
    assert api.refused("GET", f"/v1/batches/{batch['id']}")[0] == 404


def test_65_finalizing_lasts_with_full_counts(simulator: SimulatorServer, api: Any) -> None:
    simulator.behaviour = Behaviour(finalizing_seconds=(1_000, 0))
    batch = api.status(api.batch(2), "finalizing")
    assert batch["request_counts"] == {"total": 2, "completed": 2, "failed": 0}
    assert batch["output_file_id"] is None
    completed = api.ended(batch)
    assert completed["completed_at"] - completed["finalizing_at"] == 1_000


def changed(change: Any) -> Any:
    """An interceptor that sends what `change(exchange, reply)` makes of each reply."""

    async def intercept(exchange: Exchange) -> None:
        await exchange.send(change(exchange, await exchange.handle(exchange)))

    return intercept
