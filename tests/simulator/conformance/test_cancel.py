"""Cases 73 to 77: cancelling."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.server import SimulatorServer


@pytest.mark.parametrize("status", ["validating", "in_progress"])
def test_73_an_open_batch_is_cancelling_at_once(client: openai.OpenAI, api: Any, status: str) -> None:
    batch = client.batches.cancel(api.status(api.batch(2), status)["id"])
    assert batch.status == "cancelling"
    assert batch.cancelling_at is not None
    assert batch.cancelled_at is None
    assert (batch.output_file_id, batch.error_file_id) == (None, None)


@pytest.mark.parametrize("cancelled_lines", ["error_file", "absent"])
def test_74_then_it_is_cancelled_with_what_is_done(simulator: SimulatorServer, api: Any, cancelled_lines: Any) -> None:
    simulator.behaviour = Behaviour(cancelled_lines=cancelled_lines, codes={"cancelled_line": "stopped"})
    half = api.polled(api.batch(8), lambda batch: batch["request_counts"]["completed"] == 4)[-1]
    batch = api.ended(api.cancel(half))
    output, errors = api.results(batch)
    assert batch["status"] == "cancelled"
    assert batch["cancelled_at"] == batch["cancelling_at"] + 600
    assert batch["request_counts"] == {"total": 8, "completed": 4, "failed": 0}
    assert len(output) == 4
    if cancelled_lines == "absent":
        assert batch["error_file_id"] is None
    else:
        assert {(line["response"], line["error"]["code"]) for line in errors.values()} == {(None, "stopped")}
        assert len(errors) == 4
    assert sum(simulator.ledger.billed().values()) == 4


def test_74_the_usual_code_of_a_line_that_was_not_run(api: Any) -> None:
    batch = api.ended(api.cancel(api.status(api.batch(2), "in_progress")))
    assert {line["error"]["code"] for line in api.lines(batch["error_file_id"]).values()} == {"batch_cancelled"}


@pytest.mark.parametrize("billed", [True, False])
def test_74_finished_lines_are_billed_unless_told_otherwise(simulator: SimulatorServer, api: Any, billed: bool) -> None:
    simulator.behaviour = Behaviour(bill_cancelled=billed)
    half = api.polled(api.batch(8), lambda batch: batch["request_counts"]["completed"] == 4)[-1]
    batch = api.ended(api.cancel(half))
    assert sum(simulator.ledger.billed().values()) == (4 if billed else 0)
    assert (batch["usage"]["total_tokens"] > 0) is billed
    assert len(api.lines(batch["output_file_id"])) == 4


def test_74_a_batch_that_is_cancelled_before_it_runs_leaves_no_files(simulator: SimulatorServer, api: Any) -> None:
    batch = api.ended(api.cancel(api.batch(3)))
    assert batch["status"] == "cancelled"
    assert (batch["output_file_id"], batch["error_file_id"]) == (None, None)
    assert batch["request_counts"] == {"total": 0, "completed": 0, "failed": 0}
    assert simulator.ledger.executions == []


def test_75_cancelling_again_changes_nothing(api: Any) -> None:
    first = api.cancel(api.status(api.batch(2), "in_progress"))
    assert api.cancel(first) == first
    ended = api.ended(first)
    assert api.cancel(ended) == ended


@pytest.mark.parametrize("status", ["completed", "failed", "expired"])
def test_76_an_ended_batch_cannot_be_cancelled(
    simulator: SimulatorServer, client: openai.OpenAI, api: Any, status: str
) -> None:
    if status == "expired":
        simulator.faults.expire_next_batch(after=1)
    batch = api.ended(api.batch(2) if status != "failed" else api.create("file-of-nobody"))
    assert batch["status"] == status
    with pytest.raises(openai.ConflictError) as refusal:
        client.batches.cancel(batch["id"])
    assert refusal.value.response.json() == {
        "error": {
            "message": f"Cannot cancel a batch with status '{status}'.",
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        }
    }
    assert api.retrieve(batch) == batch


def test_77_an_unknown_batch_cannot_be_cancelled(api: Any) -> None:
    status, error = api.refused("POST", "/v1/batches/batch_0/cancel")
    assert status == 404
    assert error["message"].startswith("No batch found")


@pytest.mark.parametrize("outcome", ["refused", "accepted"])
def test_77_a_cancel_while_finalizing_has_either_outcome(simulator: SimulatorServer, api: Any, outcome: Any) -> None:
    simulator.behaviour = Behaviour(cancel_finalizing=outcome)
    batch = api.status(api.batch(2), "finalizing")
    if outcome == "refused":
        assert api.refused("POST", f"/v1/batches/{batch['id']}/cancel")[0] == 409
        assert api.ended(batch)["status"] == "completed"
    else:
        ended = api.ended(api.cancel(batch))
        assert (ended["status"], ended["request_counts"]["completed"]) == ("cancelled", 2)
        assert len(api.lines(ended["output_file_id"])) == 2
