"""Inspect logs: what inspect-ai's own schema and reader say of them, and that nothing is lost on the way."""

import importlib.util
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from pytest_batcheval.journal.outcomes import Outcome
from pytest_batcheval.quality import Rubric, rubric_request
from pytest_batcheval.report.answer_list import ListedAnswer
from pytest_batcheval.report.inspect_log import inspect_log, write_log
from pytest_batcheval.wire.objects import Answer, Request, RequestError

SCHEMA = json.loads(Path(__file__).with_name("inspect_log.schema.json").read_text(encoding="utf-8"))
RUBRIC = Rubric.load(Path(__file__).parents[2] / "fixtures/rubric.yaml")
SIMULATOR, OPENAI = "simulator:faithful@0", "https://api.openai.com/v1"
CELL = {"persona": "kim", "question": "sleep"}
HOSTILE = "가슴이 답답해요 <script>alert(1)</script> \x1b[31m \u202e \ud800"


def answer(text, origin=SIMULATOR, sample=0, asked="어때요?", **message):
    messages = [{"role": "developer", "content": "환자입니다"}, {"role": "user", "content": [{"text": asked}]}]
    request = Request({"model": "gpt-6-luna", "messages": messages}, sample=sample)
    choice = {"message": {"content": text} | message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 3, "completion_tokens": 4}
    return Answer(request, origin, {"status_code": 200, "body": {"choices": [choice], "usage": usage}})


def listed(*answers):
    return [ListedAnswer(one, "cassettes/x.jsonl:1") for one in answers]


def outcome(name, kind, *answers, message="", cell=CELL, more=()):
    cells = {one.custom_id: dict(cell) for one in answers} | dict(more)
    return Outcome(f"test_it.py::{name}", "test_it.py", kind, message, 1.5, cells)


def log_of(tests, answers):
    """The log as it is in a file, and checked."""
    stream = io.BytesIO()
    write_log(inspect_log("run-1", 1_795_687_569.0, tests, listed(*answers)), stream)
    with zipfile.ZipFile(stream) as file:
        members = {name: json.loads(file.read(name)) for name in file.namelist()}
    log = members["header.json"] | {"samples": [data for name, data in members.items() if name.startswith("samples/")]}
    check(log, "EvalLog")
    for summary in members["summaries.json"]:
        check(summary, "EvalSampleSummary")
    assert [(s["id"], s["epoch"]) for s in members["summaries.json"]] == [(s["id"], s["epoch"]) for s in log["samples"]]
    assert members["_journal/start.json"] == {name: log[name] for name in ("version", "eval", "plan")}
    return log


def check(data, name):
    validator = Draft202012Validator({**SCHEMA, "$ref": f"#/$defs/{name}"})
    assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(data)] == []


@pytest.fixture(scope="module")
def every_kind():
    """A log with answers, samples, failures, a table, a verdict, tool calls, and a test without an answer."""
    first, second, other = answer("하나"), answer("둘", sample=1), answer(HOSTILE, OPENAI, asked="일은?")
    tool = answer(None, asked="전화", tool_calls=[{"id": "c", "function": {"name": "call", "arguments": '{"to": 1}'}}])
    failed = Answer(Request({"model": "m", "input": "x"}, "/v1/responses"), OPENAI, error=RequestError("e", "no", 400))
    scores = {code: {"evidence": "하나", "score": 4} for code in RUBRIC.codes}
    verdict = Answer(
        Request(rubric_request(first, "어때요?", RUBRIC, model="gpt-6.1-terra")), SIMULATOR,
        answer(json.dumps({"role": "in_role", "scores": scores})).response,
    )  # fmt: skip
    missing = Request({"model": "m", "messages": []})
    tests = [
        outcome("test_one[kim]", "passed", first, second),
        outcome("test_one[other]", "failed", other, message="not in character", cell={"question": "a/b"}),
        outcome("test_table", "failed", first, message="too alike", more={other.custom_id: {"persona": "choi"}}),
        outcome("test_tool", "xfailed", tool, cell=()),
        outcome("test_failed", "error", failed),
        outcome("test_verdict", "passed", verdict),
        outcome("test_none", "unrecorded", missing),
    ]
    return log_of(tests, [first, second, other, tool, failed, verdict])


def by_score(log, name):
    return [sample for sample in log["samples"] if name in sample["scores"]]


def test_samples_of_one_request_are_epochs_of_one_id(every_kind):
    first, second = by_score(every_kind, "test_one")[:2]
    assert first["id"] == second["id"]
    assert (first["epoch"], second["epoch"]) == (1, 2)
    assert first["messages"] == [
        {"role": "system", "content": "환자입니다"},
        {"role": "user", "content": "어때요?"},
        {"role": "assistant", "content": "하나", "source": "generate", "model": "simulator:faithful@0/gpt-6-luna"},
    ]
    assert first["output"]["usage"] == {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    assert (first["metadata"]["persona"], first["metadata"]["origin"]) == ("kim", SIMULATOR)


def test_a_test_scores_its_answers_and_a_table_the_run(every_kind):
    [other] = [sample for sample in by_score(every_kind, "test_one") if sample["scores"]["test_one"]["value"] == "I"]
    assert other["scores"]["test_one"]["explanation"] == "not in character"
    assert other["output"]["completion"] == HOSTILE.replace("\ud800", "?")
    assert other["id"] == "a_b"  # the name of a file
    assert by_score(every_kind, "test_table") == []
    scores = {score["name"]: score for score in every_kind["results"]["scores"]}
    assert [scores[f"test_{name}"]["metrics"]["accuracy"]["value"] for name in ("one", "table", "tool")] == [0.5, 0, 1]
    assert scores["test_table"]["metadata"] == {"test_it.py::test_table": "too alike"}
    assert scores["test_one"]["scored_samples"] == 3


def test_a_verdict_is_a_score_with_its_quotes(every_kind):
    [sample] = by_score(every_kind, "verdict")
    verdict = sample["scores"]["verdict"]
    assert set(verdict["value"].values()) == {4}
    assert verdict["answer"] == "하나"
    assert "role: in_role" in verdict["explanation"]
    broken = Answer(Request(rubric_request(answer("하나"), "?", RUBRIC, model="j")), SIMULATOR, answer("no").response)
    [sample] = log_of([outcome("test_verdict", "passed", broken)], [broken])["samples"]
    assert sample["scores"]["verdict"]["value"] == "N"
    assert "not valid JSON" in sample["scores"]["verdict"]["explanation"]


def test_what_has_no_answer_says_why(every_kind):
    errors = [sample["error"]["message"] for sample in every_kind["samples"] if "error" in sample]
    assert errors == ["e (HTTP 400): no", "no answer is stored"]
    results = every_kind["results"]
    assert (results["total_samples"], results["completed_samples"]) == (7, 5)


def test_tool_calls_are_inspects(every_kind):
    [sample] = by_score(every_kind, "test_tool")
    [call] = sample["messages"][-1]["tool_calls"]
    assert call == {"id": "c", "function": "call", "arguments": {"to": 1}, "type": "function"}


def test_a_simulator_is_named_everywhere(every_kind):
    spec = every_kind["eval"]
    assert spec["tags"] == ["simulator"]
    assert spec["metadata"]["simulator"].endswith("say nothing about any model")
    assert "simulator:faithful@0/gpt-6-luna" in spec["model"].split(", ")
    real = answer("x", OPENAI)
    spec = log_of([outcome("test_one", "passed", real)], [real])["eval"]
    assert (spec["model"], spec["tags"], spec["metadata"]) == ("openai/gpt-6-luna", [], {"origins": [OPENAI]})


def test_two_requests_of_a_cell_have_ids_of_their_own():
    answers = [answer("x", asked=str(number)) for number in range(2)]
    samples = log_of([outcome(f"test_one[{a.custom_id}]", "passed", a) for a in answers], answers)["samples"]
    assert [s["id"] for s in samples] == [f"kim × sleep {one.custom_id[:12]}" for one in answers]


def test_a_run_of_nothing_is_a_log():
    assert log_of([outcome("test_one", "skipped")], [])["samples"] == []


READ = """
import sys
from inspect_ai.log import read_eval_log, read_eval_log_sample_summaries
log = read_eval_log(sys.argv[1])
print(log.status, len(log.samples), len(read_eval_log_sample_summaries(sys.argv[1])), log.samples[0].output.completion)
"""


@pytest.mark.sampled
def test_inspect_opens_it(tmp_path):
    if importlib.util.find_spec("inspect_ai") is None:
        pytest.skip("inspect-ai is not installed: pip install 'pytest-batcheval[inspect]'")
    answers = [answer(HOSTILE), answer("둘", sample=1), answer("셋", asked="일은?")]
    tests = [outcome("test_one", "passed", *answers[:2]), outcome("test_two", "failed", answers[2], message="no")]
    logs = tmp_path / "logs"
    logs.mkdir()
    with (logs / "run.eval").open("wb") as file:
        write_log(inspect_log("run-1", 1_795_687_569.0, tests, listed(*answers)), file)
    read = [sys.executable, "-c", READ, str(logs / "run.eval")]
    out = subprocess.run(read, capture_output=True, encoding="utf-8", check=True).stdout
    assert out.split(" ", 3)[:3] == ["success", "3", "3"]
    assert out.split(" ", 3)[3].strip() == HOSTILE.replace("\ud800", "?")
    inspect = Path(sys.executable).with_name("inspect")
    bundle = [str(inspect), "view", "bundle", "--log-dir", str(logs), "--output-dir", str(tmp_path / "www")]
    subprocess.run(bundle, capture_output=True, check=True)
    listing = json.loads((tmp_path / "www/logs/listing.json").read_text(encoding="utf-8"))
    assert listing["run.eval"]["model"] == "simulator:faithful@0/gpt-6-luna"
