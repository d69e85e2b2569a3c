"""Operations of Gemini's batch mode in the engine's words; members are those of Google's API reference."""

import json

import pytest

from pytest_batcheval.backends.gemini_replies import (
    display_name,
    input_line,
    model_path,
    output_line,
    read_batch,
    read_file,
)
from pytest_batcheval.backends.protocol import METADATA_NAME

VALUE = f"2;{'ab' * 16};1;1;0;batcheval-{'ab' * 8}-01234567;"
METADATA = {METADATA_NAME: VALUE}
BATCH = {
    "@type": "type.googleapis.com/google.ai.generativelanguage.v1beta.GenerateContentBatch",
    "name": "batches/123",
    "model": "models/gemini-2.5-flash",
    "displayName": f"batcheval;{VALUE}",
    "createTime": "2026-01-01T00:00:00.5Z",
    "updateTime": "2026-01-01T01:00:00Z",
    "batchStats": {"requestCount": "200", "successfulRequestCount": "50", "pendingRequestCount": "150"},
    "state": "BATCH_STATE_RUNNING",
}
OPERATION = {"name": "batches/123", "metadata": BATCH}


def ended(state, **more):
    stats = {"requestCount": "3", "successfulRequestCount": "2", "failedRequestCount": "1"}
    metadata = {**BATCH, "state": state, "endTime": "2026-01-01T02:00:00Z", "batchStats": stats}
    return {"name": "batches/123", "metadata": metadata, "done": True, **more}


def test_a_batch_that_runs():
    batch = read_batch(OPERATION)
    assert (batch.id, batch.status, batch.terminal) == ("batches/123", "in_progress", False)
    assert (batch.total, batch.completed, batch.failed, batch.metadata) == (200, 50, 0, METADATA)
    assert batch.created_at == pytest.approx(1767225600.5)
    assert (batch.input_file_id, batch.output_file_id, batch.errors) == (None, None, ())


@pytest.mark.parametrize(
    ("state", "more", "status", "output"),
    [
        ("BATCH_STATE_SUCCEEDED", {"response": {"responsesFile": "files/a"}}, "completed", "files/a"),
        ("JOB_STATE_SUCCEEDED", {"dest": {"fileName": "files/a"}}, "completed", "files/a"),
        ("BATCH_STATE_FAILED", {"error": {"code": 3, "message": "bad line"}}, "failed", None),
        ("BATCH_STATE_CANCELLED", {"error": {"code": 1}}, "cancelled", None),
        ("BATCH_STATE_EXPIRED", {}, "expired", None),
    ],
)
def test_a_batch_that_has_ended(state, more, status, output):
    batch = read_batch(ended(state, **more))
    assert (batch.status, batch.said, batch.terminal, batch.output_file_id) == (status, status, True, output)
    assert (batch.total, batch.completed, batch.failed) == (3, 2, 1)
    assert set(batch.times) == {"created_at", f"{status}_at"}
    assert [(one.code, one.message) for one in batch.errors] == (
        [("INVALID_ARGUMENT", "bad line")] if status == "failed" else [("CANCELLED", "")] * (status == "cancelled")
    )


def test_the_output_may_be_in_the_batch_itself():
    shown = ended("BATCH_STATE_SUCCEEDED")
    shown["metadata"]["output"] = {"responsesFile": "files/b"}
    assert read_batch(shown).output_file_id == "files/b"


def test_an_end_counts_only_with_something_that_proves_it():
    shown = {"name": "batches/123", "metadata": {**BATCH, "state": "BATCH_STATE_SUCCEEDED"}}
    assert not read_batch(shown).terminal
    assert read_batch({**shown, "done": True}).terminal


def test_what_is_no_batch():
    assert read_batch({"error": {"code": 404}}) is None
    assert read_batch([1]) is None
    assert read_batch({"metadata": {"state": "BATCH_STATE_PENDING"}}, "batches/1").status == "validating"
    assert read_batch({"name": "batches/1"}, "batches/1") is None


@pytest.mark.parametrize("name", ["my batch", "batcheval", "batcheval;"])
def test_a_name_that_others_gave_is_no_mark(name):
    metadata = read_batch({**OPERATION, "metadata": {**BATCH, "displayName": name}}).metadata
    assert metadata == {"display_name": name}
    assert read_batch({**OPERATION, "metadata": {"state": "BATCH_STATE_PENDING"}}).metadata == {}
    assert display_name({}, "batcheval-1-2") == "batcheval-1-2"


def test_files():
    shown = {"name": "files/a", "displayName": "in.jsonl", "sizeBytes": "12", "state": "PROCESSING"}
    file = read_file({"file": shown})
    assert (file.id, file.filename, file.bytes, file.pending) == ("files/a", "in.jsonl", 12, True)
    failed = read_file({**shown, "state": "FAILED", "error": {"code": 3, "message": "not JSON"}})
    assert (failed.status, failed.details) == ("failed", "not JSON")
    assert read_file({"file": {}}) is None


LINE = (
    b'{"custom_id":"k","method":"POST","url":"/v1beta/models:generateContent",'
    b'"body":{"contents":[{"parts":[ {"text":"\\ud55c \xea\xb8\x80"} ]}],"model":"gemini-2.5-flash","seed":1e0}}'
)


def test_a_line_keeps_all_but_its_model_byte_for_byte():
    want = b'{"key":"k","request":{"contents":[{"parts":[ {"text":"\\ud55c \xea\xb8\x80"} ]}],"seed":1e0}}\n'
    assert input_line(LINE) == want
    assert model_path(LINE) == "models/gemini-2.5-flash"
    assert model_path(LINE.replace(b"gemini-2", b"tunedModels/gemini-2")) == "tunedModels/gemini-2.5-flash"


def test_a_response_becomes_an_output_line_byte_for_byte():
    line = output_line(b'{"response":{"candidates":[ 1e0 ],"x":"\\ud55c"},"key":"k"}', ended=True)
    assert b'"body":{"candidates":[ 1e0 ],"x":"\\ud55c"}' in line
    read = json.loads(line)
    assert (read["custom_id"], read["response"]["status_code"], read["error"]) == ("k", 200, None)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        ({"code": 3, "message": "m"}, 400, "INVALID_ARGUMENT"),
        ({"code": 400, "message": "m", "status": "FAILED_PRECONDITION"}, 400, "FAILED_PRECONDITION"),
        ({"code": 8, "message": "m"}, 429, "RESOURCE_EXHAUSTED"),
        ({"code": 503, "message": "m"}, 503, "UNAVAILABLE"),
        ({"code": 99, "message": "m"}, 500, "UNKNOWN"),
        ({"message": "m"}, 500, "UNKNOWN"),
    ],
)
def test_failures_have_an_http_status_and_a_word(error, status, code):
    read = json.loads(output_line(json.dumps({"key": "k", "error": error}).encode(), ended=True))
    assert (read["response"]["status_code"], read["error"]) == (status, None)
    assert (read["response"]["body"]["error"]["code"], read["response"]["body"]["error"]["message"]) == (code, "m")


def test_a_request_that_was_cancelled_is_sent_again():
    read = json.loads(output_line(b'{"key": "k", "error": {"code": 1}}', ended=True))
    assert (read["response"], read["error"]["code"]) == (None, "batch_cancelled")


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b'{"response": {}}', b'{"key": 1}', b"\xff"])
def test_a_line_that_cannot_be_read_stays_as_it_is(line):
    assert output_line(line, ended=True) == line + b"\n"
    assert output_line(line, ended=False) == line
