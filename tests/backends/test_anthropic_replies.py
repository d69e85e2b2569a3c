"""Message Batches in the engine's words; the examples are those of Anthropic's API reference."""

import json

import pytest

from pytest_batcheval.backends.anthropic_replies import custom_id_of, output_line, read_batch
from pytest_batcheval.backends.custom_id_mark import Marker
from pytest_batcheval.backends.protocol import METADATA_NAME

BATCH = {
    "id": "msgbatch_013Zva2CMHLNnXjNJJKqJ2EF",
    "type": "message_batch",
    "processing_status": "in_progress",
    "request_counts": {"processing": 100, "succeeded": 50, "errored": 30, "canceled": 10, "expired": 10},
    "ended_at": None,
    "created_at": "2024-08-20T18:37:24.100435Z",
    "expires_at": "2024-08-21T18:37:24.100435Z",
    "archived_at": None,
    "cancel_initiated_at": None,
    "results_url": None,
}
ENDED = {"processing_status": "ended", "ended_at": "2024-08-20T19:37:24Z", "results_url": "https://x/results"}
COUNTS = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
KEY = "00112233445566778899aabbccddeeff00112233"
METADATA = {METADATA_NAME: f"2;{'ab' * 16};1;1;0;batcheval-{'ab' * 8}-01234567;"}


def test_a_batch_that_runs():
    batch = read_batch(BATCH)
    assert (batch.id, batch.status, batch.terminal) == (BATCH["id"], "in_progress", False)
    assert (batch.total, batch.completed, batch.failed, batch.metadata) == (200, 50, 50, {})
    assert batch.created_at == pytest.approx(1724179044.1, abs=0.01)
    assert batch.output_file_id is None


@pytest.mark.parametrize(
    ("counts", "cancelled", "status"),
    [
        ({"succeeded": 3}, None, "completed"),
        ({"errored": 3}, None, "completed"),
        ({"succeeded": 2, "expired": 1}, None, "expired"),
        ({"succeeded": 2, "canceled": 1}, "2024-08-20T19:00:00Z", "cancelled"),
        ({"succeeded": 3}, "2024-08-20T19:00:00Z", "completed"),
    ],
)
def test_a_batch_that_has_ended(counts, cancelled, status):
    shown = {**BATCH, **ENDED, "request_counts": {**COUNTS, **counts}, "cancel_initiated_at": cancelled}
    batch = read_batch(shown)
    assert (batch.status, batch.terminal, batch.output_file_id) == (status, True, BATCH["id"])
    assert "ended_at" in batch.times


def test_what_is_no_batch():
    assert read_batch({"type": "error"}) is None
    assert read_batch([1]) is None
    assert read_batch({"processing_status": "ended"}, "msgbatch_1").id == "msgbatch_1"
    assert read_batch({"type": "error"}, "msgbatch_1") is None


def result(kind, **members):
    entry = {"custom_id": Marker(METADATA).custom_id(KEY), "result": {"type": kind, **members}}
    return json.loads(output_line(json.dumps(entry).encode(), ended=True))


def test_results_become_output_lines_of_our_key_with_bodies_as_they_are():
    message = {"type": "message", "content": [{"type": "text", "text": "잘 자요."}], "x_unknown": [1]}
    line = result("succeeded", message=message)
    assert (line["custom_id"], line["response"]["status_code"], line["error"]) == (KEY, 200, None)
    assert line["response"]["body"] == message


def test_failures_keep_their_type():
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens: missing"}}
    line = result("errored", error=error)
    assert line["response"]["status_code"] == 400
    assert line["response"]["body"]["error"]["message"] == "max_tokens: missing"
    assert result("errored", error={"type": "overloaded_error", "message": "x"})["response"]["status_code"] == 529
    assert result("expired")["error"]["code"] == "batch_expired"
    assert result("canceled")["error"]["code"] == "batch_cancelled"


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b'{"result": {}}', b"\xff"])
def test_a_line_that_cannot_be_read_stays_as_it_is(line):
    assert output_line(line, ended=True) == line + b"\n"
    assert output_line(line, ended=False) == line


def test_the_custom_id_of_a_line():
    assert custom_id_of(b'{"custom_id": "a", "result": 3}') == "a"
    assert [custom_id_of(line) for line in (b"", b"{", b"[]", b'{"custom_id": 1}', b"\xff")] == [""] * 5


def test_a_strangers_id_stays():
    assert (
        json.loads(output_line(b'{"custom_id": "a-1", "result": {"type": "expired"}}', ended=True))["custom_id"]
        == "a-1"
    )
