from __future__ import annotations

import json

import pytest

from pytest_batcheval.engine.retry import LONGEST_MESSAGE, failure_of, pause_before, verdict
from pytest_batcheval.wire.result_file import decode_line

BUSY = "The server had an error while processing your request."


@pytest.mark.parametrize(
    ("code", "message", "status", "expected"),
    [
        ("rate_limit_exceeded", "slow down", 429, "passing"),
        ("rate_limit_exceeded", "slow down", None, "passing"),
        ("server_error", BUSY, 500, "passing"),
        ("http_502", "", 502, "passing"),
        ("http_503", "", 503, "passing"),
        ("http_504", "", 504, "passing"),
        ("http_529", "overloaded", 529, "passing"),
        ("http_408", "", 408, "passing"),
        ("error", "", 0, "passing"),
        ("batch_expired", "could not be executed", None, "passing"),
        ("batch_cancelled", "was cancelled", None, "passing"),
        ("request_timeout", "", None, "passing"),
        ("error", "An error occurred while processing your request. You can retry.", None, "passing"),
        ("error", BUSY, None, "passing"),
        ("error", "An error occurred while processing your request.", 400, "final"),
        ("invalid_request_error", "bad", 400, "final"),
        ("context_length_exceeded", "too long", 400, "final"),
        ("content_filter", "filtered", 400, "final"),
        ("model_not_found", "no such model", 404, "final"),
        ("invalid_api_key", "no", 401, "final"),
        ("forbidden", "no", 403, "final"),
        ("http_200", "", 200, "final"),
        ("error", "who knows", None, "final"),
        ("insufficient_quota", "no money", 429, "stop"),
        ("billing_hard_limit", "no money", 429, "stop"),
        ("billing_hard_limit_reached", "no money", 400, "stop"),
    ],
)
def test_the_class_of_a_failed_line(code, message, status, expected):
    assert verdict(code, message, status) == expected


def line(**more):
    return decode_line(json.dumps({"custom_id": "k", "id": "r"} | more).encode())


@pytest.mark.parametrize(
    ("fields", "code", "message", "status", "retryable"),
    [
        (
            {"response": {"status_code": 400, "body": {"error": {"code": "bad", "message": "m", "type": "t"}}}},
            "bad",
            "m",
            400,
            False,
        ),
        ({"response": {"status_code": 500, "body": {"error": {"type": "t", "message": "m"}}}}, "t", "m", 500, True),
        ({"response": {"status_code": 503, "body": "busy"}}, "http_503", "the provider gave no message", 503, True),
        ({"response": {"status_code": 0, "request_id": "", "body": {}}}, "error", "the provider gave no message", 0, True),
        ({"error": {"code": "batch_expired", "message": "too late"}}, "batch_expired", "too late", None, True),
        ({"error": {"message": "m"}}, "error", "m", None, False),
        ({"error": {}, "response": {"status_code": 200, "body": {}}}, "http_200", "the provider gave no message", 200, False),
        ({"response": {"status_code": 200, "body": None}}, "http_200", "the provider gave no message", 200, False),
        ({"response": {"status_code": 400, "body": {"error": {"code": 7, "message": ["x"]}}}}, "7", "['x']", 400, False),
        ({}, "error", "the provider gave no message", None, False),
        ({"response": {"status_code": 429, "body": {"error": {"code": "insufficient_quota"}}}}, "insufficient_quota",
         "the provider gave no message", 429, True),
    ],
)  # fmt: skip
def test_a_failed_line_says_what_failed(fields, code, message, status, retryable):
    row = failure_of(line(**fields))
    assert (row.key, row.code, row.message, row.status_code, row.retryable) == ("k", code, message, status, retryable)


def test_a_long_message_is_cut():
    row = failure_of(line(error={"code": "c" * 10**6, "message": "x" * 10**6}))
    assert len(row.message) == len(row.code) == LONGEST_MESSAGE


def test_a_key_that_a_line_repeats_is_not_stored():
    key = "sk-proj-0123456789abcdef"
    row = failure_of(line(error={"code": key, "message": f"Incorrect API key provided: {key}."}))
    assert key not in f"{row.code} {row.message}"
    assert "Incorrect API key provided" in row.message


def test_the_second_attempt_comes_at_once_and_later_ones_after_ten_minutes():
    assert [pause_before(attempt) for attempt in range(1, 6)] == [0, 0, 600, 600, 600]
