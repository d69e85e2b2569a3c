from __future__ import annotations

import errno
import itertools
import json
import threading

import pytest

from pytest_batcheval.backends import openai_batch
from pytest_batcheval.backends.errors import (
    BadReply,
    ProviderFailure,
    Refused,
    Stopped,
    TransientFailure,
    UnknownOutcome,
)
from pytest_batcheval.backends.openai_batch import OpenAIBatch
from pytest_batcheval.backends.protocol import METADATA_NAME, BatchError, RemoteBatch, RemoteFile
from pytest_batcheval.backends.reply_limits import Caps, Guard
from pytest_batcheval.backends.reply_readers import read_batch, read_file
from pytest_batcheval.errors import JournalError, ProviderError, UsageError

BATCH = {"id": "batch_1", "object": "batch", "status": "validating", "input_file_id": "file-1"}


# -- what is sent -------------------------------------------------------------------------------------------------


def test_an_upload_names_file_and_purpose(calls, server, http):
    server.reply = lambda asked: http(200, {"id": "file-1", "bytes": 19, "filename": "batcheval-x.jsonl"})
    assert calls["upload"]() == RemoteFile("file-1", 19, "batcheval-x.jsonl")
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/v1/files")
    assert b'name="purpose"\r\n\r\nbatch\r\n' in asked.body
    assert b'filename="batcheval-x.jsonl"' in asked.body
    assert b'{"custom_id": "a"}\n' in asked.body
    assert b"expires_after" not in asked.body  # it has to be there until its batch has ended


def test_a_create_says_everything_by_which_it_can_be_found_again(calls, server, http):
    server.reply = lambda asked: http(200, BATCH)
    assert calls["create"]() == RemoteBatch("batch_1", "validating", input_file_id="file-1")
    (asked,) = server.asked
    assert asked.json == {
        "input_file_id": "file-1",
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        "metadata": {"batcheval": "1;x"},
    }
    assert asked.headers["idempotency-key"] == "batcheval-x"
    assert asked.headers["accept-encoding"] == "identity"


def test_every_call_bears_the_key_and_no_other_header_of_it(calls, server, http, key):
    server.reply = lambda asked: http(200, BATCH | {"data": [], "has_more": False, "deleted": True})
    for call in calls.values():
        call()
    assert {asked.headers["authorization"] for asked in server.asked} == {f"Bearer {key}"}
    assert not any(
        key in f"{name}{value}" for a in server.asked for name, value in a.headers.items() if name[:4] != "auth"
    )


def test_a_key_that_changes_is_asked_for_each_time(server, http):
    keys = itertools.count()
    server.reply = lambda asked: http(200, BATCH)
    with OpenAIBatch(server.base_url, lambda: f"key{next(keys)}") as backend:
        backend.retrieve("batch_1")
        backend.retrieve("batch_1")
    one, two = (asked.headers["authorization"] for asked in server.asked)
    assert one != two


# -- lists --------------------------------------------------------------------------------------------------------


def pages(http, *contents, more=True):
    """Replies of a list by its `after`; each page is a list of ids."""
    by_after = {None: contents[0]} | {page[-1]: later for page, later in itertools.pairwise(contents)}

    def reply(asked):
        after = asked.path.partition("after=")[2].partition("&")[0] or None
        page = by_after[after]
        data = [{"id": name, "status": "completed", "filename": f"{name}.jsonl"} for name in page]
        fields = {"object": "list", "data": data}
        if more is not None:
            fields["has_more"] = more and page is not contents[-1]
        return http(200, fields)

    return reply


@pytest.mark.parametrize("more", [True, None], ids=["has_more", "without has_more"])
def test_all_pages_are_read_and_each_batch_is_given_once(backend, server, http, more):
    ids = [f"batch_{n}" for n in range(250)]
    contents = [ids[:100], ids[98:200], ids[200:]] + ([[]] if more is None else [])
    server.reply = pages(http, *contents, more=more)
    assert [batch.id for batch in backend.list_batches()] == ids
    assert len(server.asked) == len(contents)
    assert all("limit=100" in asked.path for asked in server.asked)


def test_a_list_that_shifts_is_begun_anew(backend, server, http):
    """New batches push the others down, so that a whole page comes again."""
    first = pages(http, ["a", "b"], ["a", "b"])
    second = pages(http, ["a", "b"], ["c"])
    server.reply = lambda asked: (first if len(server.asked) <= 2 else second)(asked)
    assert [batch.id for batch in backend.list_batches()] == ["a", "b", "c"]
    assert len(server.asked) == 4


def test_a_list_that_repeats_itself_is_not_taken_for_a_whole_one(backend, server, http):
    page = {"data": [{"id": "a", "status": "x"}], "has_more": True}
    server.reply = lambda asked: http(200, page)
    found = backend.list_batches()
    assert ([batch.id for batch in found], found.gap) == (["a"], "the list repeats itself")
    assert len(server.asked) == 2 * openai_batch.LISTINGS


def test_a_list_without_end_is_given_up(backend, server, http, monkeypatch):
    monkeypatch.setattr(openai_batch, "MAX_PAGES", 3)
    count = itertools.count()
    server.reply = lambda asked: http(200, {"data": [{"id": f"b{next(count)}", "status": "x"}], "has_more": True})
    found = backend.list_batches()
    assert (len(found), found.gap) == (3, "the list has more than 3 pages")


MARKED = {"metadata": {METADATA_NAME: "2;x;1;1;1;y"}}
STRANGE = {"metadata": {"project": "other"}}


@pytest.mark.parametrize(
    ("reply", "ids", "complete"),
    [
        ({"data": [BATCH]}, ["batch_1"], True),  # `after` is ignored, and nothing said of more pages
        ({"data": [BATCH], "has_more": None}, ["batch_1"], True),
        ({"data": [BATCH], "has_more": "false"}, ["batch_1"], True),
        ({"data": [BATCH], "has_more": 0}, ["batch_1"], True),
        ({"data": [BATCH], "hasMore": False}, ["batch_1"], True),
        ([BATCH], ["batch_1"], True),
        ({"items": [BATCH], "has_more": False}, ["batch_1"], True),
        ({"data": [], "has_more": False}, [], True),
        ({"data": []}, [], True),
        ([], [], True),
        ({"data": [], "has_more": True}, [], False),
        ({"data": None, "has_more": False}, [], False),
        ({"data": {}, "has_more": False}, [], False),
        ({"data": "none"}, [], False),
        ({}, [], False),
        (None, [], False),
        ("[]", [], False),
        (7, [], False),
        ({"data": [BATCH, None], "has_more": False}, ["batch_1"], False),
        ({"data": [BATCH, "text"], "has_more": False}, ["batch_1"], False),
        ({"data": [BATCH, {"status": "completed"}], "has_more": False}, ["batch_1"], False),
        ({"data": [BATCH, {"id": None, "status": None}], "has_more": False}, ["batch_1"], False),
        ({"data": [BATCH, {"id": None} | MARKED], "has_more": False}, ["batch_1"], False),
        ({"data": [BATCH, {"id": None} | STRANGE], "has_more": False}, ["batch_1"], True),
        ({"data": [BATCH, {"id": "batch_2"}], "has_more": False}, ["batch_1", "batch_2"], True),
        ({"data": [BATCH, {"id": 7, "status": None, "metadata": 3}], "has_more": False}, ["batch_1", "7"], True),
        ({"data": [{"batch": BATCH}], "has_more": False}, ["batch_1"], True),
    ],
    ids=str,
)
def test_nothing_is_absent_by_a_list_that_cannot_be_read(backend, server, http, reply, ids, complete):
    server.reply = lambda asked: http(200, json.dumps(reply).encode())
    found = backend.list_batches()
    assert ([batch.id for batch in found], not found.gap) == (ids, complete)


def test_a_file_is_found_by_its_name_on_any_page(backend, server, http):
    server.reply = pages(http, ["a", "b"], ["c", "batcheval-x"], ["d"])
    assert backend.find_file("batcheval-x.jsonl") == RemoteFile("batcheval-x", None, "batcheval-x.jsonl", "completed")
    assert len(server.asked) == 2
    assert backend.find_file("batcheval-y.jsonl") is None
    assert "purpose=batch" in server.asked[0].path


# -- downloads ----------------------------------------------------------------------------------------------------


def file_of(http, content, size, **more):
    def reply(asked):
        if asked.path.endswith("/content"):
            return content if callable(content) else http(200, content, **more)
        return http(200, {"id": "file-2", "bytes": size})

    return reply


def test_a_file_lands_whole_under_its_name(calls, server, http, tmp_path):
    server.reply = file_of(http, b"line\n" * 100_000, 500_000)
    calls["content"]()
    assert (tmp_path / "output.jsonl").read_bytes() == b"line\n" * 100_000
    assert [asked.path for asked in server.asked] == ["/v1/files/file-2/content"]
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("size", [0, 50, 99, 101, 10**12, None, "100", -1, 1.5, []], ids=str)
@pytest.mark.parametrize("delimited", [True, False], ids=["with a length", "without"])
def test_a_size_that_is_wrong_keeps_no_file_from_us(backend, server, http, tmp_path, size, delimited):
    output = tmp_path / "output.jsonl"
    output.write_text("older")
    server.reply = file_of(http, b"x" * 100, size, length=delimited)
    if not delimited and isinstance(size, int) and size > 100:
        with pytest.raises(TransientFailure, match=f"truncated: file file-{size} came with 100 bytes"):
            backend.download(f"file-{size}", output)
        assert output.read_text() == "older"
    backend.download(f"file-{size}", output)
    assert output.read_bytes() == b"x" * 100


@pytest.mark.parametrize("status", [404, 403, 500])
def test_a_size_that_nobody_gives_keeps_no_file_from_us(backend, server, http, tmp_path, status):
    refusal = http(status, {"error": {"message": "no"}})
    server.reply = lambda asked: http(200, b"x", length=False) if asked.path.endswith("/content") else refusal
    backend.download(f"file-{status}", tmp_path / "output.jsonl")
    assert (tmp_path / "output.jsonl").read_bytes() == b"x"


def test_a_download_that_was_left_behind_does_not_disturb_the_next(calls, server, http, tmp_path):
    """An interrupted send leaves a thread that is still writing; the next send downloads the same file."""
    half, go_on, failed = threading.Event(), threading.Event(), []
    whole = http(200, b"line\n" * 1000)

    def slowly(connection):
        connection.sendall(whole[:-2000])
        half.set()
        go_on.wait(30)
        connection.sendall(whole[-2000:])

    def reply(asked):
        if not asked.path.endswith("/content"):
            return http(200, {"id": "file-2", "bytes": 5000})
        return whole if half.is_set() else slowly

    def left_behind():
        try:
            calls["content"]()
        except Exception as error:
            failed.append(error)

    server.reply = reply
    thread = threading.Thread(target=left_behind)
    thread.start()
    assert half.wait(30)
    calls["content"]()
    go_on.set()
    thread.join()
    assert failed == []
    assert (tmp_path / "output.jsonl").read_bytes() == b"line\n" * 1000


def test_our_own_full_disk_is_not_the_providers_fault(calls, server, http, monkeypatch):
    server.reply = file_of(http, b"x" * 100, 100)

    def full(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pytest_batcheval.backends.local_files.os.fsync", full)
    with pytest.raises(JournalError, match=r"cannot be written.*No space left"):
        calls["content"]()


def test_a_missing_input_file_is_not_the_providers_fault(backend, server, tmp_path):
    with pytest.raises(FileNotFoundError):
        backend.upload(tmp_path / "missing.jsonl", "x.jsonl")
    assert server.asked == []


# -- what a reply may take ----------------------------------------------------------------------------------------


@pytest.fixture
def guarded(server):
    """A backend with small caps and a clock that jumps on by `step` seconds at each look at it, once it is open."""
    opened = []

    def build(step=0.0, **caps):
        ticks = itertools.count(0.0, step)
        opening = [True]
        guard = Guard(Caps(**caps), lambda: 0.0 if opening else next(ticks))
        opened.append(OpenAIBatch(server.base_url, "key", guard=guard))
        opening.clear()
        return opened[-1]

    yield build
    for backend in opened:
        backend.close()


def test_giant_replies_are_cut_short(guarded, server, http):
    sent = []

    def giant(connection):
        connection.sendall(http(200, b"", {"content-length": str(2**40)}))
        try:
            while True:
                connection.sendall(b" " * 65536)
                sent.append(65536)
        except OSError:
            pass

    server.reply = lambda asked: giant
    backend = guarded(create=1000, reply=2**20)
    for call, meant in (
        (lambda: backend.create("f", "/v1/x", {}, "k"), UnknownOutcome),
        (backend.list_batches, Refused),
    ):
        sent.clear()
        with pytest.raises(meant) as caught:
            call()
        assert caught.value.cause == "too_large"
        assert sum(sent) < 2**24  # what the sockets hold


def test_giant_refusals_are_cut_short_too(guarded, server, http):
    server.reply = lambda asked: http(500, b"x" * 100_000)
    backend = guarded(create=1000, reply=50_000)
    with pytest.raises(UnknownOutcome, match="too_large"):
        backend.create("f", "/v1/x", {}, "k")
    with pytest.raises(Refused, match="too_large"):
        backend.retrieve("batch_1")


def test_a_giant_file_is_cut_short_where_nobody_says_how_long_it_is(guarded, server, http, tmp_path):
    server.reply = file_of(http, b"x" * 200_000, None)
    with pytest.raises(Refused, match="too_large"):
        guarded(file=100_000).download("file-2", tmp_path / "out")


def test_a_reply_that_drips_is_given_up_at_its_deadline(guarded, server, http):
    """Each byte comes in time, by the socket; only the whole takes too long."""
    server.reply = lambda asked: http(200, BATCH)
    backend = guarded(step=700.0)
    with pytest.raises(UnknownOutcome, match="deadline: the reply took longer than 600 s"):
        backend.create("f", "/v1/x", {}, "k")
    with pytest.raises(TransientFailure, match="deadline"):
        backend.retrieve("batch_1")


def test_a_file_may_take_long_but_not_drip(guarded, server, http, tmp_path):
    server.reply = file_of(http, b"x" * 200_000, 200_000)
    with pytest.raises(TransientFailure, match="slow: the file came more slowly than 1024 bytes a second"):
        guarded(step=100_000.0, deadline=1e9).download("file-2", tmp_path / "out")
    guarded(step=61.0, deadline=1e9, pace=1).download("file-2", tmp_path / "out")
    guarded(step=59.0, deadline=1e9, window=1e9).download("file-2", tmp_path / "out")


def test_a_reply_to_a_create_is_one_object_and_may_take_less_than_others(guarded, server, http):
    server.reply = lambda asked: http(200, BATCH | {"metadata": {"padding": "x" * 2000}})
    backend = guarded(create=1000, reply=5000)
    assert backend.retrieve("batch_1").id == "batch_1"
    with pytest.raises(UnknownOutcome, match="too_large"):
        backend.create("f", "/v1/x", {}, "k")


def test_a_file_that_began_fast_may_not_drip_later():
    time = [0.0]
    check = Guard(Caps(window=60, pace=10), lambda: time[0])._file()
    check(100_000)
    time[0] = 61.0
    check(100_100)
    time[0] = 100.0
    check(100_200)
    time[0] = 122.0
    with pytest.raises(BadReply, match="more slowly than 10 bytes a second"):
        check(100_300)


# -- the key ------------------------------------------------------------------------------------------------------


def test_no_attribute_however_deep_holds_the_key(calls, backend, server, http, key, all_of):
    server.reply = lambda asked: http(200, BATCH)
    calls["retrieve"]()
    found = all_of(backend)
    assert "set-when-sent" in found, "the walk did not even reach the client"
    assert key not in found


@pytest.mark.parametrize("status", [400, 401, 429, 500])
@pytest.mark.parametrize("call", ["upload", "create", "list", "content"])
def test_no_error_shows_the_key_though_the_server_repeats_it(
    calls, server, http, call, status, key, all_of, locals_shown
):
    server.reply = lambda asked: http(status, {"error": {"message": f"Incorrect API key provided: {key}", "code": key}})
    with pytest.raises(ProviderFailure) as caught:
        calls[call]()
    assert "Incorrect API key provided" in str(caught.value)
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
    assert "failure = " in locals_shown(caught.value)
    assert key not in locals_shown(caught.value) + repr(caught.value) + repr(caught.value.args) + all_of(caught.value)


def test_a_key_of_any_form_is_taken_out(server, http):
    server.reply = lambda asked: http(401, {"error": {"message": "no: 0f0f-azure-like"}})
    with OpenAIBatch(server.base_url, "0f0f-azure-like") as backend, pytest.raises(Stopped) as caught:
        backend.retrieve("batch_1")
    assert "0f0f" not in str(caught.value)


def test_a_failing_start_shows_no_key(closed_port, key, locals_shown):
    with pytest.raises(ProviderError, match="cannot be reached") as caught:
        OpenAIBatch(f"http://kim:secret@127.0.0.1:{closed_port}/v1", key)
    assert "self = " in locals_shown(caught.value)
    assert key not in locals_shown(caught.value)
    assert "kim:secret@" not in str(caught.value)


@pytest.mark.parametrize("key", ["two\nlines", "with space and \x07", "schlüssel"])
def test_a_key_that_cannot_stand_in_a_header_is_refused_without_showing_it(server, key, locals_shown):
    with pytest.raises(UsageError) as caught:
        OpenAIBatch(server.base_url, key)
    assert key not in str(caught.value)
    assert repr(key) not in locals_shown(caught.value)


def test_a_line_end_after_the_key_is_no_part_of_it(server, http):
    server.reply = lambda asked: http(200, BATCH)
    with OpenAIBatch(server.base_url, "key\n") as backend:
        backend.retrieve("batch_1")
    assert server.asked[0].headers["authorization"] == "Bearer key"


def test_without_a_key_the_variable_is_named(server):
    with pytest.raises(UsageError, match="OPENAI_API_KEY is not set"):
        OpenAIBatch(server.base_url)


# -- who answers --------------------------------------------------------------------------------------------------


def test_the_scope_tells_accounts_apart_and_not_the_key(server, monkeypatch):
    def scope(key="one", **more):
        with OpenAIBatch(server.base_url, key, **more) as backend:
            return backend.scope

    assert scope() == scope()
    assert scope() != scope("two")
    plain = scope()
    monkeypatch.setenv("OPENAI_ORG_ID", "org-2")
    assert scope() != plain
    assert scope(scope="in-process") == "in-process"
    assert len(plain) == 16


def test_a_provider_is_known_by_its_url(backend, server):
    assert backend.origin == f"http://127.0.0.1:{server.port}/v1"
    assert backend.clock_address is None


def test_openai_itself_is_not_asked_who_it_is():
    with OpenAIBatch(api_key="key") as backend:
        assert backend.origin == "https://api.openai.com/v1"


@pytest.mark.parametrize("respondent", ["faithful@x", "faithful", ""])
def test_a_simulator_that_says_not_who_answers_is_refused(server, http, respondent, monkeypatch):
    headers = {"x-simulator": "pytest-batcheval", "x-simulator-respondent": respondent}
    reply = http(200, {"data": []}, headers)
    monkeypatch.setattr(
        type(server), "_answer", lambda self, connection: (connection.recv(65536), connection.sendall(reply))
    )
    with pytest.raises(ProviderError, match="does not say which respondent answers"):
        OpenAIBatch(server.base_url, "key")


# -- objects of any shape -----------------------------------------------------------------------------------------


def test_a_batch_is_read_with_all_its_fields():
    data = BATCH | {
        "status": "FAILED",
        "output_file_id": "",
        "error_file_id": "file-3",
        "request_counts": {"total": 3, "completed": 1, "failed": True},
        "errors": {"data": [{"code": "bad", "message": "m", "line": 2, "param": "p"}, {}, "x"]},
        "metadata": {"a": 1},
        "created_at": 1_800_000_000,
    }
    assert read_batch(data) == RemoteBatch(
        "batch_1",
        "failed",
        input_file_id="file-1",
        error_file_id="file-3",
        completed=1,
        total=3,
        errors=(BatchError("bad", "m", 2, "p"), BatchError("error", ""), BatchError("error", "x")),
        metadata={"a": "1"},
        created_at=1.8e9,
        times={"created_at": 1.8e9},
    )


@pytest.mark.parametrize("field", ["request_counts", "errors", "metadata", "created_at", "output_file_id"])
@pytest.mark.parametrize("value", [None, 7, "x", [], {}, 10**400, float("nan")], ids=repr)
def test_a_field_of_any_shape_is_no_reason_to_break_off(field, value):
    batch = read_batch(BATCH | {field: value})
    assert batch is not None
    assert batch.id == "batch_1"


def test_what_the_journal_could_not_store_is_made_storable():
    batch = read_batch(
        BATCH
        | {"input_file_id": "file-\ud800", "request_counts": {"completed": 2**70, "failed": -1}}
        | {"metadata": {"batcheval": "1;\ud800;1;1;1", "\ud800": "x"}}
    )
    assert (batch.input_file_id, batch.completed, batch.failed) == ("file-?", None, None)
    assert batch.metadata == {"batcheval": "1;?;1;1;1", "?": "x"}


def test_a_key_that_a_batch_repeats_is_not_kept():
    key = "sk-proj-0123456789abcdef"
    batch = read_batch(BATCH | {"errors": {"data": [{"code": key, "message": f"Incorrect API key provided: {key}."}]}})
    assert key not in str(batch)


@pytest.mark.parametrize("seen", [None, "html", [], {}, {"id": ""}, {"id": None}, {"id": []}])
def test_what_is_no_object_is_none(seen):
    assert read_batch(seen) is None
    assert read_file(seen) is None
