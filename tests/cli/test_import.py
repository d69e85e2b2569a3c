"""`batcheval import`: a batch input file checked, priced, and written as official lines."""

import json
import subprocess
import sys
from pathlib import Path

import openai
import pytest

from pytest_batcheval import Request
from pytest_batcheval.cli import main
from pytest_batcheval.engine.estimate import plan
from pytest_batcheval.wire import input_file

FIXTURE = Path(__file__).parents[2] / "fixtures" / "batchinput.jsonl"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    return tmp_path


def simple(text, model="gpt-6-luna"):
    return json.dumps({"model": model, "input": text}, ensure_ascii=False).encode() + b"\n"


def official(custom_id, text, **body):
    body = {"model": "gpt-6-luna", "messages": [{"role": "user", "content": text}], **body}
    line = {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}
    return json.dumps(line).encode() + b"\n"


def write(*lines, name="in.jsonl"):
    Path(name).write_bytes(b"".join(lines))
    return name


def names():
    return sorted(path.name for path in Path().iterdir())


def test_the_committed_file_becomes_official_lines_that_a_batch_takes(folder, batch_server, capsys):
    assert main(["import", str(FIXTURE), "--output", "out.jsonl"]) == 0
    out = capsys.readouterr().out
    assert "275 lines, 275 requests, 0 repeated, 0 bad" in out
    assert "/v1/chat/completions  gpt-4-turbo-preview: 275 requests" in out
    assert "next: to send it" in out
    requests = [found.request for found in Request.from_jsonl(FIXTURE)]
    assert [json.loads(line) for line in Path("out.jsonl").read_bytes().splitlines()] == [
        {"custom_id": r.custom_id, "method": "POST", "url": "/v1/chat/completions", "body": r.body} for r in requests
    ]
    with openai.OpenAI(base_url=batch_server.base_url, api_key="test-key") as client:
        stored = client.files.create(file=Path("out.jsonl"), purpose="batch")
        batch = client.batches.create(input_file_id=stored.id, endpoint="/v1/chat/completions", completion_window="24h")
        batch_server.forward(24 * 3600)
        assert client.batches.retrieve(batch.id).status == "completed"
    assert batch_server.ledger.custom_ids() == {r.custom_id for r in requests}


def test_without_an_output_nothing_is_written(folder, capsys):
    assert main(["import", write(simple("x"))]) == 0
    assert "next: to write official lines: batcheval import in.jsonl --output" in capsys.readouterr().out
    assert names() == ["in.jsonl"]


def test_what_it_would_cost_is_what_the_plan_says(folder, capsys):
    name = write(*(official(str(n), f"질문 {n}", max_completion_tokens=100) for n in range(9)))
    assert main(["import", name, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    (expected,) = plan(found.request for found in Request.from_jsonl(name))
    assert said["files"] == [
        {
            "endpoint": "/v1/chat/completions",
            "model": "gpt-6-luna",
            "requests": 9,
            "bytes": expected.bytes,
            "input_tokens": expected.input_tokens,
            "most_output_tokens": 900,
            "usd": float(expected.price.usd),
            "batch_rate": True,
        }
    ]
    assert (said["lines"], said["requests"], said["repeated"], said["bad"]) == (9, 9, 0, [])


def test_a_line_without_a_limit_makes_the_price_a_lower_bound(folder, capsys):
    main(["import", write(official("a", "x", max_completion_tokens=100), official("b", "y"))])
    assert "unlimited out, at least $" in capsys.readouterr().out


def test_repeats_and_samples_are_counted_and_said(folder, capsys):
    name = write(official("a", "x"), official("a", "x"), official("b", "x"), simple("y"), simple("y"))
    assert main(["import", name, "--output", "out.jsonl"]) == 0
    out = capsys.readouterr().out
    assert "5 lines, 3 requests, 2 repeated" in out
    assert "1 request with the body of another custom_id, kept as further samples" in out
    assert len(Path("out.jsonl").read_bytes().splitlines()) == 3


def test_mixed_models_are_a_note_and_an_error_with_strict(folder, capsys):
    name = write(simple("x"), simple("y", model="gpt-6.1-terra"))
    assert main(["import", name]) == 0
    assert "2 combinations of endpoint and model: each becomes a batch of its own when sent" in capsys.readouterr().out
    assert main(["import", name, "--strict", "--output", "out.jsonl"]) == 4
    assert "in.jsonl:2: has model 'gpt-6.1-terra', earlier lines 'gpt-6-luna'" in capsys.readouterr().err
    assert names() == ["in.jsonl"]


@pytest.mark.sampled
def test_more_than_a_batch_takes_is_a_note_and_an_error_with_strict(folder, capsys):
    name = write(*(simple(str(n)) for n in range(50_001)))
    assert main(["import", name]) == 0
    assert "more than fits into one batch (50,000 requests, 200 MB): it is split when sent" in capsys.readouterr().out
    assert main(["import", name, "--strict"]) == 4
    assert "in.jsonl:50001: is request 50,001 or later" in capsys.readouterr().err


def test_a_bad_line_stops_it_and_nothing_is_written(folder, capsys):
    name = write(simple("x"), b"{broken\n", b'{"model": "m"}\n')
    assert main(["import", name, "--output", "out.jsonl"]) == 4
    error = capsys.readouterr().err
    assert "in.jsonl: 2 lines of 3 cannot be used:\nin.jsonl:2: is not valid JSON" in error
    assert "in.jsonl:3: must have the members" in error
    assert "or continue without: --skip-bad BADFILE" in error
    assert names() == ["in.jsonl"]


BAD = (b'{broken "\xff"\r\n', b'{"model": "m", "input": "' + b"x" * 3000 + b'"}\n', b"\x1b[2J[]\n", b'{"cut": tru')


def test_skip_bad_puts_bad_lines_aside_byte_for_byte_and_goes_on(folder, capsys, monkeypatch):
    monkeypatch.setattr(input_file, "MAX_BYTES", 2000)
    name = write(BAD[0], simple("x"), b"\n", BAD[1], simple("y"), BAD[2], BAD[3])
    assert main(["import", name, "--output", "out.jsonl", "--skip-bad", "bad.jsonl"]) == 1
    out = capsys.readouterr().out
    assert "6 lines, 2 requests, 0 repeated, 4 bad" in out
    assert "in.jsonl:4: has 3,027 bytes" in out
    assert "the bad lines are in bad.jsonl; fix them" in out
    assert Path("bad.jsonl").read_bytes() == b"".join(BAD) + b"\n"
    assert [f.number for f in Request.from_jsonl("out.jsonl")] == [1, 2]


def test_skip_bad_leaves_no_file_when_nothing_is_bad(folder):
    assert main(["import", write(simple("x")), "--skip-bad", "bad.jsonl"]) == 0
    assert names() == ["in.jsonl"]


def test_skip_bad_keeps_the_first_of_two_that_contradict(folder, capsys):
    name = write(official("a", "first"), official("a", "second"))
    assert main(["import", name, "--skip-bad", "bad.jsonl", "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["bad"] == [{"line": 2, "reason": "has the custom_id 'a' of line 1, but another body; rename one"}]
    assert Path("bad.jsonl").read_bytes() == official("a", "second")


def test_a_file_of_bad_lines_only_is_an_error_and_writes_nothing(folder, capsys):
    assert main(["import", write(b"x\n", b"y\n"), "--output", "out.jsonl", "--skip-bad", "bad.jsonl"]) == 4
    assert "2 lines of 2 cannot be used" in capsys.readouterr().err
    assert names() == ["in.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["missing.jsonl"], "missing.jsonl cannot be read (No such file or directory)"),
        (["empty.jsonl"], "empty.jsonl is empty"),
        (["in.jsonl", "--output", "in.jsonl"], "in.jsonl already exists; name another file"),
        (["in.jsonl", "--skip-bad", "empty.jsonl"], "empty.jsonl already exists"),
        (["in.jsonl", "--output", "new", "--skip-bad", "./new"], "both name new"),
        (["in.jsonl", "--output", "no/such/out.jsonl"], "there is no folder no/such"),
        (["/dev/null", "--skip-bad", "bad.jsonl"], "/dev/null is not a regular file"),
        (["unnamed.jsonl"], "has no model"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_what_cannot_be_meant_is_said_and_nothing_is_written(folder, capsys, arguments, error):
    write(simple("x"))
    write(name="empty.jsonl")
    write(b'{"input": "x"}\n', name="unnamed.jsonl")
    before = names()
    assert main(["import", *arguments]) == 4
    assert error in capsys.readouterr().err
    assert names() == before


def test_a_model_can_be_given_for_lines_that_name_none(folder):
    assert main(["import", write(b'{"input": "x"}\n'), "--model", "gpt-6.1-terra", "--output", "out.jsonl"]) == 0
    assert json.loads(Path("out.jsonl").read_bytes())["body"]["model"] == "gpt-6.1-terra"


def test_import_and_export_explain_themselves_as_commands():
    for verb in ("import", "export"):
        command = [sys.executable, "-m", "pytest_batcheval.cli", verb, "--help"]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert f"batcheval {verb}" in out
        assert "--output" in out


def test_an_unknown_argument_of_another_verb_is_still_an_error(capsys):
    with pytest.raises(SystemExit, match="4"):
        main(["import", "in.jsonl", "--nope"])
    assert "unrecognized arguments: --nope" in capsys.readouterr().err
