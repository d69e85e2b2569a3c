"""`batcheval export`: what selected tests ask, as batch input files."""

import json
import subprocess
import sys
import zipfile
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from pytest_batcheval import Request
from pytest_batcheval.cli import main
from pytest_batcheval.cli.new_file import new_folder
from pytest_batcheval.journal.outcome_writer import add_outcomes
from pytest_batcheval.journal.outcomes import Outcome
from pytest_batcheval.recordings.answers import NewRecording, Recordings
from pytest_batcheval.wire.objects import Answer

SUITE = """
import pytest

def ask(topic):
    return {"model": "gpt-6-luna", "messages": [{"role": "user", "content": topic}], "max_completion_tokens": 5}

def other(topic):
    return {"model": "acme/one:v2", "input": topic, "temperature": 1.0}

def judged(topic):
    answer = yield ask(topic)
    yield {"model": "gpt-6-luna", "messages": [{"role": "user", "content": "judge: " + answer.text}]}

TOPICS = pytest.mark.parametrize("topic", ["sleep", "work", "잠"])

@TOPICS
@pytest.mark.batch(prompt=ask)
def test_plain(topic, answer):
    assert False, "no test is run"

@TOPICS
@pytest.mark.batch(prompt=ask, samples=2)
def test_sampled(topic, answer):
    pass

@TOPICS
@pytest.mark.batch(prompt=other)
def test_other(topic, answer):
    pass

@TOPICS
@pytest.mark.batch(prompt=judged)
def test_judged(topic, answer):
    assert answer.text

@pytest.mark.skip(reason="not today")
@TOPICS
@pytest.mark.batch(prompt=other)
def test_another_day(topic, answer):
    pass

def test_of_no_batch():
    pass
"""

INI = "[pytest]\naddopts = -p pytest_batcheval.plugin\n"


@pytest.fixture
def suite(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # a collection takes half the time
    (tmp_path / "pytest.ini").write_text(INI)
    (tmp_path / "test_it.py").write_text(SUITE)
    return tmp_path


def requests(*paths):
    return [found.request for path in paths for found in Request.from_jsonl(path, strict=True)]


def texts(*paths):
    return sorted(
        r.body["messages"][0]["content"] if "messages" in r.body else r.body["input"] for r in requests(*paths)
    )


def entries():
    return sorted(path.name for path in Path().iterdir() if path.name not in ("__pycache__", ".pytest_cache"))


@pytest.mark.sampled
def test_a_selection_becomes_official_lines_with_our_keys(suite, monkeypatch, capsys):
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")  # once as it is installed
    (suite / "pytest.ini").write_text("[pytest]\n")
    assert main(["export", "-k", "plain and not work", "--output", "out.jsonl"]) == 0
    assert "out.jsonl: /v1/chat/completions  gpt-6-luna: 2 requests" in capsys.readouterr().out
    bodies = [
        {"model": "gpt-6-luna", "messages": [{"role": "user", "content": topic}], "max_completion_tokens": 5}
        for topic in ("sleep", "잠")
    ]
    expected = {Request(body).custom_id: body for body in bodies}
    lines = [json.loads(line) for line in Path("out.jsonl").read_bytes().splitlines()]
    assert {line["custom_id"]: line["body"] for line in lines} == expected
    assert {(line["method"], line["url"]) for line in lines} == {("POST", "/v1/chat/completions")}


@pytest.mark.sampled
def test_a_file_is_made_for_each_endpoint_and_model(suite, capsys):
    assert main(["export", "--output", "new/out"]) == 0
    paths = sorted(Path("new/out").iterdir())
    assert [path.name for path in paths] == [
        "01-chat-completions-gpt-6-luna.jsonl",
        "02-responses-acme-one-v2.jsonl",
    ]
    assert Counter(texts(paths[0])) == {"sleep": 2, "work": 2, "잠": 2}
    assert texts(paths[1]) == ["sleep", "work", "잠"]
    assert sorted(r.sample for r in requests(paths[0])) == [0, 0, 0, 1, 1, 1]
    out = capsys.readouterr().out
    assert "3 prompts with further turns" in out
    assert "left out: the requests of 3 tests skipped by their marks" in out


def test_what_is_exported_is_imported_as_it_was(suite):
    assert main(["export", "--output", "out"]) == 0
    first, second = sorted(Path("out").iterdir())
    assert main(["import", str(first), "--output", "again.jsonl", "--strict"]) == 0
    assert Path("again.jsonl").read_bytes() == first.read_bytes()
    assert main(["import", str(second), "--output", "other.jsonl", "--strict"]) == 0
    assert Path("other.jsonl").read_bytes() == second.read_bytes()


@pytest.mark.sampled
def test_a_prompt_of_several_turns_is_followed_as_far_as_answers_are_stored(suite, capsys):
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--batch=record",
        "--batch-backend=simulator",
        "-k",
        "judged and work",
    ]
    subprocess.run(command, check=True, capture_output=True)
    (judge,) = [line.asked() for line in Recordings(Path("cassettes")).lines() if "judge" in str(line.asked().body)]
    assert main(["export", "-k", "judged", "--output", "out.jsonl"]) == 0
    assert judge in requests("out.jsonl")
    assert len(requests("out.jsonl")) == 4
    out = capsys.readouterr().out
    assert "2 prompts with further turns" in out
    assert "later turns are built from stored answers of the simulator (faithful@0)" in out


def test_arguments_of_pytest_may_stand_behind_two_dashes(suite):
    (suite / "more").mkdir()
    (suite / "more" / "test_more.py").write_text(SUITE.replace('"sleep"', '"food"'))
    assert main(["export", "--output", "out.jsonl", "-m", "batch", "-k", "plain", "--", "more"]) == 0
    assert texts("out.jsonl") == ["food", "work", "잠"]


@pytest.mark.sampled(12)
@pytest.mark.parametrize(
    ("source", "arguments", "error"),
    [
        ("def test_broken(:", [], "SyntaxError"),
        (SUITE.replace("def ask(topic):", "def ask(topic):\n    1 / 0"), [], "ZeroDivisionError"),
        (SUITE.replace('"content": topic', '"content": str(object())'), [], "is not pure"),
        (SUITE.replace("prompt=other", "prompt=other, nope=1"), [], "batch(nope=1)"),
        (SUITE, ["missing.py"], "file or directory not found: missing.py"),
        (SUITE, ["--no-such-option"], "unrecognized arguments: --no-such-option"),
        (SUITE, ["-k", "nothing"], "no selected test asks for answers; nothing was written"),
        (SUITE, ["-k", "no_batch"], "no selected test asks for answers"),
        (SUITE, ["-k", "another"], "no selected test asks for answers (3 skipped by their marks)"),
        (SUITE, ["--collect-only"], "no selected test asks"),
    ],
    ids=["syntax", "prompt", "impure", "marker", "path", "option", "none", "no batch", "skipped", "collect-only"],
)
def test_what_cannot_be_collected_writes_nothing(suite, capsys, source, arguments, error):
    (suite / "test_it.py").write_text(source)
    assert main(["export", "--output", "out", *arguments]) == 4
    assert error in capsys.readouterr().err
    assert entries() == ["pytest.ini", "test_it.py"]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("way", ["option", "ini", "environment"])
def test_it_never_sends(suite, batch_server, monkeypatch, capsys, way):
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    backend = f"--batch-backend={batch_server.base_url}"
    arguments = ["--batch=send", backend] if way == "option" else [backend]
    if way == "ini":
        (suite / "pytest.ini").write_text(f"{INI}batch = send\n")
    if way == "environment":
        monkeypatch.setenv("PYTEST_ADDOPTS", "--batch=send")
    status = main(["export", "--output", "out", *arguments])
    assert status == (4 if way == "option" else 0)
    assert ("--batch=send: an export sends nothing" in capsys.readouterr().err) == (way == "option")
    assert not batch_server.ledger.executions
    assert not (suite / ".batcheval").exists()


@pytest.mark.sampled
def test_what_makes_several_batches_needs_a_folder(suite, capsys):
    assert main(["export", "--output", "out.jsonl"]) == 4
    assert "the requests need 2 batches; name a folder instead of out.jsonl" in capsys.readouterr().err
    assert entries() == ["pytest.ini", "test_it.py"]


@pytest.mark.sampled
def test_nothing_that_exists_is_written_over(suite, capsys):
    Path("out").mkdir()
    assert main(["export", "--output", "out", "-k", "plain"]) == 0
    assert main(["export", "--output", "out", "-k", "other"]) == 4
    assert "out is not empty" in capsys.readouterr().err
    (file,) = Path("out").iterdir()
    assert main(["export", "--output", str(file), "-k", "other"]) == 4
    assert "already exists" in capsys.readouterr().err
    assert texts(file) == ["sleep", "work", "잠"]


def test_a_folder_that_cannot_be_made_is_said(suite, capsys):
    assert main(["export", "--output", "pytest.ini/out", "-k", "plain"]) == 4
    assert "cannot write pytest.ini/out" in capsys.readouterr().err
    assert entries() == ["pytest.ini", "test_it.py"]


def break_off(folder):
    with new_folder(folder) as beside:
        (beside / "half.jsonl").write_text("half")
        raise KeyboardInterrupt


def test_a_folder_is_there_whole_or_not_at_all(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        break_off(tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """Two runs of tests beside the journal: `aa1` and the newer `ab2`."""
    monkeypatch.chdir(tmp_path)
    body = {"choices": [{"message": {"content": "잘 자요"}, "finish_reason": "stop"}]}
    asked = Request({"model": "m", "messages": [{"role": "user", "content": "잠은?"}]})
    answer = Answer(asked, "simulator:faithful@0", {"status_code": 200, "body": body})
    Recordings(tmp_path / "cassettes").export([NewRecording(answer, {"persona": "kim"}, "test_it.py")])
    for number, run in enumerate(("aa1", "ab2")):
        test = Outcome("test_it.py::test_one[kim]", "test_it.py", "passed", cells={asked.custom_id: {"persona": "kim"}})
        add_outcomes(tmp_path / ".batcheval/outcomes.sqlite", run, 1_795_687_569.0 + number, "replay", [], [test])
    return tmp_path


def test_a_run_becomes_an_inspect_log(ran, capsys):
    for arguments, run in ([], "ab2"), (["--run", "aa"], "aa1"):
        path = ran / f"{run}.eval"
        assert main(["export", "--inspect", str(path), *arguments]) == 0
        assert f"{path}: 1 sample of 1 test, run {run}" in capsys.readouterr().out
        with zipfile.ZipFile(path) as file:
            assert json.loads(file.read("header.json"))["eval"]["run_id"] == run
            assert json.loads(file.read("samples/kim_epoch_1.json"))["output"]["completion"] == "잘 자요"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--inspect", "x.eval", "--run", "b"], "no run of tests begins with 'b'"),
        (["--inspect", "x.eval", "--run", "a"], "several runs begin with 'a': ab2, aa1"),
        (
            ["--inspect", "x.eval", "--journal", "no/j.sqlite"],
            "no run of tests is stored beside the journal no/j.sqlite",
        ),
        (["--inspect", "x.json"], "must end in .eval"),
        (["--inspect", "x.eval", "-k", "one"], "collects no tests: -k one"),
        (["--inspect", "no/x.eval"], "there is no folder no"),
        (["--output", "x", "--run", "a"], "--run chooses a run for --inspect"),
        (["--output", "x", "--inspect", "x.eval"], "not allowed with argument"),
        ([], "one of the arguments --output --inspect is required"),
    ],
)
def test_a_log_that_cannot_be_is_refused(ran, capsys, arguments, message):
    with suppress(SystemExit):
        assert main(["export", *arguments]) == 4
    assert message in capsys.readouterr().err
    assert not list(ran.glob("x*"))
