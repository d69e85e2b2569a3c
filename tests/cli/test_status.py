"""`batcheval status` and `download`: a batch of whoever, without a journal."""

import json

import openai
import pytest

from pytest_batcheval.cli import main


@pytest.fixture
def batch(monkeypatch, batch_server, tmp_path):
    """A batch of two requests, one of which fails."""
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    monkeypatch.setenv("OPENAI_BASE_URL", batch_server.base_url)
    monkeypatch.chdir(tmp_path)
    batch_server.faults.fail_lines("bad", status_code=400, code="bad_request", times=9)
    lines = [
        {"custom_id": name, "method": "POST", "url": "/v1/chat/completions",
         "body": {"model": "m", "messages": [{"role": "user", "content": name}]}}
        for name in ("good", "bad")
    ]  # fmt: skip
    with openai.OpenAI() as client:
        file = client.files.create(file=("in.jsonl", "\n".join(map(json.dumps, lines)).encode()), purpose="batch")
        return client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h").id


def test_status_while_it_runs_and_when_it_has_ended(batch, batch_server, capsys):
    batch_server.faults.hold_batches()
    assert main(["status", batch]) == 10
    assert f"{batch}: in_progress (/v1/chat/completions)" in capsys.readouterr().out
    batch_server.faults.release()
    batch_server.forward(86_400)
    assert main(["status", batch]) == 0
    out = capsys.readouterr().out
    assert "1 completed, 1 failed, of 2" in out
    assert "output file: file-" in out
    assert f"batcheval download {batch}" in out


def test_status_for_machines(batch, batch_server, capsys):
    batch_server.forward(86_400)
    assert main(["status", batch, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["request_counts"] == {"total": 2, "completed": 1, "failed": 1}


def test_download_writes_the_official_lines(batch, batch_server, capsys, tmp_path):
    batch_server.forward(86_400)
    assert main(["download", batch, "--output", "results.jsonl"]) == 1
    assert "2 results in results.jsonl, 1 of them failed" in capsys.readouterr().out
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [(line["custom_id"], line["response"]["status_code"]) for line in lines] == [("good", 200), ("bad", 400)]
    assert main(["download", batch, "--output", "results.jsonl"]) == 4
    assert "already exists" in capsys.readouterr().err


def test_download_to_the_terminal_is_harmless(batch, batch_server, capsys):
    batch_server.forward(86_400)
    assert main(["download", batch]) == 1
    out = capsys.readouterr().out
    assert out.isascii()
    assert len([json.loads(line) for line in out.splitlines()]) == 2


def test_a_batch_nobody_knows(batch, capsys):
    assert main(["status", "batch_nobody"]) == 11
    assert "belong to a project" in capsys.readouterr().err
    assert main(["download", "batch_nobody"]) == 11


def test_download_while_it_runs(batch, batch_server, capsys):
    batch_server.faults.hold_batches()
    assert main(["download", batch]) == 10
