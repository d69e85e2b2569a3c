"""Bodies of every endpoint: which are answers, and what is read from them."""

from __future__ import annotations

import base64
import json
import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batcheval import Answer, Request
from pytest_batcheval.errors import AnswerError
from pytest_batcheval.wire.bodies import FORMS, failure_in
from pytest_batcheval.wire.bodies.form import ToolCall
from pytest_batcheval.wire.endpoints import CHAT, EMBEDDINGS, GENERATE, RESPONSES
from pytest_batcheval.wire.objects import stored_answer

MESSAGES, COMPLETIONS, MODERATIONS = "/v1/messages", "/v1/completions", "/v1/moderations"
OK = {"role": "assistant", "content": "ok"}


def answer(body, url=CHAT):
    return Answer(Request({"model": "m"}, url), "o", {"status_code": 200, "body": body})


def chat(message=None, **choice):
    return {"object": "chat.completion", "choices": [{"index": 0, "message": message, **choice}]}


def response(*output, **more):
    return {"object": "response", "status": "completed", "error": None, "output": list(output), **more}


def said(text, **more):
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}], **more}


def message(*content, **more):
    return {"type": "message", "role": "assistant", "content": list(content), "stop_reason": "end_turn", **more}


def candidate(*parts, reason="STOP", **more):
    return {"candidates": [{"content": {"parts": list(parts), "role": "model"}, "finishReason": reason, **more}]}


BLOCKED = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 5}}
THOUGHT = {"text": "Hm.", "thought": True}
CALLED = {"functionCall": {"id": "c", "name": "look", "args": {"a": 1}}}


def vectors(*found):
    return {"object": "list", "data": [{"index": n, "embedding": each} for n, each in enumerate(found)]}


REASONING = {"type": "reasoning", "summary": []}
CALL = {"id": "c", "type": "function", "function": {"name": "look", "arguments": '{"a": 1}'}}

FAILURES = [
    # whatever the endpoint
    ({}, "", "no_answer"),
    (None, "", "no_answer"),
    ("busy", CHAT, "no_answer"),
    ([], CHAT, "no_answer"),
    ({"error": {"code": "server_error", "message": "m"}}, "", "server_error"),
    ({"error": {"code": None, "type": "invalid_prompt"}}, "", "invalid_prompt"),
    ({"error": "rate_limit_exceeded"}, "", "rate_limit_exceeded"),
    ({"error": {"code": 502, "message": "m"}}, "", "502"),
    ({**chat(OK), "error": {"code": "overloaded"}}, CHAT, "overloaded"),
    ({"object": "error", "message": "m", "type": "BadRequestError", "code": 400}, "", "400"),
    ({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}, MESSAGES, "overloaded_error"),
    ({"model": "m", "messages": [{"role": "user", "content": "hi"}]}, "", "no_answer"),
    ({"model": "m", "input": "hi"}, "", "no_answer"),
    ({"model": "m", "prompt": "hi"}, "", "no_answer"),
    # chat
    ({"choices": []}, CHAT, "no_answer"),
    ({"choices": None}, CHAT, "no_answer"),
    ({"choices": {}}, "", "no_answer"),
    ({"choices": [None, "x"]}, "", "no_answer"),
    ({"choices": [{}]}, "", "no_answer"),
    ({"id": "x", "model": "m", "usage": {}}, CHAT, "no_answer"),
    (chat(None), "", "no_answer"),
    (chat({}), "", "no_answer"),
    (chat({"role": "assistant", "content": None}, finish_reason="stop"), "", "no_answer"),
    (chat(OK, finish_reason="error"), "", "no_answer"),
    (chat({"content": None, "tool_calls": None, "prefix": False}, finish_reason="stop"), CHAT, "no_answer"),
    ({"choices": [{"messages": [], "finish_reason": "stop"}]}, CHAT, "no_answer"),
    (chat(None, error={"code": 502, "message": "m"}), "", "502"),
    ({"model": "m", "messages": [], "choices": []}, "", "no_answer"),
    ({"choices": []}, COMPLETIONS, "no_answer"),
    # responses
    (response(), RESPONSES, "no_answer"),
    (response(REASONING), "", "no_answer"),
    ({"object": "response", "status": "completed"}, "", "no_answer"),
    ({"object": "response", "status": "completed", "output": None}, "", "no_answer"),
    ({"id": "x"}, RESPONSES, "no_answer"),
    (response(said("x"), status="failed", error={"code": "server_error", "message": "m"}), "", "server_error"),
    (response(status="failed"), "", "no_answer"),
    (response(said("x"), status="queued"), "", "no_answer"),
    (response(status="in_progress"), "", "no_answer"),
    (response(status="incomplete", incomplete_details={"reason": "max_output_tokens"}), "", "no_answer"),
    (response(status="cancelled"), "", "no_answer"),
    # messages
    (message(), "", "no_answer"),
    ({"type": "message", "content": None}, "", "no_answer"),
    ({"model": "m"}, MESSAGES, "no_answer"),
    # generateContent
    ({"model": "m"}, GENERATE, "no_answer"),
    ({"usageMetadata": {"promptTokenCount": 5}, "modelVersion": "m"}, "", "no_answer"),
    (candidate(), "", "no_answer"),
    ({"candidates": []}, "", "no_answer"),
    # embeddings, moderations, images
    ({"object": "list", "data": []}, EMBEDDINGS, "no_answer"),
    (vectors([]), "", "no_answer"),
    ({"model": "m", "results": []}, MODERATIONS, "no_answer"),
    ({"created": 1, "data": []}, "/v1/images/generations", "no_answer"),
]


@pytest.mark.parametrize(("body", "url", "code"), FAILURES, ids=str)
def test_a_body_of_status_200_can_be_a_failure(body, url, code):
    failure = failure_in(body, url)
    assert failure is not None
    assert failure.code == code
    assert failure.message or code != "no_answer"


ANSWERS = [
    (chat(OK, finish_reason="stop"), CHAT),
    (chat({"content": ""}, finish_reason="stop"), CHAT),
    (chat({"content": None, "refusal": "no"}, finish_reason="stop"), CHAT),
    (chat({"content": None, "tool_calls": [CALL]}, finish_reason="tool_calls"), CHAT),
    (chat({"content": None, "function_call": {"name": "f"}}), CHAT),
    (chat({"content": None, "audio": {"id": "a"}}, finish_reason="stop"), CHAT),
    (chat({"content": None}, finish_reason="length"), CHAT),
    (chat(None, finish_reason="content_filter"), CHAT),
    (chat({"content": None, "prefix": False}, finish_reason="model_length"), CHAT),
    ({"model": "m", "results": [{"categories": {"pii": False}}]}, "/v1/chat/moderations"),
    ({**chat(OK), "error": {}}, CHAT),
    ({**chat(OK), "error": {"code": None, "message": None}}, CHAT),
    ({**chat(OK), "messages": [], "input": "x"}, CHAT),
    ({"choices": [{"error": {"code": "x"}}, {"message": OK}]}, CHAT),
    ({"choices": [{"text": "", "finish_reason": "stop"}]}, COMPLETIONS),
    (response(said("ok")), RESPONSES),
    (response({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}), RESPONSES),
    (response(REASONING, status="incomplete", incomplete_details={"reason": "max_output_tokens"}), RESPONSES),
    (response(said("o"), status="cancelled"), RESPONSES),
    ({"output": [said("ok")]}, RESPONSES),
    (message({"type": "text", "text": "ok"}), MESSAGES),
    (message(stop_reason="refusal"), MESSAGES),
    (message(stop_reason="max_tokens"), MESSAGES),
    (candidate({"text": "ok"}), GENERATE),
    (candidate(CALLED), GENERATE),
    (candidate(reason="MAX_TOKENS"), GENERATE),
    (BLOCKED, GENERATE),
    (vectors([0.5]), EMBEDDINGS),
    ({"model": "m", "results": [{"flagged": False}]}, MODERATIONS),
    ({"created": 1, "data": [{"b64_json": "x"}]}, "/v1/images/generations"),
    ({"id": "v", "object": "video", "status": "queued"}, "/v1/videos"),
    ({"anything": 1}, "/v1/unheard-of"),
]


@pytest.mark.parametrize(("body", "url"), ANSWERS, ids=str)
def test_an_answer_is_one_with_and_without_its_endpoint(body, url):
    assert failure_in(body, url) is None
    assert failure_in(body) is None
    assert failure_in(body, CHAT if url != CHAT else RESPONSES) is None or "anything" in body or "video" in str(body)


TEXTS = [
    (chat({"content": [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "no"}, {"type": "text", "text": "b"}]}), "ab"),
    (chat({"content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "b"}]}), "b"),
    (chat({"content": [{"type": "text", "text": "a"}, {"type": "reference", "reference_ids": [1]}, {"type": "text", "text": "b"}]}), "ab"),
    ({"choices": [{"messages": [{"role": "assistant", "content": "I look"}, {"role": "assistant", "content": "b"}]}]}, "b"),
    (chat({"content": ["a", "b", 3, None]}), "ab"),
    ({"choices": [{"text": "old"}]}, "old"),
    (response(REASONING, said("a"), said("b")), "b"),
    (response(said("{}", phase="commentary"), said('{"a": 1}', phase="final_answer")), '{"a": 1}'),
    (response(said('{"a": 1}', phase="final_answer"), said("bye", phase="commentary")), '{"a": 1}'),
    (response(said("a"), said("b", phase="commentary")), "a"),
    (response(said("I look", phase="commentary"), {"type": "function_call", "call_id": "c"}), "I look"),
    (response({"type": "message", "content": [{"type": "output_text", "text": t} for t in "xy"]}), "xy"),
    (response(said("a"), said("b", role="user")), "a"),
    (message({"type": "text", "text": "a"}, {"type": "text", "text": "b"}), "ab"),
    (message({"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "b"}), "b"),
    (message({"type": "text", "text": "I look"}, {"type": "server_tool_use"}, {"type": "text", "text": "found"}), "found"),
    (message({"type": "text", "text": "I look"}, {"type": "tool_use", "id": "c", "name": "f", "input": {}}), "I look"),
    (candidate(THOUGHT, {"text": "a"}, {"text": "b"}, {"executableCode": {"code": "1"}}), "ab"),
    ({"candidates": [{"finishReason": "SAFETY"}, *candidate({"text": "b"})["candidates"]]}, "b"),
    (BLOCKED, ""),
    (vectors([0.5]), ""),
    ({"results": [{"flagged": False}]}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("body", "text"), TEXTS, ids=str)
def test_the_text_is_that_of_the_final_answer(body, text):
    assert answer(body).text == text


def test_json_reads_the_final_answer_alone():
    body = response(REASONING, said("Let me see.", phase="commentary"), said('{"a": 1}', phase="final_answer"))
    assert answer(body, RESPONSES).json() == {"a": 1}


CALLS = [
    (chat({"tool_calls": [CALL]}), ToolCall("c", "look", '{"a": 1}')),
    (chat({"tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "look", "input": "x"}}]}), ToolCall("c", "look", "x")),
    (chat({"tool_calls": [{"id": "c", "function": {"name": "look", "arguments": {"a": 1}}, "index": 0}]}), ToolCall("c", "look", '{"a": 1}')),
    (chat({"function_call": {"name": "look", "arguments": "{}"}}), ToolCall("", "look", "{}")),
    (response({"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"}), ToolCall("c", "look", "{}")),
    (response({"type": "custom_tool_call", "call_id": "c", "name": "look", "input": "x"}), ToolCall("c", "look", "x")),
    (response({"type": "computer_call", "call_id": "c", "action": {"type": "wait"}}), ToolCall("c", "computer_call", '{"type": "wait"}')),
    (message({"type": "tool_use", "id": "c", "name": "look", "input": {"a": 1}}), ToolCall("c", "look", '{"a": 1}')),
    (candidate({"text": "I look"}, CALLED), ToolCall("c", "look", '{"a": 1}')),
]  # fmt: skip


@pytest.mark.parametrize(("body", "call"), CALLS, ids=str)
def test_a_tool_call_has_one_shape(body, call):
    assert answer(body).tool_calls == (call,)


def test_what_the_provider_ran_itself_is_no_tool_call():
    assert answer(response({"type": "web_search_call", "id": "ws"}, said("ok"))).tool_calls == ()
    assert answer(chat(OK)).tool_calls == ()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (chat(OK, finish_reason="tool_calls"), "tool_calls"),
        (chat(OK, finish_reason="model_length"), "length"),
        (message({"type": "text", "text": "x"}), "stop"),
        (message(stop_reason="max_tokens"), "length"),
        (message(stop_reason="tool_use"), "tool_calls"),
        (message(stop_reason="pause_turn"), "pause_turn"),
        (response(status="incomplete", incomplete_details={"reason": "content_filter"}), "content_filter"),
        (candidate({"text": "x"}), "stop"),
        (candidate(CALLED), "tool_calls"),
        (candidate({"text": "x"}, reason="MAX_TOKENS"), "length"),
        (candidate(reason="SAFETY"), "content_filter"),
        (candidate(reason="RECITATION"), "content_filter"),
        (candidate(reason="MALFORMED_FUNCTION_CALL"), "MALFORMED_FUNCTION_CALL"),
        (BLOCKED, "content_filter"),
        (vectors([1.0]), None),
    ],
)
def test_finish_reasons_have_the_words_of_chat(body, reason):
    assert answer(body).finish_reason == reason


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (chat({"content": [{"type": "refusal", "refusal": "no"}]}), "no"),
        (response({"type": "message", "content": [{"type": "refusal", "refusal": "no"}]}), "no"),
        (message({"type": "text", "text": "no"}, stop_reason="refusal"), "no"),
        (message({"type": "text", "text": "no"}), None),
        (candidate(reason="SAFETY", finishMessage="no"), "no"),
        (candidate({"text": "half"}, reason="PROHIBITED_CONTENT"), "PROHIBITED_CONTENT"),
        (candidate({"text": "no"}), None),
        (BLOCKED, "PROHIBITED_CONTENT"),
    ],
)
def test_a_marked_refusal_is_read(body, refusal):
    assert answer(body).refusal == refusal


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        (chat(OK) | {"usage": {"prompt_tokens": 5, "completion_tokens": 6}}, (5, 6)),
        (chat(OK) | {"usage": {"input_tokens": 5, "output_tokens": 6}}, (5, 6)),
        (chat(OK) | {"usage": {"prompt_tokens": "5", "completion_tokens": 6.0}}, (5, 6)),
        (chat(OK) | {"usage": {"prompt_tokens": True, "completion_tokens": -1}}, (0, 0)),
        (response(said("x"), usage={"input_tokens": 5, "output_tokens": 6}), (5, 6)),
        (message(usage={"input_tokens": 5, "cache_read_input_tokens": 3, "output_tokens": 6}), (8, 6)),
        (candidate() | {"usageMetadata": {"promptTokenCount": 5, "cachedContentTokenCount": 3}}, (5, 0)),
        (candidate() | {"usageMetadata": {"candidatesTokenCount": 6, "thoughtsTokenCount": "4"}}, (0, 10)),
        (vectors([1.0]) | {"usage": {"prompt_tokens": 5, "total_tokens": 5}}, (5, 0)),
        ({"results": [], "usage": ["x"]}, (0, 0)),
    ],
)
def test_tokens_are_read_from_each_form(body, tokens):
    assert answer(body).tokens == tokens


def test_usage_and_served_model_have_the_names_of_each_form():
    usage = {"promptTokenCount": 5}
    found = answer(candidate({"text": "x"}) | {"usageMetadata": usage, "modelVersion": "gemini-2.5-flash"})
    assert (found.usage, found.model) == (usage, "gemini-2.5-flash")
    assert (answer(chat(OK) | {"model": "m"}).usage, answer(chat(OK) | {"model": "m"}).model) == ({}, "m")


# -- embeddings ---------------------------------------------------------------------------------------------------


def test_an_embedding_is_a_list_of_floats():
    found = answer(vectors([1, 0.5], [2.0, 3.0]), EMBEDDINGS)
    assert found.embedding == [1.0, 0.5]
    assert all(type(number) is float for number in found.embedding)
    assert found.embeddings == [[1.0, 0.5], [2.0, 3.0]]


def test_embeddings_are_in_the_order_of_the_inputs():
    body = vectors([1.0], [2.0])
    body["data"].reverse()
    assert answer(body, EMBEDDINGS).embeddings == [[1.0], [2.0]]


def test_base64_is_decoded():
    text = base64.b64encode(struct.pack("<3f", 1.0, -0.5, 2.0)).decode()
    assert answer(vectors(text), EMBEDDINGS).embedding == [1.0, -0.5, 2.0]


@pytest.mark.parametrize("embedding", [None, [], "x", "AAA=", "가", [None], ["1"], [True], {"a": 1}, 7], ids=str)
def test_an_embedding_that_cannot_be_read_is_named(embedding):
    with pytest.raises(AnswerError, match="has an embedding that cannot be read"):
        _ = answer(vectors(embedding), EMBEDDINGS).embedding


def test_an_answer_without_an_embedding_says_what_it_has():
    with pytest.raises(AnswerError, match=r"has no embedding; its body has \['choices', 'object'\]"):
        _ = answer(chat(OK)).embedding


# -- stores, and anything ------------------------------------------------------------------------------------------


def test_a_stored_answer_that_is_a_failure_has_an_error():
    body = {"error": {"code": "server_error", "message": "busy"}}
    found = stored_answer(Request({"model": "m"}), "o", {"status_code": 200, "body": body}, "journal", "l")
    assert str(found.error) == "stored_failure (HTTP 200): server_error: busy"
    assert found.error.retryable is False
    assert "stored_failure" in repr(found)
    with pytest.raises(AnswerError, match="server_error: busy"):
        _ = found.text
    fine = stored_answer(Request({"model": "m"}), "o", {"status_code": 200, "body": chat(OK)}, "recording", "l")
    assert (fine.error, fine.text, fine.source) == (None, "ok", "recording")


MEMBERS = st.sampled_from(
    ["choices", "message", "content", "output", "type", "text", "status", "error", "data", "embedding", "index", "role",
     "results", "stop_reason", "tool_calls", "function", "usage", "prompt_tokens", "finish_reason", "refusal", "phase",
     "incomplete_details", "call_id", "object", "code"]
)  # fmt: skip
VALUES = st.recursive(
    st.sampled_from([None, True, 0, 1.5, "x", "text", "message", "refusal", "failed", "error"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(MEMBERS, inner, max_size=4),
    max_leaves=12,
)


@given(
    st.dictionaries(MEMBERS, VALUES, max_size=5), st.sampled_from(["", *(url for form in FORMS for url in form.urls)])
)
def test_no_body_breaks_a_reader(body, url):
    failure = failure_in(body, url)
    assert failure is None or failure.code
    found = answer(body, url)
    assert isinstance(found.text, str)
    assert isinstance(found.finish_reason, str | None)
    assert all(isinstance(part, str) for call in found.tool_calls for part in (call.id, call.name, call.arguments))
    assert len(found.tokens) == 2
    assert repr(found)
    assert isinstance(found.refusal, str | None)
    _ = found.usage, found.model
    json.dumps(found.response)
    with suppress(AnswerError):
        _ = found.embedding, found.embeddings
