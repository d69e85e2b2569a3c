"""The adapter against whatever a server says: sorted failures, both halves of an upload, lists with gaps, no key shown."""

import json

import pytest

from pytest_batcheval.backends.errors import ProviderFailure, Refused, Stopped, TransientFailure, UnknownOutcome
from pytest_batcheval.backends.gemini_batch import GeminiBatch
from pytest_batcheval.backends.protocol import METADATA_NAME
from pytest_batcheval.wire.endpoints import GENERATE

KEY = "AIzaSyTest0123456789abcdefghijklmnopqr"
VALUE = f"2;{'ab' * 16};1;1;0;batcheval-{'ab' * 8}-01234567;"
METADATA = {METADATA_NAME: VALUE, "keys00": "prefixes, for which a name has no room"}
REQUEST = "00112233445566778899aabbccddeeff00112233"
BODY = {"contents": [{"parts": [{"text": "잘 자요?"}]}], "generationConfig": {"temperature": 1e-7}}
RUNNING = {"name": "batches/1", "metadata": {"state": "BATCH_STATE_RUNNING", "displayName": f"batcheval;{VALUE}"}}
ENDED = {
    "name": "batches/1",
    "metadata": {"state": "BATCH_STATE_SUCCEEDED", "endTime": "2026-01-01T00:00:00Z"},
    "done": True,
    "response": {"responsesFile": "files/out"},
}
FILE = {"name": "files/in", "displayName": "in.jsonl", "sizeBytes": "7", "state": "ACTIVE"}
MISSING = "You do not have permission to access the File in or it may not exist."


def error(code, message, status="SOME_STATUS"):
    return {"error": {"code": code, "message": message, "status": status}}


@pytest.fixture
def backend(server):
    with GeminiBatch(server.base_url.removesuffix("/v1"), KEY, scope="here") as opened:
        yield opened


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in.jsonl"
    line = {"custom_id": REQUEST, "method": "POST", "url": GENERATE, "body": {"model": "gemini-2.5-flash", **BODY}}
    path.write_text(json.dumps(line, ensure_ascii=False) + "\n")
    return path


@pytest.fixture
def uploaded(http):
    """A server that takes an upload; the URL that it gives names another host."""

    def reply(asked):
        if asked.headers.get("x-goog-upload-command") == "start":
            url = "https://elsewhere.test/upload/v1beta/files?upload_id=u1"
            return http(200, b"", headers={"x-goog-upload-url": url})
        return http(200, {"file": FILE})

    return reply


@pytest.fixture
def calls(backend, server, source, uploaded, tmp_path):
    server.reply = uploaded
    backend.upload(source, "in.jsonl")
    server.asked.clear()
    return {
        "upload": lambda: backend.upload(source, "in.jsonl"),
        "create": lambda: backend.create("files/in", GENERATE, METADATA, "k"),
        "list": backend.list_batches,
        "retrieve": lambda: backend.retrieve("batches/1"),
        "content": lambda: backend.download("files/out", tmp_path / "out.jsonl"),
        "delete": lambda: backend.delete_file("files/in"),
        "cancel": lambda: backend.cancel("batches/1"),
    }


def test_an_upload_is_announced_and_then_has_native_bodies(backend, server, source, uploaded):
    server.reply = uploaded
    file = backend.upload(source, "in.jsonl")
    assert (file.id, file.filename, file.bytes, file.pending) == ("files/in", "in.jsonl", 7, False)
    announced, sent = server.asked
    assert (announced.path, announced.headers["x-goog-upload-protocol"]) == ("/upload/v1beta/files", "resumable")
    assert announced.json == {"file": {"displayName": "in.jsonl", "mimeType": "application/jsonl"}}
    assert announced.headers["x-goog-upload-header-content-length"] == str(len(sent.body))
    assert sent.path == "/upload/v1beta/files?upload_id=u1"  # at our host, which is the one that may have the key
    assert (sent.headers["x-goog-upload-command"], sent.headers["x-goog-upload-offset"]) == ("upload, finalize", "0")
    assert sent.json == {"key": REQUEST, "request": BODY}
    assert b'"temperature":1e-07' in sent.body.replace(b" ", b"")
    assert all(KEY not in asked.path and asked.headers["x-goog-api-key"] == KEY for asked in server.asked)


@pytest.mark.parametrize("half", ["start", "upload, finalize"])
def test_an_upload_without_an_answer_is_made_again(backend, server, source, uploaded, http, half):
    server.reply = lambda asked: (
        http(503, error(503, "busy")) if asked.headers["x-goog-upload-command"] == half else uploaded(asked)
    )
    with pytest.raises(TransientFailure, match="busy"):
        backend.upload(source, "in.jsonl")
    server.reply = uploaded
    assert backend.upload(source, "in.jsonl").id == "files/in"


@pytest.mark.parametrize("url", ["http://[", "", "mailto:x"])
def test_an_upload_whose_url_cannot_be_used_is_made_again(backend, server, source, http, url):
    server.reply = lambda asked: http(200, {}, headers={"x-goog-upload-url": url})
    with pytest.raises(TransientFailure):
        backend.upload(source, "in.jsonl")


@pytest.mark.parametrize("reply", [{}, {"file": {}}, []])
def test_an_upload_that_names_no_url_or_file_is_made_again(backend, server, source, uploaded, http, reply):
    server.reply = lambda asked: http(200, reply)
    with pytest.raises(TransientFailure, match="names no URL"):
        backend.upload(source, "in.jsonl")
    server.reply = lambda asked: uploaded(asked) if "upload_id" not in asked.path else http(200, reply)
    with pytest.raises(TransientFailure, match="has no file name"):
        backend.upload(source, "in.jsonl")


def test_a_file_is_found_by_its_name_on_all_pages_and_its_model_is_known(backend, server, source, http):
    server.reply = lambda asked: http(503, error(503, "busy"))
    with pytest.raises(TransientFailure):
        backend.upload(source, "in.jsonl")
    first = {"files": [{"name": "files/0", "displayName": "other.jsonl"}], "nextPageToken": "t"}
    server.reply = lambda asked: http(200, {"files": [FILE]} if "pageToken=t" in asked.path else first)
    assert backend.find_file("in.jsonl").id == "files/in"
    assert backend.find_file("nothing.jsonl") is None
    server.reply = lambda asked: http(200, RUNNING)
    assert backend.create("files/in", GENERATE, METADATA, "k").id == "batches/1"
    assert server.asked[-1].path == "/v1beta/models/gemini-2.5-flash:batchGenerateContent"


def test_a_create_has_the_model_in_its_url_and_our_mark_in_its_name(calls, server, http):
    server.reply = lambda asked: http(200, RUNNING)
    batch = calls["create"]()
    assert (batch.id, batch.status, batch.metadata) == ("batches/1", "in_progress", {METADATA_NAME: VALUE})
    (asked,) = server.asked
    assert asked.path == "/v1beta/models/gemini-2.5-flash:batchGenerateContent"
    name = f"batcheval;{VALUE}"
    assert asked.json == {"batch": {"displayName": name, "inputConfig": {"fileName": "files/in"}}}
    assert (asked.headers["x-goog-api-key"], "authorization" in asked.headers) == (KEY, False)


def test_a_file_of_an_earlier_process_is_uploaded_again(backend, server):
    with pytest.raises(Refused) as caught:
        backend.create("files/old", GENERATE, METADATA, "k")
    assert (caught.value.status_code, server.asked) == (404, [])


@pytest.mark.parametrize(
    ("status", "message", "failure"),
    [
        (400, "Request contains an invalid argument.", Refused),
        (400, "API key not valid. Please pass a valid API key.", Stopped),
        (403, MISSING, Refused),
        (403, "Permission denied on this project.", Stopped),
        (404, "models/x is not found", Refused),
        (429, "You exceeded your current quota", TransientFailure),
        (500, "An internal error has occurred.", UnknownOutcome),
        (503, "The model is overloaded.", UnknownOutcome),
    ],
)
def test_a_failed_create_is_sorted_by_whether_it_may_have_been_applied(calls, server, http, status, message, failure):
    server.reply = lambda asked: http(status, error(status, message))
    with pytest.raises(failure) as caught:
        calls["create"]()
    assert type(caught.value) is failure
    assert (caught.value.cause, caught.value.message) == ("SOME_STATUS", message)
    assert caught.value.status_code == (404 if message == MISSING else status)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"metadata": {"state": "BATCH_STATE_PENDING"}}'])
def test_a_create_whose_reply_says_nothing_is_unknown(calls, server, http, body):
    server.reply = lambda asked: http(200, body)
    with pytest.raises(UnknownOutcome):
        calls["create"]()


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"name": "batches/1"}'])
def test_a_batch_that_cannot_be_read_is_asked_for_again(calls, server, http, body):
    server.reply = lambda asked: http(200, body)
    with pytest.raises(TransientFailure):
        calls["retrieve"]()


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500])
@pytest.mark.parametrize("call", ["upload", "create", "list", "retrieve", "content", "delete", "cancel"])
def test_no_error_shows_the_key(calls, server, http, all_of, locals_shown, call, status):
    server.reply = lambda asked: http(status, error(status, f"API key not valid: {KEY}; it may not exist"))
    with pytest.raises(ProviderFailure) as caught:
        calls[call]()
    assert caught.value.__context__ is None or call == "cancel"
    assert KEY not in locals_shown(caught.value) + repr(caught.value) + all_of(caught.value)


def test_no_attribute_holds_the_key(backend, server, http, all_of):
    server.reply = lambda asked: http(200, RUNNING)
    backend.retrieve("batches/1")
    assert KEY not in all_of(backend)


def test_a_list_has_all_pages_and_may_be_empty(backend, server, http):
    pages = {"": {"operations": [RUNNING], "nextPageToken": "t"}, "t": {"operations": [{**ENDED, "name": "batches/2"}]}}
    server.reply = lambda asked: http(200, pages[asked.path.partition("pageToken=")[2]])
    found = backend.list_batches()
    assert (found.gap, [batch.id for batch in found]) == ("", ["batches/1", "batches/2"])
    assert [batch.id for batch in backend.list_batches(["batches/1"])] == ["batches/1"]
    assert len(server.asked) == 3
    server.reply = lambda asked: http(200, {})
    assert (backend.list_batches(), backend.list_batches().gap) == ([], "")


@pytest.mark.parametrize(
    ("page", "gap"),
    [
        ({"operations": 3}, "no entries that can be read"),
        ({"batches": [RUNNING]}, "no entries that can be read"),
        ([RUNNING], "no entries that can be read"),
        ({"operations": [RUNNING, {"done": True}]}, "entries of the list cannot be read"),
        ({"operations": [RUNNING], "nextPageToken": "t"}, "is followed by itself"),
    ],
)
def test_a_list_with_a_gap_says_so(backend, server, http, page, gap):
    server.reply = lambda asked: http(200, page)
    assert gap in backend.list_batches().gap


def test_responses_become_output_lines(calls, server, http, tmp_path):
    line = b'{"key":"a","response":{"candidates": [ ]}}\n'
    server.reply = lambda asked: http(200, line)
    calls["content"]()
    assert server.asked[-1].path == "/v1beta/files/out:download?alt=media"
    (read,) = map(json.loads, (tmp_path / "out.jsonl").read_bytes().splitlines())
    assert (read["custom_id"], read["response"]["body"]) == ("a", {"candidates": []})


def test_responses_that_break_off_are_read_again(calls, server, http, tmp_path):
    server.reply = lambda asked: http(200, b'{"key": "a"', headers={"content-length": "100"})
    with pytest.raises(TransientFailure):
        calls["content"]()
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize("call", ["content", "delete"])
def test_a_file_that_is_gone_is_a_404(calls, server, http, call):
    server.reply = lambda asked: http(403, error(403, MISSING, "PERMISSION_DENIED"))
    with pytest.raises(Refused) as caught:
        calls[call]()
    assert caught.value.status_code == 404


def test_a_deletion_counts_only_by_the_apis_own_reply(calls, server, http):
    server.reply = lambda asked: http(200, {})
    calls["delete"]()
    server.reply = lambda asked: http(200, {"message": "hello from a proxy"})
    with pytest.raises(TransientFailure):
        calls["delete"]()


@pytest.mark.parametrize("refused", [False, True])
def test_a_cancelled_batch_is_shown_as_it_is_then(calls, server, http, refused):
    server.reply = lambda asked: (
        (http(400, error(400, "has ended")) if refused else http(200, {}))
        if asked.method == "POST"
        else http(200, ENDED)
    )
    assert calls["cancel"]().terminal
    assert [asked.path for asked in server.asked] == ["/v1beta/batches/1:cancel", "/v1beta/batches/1"]


def test_a_cancel_that_is_refused_of_a_batch_that_runs_is_a_failure(calls, server, http):
    server.reply = lambda asked: http(400, error(400, "no")) if asked.method == "POST" else http(200, RUNNING)
    with pytest.raises(Refused):
        calls["cancel"]()
