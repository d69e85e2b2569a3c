"""`batcheval import RESULTS --input INPUT`: results in files go into the journal; and what other files are."""

import gzip
import json
from contextlib import closing
from pathlib import Path

import pytest

from pytest_batcheval import Request
from pytest_batcheval.cli import main
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.wire.endpoints import CHAT

ORIGIN = "https://api.openai.com/v1"
REQUESTS = [Request({"model": "m", "messages": [{"role": "user", "content": f"질문 {n}"}]}) for n in range(4)]


def given(number):
    content = REQUESTS[number].body
    return json.dumps({"custom_id": f"row-{number}", "method": "POST", "url": CHAT, "body": content}, indent=None)


def answered(number, words=""):
    message = {"message": {"role": "assistant", "content": words or f"답 {number}"}, "finish_reason": "stop"}
    response = {"status_code": 200, "request_id": "r", "body": {"object": "chat.completion", "choices": [message]}}
    return json.dumps({"id": f"b-{number}", "custom_id": f"row-{number}", "response": response, "error": None})


def failed(number, code="batch_expired"):
    error = {"code": code, "message": "it was not run"}
    return json.dumps({"id": f"b-{number}", "custom_id": f"row-{number}", "response": None, "error": error})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working folder without a key."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    return tmp_path


def write(name, *lines):
    Path(name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return name


@pytest.fixture
def files(folder):
    """An input file of four lines, an output file with two answers, an error file with one failure."""
    return (
        write("input.jsonl", *map(given, range(4))),
        write("output.jsonl", answered(0), answered(1)),
        write("errors.jsonl", failed(2)),
    )


def stored(origin=ORIGIN):
    with closing(Journal.read(Path(".batcheval/journal.sqlite"))) as reader:
        texts = {key: answer.text for key, answer in reader.answers(REQUESTS, origin).items()}
        return texts, set(reader.failures(REQUESTS, origin))


KEYS = [request.custom_id for request in REQUESTS]


@pytest.mark.parametrize("order", [("output", "errors", "--input", "input"), ("input", "errors", "--input", "output"),
                                   ("errors", "input", "output")])  # fmt: skip
def test_answers_go_into_the_journal_whichever_file_is_named_first(files, capsys, order):
    assert main(["import", *(name if name.startswith("-") else f"{name}.jsonl" for name in order)]) == 0
    out = capsys.readouterr().out
    assert "3 requests taken into the journal: 2 answered, 1 failed; nothing was sent" in out
    assert f"origin {ORIGIN}, taken on trust" in out
    assert "1 request of the input file without a result, not taken" in out
    assert stored() == ({KEYS[0]: "답 0", KEYS[1]: "답 1"}, {KEYS[2]})
    assert main(["verify"]) == 0


def test_the_same_files_once_more_change_nothing(files, capsys):
    given_file, output, errors = files
    main(["import", output, errors, "--input", given_file])
    before = Path(".batcheval/journal.sqlite").read_bytes()
    capsys.readouterr()
    assert main(["import", errors, output, "--input", given_file]) == 0
    assert "these results are in the journal already: 3 requests, 2 answered" in capsys.readouterr().out
    assert Path(".batcheval/journal.sqlite").read_bytes() == before


def test_the_error_file_may_come_later_and_another_origin_is_its_own(files, capsys):
    given_file, output, errors = files
    assert main(["import", output, "--input", given_file]) == 0
    assert main(["import", errors, "--input", given_file, "--json", "--origin", "https://Groq.test/v1/"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (found["origin"], found["failed"], found["missing"]) == ("https://groq.test/v1", 1, 3)
    assert main(["import", errors, "--input", given_file]) == 0
    assert stored() == ({KEYS[0]: "답 0", KEYS[1]: "답 1"}, {KEYS[2]})


def test_a_later_batch_of_the_same_requests_counts_and_the_earlier_answer_stays(files):
    given_file, output, _ = files
    main(["import", output, "--input", given_file])
    main(["import", write("again.jsonl", answered(0, "다시")), "--input", given_file])
    assert stored()[0][KEYS[0]] == "다시"
    with closing(Journal.read(Path(".batcheval/journal.sqlite"))) as reader:
        assert len(reader.answers_of(KEYS[0])) == 2


def test_lines_that_cannot_be_read_are_named_and_the_others_taken(files, capsys):
    bad = write("bad.jsonl", given(0), "{", given(1))
    broken = write("broken.jsonl", answered(0), '{"custom_id": "row-1", "response": {', answered(3))
    assert main(["import", broken, "--input", bad]) == 1
    out = capsys.readouterr().out
    assert "input line 2 was left out: it is not valid JSON" in out
    assert "broken.jsonl at byte " in out
    assert "a line for 'row-3', which is not a request of this batch" in out
    assert stored()[0] == {KEYS[0]: "답 0"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["output.jsonl"], "batcheval import output.jsonl --input INPUT"),
        (["output.jsonl", "--input", "errors.jsonl"], "0 input files and 2 files of results"),
        (["output.jsonl", "--input", "nowhere.jsonl"], "nowhere.jsonl does not exist"),
        (["output.jsonl", "--input", "input.jsonl", "--strict"], "--strict is for checking an input file"),
        (["output.jsonl", "--input", "input.jsonl", "--origin", "openai"], "is no base URL"),
        (["strange.jsonl", "--input", "input.jsonl"], "no result is of a request in input.jsonl"),
    ],
)
def test_what_does_not_fit_together_is_said(files, capsys, arguments, said):
    write("strange.jsonl", answered(9))
    assert main(["import", *arguments]) == 4
    assert said in capsys.readouterr().err
    assert stored() == ({}, set())


BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
FORMS = {
    "a directory": None,
    "compressed with gzip": gzip.compress(given(0).encode()),
    "a zip archive": b"PK\x03\x04" + bytes(30),
    "UTF-16": given(0).encode("utf-16"),
    "UTF-32": given(0).encode("utf-32"),
    "binary": b"\x00\x01\x02",
    "empty": b" \n\r\n",
    "one line, since its lines end with CR alone": f"{given(0)}\r{given(1)}\r".encode(),
    "an HTML page": b"\n<!DOCTYPE html><html>",
    "CSV": b"id,question\n1,how do you sleep\n",
    "one JSON array": json.dumps([json.loads(given(0))]).encode(),
    "one JSON object over several lines": json.dumps(json.loads(given(0)), indent=2).encode(),
    "the results of a batch, not its input": answered(0).encode(),
    "of requests to Anthropic's": json.dumps({"custom_id": "a", "params": BODY}).encode(),
    "of results of Anthropic's": json.dumps({"custom_id": "a", "result": {"type": "succeeded"}}).encode(),
    "of requests to Gemini's": json.dumps({"key": "a", "request": {"contents": []}}).encode(),
    "of results of Gemini's": json.dumps({"key": "a", "response": {"candidates": []}}).encode(),
    "of requests to Mistral's": json.dumps({"custom_id": "a", "body": BODY}).encode(),
    "of lines of Amazon": json.dumps({"recordId": "a", "modelInput": {}}).encode(),
    "of chats without custom_id": json.dumps({"messages": []}).encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_file_of_another_form_is_named_before_its_lines(folder, capsys, form):
    if FORMS[form] is None:
        Path("it.jsonl").mkdir()
    else:
        Path("it.jsonl").write_bytes(FORMS[form])
    assert main(["import", "it.jsonl"]) == 4
    assert capsys.readouterr().err.startswith(f"batcheval import: it.jsonl is {form}")


def test_input_lines_without_method_and_url_have_the_endpoint_of_their_bodies(files):
    plain = write("plain.jsonl", *(json.dumps({"custom_id": f"row-{n}", "body": REQUESTS[n].body}) for n in range(2)))
    assert main(["import", "output.jsonl", "--input", plain]) == 0
    assert set(stored()[0]) == {*KEYS[:2]}
