import json
from dataclasses import replace

import pytest

from pytest_batcheval import Answer, Answers, Request
from pytest_batcheval.errors import AnswerError
from pytest_batcheval.wire.endpoints import endpoint_of
from pytest_batcheval.wire.objects import RequestError

CHAT_BODY = {
    "model": "gpt-6-luna-2026-09-22",
    "choices": [{"message": {"content": "잠을 못 자요.", "refusal": None}, "finish_reason": "stop"}],
    "usage": {"total_tokens": 5},
}
RESPONSES_BODY = {
    "object": "response",
    "status": "completed",
    "output": [
        {"type": "reasoning", "summary": []},
        {"type": "message", "content": [{"type": "output_text", "text": "잠을 못 자요."}]},
    ],
}


def answer(body, status=200):
    return Answer(Request({"model": "m", "messages": []}), "o", {"status_code": status, "body": body})


@pytest.mark.parametrize("body", [CHAT_BODY, RESPONSES_BODY], ids=["chat", "responses"])
def test_text_and_finish_reason_of_both_endpoints(body):
    assert answer(body).text == "잠을 못 자요."
    assert answer(body).finish_reason == "stop"
    assert answer(body).refusal is None


def test_an_incomplete_response_reads_as_length():
    body = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "output": []}
    assert answer(body).finish_reason == "length"
    assert answer(body).text == ""


def test_a_refusal_is_an_answer_without_text():
    chat = {"choices": [{"message": {"content": None, "refusal": "no"}, "finish_reason": "stop"}]}
    responses = {"output": [{"content": [{"type": "refusal", "refusal": "no"}]}], "status": "completed"}
    assert [(a.text, a.refusal) for a in (answer(chat), answer(responses))] == [("", "no"), ("", "no")]


def test_json_of_text_that_is_none_names_the_answer():
    with pytest.raises(AnswerError, match=r"is not valid JSON .*잠을"):
        answer(CHAT_BODY).json()


def test_a_failed_answer_raises_its_cause():
    failed = Answer(Request({"model": "m"}), "o", error=RequestError("model_not_found", "no such model", 404))
    with pytest.raises(AnswerError, match=r"model_not_found \(HTTP 404\): no such model"):
        _ = failed.text


def test_the_line_of_a_request_is_the_official_one():
    request = Request({"model": "m", "messages": [{"content": "안녕"}]}, sample=2)
    line = json.loads(request.line())
    assert line == {
        "custom_id": request.custom_id,
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": request.body,
    }
    assert "안녕".encode() in request.line()


def test_samples_differ_in_key_and_not_in_body():
    one, two = (Request({"model": "m"}, sample=n) for n in (0, 1))
    assert one != two
    assert one.body == two.body
    assert one == Request({"model": "m"})


def test_endpoints_are_read_off_the_body():
    assert endpoint_of({"messages": []}) == "/v1/chat/completions"
    assert endpoint_of({"contents": []}) == "/v1beta/models:generateContent"
    assert endpoint_of({"input": ""}) == "/v1/responses"
    assert endpoint_of({"prompt": ""}) is None


def test_a_table_from_records_is_filtered_by_ids():
    rows = [{"persona": p, "question": q, "text": p + q} for p in "ab" for q in "xyz"]
    table = Answers.from_records(rows)
    assert [a.text for a in table.where(persona="b")] == ["bx", "by", "bz"]
    assert table.axis("question") == ["x", "y", "z"]
    assert len(table[1:3]) == 2
    assert repr(table) == "<Answers 6: persona × question>"


def test_a_record_without_text_is_named():
    with pytest.raises(ValueError, match=r"record 1 must have a `text` or an `error`"):
        Answers.from_records([{"text": "x"}, {"persona": "a"}])


@pytest.mark.parametrize(
    "body",
    [
        {"choices": None},
        {"choices": []},
        {"choices": ["x"]},
        {"choices": [None]},
        {"choices": [{"message": "x"}]},
        {"choices": {"message": {}}},
        {"output": ["x", {"content": "y"}, {"content": ["z"]}, {"content": [{"type": "output_text"}]}]},
        {"output": 3, "incomplete_details": "x", "usage": ["y"]},
        {},
    ],
    ids=str,
)
def test_a_body_of_any_shape_has_no_words_and_raises_nothing(body):
    odd = answer(body)
    assert (odd.text, odd.refusal, odd.finish_reason, odd.usage) == ("", None, None, {})


def test_a_repr_is_one_short_line():
    """pytest prints it with each failing assertion."""
    body = {"choices": [{"message": {"content": "가슴이 답답하고\n" * 9 + "\x1b[2J"}, "finish_reason": "stop"}]}
    request = Request({"model": "gpt-6-luna", "messages": [{"role": "user", "content": "x" * 9_000}]}, sample=2)
    key = request.custom_id[:12]
    assert repr(request) == f"<Request {key}… gpt-6-luna /v1/chat/completions sample 2>"
    answer = Answer(request, "o", {"status_code": 200, "body": body})
    shown = "'가슴이 답답하고 가슴이 답답하고 가슴이 답답하고 가슴이 답답하고 가슴이…'"
    assert repr(answer) == f"<Answer {key}…: {shown}>"
    known = replace(answer, cell={"persona": "independent-creative", "question": "complaint"})
    assert repr(known) == f"<Answer independent-creative × complaint: {shown}>"
    failed = replace(known, error=RequestError("server_error", "no\nluck", 500))
    assert repr(failed) == "<Answer independent-creative × complaint: failed, 'server_error (HTTP 500): no luck'>"
    assert known == answer
    hostile = Answer(
        request, "o", {"status_code": 200, "body": {"choices": [{"message": {"content": "\x1b[2J\u202e"}}]}}
    )
    assert "\x1b" not in repr(hostile)
    assert "\u202e" not in repr(hostile)


def test_the_repr_of_a_table_and_its_rows():
    table = Answers.from_records({"persona": "calm", "question": "sleep", "text": f"well {n}"} for n in range(1_234))
    assert repr(table) == "<Answers 1,234: persona × question>"
    assert repr(table.rows[0]) == "<Row calm × sleep sample 0: <Answer calm × sleep: 'well 0'>>"
    assert repr(Answers([])) == "<Answers 0>"
