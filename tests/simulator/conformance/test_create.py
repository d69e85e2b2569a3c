"""Cases 21 to 38: creating batches."""

from __future__ import annotations

import json
import re
from typing import Any

import openai
import pytest

from pytest_batcheval.simulator.api_keys import KeyRing
from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.ids import EPOCH
from pytest_batcheval.simulator.server import SimulatorServer

CHAT = "/v1/chat/completions"
DAY = 86_400


def asked(**changes: Any) -> dict[str, Any]:
    """The body of a create, with changes; a value of `...` takes the name away."""
    usual = {"input_file_id": "file-abc", "endpoint": CHAT, "completion_window": "24h", **changes}
    return {name: value for name, value in usual.items() if value is not ...}


def test_21_a_create_gives_a_validating_batch(client: openai.OpenAI, api: Any, line: Any) -> None:
    file_id = api.upload([line(1)])
    batch = client.batches.create(
        input_file_id=file_id, endpoint=CHAT, completion_window="24h", metadata={"purpose": "test"}
    )
    assert json.loads(batch.model_dump_json(exclude={"id"})) == {
        "object": "batch",
        "endpoint": CHAT,
        "model": None,
        "errors": None,
        "input_file_id": file_id,
        "completion_window": "24h",
        "status": "validating",
        "output_file_id": None,
        "error_file_id": None,
        "created_at": EPOCH,
        "in_progress_at": None,
        "expires_at": EPOCH + DAY,
        "finalizing_at": None,
        "completed_at": None,
        "failed_at": None,
        "expired_at": None,
        "cancelling_at": None,
        "cancelled_at": None,
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "usage": None,
        "metadata": {"purpose": "test"},
    }


def test_22_an_id_begins_with_the_second_of_creation(api: Any) -> None:
    batch = api.batch(1)
    assert re.fullmatch("batch_[0-9a-f]{32}", batch["id"])
    assert int(batch["id"][6:14], 16) == batch["created_at"]
    (line,) = api.lines(api.ended(batch)["output_file_id"]).values()
    assert re.fullmatch("batch_req_[0-9a-f]{32}", line["id"])


def test_23_input_file_id_is_required(api: Any) -> None:
    status, error = api.refused("POST", "/v1/batches", json=asked(input_file_id=...))
    assert status == 400
    assert error == {
        "message": "Missing required parameter: 'input_file_id'.",
        "type": "invalid_request_error",
        "param": "input_file_id",
        "code": "missing_required_parameter",
    }


@pytest.mark.parametrize("name", ["endpoint", "completion_window"])
def test_24_endpoint_and_window_are_required(api: Any, name: str) -> None:
    status, error = api.refused("POST", "/v1/batches", json=asked(**{name: ...}))
    assert status == 400
    assert error == {
        "message": f"Missing required parameter: '{name}'.",
        "type": "invalid_request_error",
        "param": name,
        "code": "missing_required_parameter",
    }


def test_25_an_unknown_endpoint_is_refused(api: Any) -> None:
    status, error = api.refused("POST", "/v1/batches", json=asked(endpoint="/v1/invalid/endpoint"))
    assert status == 400
    assert error["message"].startswith("Invalid value: '/v1/invalid/endpoint'. Supported values are: '")
    assert (error["param"], error["code"]) == ("endpoint", "invalid_value")


@pytest.mark.parametrize("code", ["invalid_value", "invalid_window"])
@pytest.mark.parametrize("window", ["1h", "48h", "invalid", ""])
def test_26_another_window_is_refused(simulator: SimulatorServer, api: Any, window: str, code: str) -> None:
    if code != "invalid_value":
        simulator.behaviour = Behaviour(codes={"completion_window": code})
    status, error = api.refused("POST", "/v1/batches", json=asked(completion_window=window))
    assert (status, error["param"], error["code"]) == (400, "completion_window", code)


def test_27_metadata_values_are_strings(api: Any) -> None:
    status, error = api.refused("POST", "/v1/batches", json=asked(metadata={"tags": ["a"]}))
    assert status == 400
    assert error == {
        "message": "Invalid type for 'metadata.tags': expected a string, but got an array instead.",
        "type": "invalid_request_error",
        "param": "metadata.tags",
        "code": "invalid_type",
    }


@pytest.mark.parametrize("own_codes", [False, True])
@pytest.mark.parametrize(
    ("metadata", "situation", "code"),
    [
        ({f"k{n}": "v" for n in range(17)}, "metadata_pairs", "object_above_max_properties"),
        ({"k" * 65: "v"}, "metadata_length", "string_above_max_length"),
        ({"k": "v" * 513}, "metadata_length", "string_above_max_length"),
    ],
)
def test_28_metadata_has_limits(
    simulator: SimulatorServer, api: Any, metadata: dict[str, str], situation: str, code: str, own_codes: bool
) -> None:
    if own_codes:
        simulator.behaviour = Behaviour(codes={situation: "too_much"})
    status, error = api.refused("POST", "/v1/batches", json=asked(metadata=metadata))
    assert (status, error["type"]) == (400, "invalid_request_error")
    assert error["param"].startswith("metadata")
    assert error["code"] == ("too_much" if own_codes else code)


def test_28_metadata_up_to_the_limits_is_kept(api: Any) -> None:
    metadata = {f"{n:02}" + "k" * 62: "v" * 512 for n in range(16)}
    assert api.retrieve(api.batch(1, metadata=metadata))["metadata"] == metadata


def test_29_an_unknown_file_fails_the_batch_later(api: Any) -> None:
    created = api.create("file-of-nobody")
    assert created["status"] == "validating"
    failed = api.ended(created)
    assert failed["status"] == "failed"
    assert failed["errors"] == {
        "object": "list",
        "data": [
            {
                "code": "invalid_request",
                "line": None,
                "message": "Cannot find file file-of-nobody, or organization org-simulator does not have access to it.",
                "param": "file_id",
            }
        ],
    }


def test_30_an_unknown_file_may_be_refused_at_once(simulator: SimulatorServer, api: Any) -> None:
    simulator.behaviour = Behaviour(unknown_file="refused")
    status, error = api.refused("POST", "/v1/batches", json=asked())
    assert status == 400
    assert error["message"] == "Cannot find file file-abc, or project proj-simulator does not have access to it."
    assert (error["param"], error["code"]) == ("file_id", None)
    assert api.ended(api.batch(1))["status"] == "completed"


def test_31_an_input_file_that_is_deleted_at_once_fails_the_batch(simulator: SimulatorServer, api: Any) -> None:
    batch = api.batch(1)
    api.delete(f"/v1/files/{batch['input_file_id']}")
    failed = api.ended(batch)
    (error,) = failed["errors"]["data"]
    assert failed["status"] == "failed"
    assert (error["code"], error["param"], error["line"]) == ("invalid_request", "file_id", None)
    assert error["message"].startswith(f"Cannot find file {batch['input_file_id']}")
    assert simulator.ledger.executions == []


def test_31_an_input_file_that_is_deleted_later_is_read_to_its_end(api: Any) -> None:
    batch = api.status(api.batch(4), "in_progress")
    api.delete(f"/v1/files/{batch['input_file_id']}")
    assert api.ended(batch)["request_counts"] == {"total": 4, "completed": 4, "failed": 0}


def test_32_a_file_of_another_purpose_is_refused_or_fails(simulator: SimulatorServer, api: Any, line: Any) -> None:
    file_id = api.upload([line(1)], purpose="user_data")
    status, error = api.refused("POST", "/v1/batches", json=asked(input_file_id=file_id))
    assert (status, error["param"]) == (400, "input_file_id")
    assert "'user_data'" in error["message"]
    simulator.behaviour = Behaviour(wrong_purpose="failed")
    failed = api.ended(api.create(file_id))
    assert [fault["param"] for fault in failed["errors"]["data"]] == ["file_id"]


def test_33_output_expires_after_counts_from_the_files_own_creation(
    simulator: SimulatorServer, client: openai.OpenAI, api: Any, line: Any
) -> None:
    simulator.faults.fail_lines("Question 1:", status_code=400)
    batch = client.batches.create(
        input_file_id=api.upload([line(0), line(1)]),
        endpoint=CHAT,
        completion_window="24h",
        output_expires_after={"anchor": "created_at", "seconds": 3600},
    )
    ended = api.ended({"id": batch.id, "status": "validating"})
    for name in ("output_file_id", "error_file_id"):
        file = api.get(f"/v1/files/{ended[name]}")
        assert file["created_at"] >= ended["completed_at"] > batch.created_at
        assert file["expires_at"] == file["created_at"] + 3600


@pytest.mark.parametrize("code", ["invalid_value", "out_of_range"])
@pytest.mark.parametrize(
    ("expiry", "param"),
    [
        ({"anchor": "created_at", "seconds": 3599}, "output_expires_after.seconds"),
        ({"anchor": "created_at", "seconds": 2_592_001}, "output_expires_after.seconds"),
        ({"anchor": "completed_at", "seconds": 3600}, "output_expires_after.anchor"),
    ],
)
def test_33_an_output_expiry_out_of_range_is_refused(
    simulator: SimulatorServer, api: Any, expiry: dict[str, Any], param: str, code: str
) -> None:
    if code != "invalid_value":
        simulator.behaviour = Behaviour(codes={"output_expires_after": code})
    status, error = api.refused("POST", "/v1/batches", json=asked(output_expires_after=expiry))
    assert (status, error["param"], error["code"]) == (400, param, code)


def test_34_two_creates_of_one_file_are_two_bills(simulator: SimulatorServer, api: Any, line: Any) -> None:
    file_id = api.upload([line(1)])
    first, second = api.create(file_id), api.create(file_id)
    assert first["id"] != second["id"]
    assert {api.ended(first)["status"], api.ended(second)["status"]} == {"completed"}
    assert simulator.ledger.executed("line-1") == 2
    assert list(simulator.ledger.billed().values()) == [2]


@pytest.mark.parametrize("honoured", [False, True])
def test_35_an_idempotency_key_is_ignored_unless_it_is_honoured(
    simulator: SimulatorServer, client: openai.OpenAI, api: Any, line: Any, honoured: bool
) -> None:
    if honoured:
        simulator.behaviour = Behaviour(idempotency_key="honoured")
    file_id = api.upload([line(1)])

    def create(key: str) -> str:
        return client.batches.create(
            input_file_id=file_id, endpoint=CHAT, completion_window="24h", extra_headers={"Idempotency-Key": key}
        ).id

    ids = [create("one"), create("one"), create("two")]
    assert len(set(ids)) == (2 if honoured else 3)
    assert (ids[0] == ids[1]) is honoured


@pytest.mark.sampled
def test_36_the_2001st_create_within_an_hour_is_a_429(simulator: SimulatorServer, api: Any, line: Any) -> None:
    simulator.faults.hold_batches()
    file_id = api.upload([line(1)])
    for _ in range(2_000):
        api.create(file_id)
    response = api.request("POST", "/v1/batches", json=asked(input_file_id=file_id))
    assert response.status_code == 429
    assert response.json()["error"]["code"] == "rate_limit_exceeded"
    assert response.headers["retry-after"] == "3600"


def test_36_creates_are_limited_per_project_and_free_again_after_an_hour(
    simulator: SimulatorServer, api: Any, api_of: Any
) -> None:
    simulator.behaviour = Behaviour(creates_per_hour=2)
    simulator.faults.hold_batches()
    created = api.batch(1)
    simulator.forward(1_800)
    file_id = created["input_file_id"]
    api.create(file_id)
    response = api.request("POST", "/v1/batches", json=asked(input_file_id=file_id))
    assert (response.status_code, response.headers["retry-after"]) == (429, "1800")
    assert api_of("another").batch(1)["status"] == "validating"
    assert api.create(file_id)["created_at"] >= created["created_at"] + 3_600


def test_37_a_quota_that_is_gone_is_a_429(simulator: SimulatorServer, client: openai.OpenAI, body: Any) -> None:
    entry = {"key": "key-one", "project": "poor", "insufficient_quota": True}
    simulator.keys = KeyRing.from_data({"keys": [entry]})
    calls = (
        lambda: client.chat.completions.create(**body(CHAT, "Hello")),
        lambda: client.batches.create(input_file_id="file-abc", endpoint=CHAT, completion_window="24h"),
    )
    for call in calls:
        with pytest.raises(openai.RateLimitError) as refusal:
            call()
        assert refusal.value.code == refusal.value.type == "insufficient_quota"
        assert "retry-after" not in refusal.value.response.headers


def test_38_tokens_over_the_queue_fail_the_batch(simulator: SimulatorServer, api: Any, line: Any) -> None:
    limits = {"p": {"enqueued_tokens": {"gpt-6.1-terra": 2_000_000, "gpt-6-luna": 20}}}
    keys = [{"key": "key-one", "project": "p"}, {"key": "key-two", "project": "other"}]
    simulator.keys = KeyRing.from_data({"keys": keys, "projects": limits})
    first = api.status(api.batch([line(1)]), "in_progress")
    failed = api.ended(api.batch([line(number) for number in range(3)]))
    assert failed["status"] == "failed"
    assert failed["errors"]["data"] == [
        {
            "code": "token_limit_exceeded",
            "line": None,
            "param": None,
            "message": "Enqueued token limit reached for gpt-6-luna in organization org-simulator. Limit: 20 enqueued "
            "tokens. Please try again once some in_progress batches have been completed.",
        }
    ]
    api.ended(first)
    assert api.ended(api.batch([line(1), line(2)]))["status"] == "completed"
    large = [line(number, model="gpt-6.1-terra") for number in range(50)]
    assert api.ended(api.batch(large))["status"] == "completed"
    assert simulator.ledger.executed("line-0") == 1
