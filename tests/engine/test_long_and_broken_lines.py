"""Lines of any length are sent, adopted, harvested and downloaded; a line that cannot be read hides no other."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace

import pytest

from pytest_batcheval.batch_status import results
from pytest_batcheval.cli import main
from pytest_batcheval.engine.adopt import _input_lines, _named_keys
from pytest_batcheval.engine.send import SendPolicy, collect, send
from pytest_batcheval.errors import AnswerError
from pytest_batcheval.journal.rows import AnswerRow, BatchRow
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.wire.endpoints import CHAT, EMBEDDINGS
from pytest_batcheval.wire.lines import chunks
from pytest_batcheval.wire.objects import Request
from pytest_batcheval.wire.result_file import read_lines

LONG = 17 * 2**20


def chat(text):
    return {"choices": [{"message": {"content": text}}]}


def vectors(count, size=3072):
    return {
        "data": [{"index": n, "embedding": [-0.0123456789012345 - i / 1e7 for i in range(size)]} for n in range(count)]
    }


def line(key, body, status=200):
    return json.dumps({"custom_id": key, "response": {"status_code": status, "body": body}, "error": None}).encode()


@pytest.mark.sampled
def test_a_long_request_is_sent_adopted_and_answered_once(provider, journal, clock, folder):
    requests = [Request({"model": "m", "messages": [{"role": "user", "content": text}]}) for text in ("x" * LONG, "y")]
    assert send(requests, backend=provider, journal=journal, clock=clock).answered == 2
    with Journal.open(folder / "other" / "journal.sqlite") as other:
        collect(backend=provider, journal=other, clock=clock, adopt=True)
        assert len(other.reader.answers(requests, provider.origin)) == 2
        assert send(requests, backend=provider, journal=other, clock=clock).sent == 0
    assert set(provider.ledger.values()) == {1}


@pytest.mark.sampled
def test_260_embeddings_of_3072_dimensions_are_stored(provider, journal, clock):
    request = Request({"model": "m", "input": ["x"] * 260}, EMBEDDINGS)
    body = vectors(260)
    assert len(json.dumps(body)) > 2**24
    provider.line_of = lambda key, run: (200, body)
    send([request], backend=provider, journal=journal, clock=clock)
    (found,) = journal.reader.answers([request], provider.origin).values()
    assert len(found.embeddings) == 260
    assert found.embedding == body["data"][0]["embedding"]


@pytest.mark.parametrize(
    ("body", "most"),
    [
        pytest.param(chat("x" * 8_000_000), 6, id="words"),
        pytest.param(vectors(130), 8, id="vectors", marks=pytest.mark.sampled),
    ],
)
def test_memory_is_a_small_multiple_of_the_longest_line(folder, body, most):
    """Six long lines; a reader that held them all, or two of them with their copies, would be over it."""
    path = folder / "output.jsonl"
    text = line("a", body)
    path.write_bytes(b"\n".join([text] * 6))
    del body
    tracemalloc.start()
    try:
        with path.open("rb") as stream:
            assert sum(found.succeeded for found in read_lines(chunks(stream))) == 6
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most * len(text)


def test_long_answers_are_stored_a_few_at_a_time(journal):
    requests = [Request({"model": "m", "messages": [{"role": "user", "content": str(n)}]}) for n in range(20)]
    journal.add_run("run", "https://memory.test/v1")
    row = BatchRow("https://memory.test/v1", "s", CHAT, "i", 1, 1, len(requests), "f", run="run")
    planned = journal.plan(row, requests)
    answers = (AnswerRow(request.custom_id, "", bytes(4_000_000)) for request in requests)
    tracemalloc.start()
    try:
        journal.settle(replace(planned, state="settled"), answers)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(journal.reader.answered([request.custom_id for request in requests], row.origin)) == 20
    assert peak < 60_000_000


# -- broken lines -------------------------------------------------------------------------------------------------

BROKEN = (
    b"",
    b"null",
    b"[1]",
    b"{",
    b'{"custom_id": 7.5}',
    b"\xff\xfe",
    b"<html>",
    b'{"custom_id": "aa", ' + b"[" * 9000,
)


@pytest.mark.parametrize("broken", BROKEN, ids=repr)
def test_a_broken_line_hides_no_request_of_an_input_file(folder, broken):
    requests = [Request({"model": "m", "messages": [{"content": str(n)}]}) for n in range(3)]
    path = folder / "input.jsonl"
    path.write_bytes(b"\n".join([requests[0].line(), broken, requests[1].line(), broken, requests[2].line()]))
    assert [*_input_lines(path)] == [request.custom_id for request in requests]


@pytest.mark.parametrize("broken", BROKEN, ids=repr)
def test_a_broken_line_hides_no_key_of_a_result_file(folder, broken):
    path = folder / "output.jsonl"
    path.write_bytes(b"\n".join([line("a", chat("x")), broken, line("b", {}), broken, line("c", chat("x"), 500)]))
    assert {*_named_keys(path)} - {"aa"} == {"a", "b", "c"}


def test_a_line_that_is_broken_after_its_key_names_it(folder):
    path = folder / "output.jsonl"
    path.write_bytes(b'{"custom_id": "a", "response": {"status_code"\n{"custom_id": "b", "response": {"body": NaN')
    assert {*_named_keys(path)} == {"a", "b"}


@pytest.fixture
def damaged(provider, journal, clock):
    """(batch id, requests) of an ended batch whose output file was damaged: two lines broken, one with a surrogate."""
    requests = [Request({"model": "m", "messages": [{"role": "user", "content": str(n)}]}) for n in range(5)]
    send(requests, backend=provider, journal=journal, clock=clock, policy=SendPolicy())
    (row,) = journal.reader.batches()
    lines = [line(request.custom_id, chat("fine")) for request in requests]
    lines[1] = lines[1][:-9]
    lines[2] = lines[2].replace(b"fine", b"\\ud800")
    lines[3] = b"\xff" * 20
    provider.files[row.output_file_id] = b"\n".join(lines)
    return row.batch_id, requests


def test_the_results_of_a_batch_have_a_failure_for_each_broken_line(damaged, provider):
    batch_id, requests = damaged
    found = results(provider, batch_id)
    assert [answer.custom_id for answer in found] == [requests[n].custom_id for n in (0, 1, 2)] + [
        "",
        requests[4].custom_id,
    ]
    assert [answer.error and answer.error.code for answer in found] == [None, "broken_line", None, "broken_line", None]
    assert "at byte " in found[1].error.message
    assert (found[2].text, found[2].remark) == ("\ufffd", "characters that are not Unicode became U+FFFD")
    with pytest.raises(AnswerError, match="broken_line"):
        _ = found[3].text


def test_download_writes_every_line_and_says_what_was_changed(damaged, provider, folder, monkeypatch, capsys):
    from contextlib import nullcontext
    from types import SimpleNamespace

    monkeypatch.setattr(
        "pytest_batcheval.backends.connect.connect", lambda name: nullcontext(SimpleNamespace(backend=provider))
    )
    batch_id, requests = damaged
    target = folder / "out.jsonl"
    assert main(["download", batch_id, "--output", str(target)]) == 1
    said = capsys.readouterr()
    assert "5 results" in said.out + said.err
    assert "2 of them failed" in said.out + said.err
    assert f"the line of {requests[2].custom_id} was read with a change" in said.err
    written = [json.loads(text) for text in target.read_text(encoding="utf-8").splitlines()]
    assert [(each["error"] or {}).get("code") for each in written] == [None, "broken_line", None, "broken_line", None]


@pytest.mark.parametrize("body", [{}, {"choices": []}, {"error": {"code": "invalid_prompt", "message": "no"}}], ids=str)
def test_a_response_without_an_answer_is_paid_once_and_never_stored_as_one(provider, journal, clock, body):
    request = Request({"model": "m", "messages": []}, CHAT)
    provider.line_of = lambda key, run: (200, body)
    for _ in range(2):
        assert send([request], backend=provider, journal=journal, clock=clock).failed == 1
    assert set(provider.ledger.values()) == {1}
    assert journal.reader.answers([request], provider.origin) == {}


def test_a_transient_failure_of_status_200_has_no_more_attempts_than_others(provider, journal, clock):
    request = Request({"model": "m", "messages": []}, CHAT)
    provider.line_of = lambda key, run: (200, {"error": {"code": "server_error", "message": "busy"}})
    assert send([request], backend=provider, journal=journal, clock=clock, policy=SendPolicy(attempts=3)).failed == 1
    assert set(provider.ledger.values()) == {3}
    provider.line_of = lambda key, run: (200, chat("fine"))
    assert send([request], backend=provider, journal=journal, clock=clock).answered == 1
