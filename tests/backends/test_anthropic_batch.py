"""The adapter against whatever a server says: sorted failures, lists with gaps, results that break off, no key shown."""

import json

import pytest

from pytest_batcheval.backends.anthropic_batch import GONE, OTHERS, AnthropicBatch
from pytest_batcheval.backends.custom_id_mark import Marker
from pytest_batcheval.backends.errors import ProviderFailure, Refused, Stopped, TransientFailure, UnknownOutcome
from pytest_batcheval.backends.protocol import METADATA_NAME

KEY = "sk-ant-test-0123456789abcdef"
METADATA = {METADATA_NAME: f"2;{'ab' * 16};1;1;0;batcheval-{'ab' * 8}-01234567;"}
REQUEST = "00112233445566778899aabbccddeeff00112233"
RUNNING = {"id": "msgbatch_1", "processing_status": "in_progress", "request_counts": {"processing": 1}}
ENDED = {"id": "msgbatch_2", "processing_status": "ended", "request_counts": {"succeeded": 1}}


def error(kind, message):
    return {"type": "error", "error": {"type": kind, "message": message}}


@pytest.fixture
def backend(server):
    with AnthropicBatch(server.base_url, KEY, scope="here") as opened:
        yield opened


@pytest.fixture
def calls(backend, tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps({"custom_id": REQUEST, "body": {"model": "m", "messages": []}}) + "\n")
    backend.upload(path, "in.jsonl")
    return {
        "create": lambda: backend.create("in.jsonl", "/v1/messages", METADATA, "k"),
        "list": backend.list_batches,
        "retrieve": lambda: backend.retrieve("msgbatch_1"),
        "content": lambda: backend.download("msgbatch_1", tmp_path / "out.jsonl"),
        "cancel": lambda: backend.cancel("msgbatch_1"),
    }


def test_a_create_has_native_bodies_and_marked_ids(calls, server, http):
    server.reply = lambda asked: http(200, RUNNING)
    assert calls["create"]().id == "msgbatch_1"
    (asked,) = server.asked
    assert asked.path == "/v1/messages/batches"
    assert asked.headers["x-api-key"] == KEY
    assert asked.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in asked.headers
    assert asked.json == {
        "requests": [{"custom_id": Marker(METADATA).custom_id(REQUEST), "params": {"model": "m", "messages": []}}]
    }


@pytest.mark.parametrize(
    ("status", "kind", "failure"),
    [
        (400, "invalid_request_error", Refused),
        (413, "request_too_large", Refused),
        (401, "authentication_error", Stopped),
        (429, "rate_limit_error", TransientFailure),
        (500, "api_error", UnknownOutcome),
        (529, "overloaded_error", UnknownOutcome),
    ],
)
def test_a_failed_create_is_sorted_by_whether_it_may_have_been_applied(calls, server, http, status, kind, failure):
    server.reply = lambda asked: http(status, error(kind, "words of the provider"))
    with pytest.raises(failure, match="words of the provider"):
        calls["create"]()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"type": "message_batch"}'])
def test_a_create_whose_reply_says_nothing_is_unknown(calls, server, http, body):
    server.reply = lambda asked: http(200, body)
    with pytest.raises(UnknownOutcome):
        calls["create"]()


@pytest.mark.parametrize("status", [400, 401, 429, 500])
@pytest.mark.parametrize("call", ["create", "list", "retrieve", "content", "cancel"])
def test_no_error_shows_the_key(calls, server, http, all_of, locals_shown, call, status):
    server.reply = lambda asked: http(status, error("some_error", f"invalid x-api-key: {KEY}"))
    with pytest.raises(ProviderFailure) as caught:
        calls[call]()
    assert caught.value.__context__ is None or call == "cancel"
    assert KEY not in locals_shown(caught.value) + repr(caught.value) + all_of(caught.value)


def test_no_attribute_holds_the_key(backend, server, http, all_of):
    server.reply = lambda asked: http(200, RUNNING)
    backend.retrieve("msgbatch_1")
    assert KEY not in all_of(backend)


def paged(*pages):
    """A list whose next page is asked for with `after_id`; results of one request of ours, of others, or gone."""
    line = json.dumps({"custom_id": Marker(METADATA).custom_id(REQUEST), "result": {"type": "expired"}})
    results = {"msgbatch_2": line, "msgbatch_3": '{"custom_id": "mine", "result": {}}', "msgbatch_5": "{\n" + line}

    def reply(asked, http):
        if "/results" in asked.path:
            batch = asked.path.split("/")[-2]
            return http(200, results[batch].encode()) if batch in results else http(404, error("not_found_error", "x"))
        after = asked.path.partition("after_id=")[2].partition("&")[0]
        return http(200, next(page for at, page in pages if at == after))

    return reply


def test_batches_that_have_ended_say_whose_they_are(backend, server, http):
    first = {"data": [RUNNING, ENDED], "has_more": True, "last_id": "msgbatch_2"}
    rest = [{**ENDED, "id": f"msgbatch_{n}"} for n in (3, 4, 5)]
    reply = paged(("", first), ("msgbatch_2", {"data": rest, "has_more": False, "last_id": "msgbatch_5"}))
    server.reply = lambda asked: reply(asked, http)
    found = backend.list_batches()
    assert (found.gap, [batch.id for batch in found]) == ("", [f"msgbatch_{n}" for n in (1, 2, 3, 4, 5)])
    marks = [dict(batch.metadata) for batch in found]
    assert marks[0] == {}
    assert marks[1] == marks[4] == {METADATA_NAME: f"2;{'ab' * 8};1;1;0;batcheval-{'ab' * 8}-01234567;"}
    assert marks[2:4] == [OTHERS, GONE]
    server.asked.clear()
    backend.list_batches()
    assert not [asked for asked in server.asked if "/results" in asked.path]  # asked for once


@pytest.mark.parametrize(
    ("page", "gap"),
    [
        ({"data": 3}, "no entries that can be read"),
        ({"data": [RUNNING, {"type": "?"}], "has_more": False}, "entries of the list cannot be read"),
        ({"data": [RUNNING], "has_more": True, "last_id": None}, "promises more entries"),
        ([RUNNING], "no entries that can be read"),
    ],
)
def test_a_list_with_a_gap_says_so(backend, server, http, page, gap):
    server.reply = lambda asked: http(200, page)
    assert gap in backend.list_batches().gap


def test_results_that_break_off_are_read_again(calls, server, http, tmp_path):
    server.reply = lambda asked: http(200, b'{"custom_id": "a"', headers={"content-length": "100"})
    with pytest.raises(TransientFailure):
        calls["content"]()
    assert not (tmp_path / "out.jsonl").exists()


def test_a_batch_that_has_ended_is_not_cancelled(calls, server, http):
    server.reply = lambda asked: (
        http(400, error("invalid_request_error", "has ended")) if asked.method == "POST" else http(200, ENDED)
    )
    assert calls["cancel"]().terminal
