"""Answers as text, for `batcheval show` and the report of a failing test."""

from __future__ import annotations

import pytest

from pytest_batcheval.report.answer_text import answered_text
from pytest_batcheval.wire.objects import Answer, Request, stored_answer

CALL = {"id": "c", "function": {"name": "look", "arguments": '{"a": 1}'}}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}, "hi"),
        ({"choices": [{"message": {"refusal": "no"}, "finish_reason": "stop"}]}, "refused: no"),
        (
            {"choices": [{"message": {"tool_calls": [CALL, CALL]}, "finish_reason": "tool_calls"}]},
            'calls look: {"a": 1}\ncalls look: {"a": 1}\n(finish_reason: tool_calls)',
        ),
        ({"choices": [{"message": {"content": ""}, "finish_reason": "length"}]}, "(empty)\n(finish_reason: length)"),
        ({"data": [{"embedding": [0.5]}]}, '{"data": [{"embedding": [0.5]}]}'),
        ({}, "(empty)"),
    ],
    ids=str,
)
def test_an_answer_is_shown_by_its_words_or_what_it_has_instead(body, text):
    assert answered_text(Answer(Request({"model": "m"}), "o", {"status_code": 200, "body": body})) == text


def test_a_stored_failure_is_shown_as_one():
    response = {"status_code": 200, "body": {"error": {"code": "server_error", "message": "busy"}}}
    found = stored_answer(Request({"model": "m"}), "o", response, "recording", "")
    assert answered_text(found) == "none: stored_failure (HTTP 200): server_error: busy"
