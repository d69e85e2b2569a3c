"""What the outcome of an individual call means, reply by reply."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batcheval.backends.calls import CallReply
from pytest_batcheval.backends.errors import Refused, Stopped, TransientFailure, UnknownOutcome
from pytest_batcheval.engine.call_outcome import UNKNOWN_OUTCOME, Busy, call_outcome
from pytest_batcheval.journal.rows import AnswerRow, FailureRow

KEY, OTHER = "a" * 40, "b" * 40
USAGE = {"prompt_tokens": 12, "completion_tokens": 34}


def reply(status, body, **more):
    return CallReply(status, body if isinstance(body, bytes) else json.dumps(body).encode(), "req_1", **more)


def error(code="x", message="words", param=None):
    return {"error": {"message": message, "type": code, "param": param, "code": code}}


def kind(verdict):
    """`answer`, `unknown`, `passing`, `final`, `busy`, `stop` in one word."""
    if isinstance(verdict, AnswerRow):
        return "answer"
    if isinstance(verdict, Busy):
        return "busy"
    if isinstance(verdict, Refused):
        return "stop"
    if verdict.code == UNKNOWN_OUTCOME:
        return "unknown"
    return "passing" if verdict.retryable else "final"


def test_an_answer_is_the_response_of_a_line():
    row = call_outcome(KEY, reply(200, {"choices": [{"message": {"content": "fine"}}], "usage": USAGE, "seed": 2**70}))
    assert json.loads(row.response) == {
        "status_code": 200,
        "request_id": "req_1",
        "body": {"choices": [{"message": {"content": "fine"}}], "usage": USAGE, "seed": 2**70},
    }
    assert (row.key, row.line_id, row.input_tokens, row.output_tokens) == (KEY, "req_1", 12, 34)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"choices": [{"message": {"content": "x"}}]}, "answer"),
        (200, {}, "final"),
        (200, [], "final"),
        (200, b"", "unknown"),
        (200, b"<html>", "unknown"),
        (200, b'{"a": ', "unknown"),
        (200, b'{"choices": [{"message": {"content": NaN}}]}', "unknown"),
        (200, b'{"choices": [{"message": {"content": "x"}, "logprobs": -Infinity}]}', "answer"),
        (200, b'{"choices": [{"message": {"content": "\\ud800"}}]}', "answer"),
        (200, b'{"choices": [{"message": {"content": "\xff"}}]}', "answer"),
        (200, b'{"choices": [{"message": {"c\xff": "x"}}]}', "unknown"),
        (200, {"choices": []}, "final"),
        (200, error("server_error"), "passing"),
        (200, error("overloaded_error"), "passing"),
        (200, error("invalid_prompt"), "final"),
        (200, error("insufficient_quota"), "stop"),
        (200, {"object": "response", "status": "queued", "output": []}, "final"),
        (200, b"[" * 5000, "unknown"),
        (200, b'{"a": ' * 150 + b"1" + b"}" * 150, "unknown"),
        (204, b"", "unknown"),
        (301, b"", "stop"),
        (400, error("context_length_exceeded"), "final"),
        (400, b"<html>", "final"),
        (401, error("invalid_api_key"), "stop"),
        (403, error("unsupported_country"), "stop"),
        (403, b"<html>", "stop"),
        (403, error("invalid", param="model"), "final"),
        (404, error("model_not_found"), "final"),
        (404, error("404", "The model `x` does not exist."), "final"),
        (404, error("", "Invalid URL"), "stop"),
        (408, error(), "unknown"),
        (409, error(), "passing"),
        (413, b"<html>", "final"),
        (422, error(), "final"),
        (429, error("rate_limit_exceeded"), "busy"),
        (429, b"slow down", "unknown"),
        (429, {"detail": "slow down"}, "unknown"),
        (429, {"error": "slow down"}, "unknown"),
        (429, {"error": {}}, "unknown"),
        (429, [error()], "unknown"),
        (429, error("insufficient_quota"), "stop"),
        (429, error("billing_hard_limit_reached"), "stop"),
        (500, error("server_error"), "passing"),
        (500, b"", "unknown"),
        (500, b"Internal Server Error", "unknown"),
        (409, b"<html>", "unknown"),
        (425, b"", "unknown"),
        (499, b"", "unknown"),
        (502, error("server_error"), "unknown"),
        (502, b"<html>", "unknown"),
        (503, error("overloaded"), "busy"),
        (503, b"<html>", "unknown"),
        (503, b"", "unknown"),
        (
            503,
            b"upstream connect error or disconnect/reset before headers. reset reason: connection termination",
            "unknown",
        ),
        (503, {"message": "Service Unavailable"}, "unknown"),
        (504, b"", "unknown"),
        (524, b"", "unknown"),
    ],
)
def test_each_status_has_its_meaning(status, body, expected):
    assert kind(call_outcome(KEY, reply(status, body))) == expected


def test_faults_have_theirs():
    assert kind(call_outcome(KEY, UnknownOutcome("ReadTimeout", "nothing came"))) == "unknown"
    busy = call_outcome(KEY, TransientFailure("ConnectError", "refused"))
    assert (kind(busy), busy.reached) == ("busy", False)


def test_a_refusal_keeps_its_pause_and_its_words():
    busy = call_outcome(KEY, reply(429, error("rate_limit_exceeded", "slow down"), retry_after=7.0))
    assert (busy.retry_after, busy.reached) == (7.0, True)
    assert (busy.failure.code, busy.failure.status_code, busy.failure.retryable) == ("rate_limit_exceeded", 429, True)
    stopped = call_outcome(KEY, reply(401, error("invalid_api_key", "no such key")))
    assert isinstance(stopped, Stopped)
    assert (stopped.status_code, stopped.request_id) == (401, "req_1")


def test_the_words_of_a_proxy_are_shown():
    words = b"upstream connect error\n\treset reason: connection termination sk-proj-0123456789abcdef"
    shown = call_outcome(KEY, reply(503, words)).message
    assert "HTTP 503" in shown
    assert "upstream connect error reset reason: connection termination sk-…" in shown
    assert len(call_outcome(KEY, reply(400, b"x" * 10**6)).message) < 400


def test_a_reply_cannot_pose_as_the_answer_to_another_request():
    escape = b'{}},"custom_id":"' + OTHER.encode() + b'","x":{"y":{}'
    assert call_outcome(KEY, reply(200, escape)).key == KEY
    assert kind(call_outcome(KEY, reply(200, escape))) == "unknown"


@given(st.integers(200, 599), st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
def test_no_reply_breaks_it(status, content):
    verdict = call_outcome(KEY, CallReply(status, content))
    assert isinstance(verdict, (AnswerRow, FailureRow, Busy, Refused))
    if isinstance(verdict, (AnswerRow, FailureRow)):
        assert verdict.key == KEY
