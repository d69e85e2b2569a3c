"""The adapter against whatever a server says: its own words, numbered pages with gaps, sorted failures, no key shown."""

import json

import pytest

from pytest_batcheval.backends.errors import ProviderFailure, Refused, Stopped, TransientFailure, UnknownOutcome
from pytest_batcheval.backends.mistral_batch import MistralBatch
from pytest_batcheval.backends.mistral_replies import read_job
from pytest_batcheval.backends.openai_batch import PAGE

KEY = "mistral-test-0123456789abcdef"
MODEL = "mistral-small-latest"
BODY = '{"model": "mistral-small-latest", "temperature":0.10, "messages": [{"role":"user","content":"\\u00e9 1e2"}]}'
LINES = "".join(
    f'{{"custom_id": "r-{n}", "method": "POST", "url": "/v1/chat/completions", "body": {BODY}}}\n' for n in (1, 2)
)
FILE = {"id": "f-1", "object": "file", "bytes": 9, "filename": "in.jsonl", "purpose": "batch", "source": "upload"}
JOB = {
    "id": "j-1",
    "object": "batch",
    "input_files": ["f-1"],
    "metadata": {"batcheval": "2;x"},
    "endpoint": "/v1/chat/completions",
    "model": MODEL,
    "agent_id": None,
    "output_file": None,
    "error_file": None,
    "errors": [],
    "status": "RUNNING",
    "created_at": 1767225600,
    "started_at": 1767225660,
    "completed_at": None,
    "total_requests": 9,
    "completed_requests": 5,
    "succeeded_requests": 4,
    "failed_requests": 1,
}
WORDS = {"object": "error", "message": "words of the provider", "type": "some_error", "param": None, "code": "1"}


@pytest.fixture
def backend(server):
    with MistralBatch(server.base_url, KEY, scope="here") as opened:
        yield opened


@pytest.fixture
def uploaded(backend, server, http, tmp_path):
    """The backend, which has uploaded a file as `f-1`."""
    (tmp_path / "in.jsonl").write_text(LINES)
    server.reply = lambda asked: http(200, FILE)
    assert backend.upload(tmp_path / "in.jsonl", "in.jsonl").id == "f-1"
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]
    return backend


@pytest.fixture
def calls(uploaded, tmp_path):
    return {
        "upload": lambda: uploaded.upload(tmp_path / "in.jsonl", "in.jsonl"),
        "create": lambda: uploaded.create("f-1", "/v1/chat/completions", {"batcheval": "2;x"}, "k"),
        "list": uploaded.list_batches,
        "find": lambda: uploaded.find_file("in.jsonl"),
        "retrieve": lambda: uploaded.retrieve("j-1"),
        "content": lambda: uploaded.download("f-2", tmp_path / "out.jsonl"),
        "delete": lambda: uploaded.delete_file("f-1"),
        "cancel": lambda: uploaded.cancel("j-1"),
    }


def test_lines_go_out_short_with_bodies_byte_for_byte(uploaded, server):
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/v1/files")
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    short = "".join(f'{{"custom_id":"r-{n}","body":{BODY}}}\n' for n in (1, 2))
    assert f"\r\n\r\n{short}\r\n".encode() in asked.body
    assert b'name="purpose"\r\n\r\nbatch\r\n' in asked.body
    assert b'filename="in.jsonl"' in asked.body


def test_a_create_names_the_model_of_its_file(calls, server, http):
    server.asked.clear()
    server.reply = lambda asked: http(200, JOB)
    assert calls["create"]().id == "j-1"
    (asked,) = server.asked
    assert asked.path == "/v1/batch/jobs"
    assert asked.json == {
        "input_files": ["f-1"],
        "model": MODEL,
        "endpoint": "/v1/chat/completions",
        "timeout_hours": 24,
        "metadata": {"batcheval": "2;x"},
    }


def test_a_file_of_another_process_is_uploaded_again(backend, server):
    assert backend.find_file("in.jsonl") is None
    with pytest.raises(Refused, match="its model is not known") as caught:
        backend.create("f-1", "/v1/chat/completions", {}, "k")
    assert (caught.value.status_code, server.asked) == (404, [])


def test_a_file_whose_upload_got_no_answer_is_found_with_its_model(backend, server, http, tmp_path):
    (tmp_path / "in.jsonl").write_text(LINES)
    server.reply = lambda asked: http(502)
    with pytest.raises(TransientFailure):
        backend.upload(tmp_path / "in.jsonl", "in.jsonl")
    server.reply = lambda asked: http(200, {"object": "list", "data": [{**FILE, "filename": "x"}, FILE], "total": 2})
    assert backend.find_file("in.jsonl").id == "f-1"
    assert server.asked[-1].path == f"/v1/files?purpose=batch&page=0&page_size={PAGE}"
    server.reply = lambda asked: http(200, JOB)
    backend.create("f-1", "/v1/chat/completions", {}, "k")
    assert server.asked[-1].json["model"] == MODEL
    assert "metadata" not in server.asked[-1].json


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (422, {"detail": [{"type": "missing", "loc": ["body", "x"], "msg": "words of the provider"}]}, Refused),
        (422, {**WORDS, "message": {"detail": [{"loc": ["body"], "msg": "words of the provider"}]}}, Refused),
        (404, WORDS, Refused),
        (401, {"detail": "words of the provider"}, Stopped),
        (402, {"detail": "words of the provider"}, Stopped),
        (429, WORDS, TransientFailure),
        (429, {"message": "words of the provider"}, UnknownOutcome),  # anything on the way may have said so
        (500, WORDS, UnknownOutcome),
        (503, {"message": "words of the provider"}, UnknownOutcome),
    ],
)
def test_a_failed_create_is_sorted_by_whether_it_may_have_been_applied(calls, server, http, status, body, failure):
    server.reply = lambda asked: http(status, body)
    with pytest.raises(failure, match="words of the provider") as caught:
        calls["create"]()
    assert type(caught.value) is failure


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"object": "batch"}', b"7"])
@pytest.mark.parametrize(("call", "failure"), [("create", UnknownOutcome), ("retrieve", TransientFailure)])
def test_a_reply_that_says_nothing(calls, server, http, call, failure, body):
    server.reply = lambda asked: http(200, body)
    with pytest.raises(failure):
        calls[call]()


@pytest.mark.parametrize("status", [400, 401, 429, 500])
@pytest.mark.parametrize("call", ["upload", "create", "list", "find", "retrieve", "content", "delete", "cancel"])
def test_no_error_shows_the_key(calls, server, http, all_of, locals_shown, call, status):
    server.reply = lambda asked: http(status, {**WORDS, "message": f"no such key: {KEY}", "code": KEY})
    with pytest.raises(ProviderFailure) as caught:
        calls[call]()
    assert KEY not in locals_shown(caught.value) + repr(caught.value) + all_of(caught.value)


def test_no_attribute_holds_the_key(backend, server, http, all_of):
    server.reply = lambda asked: http(200, JOB)
    backend.retrieve("j-1")
    assert KEY not in all_of(backend)


def jobs(*numbers):
    return [{**JOB, "id": f"j-{number}"} for number in numbers]


def listing(server, http, *pages):
    """A server whose pages are these: entries and `total`."""

    def reply(asked):
        number = int(asked.path.partition("page=")[2].partition("&")[0])
        data, total = pages[number] if number < len(pages) else ([], pages[-1][1])
        return http(200, {"object": "list", "data": data, **({} if total is None else {"total": total})})

    server.reply = reply


@pytest.mark.parametrize("total", [150, PAGE, None])
def test_a_list_is_read_to_its_end(backend, server, http, total):
    listing(server, http, (jobs(*range(PAGE)), total), (jobs(*range(PAGE, 150)), total))
    found = backend.list_batches()
    assert (found.gap, [batch.id for batch in found]) == ("", [f"j-{n}" for n in range(150)])
    assert [asked.path for asked in server.asked] == [f"/v1/batch/jobs?page={n}&page_size={PAGE}" for n in (0, 1)]


def test_a_server_with_smaller_pages_is_read_to_its_end(backend, server, http):
    listing(server, http, (jobs(1, 2), 3), (jobs(3), 3))
    assert [batch.id for batch in backend.list_batches()] == ["j-1", "j-2", "j-3"]


def test_a_list_may_end_early_when_it_has_enough(backend, server, http):
    listing(server, http, (jobs(*range(PAGE)), 150))
    assert "j-3" in {batch.id for batch in backend.list_batches(["j-3"])}
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("pages", "gap"),
    [
        ([(7, 1)], "no entries that can be read"),
        ([(jobs(1), 2)], "promises more entries"),
        ([(jobs(1, 2), 4), (jobs(1, 2), 4)], "promises more entries"),  # `page` is ignored
        ([(jobs(1, 2), 4), (jobs(2, 3), 5), (jobs(4, 5), 5)], "changed while it was read"),
        ([([{"object": "?"}, *jobs(1)], 2)], "entries of the list cannot be read"),
    ],
)
def test_a_list_with_a_gap_says_so(backend, server, http, pages, gap):
    listing(server, http, *pages)
    assert gap in backend.list_batches().gap


def test_a_job_that_comes_while_the_list_is_read_is_found(backend, server, http):
    """It moves the others on by one: what is seen then is not what there is, and the list is read again."""
    replies = [(jobs(2, 1), 3), (jobs(1, 0), 4), ([], 4), (jobs(3, 2), 4), (jobs(1, 0), 4)]
    server.reply = lambda asked: http(200, dict(zip(("data", "total"), replies[len(server.asked) - 1], strict=True)))
    found = backend.list_batches()
    assert (found.gap, {batch.id for batch in found}) == ("", {"j-0", "j-1", "j-2", "j-3"})


@pytest.mark.parametrize(
    ("said", "status", "end"),
    [
        ("QUEUED", "validating", None),
        ("RUNNING", "in_progress", None),
        ("SUCCESS", "completed", "completed_at"),
        ("FAILED", "failed", "failed_at"),
        ("TIMEOUT_EXCEEDED", "expired", "expired_at"),
        ("CANCELLATION_REQUESTED", "cancelling", None),
        ("CANCELLED", "cancelled", "cancelled_at"),
        ("PAUSED", "paused", None),
    ],
)
def test_statuses_in_the_engines_words(said, status, end):
    batch = read_job({**JOB, "status": said, "completed_at": 1767225700 if end else None})
    assert (batch.status, batch.terminal) == (status, end is not None)
    assert batch.said.lower() == status  # so that nothing is remarked
    times = {"created_at": 1767225600.0, "in_progress_at": 1767225660.0, **({end: 1767225700.0} if end else {})}
    assert batch.times == times


def test_a_job_in_the_engines_words():
    errors = [{"message": "Invalid line", "count": 3}]
    batch = read_job({**JOB, "output_file": "f-2", "error_file": "f-3", "errors": errors})
    assert (batch.id, batch.endpoint, batch.input_file_id) == ("j-1", "/v1/chat/completions", "f-1")
    assert (batch.output_file_id, batch.error_file_id) == ("f-2", "f-3")
    assert (batch.total, batch.completed, batch.failed) == (9, 4, 1)
    assert (batch.metadata, batch.errors[0].message) == ({"batcheval": "2;x"}, "Invalid line")


@pytest.mark.parametrize("bent", [{name: value} for name in JOB for value in (None, 7, [], {}, "x", True)])
def test_a_strange_member_takes_nothing_from_the_rest(bent):
    batch = read_job({**JOB, **bent}, "j-1")
    assert batch.id == "j-1"
    assert batch.metadata == ({} if "metadata" in bent else {"batcheval": "2;x"})


def test_a_batch_that_has_ended_is_not_cancelled(calls, server, http):
    ended = {**JOB, "status": "SUCCESS", "completed_at": 1767225700}
    server.reply = lambda asked: http(409, WORDS) if asked.method == "POST" else http(200, ended)
    assert calls["cancel"]().terminal
    assert server.asked[-2].path == "/v1/batch/jobs/j-1/cancel"


def test_results_come_as_they_are(calls, server, http, tmp_path):
    line = json.dumps({"custom_id": "r-1", "response": {"status_code": 200, "body": {}}, "error": None}).encode()
    server.reply = lambda asked: http(200, line + b"\n")
    calls["content"]()
    assert (tmp_path / "out.jsonl").read_bytes() == line + b"\n"
    server.reply = lambda asked: http(200, line[:9], headers={"content-length": "100"})
    with pytest.raises(TransientFailure):
        calls["content"]()
