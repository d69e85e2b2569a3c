import cProfile
import importlib
import json
import os
import pstats
import re
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_batcheval.plugin.cells import PlannedCell
from pytest_batcheval.plugin.unused import asked_requests
from pytest_batcheval.prompts.prompt_call import PromptCall
from pytest_batcheval.recordings.answers import NewRecording, Recordings
from pytest_batcheval.wire.objects import Answer, Request

ONE = """
    @pytest.mark.batch(prompt=ask)
    def test_one(persona, question, answer):
        assert answer.text == f"{persona.id}/{question.id}"
"""


def test_recorded_answers_reach_their_tests_and_the_header_says_whose_they_are(suite):
    suite.record()
    suite.test_file(ONE)
    result = suite.run()
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["batch: 6 answers recorded from the simulator (faithful@0)"])


def test_recordings_are_read_by_key_and_not_by_position(suite):
    suite.record()
    suite.test_file("""
        @pytest.mark.batch(prompt=ask, persona="park", question="work")
        def test_last(answer): assert answer.text == "park/work"

        @pytest.mark.batch(prompt=ask)
        @pytest.mark.parametrize("question", ["work", "sleep"], indirect=False)
        def test_raw(persona, answer): pass
    """)
    suite.run("-k", "last").assert_outcomes(passed=1)


def test_replay_makes_no_journal(suite):
    suite.record()
    suite.test_file(ONE)
    suite.run()
    assert [path.name for path in (suite.path / ".batcheval").glob("*.sqlite*")] == ["outcomes.sqlite"]


def test_unrecorded_is_an_outcome_of_its_own_folded_into_one_section(suite):
    suite.record(skip={("kim", "sleep"), ("park", "work")})
    suite.test_file(ONE)
    result = suite.run()
    assert result.ret == 1
    out = result.stdout.str()
    assert "test_it.py U....U" in out
    assert re.search(r"\b4 passed\b", out)
    assert re.search(r"\b2 unrecorded\b", out)
    assert "ERRORS" not in out
    result.stdout.fnmatch_lines(
        [
            "batch: 2 of 6 requests have no recorded answer",
            "*= unrecorded =*",
            "2 tests could not run: 2 requests without a recorded answer",
            "  test_it.py  2",
            "the nearest recorded request (persona=*) differs from the first of them in:",
            "-*You are *",
            "+*You are *",
            "see what recording would cost:  pytest test_it.py --batch=plan",
            "record from the provider:       pytest test_it.py --batch=record",
            "record from the simulator:      pytest test_it.py --batch=record --batch-backend=simulator",
        ]
    )


def test_without_any_recording_the_summary_stays_short(suite):
    suite.test_file(ONE + ONE.replace("test_one", "test_two"))
    result = suite.run()
    assert result.ret == 1
    assert len(result.stdout.lines) < 30
    result.stdout.fnmatch_lines(["12 tests could not run: 6 requests without a recorded answer"])


def test_the_verbose_word_is_unrecorded(suite):
    suite.test_file(ONE)
    suite.run("-v", "-k", "kim-work").stdout.fnmatch_lines(["*test_one[[]kim-work] UNRECORDED*"])


def test_batch_missing_skip_skips(suite):
    suite.test_file(ONE)
    result = suite.run("-o", "batch_missing=skip")
    result.assert_outcomes(skipped=6)
    assert result.ret == 0


def test_an_unknown_value_of_an_ini_key_is_a_usage_error(suite):
    suite.test_file(ONE)
    result = suite.run("-o", "batch_missing=maybe")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*batch_missing = 'maybe': allowed are fail, skip*"])


def test_two_sessions_of_one_process_know_each_others_outcomes(suite, monkeypatch):
    """A tool that runs pytest twice in one process may forget our modules in between; the package still has them."""
    suite.test_file(ONE)
    assert "test_it.py U" in suite.run().stdout.str()
    for name in ("pytest_batcheval.plugin.reports", "pytest_batcheval.plugin.answer_fixtures"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    importlib.import_module("pytest_batcheval.plugin.reports")
    assert "test_it.py U" in suite.run().stdout.str()


def test_xfail_hides_no_missing_recording(suite):
    suite.record(skip={("kim", "sleep")})
    suite.test_file("""
        @pytest.mark.xfail(reason="known", strict=False)
        @pytest.mark.batch(prompt=ask, persona="kim")
        def test_one(answer): assert False
    """)
    result = suite.run()
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*1 unrecorded*"])
    assert "1 xfailed" in result.stdout.str()


def test_last_failed_runs_the_unrecorded_again(suite):
    suite.record(skip={("kim", "sleep")})
    suite.test_file(ONE)
    suite.run("-p", "cacheprovider")
    result = suite.run("-p", "cacheprovider", "--lf")
    result.stdout.fnmatch_lines(["test_it.py U*"])


def test_collect_only_builds_no_request(suite):
    suite.test_file("""
        def broken(persona): raise RuntimeError("never called")

        @pytest.mark.batch(prompt=broken)
        def test_one(answer): pass
    """)
    result = suite.run("--collect-only", "-q")
    assert result.ret == 0
    assert "never called" not in result.stdout.str()


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("raise ValueError('no mood')", "raised ValueError: no mood"),
        ("return {'model': 'm', 'messages': [], 'temperature': float('nan')}", "is nan, which JSON does not have"),
        ("return {'model': 'm', 'messages': ['\\ud800']}", "holds a lone surrogate"),
        ("return 'hello'", "returned a str, not a request body"),
        ("return {'model': 'm', 'messages': [__import__('time').time_ns()]}", "is not pure"),
        ("return {'model': 'm', 'messages': [str(__import__('uuid').uuid4())]}", "is not pure"),
    ],
)
def test_a_broken_prompt_fails_its_own_tests_and_the_others_run(suite, prompt, message):
    suite.record()
    suite.test_file(
        ONE
        + f"""
    def broken(persona):
        {prompt}

    @pytest.mark.batch(prompt=broken, persona="kim")
    def test_broken(answer): pass
    """
    )
    result = suite.run()
    result.assert_outcomes(passed=6, errors=1)
    result.stdout.fnmatch_lines([f"*prompt broken(persona=kim) *{message}*"])


def test_a_damaged_recording_stops_the_run_before_any_test(suite):
    suite.record()
    (path,) = (suite.path / "cassettes").rglob("*.jsonl")
    path.write_bytes(path.read_bytes()[:-30] + b"\n")
    suite.test_file(ONE)
    result = suite.run()
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        ["*1 recorded answer cannot be used*", "*test_it.jsonl:6: *cut short*", "*git checkout*"]
    )


def test_a_broken_matrix_file_is_an_error_that_names_file_and_row(suite):
    (suite.path / "personas.json").write_text(json.dumps([{"id": "kim", "description": "x"}, {"id": "choi"}]))
    suite.test_file(ONE)
    result = suite.run()
    assert result.ret == 2
    assert re.search(r"personas\.json.*2.*description", result.stdout.str())


def test_a_generator_prompt_replays_all_its_turns(suite):
    suite.record()
    suite.test_file("""
        from prompts import ask as first

        def twice(persona):
            class Work: id = "work"; text = "어떻게 일하세요?"
            class Sleep: id = "sleep"; text = "How do you sleep?"
            one = yield first(persona, Sleep)
            two = yield first(persona, Work)

        @pytest.mark.batch(prompt=twice)
        def test_talk(persona, answer):
            assert [turn.text for turn in answer.turns] == [f"{persona.id}/sleep", f"{persona.id}/work"]
            assert answer.text == f"{persona.id}/work"
    """)
    suite.run().assert_outcomes(passed=3)


@pytest.mark.sampled
@pytest.mark.parametrize("dist", ["load", "loadscope", "loadfile", "loadgroup", "worksteal"])
def test_workers_replay_and_count_together(suite, dist):
    suite.record(skip={("kim", "sleep")})
    suite.test_file(ONE)
    suite.test_file(ONE.replace("test_one", "test_two"), "test_other.py")
    result = suite.run("-p", "xdist", "-n", "2", "--dist", dist)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "2 tests could not run: 1 request without a recorded answer",
            "batch: 5 answers recorded from the simulator (faithful@0)",
            "*2 unrecorded*",
        ],
    )


WATCHED = """
    import sys

    def pytest_unconfigure(config):
        heavy = {"openai", "vcr", "httpx", "httpx2", "anyio", "msgspec", "sqlite3", "yaml", "jsonschema", "numpy"}
        ours = {"pytest_batcheval.plugin.session", "pytest_batcheval.recordings.answers"}
        print("imported:", sorted((heavy | ours) & set(sys.modules)))
"""
PLAIN = """
    def test_one(): pass

    @pytest.mark.parametrize("number, word", [(1, "a"), (2, "b")])
    def test_of_each(number, word): pass

    @pytest.mark.parametrize(argnames=["persona"], argvalues=[["kim"]])
    def test_of_its_own(persona, tmp_path): pass
"""


@pytest.mark.sampled(2)
@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "1")], ids=["alone", "xdist"])
def test_the_plugin_costs_a_run_without_batch_tests_no_import_and_no_word(suite, monkeypatch, workers):
    for name in [name for name in os.environ if name.startswith("COV")]:
        monkeypatch.delenv(name)  # coverage itself imports sqlite3
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(suite.path / "summary.md"))
    suite.test_file(PLAIN)
    suite.pytester.makeconftest(textwrap.dedent(WATCHED))
    result = suite.run_apart(*workers)
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["imported: []"])
    result.stdout.no_fnmatch_line("*batch:*")
    assert not (suite.path / "summary.md").exists()


@pytest.mark.sampled
def test_a_damaged_recording_stops_a_run_with_workers_before_any_test(suite):
    suite.record()
    (path,) = (suite.path / "cassettes").rglob("*.jsonl")
    path.write_bytes(path.read_bytes()[:-30] + b"\n")
    suite.test_file(ONE)
    result = suite.run("-p", "xdist", "-n", "1")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*test_it.jsonl:6: *cut short*"])


@pytest.mark.parametrize("name", ["tests/records/test_it.py", "my tests/test_it.py"])
def test_proposed_commands_name_the_files_as_they_are(suite, monkeypatch, name):
    suite.test_file(ONE, name)
    result = suite.run()
    quoted = f"'{name}'" if " " in name else name
    result.stdout.fnmatch_lines(
        [
            f"see what recording would cost:  pytest {quoted} --batch=plan",
            f"record from the provider:       pytest {quoted} --batch=record",
        ]
    )
    monkeypatch.chdir((suite.path / name).parent)
    suite.run("test_it.py").stdout.fnmatch_lines(["record from the provider:       pytest test_it.py --batch=record"])


def test_axis_files_are_found_beside_the_ini_file_whatever_rootdir_is(suite):
    suite.test_file(ONE)
    result = suite.run("-c", "pytest.ini", "--rootdir", str(suite.path.parent), "--collect-only", "-q")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*::test_one[[]kim-sleep]"])


@pytest.mark.sampled
def test_a_fixture_names_the_extra_that_it_needs(suite):
    suite.pytester.makeconftest("import sys; sys.modules['uvicorn'] = None")
    suite.test_file("""
        def test_server(batch_server): pass
        def test_talk(batch_conversation): pass
    """)
    result = suite.run_apart("--batch=record", "--batch-backend=simulator")
    result.assert_outcomes(errors=2)
    out = result.stdout.str()
    errors, _, _ = out.partition("short test summary")  # which in CI says the same again
    assert errors.count("the simulator needs uvicorn: pip install 'pytest-batcheval[simulator]'") == 2
    assert "Traceback" not in out
    assert "another exception" not in out


def test_help_explains_each_option(suite):
    out = suite.run("--help").stdout.str()
    for option in ("--batch=", "--batch-backend", "--batch-journal", "--batch-refresh", "batch_axes", "batch_missing"):
        assert option in out
    suite.run("--markers").stdout.fnmatch_lines(["@pytest.mark.batch(prompt, samples=1*"])


def test_later_turns_are_asked_for_after_the_answers_of_each_origin(tmp_path):
    def judged():
        answer = yield {"model": "m", "input": "topic"}
        yield {"model": "m", "input": f"judge: {answer.text}"}

    recordings = Recordings(tmp_path)
    for origin, text in (("https://one/v1", "first"), ("https://two/v1", "second")):
        body = {"output": [{"type": "message", "content": [{"type": "output_text", "text": text}]}]}
        request = Request({"model": "m", "input": "topic"}, "/v1/responses")
        answer = Answer(request, origin, {"status_code": 200, "body": body})
        recordings.export([NewRecording(answer, {}, "test_it.py")])
    stored = SimpleNamespace(recordings=recordings, find=recordings.find, failures=lambda _: {})
    asked = asked_requests([("test_it.py", PlannedCell({}, PromptCall(judged), {}))], stored)
    later = (Request({"model": "m", "input": f"judge: {said}"}, "/v1/responses") for said in ("first", "second"))
    assert {request.key for request in asked} == {request.custom_id, *(one.custom_id for one in later)}


def calls_of(profile, file, name):
    """How often a function was called while this profile was taken."""
    found = pstats.Stats(profile).stats.items()
    return sum(counts[1] for (path, _, function), counts in found if (Path(path).name, function) == (file, name))


@pytest.mark.parametrize("kept", ["recording", "journal"])
def test_a_replay_calls_each_prompt_once_and_hashes_each_request_once(suite, kept):
    """Answers, reports and what is unused go by the requests that were built when the tests were collected."""
    suite.test_file("@pytest.mark.batch(prompt=ask)\ndef test_one(answer): pass")
    if kept == "recording":
        suite.record()
    else:
        suite.run("--batch=send", "--batch-backend=simulator").assert_outcomes(passed=6)
    with cProfile.Profile() as profile:
        suite.run().assert_outcomes(passed=6)
    assert calls_of(profile, "prompts.py", "ask") == 6
    assert calls_of(profile, "key.py", "request_key") == 6
