from __future__ import annotations

import json
from argparse import Namespace
from collections import Counter
from itertools import product

import pytest

from pytest_batcheval.cli import show
from pytest_batcheval.engine.retry import (
    LONGEST_MESSAGE,
    Retry,
    classify_failure,
    failure_of,
    pause_before,
    retry_of,
    retry_of_error,
)
from pytest_batcheval.engine.send import SendPolicy, send
from pytest_batcheval.errors import ProviderError
from pytest_batcheval.plugin.reports import RequestFailed
from pytest_batcheval.report.error_log import error_log
from pytest_batcheval.report.figures import Figures
from pytest_batcheval.wire.result_file import decode_line

BUSY = "The server had an error while processing your request."


@pytest.mark.parametrize(
    ("code", "message", "status", "expected"),
    [
        ("rate_limit_exceeded", "slow down", 429, Retry.TRANSIENT),
        ("rate_limit_exceeded", "slow down", None, Retry.TRANSIENT),
        ("server_error", BUSY, 500, Retry.TRANSIENT),
        ("http_502", "", 502, Retry.TRANSIENT),
        ("http_503", "", 503, Retry.TRANSIENT),
        ("http_504", "", 504, Retry.TRANSIENT),
        ("http_529", "overloaded", 529, Retry.TRANSIENT),
        ("http_408", "", 408, Retry.TRANSIENT),
        ("error", "", 0, Retry.TRANSIENT),
        ("batch_expired", "could not be executed", None, Retry.TRANSIENT),
        ("batch_cancelled", "was cancelled", None, Retry.TRANSIENT),
        ("request_timeout", "", None, Retry.TRANSIENT),
        ("error", "An error occurred while processing your request. You can retry.", None, Retry.TRANSIENT),
        ("error", BUSY, None, Retry.TRANSIENT),
        ("error", "An error occurred while processing your request.", 400, Retry.REFUSED),
        ("invalid_request_error", "bad", 400, Retry.REFUSED),
        ("context_length_exceeded", "too long", 400, Retry.REFUSED),
        ("content_filter", "filtered", 400, Retry.REFUSED),
        ("model_not_found", "no such model", 404, Retry.ACCESS),
        ("invalid_api_key", "no", 401, Retry.ACCESS),
        ("forbidden", "no", 403, Retry.ACCESS),
        ("http_200", "", 200, Retry.REFUSED),
        ("no_answer", "the body has no choices", 200, Retry.PAID),
        ("server_error", "", 200, Retry.TRANSIENT),
        ("error", BUSY, 200, Retry.TRANSIENT),
        ("429", "", 200, Retry.TRANSIENT),
        ("401", "", 200, Retry.ACCESS),
        ("429", "", 400, Retry.REFUSED),
        ("stored_failure", "server_error: busy", 200, Retry.STORED),
        ("error", "who knows", None, Retry.REFUSED),
        ("insufficient_quota", "no money", 429, Retry.QUOTA),
        ("billing_hard_limit", "no money", 429, Retry.QUOTA),
        ("billing_hard_limit_reached", "no money", 400, Retry.QUOTA),
    ],
)
def test_the_class_of_a_failed_line(code, message, status, expected):
    assert classify_failure(code, message, status) is expected


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
        ({"error": {}, "response": {"status_code": 200, "body": {}}}, "no_answer", "the body is empty", 200, False),
        ({"response": {"status_code": 200, "body": None}}, "no_answer", "the response has no body that is a JSON object", 200, False),
        ({"response": {"status_code": 400, "body": {"error": {"code": 7, "message": ["x"]}}}}, "7", "['x']", 400, False),
        ({"error": "rate_limit_exceeded"}, "rate_limit_exceeded", "rate_limit_exceeded", None, True),
        ({"error": "The model is overloaded."}, "error", "The model is overloaded.", None, False),
        ({"error": {"code": 429, "message": "slow down"}}, "429", "slow down", None, True),
        ({"error": {"code": 400, "message": "bad"}}, "400", "bad", None, False),
        ({"error": {"type": "server_error"}}, "server_error", "the provider gave no message", None, True),
        ({"error": "Rate limit exceeded."}, "error", "Rate limit exceeded.", None, True),
        ({"response": {"status_code": 200, "body": {"error": "Internal Server Error"}}}, "no_answer", "Internal Server Error", 200, True),
        ({"error": {"type": "error", "error": {"type": "overloaded_error", "message": "m"}}}, "overloaded_error", "m", None, True),
        ({"error": {"status": 503, "message": "m"}}, "503", "m", None, True),
        ({"error": {"message": "late"}, "response": {"status_code": 200, "body": {"choices": []}}}, "error", "late", 200, False),
        ({"error": True}, "error", "the provider gave no message", None, False),
        ({"response": {"status_code": 200, "body": {"error": {"code": 503}}}}, "503", "the provider gave no message", 200, True),
        ({"response": {"status_code": "503", "body": {"message": "busy", "code": "x"}}}, "x", "busy", 503, True),
        ({"response": {"status_code": 200, "body": {"object": "error", "type": "BadRequestError", "message": "m", "code": 400}}},
         "400", "m", 200, False),
        ({"response": {"status_code": 200, "body": {"type": "error", "error": {"type": "overloaded_error", "message": "m"}}}},
         "overloaded_error", "m", 200, True),
        ({"response": {"status_code": 200, "body": {"error": "no luck"}}}, "no_answer", "no luck", 200, False),
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


CODES = (
    "batch_cancelled", "batch_expired", "conflict", "content_filter", "context_length_exceeded", "error", "http_500",
    "invalid_request", "invalid_value", "lost", "model_not_found", "rate_limit_exceeded", "request_timeout",
    "server_error", "timeout", "unaccounted",
)  # fmt: skip
STATUSES = (None, 0, 400, 401, 403, 404, 408, 409, 413, 422, 425, 429, 500, 502, 503, 504, 529)


@pytest.mark.sampled
def test_the_engine_the_report_of_a_test_and_every_command_say_the_same_of_a_failure(
    provider, journal, clock, ask, monkeypatch, capsys
):
    """Every code with every status fails in one batch; then what was done is compared with what each place says."""
    kinds = list(product(CODES, STATUSES))
    requests = ask(len(kinds))
    kind_of = {request.custom_id: kind for request, kind in zip(requests, kinds, strict=True)}

    def line_of(key, run):
        code, status = kind_of[key]
        body = {"code": code, "message": f"{code} {status}"}
        return (None, body) if status is None else (status, {"error": body})

    provider.line_of = line_of
    with error_log(journal.reader, 2, lambda seen: None) as progress:
        send(requests, backend=provider, journal=journal, clock=clock, progress=progress, policy=SendPolicy(attempts=2))
    within, failures = Counter(provider.ledger), journal.reader.failures(requests, provider.origin)
    logged = {}
    for line in (journal.path.parent / "errors.jsonl").read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        logged.setdefault(event["custom_id"], []).append(event["done"])
    printed = Figures(journal.reader).errors()
    advised = {(error.code, error.status_code, error.retryable): error.next_step for error in printed}
    send(requests, backend=provider, journal=journal, clock=clock, policy=SendPolicy(attempts=1))
    for request in requests:
        key, error = request.custom_id, failures[request.custom_id]
        retry = classify_failure(error.code, error.message, error.status_code)
        assert retry_of_error(error).retryable is retry.retryable is error.retryable, error
        assert within[key] == (2 if retry.in_this_run else 1), error
        assert provider.ledger[key] - within[key] == retry.retryable, error
        advice = retry_of_error(error).value
        assert advice in str(RequestFailed(journal_answer(request, provider, error), "batcheval show"))
        assert advised[error.code, error.status_code, error.retryable] == advice
        assert logged[key] == (["sent again", "left to the next run"] if retry.in_this_run else [done_of(error)]), error
        show.run(Namespace(request=[key], journal=journal.path, cassettes=journal.path.parent / "none", json=False))
        assert advice in capsys.readouterr().out


def journal_answer(request, provider, error):
    from pytest_batcheval.wire.objects import Answer

    return Answer(request, provider.origin, error=error)


def done_of(error):
    return "lost" if retry_of_error(error) is Retry.PAID else "final"


@pytest.mark.sampled(2)
@pytest.mark.parametrize("code", ["insufficient_quota", "billing_hard_limit", "billing_hard_limit_reached"])
@pytest.mark.parametrize("status", [None, 400, 402, 403, 429])
def test_a_request_without_quota_stops_the_run_and_is_sent_by_the_next(provider, journal, clock, ask, code, status):
    body = {"code": code, "message": "no money"}
    provider.line_of = lambda key, run: (None, body) if status is None else (status, {"error": body})
    with pytest.raises(ProviderError, match="no quota"):
        send(ask(1), backend=provider, journal=journal, clock=clock, policy=SendPolicy(attempts=3))
    assert set(provider.ledger.values()) == {1}
    (error,) = journal.reader.failures(ask(1), provider.origin).values()
    assert retry_of_error(error) is Retry.QUOTA
    assert Figures(journal.reader).errors()[0].next_step == Retry.QUOTA.value
    with pytest.raises(ProviderError, match="no quota"):
        send(ask(1), backend=provider, journal=journal, clock=clock, policy=SendPolicy(attempts=3))
    assert set(provider.ledger.values()) == {2}


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("status", STATUSES)
def test_what_was_stored_is_not_overruled(code, status):
    """A journal of an older version keeps its decisions: the advice follows what the engine will do."""
    assert retry_of(code, status, True).retryable
    assert not retry_of(code, status, False).retryable
