"""The schemas of the wire: they know what is published, and both validators read them alike."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pytest_batcheval.simulator.batch.input_line_check import LINE_SCHEMAS, line_check, shape_problems, slow_line_check
from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.wire.schemas import NAMES, schema, validator

UPLOADED = {
    "id": "file-52voFe6FU6MWyAwa1Uj39R",
    "bytes": 170,
    "created_at": 1787176071,
    "filename": "bad_lines.jsonl",
    "object": "file",
    "purpose": "batch",
    "status": "processed",
    "expires_at": 1789768071,
    "status_details": None,
}
NULLABLE = ("model", "errors", "output_file_id", "error_file_id", "in_progress_at", "expires_at", "finalizing_at",
            "completed_at", "failed_at", "expired_at", "cancelling_at", "cancelled_at", "request_counts", "usage",
            "metadata")  # fmt: skip
BATCH = {
    "id": "batch_abc123",
    "object": "batch",
    "endpoint": "/v1/chat/completions",
    "input_file_id": "file-abc123",
    "completion_window": "24h",
    "status": "completed",
    "created_at": 1711471533,
}


@pytest.mark.parametrize("name", NAMES)
def test_every_schema_is_one(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))
    assert schema(name)["title"]
    assert schema(name)["$comment"], "where its facts are from"


def test_an_unknown_schema_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        schema("nothing")


def test_a_file_as_it_was_seen_is_valid() -> None:
    validator("file").validate(UPLOADED)
    validator("file-list").validate(
        {"object": "list", "data": [UPLOADED], "first_id": "a", "last_id": "a", "has_more": False}
    )
    assert not validator("file").is_valid({**UPLOADED, "purpose": "everything"})


def test_optional_names_of_a_batch_may_be_null_or_absent() -> None:
    validator("batch").validate(BATCH)
    validator("batch").validate({**BATCH, **dict.fromkeys(NULLABLE)})
    assert set(schema("batch")["properties"]) == {*BATCH, *NULLABLE}


@pytest.mark.parametrize("name", BATCH)
def test_required_names_of_a_batch_are_required(name: str) -> None:
    assert not validator("batch").is_valid({n: value for n, value in BATCH.items() if n != name})


@pytest.mark.parametrize(
    "change",
    [
        {"status": "done"},
        {"object": "job"},
        {"created_at": "now"},
        {"metadata": {"k": 1}},
        {"metadata": {"k": "v" * 513}},
        {"usage": {"input_tokens": 1}},
        {"request_counts": {"total": -1, "completed": 0, "failed": 0}},
    ],
)
def test_a_batch_with_wrong_values_is_invalid(change: dict[str, Any]) -> None:
    assert not validator("batch").is_valid({**BATCH, **change})


def test_references_between_schemas_are_followed() -> None:
    bad = {"object": "list", "data": [{**BATCH, "status": "done"}], "has_more": False}
    assert not validator("batch-list").is_valid(bad)


def test_a_result_line_has_a_response_or_an_error() -> None:
    response = {"status_code": 200, "request_id": "r", "body": {}}
    line = {"id": "batch_req_1", "custom_id": "a", "response": response, "error": None}
    validator("output-line").validate(line)
    validator("output-line").validate({**line, "response": None, "error": {"code": "batch_expired", "message": "m"}})
    assert not validator("output-line").is_valid({**line, "response": None})
    assert not validator("output-line").is_valid({**line, "error": {"code": "c", "message": "m"}})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
"""Any JSON."""


def _maybe(names: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """An object with some of these names, of which some have any value."""
    return st.fixed_dictionaries({}, optional={name: usual | JSON for name, usual in names.items()})


LINES = st.sampled_from(list(LINE_SCHEMAS)).flatmap(
    lambda endpoint: st.tuples(
        st.just(endpoint),
        JSON
        | _maybe(
            {
                "custom_id": st.just("a"),
                "method": st.just("POST"),
                "url": st.sampled_from(list(LINE_SCHEMAS)),
                "body": _maybe(
                    {
                        "model": st.just("gpt-6-luna"),
                        "messages": st.just([{"role": "user", "content": "Hello"}]),
                        "input": st.just("Hello"),
                        "stream": st.sampled_from([True, False, 0, 1, None]),
                    }
                ),
            }
        ),
    )
)


@given(LINES)
def test_both_validators_and_the_fault_finder_agree_on_lines(case: tuple[str, Any]) -> None:
    endpoint, line = case
    valid = slow_line_check(endpoint)(line)
    assert line_check(endpoint)(line) == valid
    assert jsonschema_rs.is_valid(schema(LINE_SCHEMAS[endpoint]), line) == valid
    if isinstance(line, dict):
        assert (not list(shape_problems(line, endpoint, 1, Behaviour()))) == valid


@pytest.mark.parametrize("endpoint", LINE_SCHEMAS)
def test_a_good_line_is_valid(endpoint: str, line: Any) -> None:
    assert line_check(endpoint)(line(1, endpoint))
    assert slow_line_check(endpoint)(line(1, endpoint))


def test_lines_are_checked_without_the_fast_validator(monkeypatch: pytest.MonkeyPatch, line: Any) -> None:
    monkeypatch.setitem(__import__("sys").modules, "jsonschema_rs", None)
    line_check.cache_clear()
    try:
        assert line_check("/v1/responses")(line(1, "/v1/responses"))
        assert not line_check("/v1/responses")(json.loads("{}"))
    finally:
        line_check.cache_clear()
