"""Answers under the user's own ids: of files, of adopted batches; and both ids in a download."""

from __future__ import annotations

import json

import openai
import pytest

from pytest_batcheval import BatchClient, Request
from pytest_batcheval.cli import main
from pytest_batcheval.errors import UsageError
from pytest_batcheval.wire.endpoints import CHAT


def body(text):
    return {"model": "m", "messages": [{"role": "user", "content": text}]}


def line(custom_id, text):
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": CHAT, "body": body(text)})


@pytest.fixture
def sdk(monkeypatch, batch_server, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    monkeypatch.setenv("OPENAI_BASE_URL", batch_server.base_url)
    monkeypatch.chdir(tmp_path)
    with openai.OpenAI() as client:
        yield client


def make(sdk, *lines):
    stored = sdk.files.create(file=("notebook.jsonl", "\n".join(lines).encode()), purpose="batch")
    return sdk.batches.create(input_file_id=stored.id, endpoint=CHAT, completion_window="24h")


def test_requests_of_a_file_are_found_by_its_ids(sdk):
    lines = [found.request for found in Request.from_jsonl([line(f"row-{n}", f"질문 {n}") for n in range(3)])]
    plain = Request(body("no id"))
    with BatchClient() as client:
        run = client.run([*lines, plain])
    assert [run.by_custom_id[f"row-{n}"].request for n in range(3)] == lines
    assert run.by_custom_id[plain.custom_id].request == plain
    assert len(run.by_custom_id) == 7  # three ids, four keys
    with pytest.raises(KeyError, match="no request of this run has the custom_id 'row-9'"):
        run.by_custom_id["row-9"]


def test_an_id_of_two_bodies_is_an_error_only_where_it_is_looked_up(sdk):
    one = [found.request for found in Request.from_jsonl([line("row-0", "하나"), line("row-1", "둘")])]
    two = [found.request for found in Request.from_jsonl([line("row-0", "셋")])]
    with BatchClient() as client:
        run = client.run([*one, *two])
        pending = client.submit([*two, *(Request(body("later"), given_id="later"),)])
    assert run.by_custom_id["row-1"].text
    assert "row-0" not in set(run.by_custom_id)
    with pytest.raises(UsageError, match="2 different bodies of this run have the custom_id 'row-0'"):
        run.by_custom_id["row-0"]
    with pytest.raises(KeyError, match="still pending"):
        pending.by_custom_id["later"]


def test_requests_of_an_adopted_batch_are_found_by_its_ids(sdk, batch_server):
    batch = make(sdk, line("row-0", "하나"), line("row-1", "하나"))
    assert main(["adopt", batch.id]) == 0
    requests = [Request(body("하나"), sample=n) for n in range(2)]
    with BatchClient() as client:
        run = client.run(requests)
    assert run.sent.sent == 0
    assert [run.by_custom_id[f"row-{n}"].request for n in range(2)] == requests


def test_a_download_names_both_ids(sdk, capsys):
    batch = make(sdk, line("row-0", "하나"))
    assert main(["adopt", batch.id]) == 0
    assert main(["download", batch.id, "--output", "results.jsonl"]) == 0
    assert main(["download", batch.id, "--output", "plain.jsonl", "--journal", "other.sqlite"]) == 0
    with open("results.jsonl") as named, open("plain.jsonl") as plain:
        first, other = json.loads(named.read()), json.loads(plain.read())
    assert (first["custom_id"], first["key"]) == ("row-0", Request(body("하나")).custom_id)
    assert "key" not in other
