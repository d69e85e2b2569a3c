import json
import shutil
import signal
import subprocess
import sys
from contextlib import closing

import pytest

from pytest_batcheval.journal.store import Journal
from pytest_batcheval.simulator.http_exchange import HttpReply

ONE = """
    @pytest.mark.batch(prompt=ask)
    def test_one(persona, question, answer):
        assert answer.text
"""


@pytest.fixture
def send(suite, batch_server, monkeypatch):
    """Run the suite against a local server over HTTP: `send("-k", "kim")`."""
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")

    def run(*args, mode="send"):
        return suite.run(f"--batch={mode}", f"--batch-backend={batch_server.base_url}", *args)

    return run


def executed(server):
    return sorted(execution.custom_id for execution in server.ledger.executions)


def keys(suite):
    return sorted(request.custom_id for _, _, request in suite.bodies())


def test_each_distinct_request_is_executed_once_and_reaches_its_tests(suite, send, batch_server):
    suite.test_file(ONE + ONE.replace("test_one", "test_two"))
    result = send()
    result.assert_outcomes(passed=12)
    assert executed(batch_server) == keys(suite)
    result.stdout.fnmatch_lines(
        ["batch: 6 requests for the simulator (faithful@0)", "batch: 6 answers sent to the simulator (faithful@0)"]
    )


def test_a_second_run_sends_nothing(suite, send, batch_server):
    suite.test_file(ONE)
    send()
    result = send()
    result.assert_outcomes(passed=6)
    assert executed(batch_server) == keys(suite)
    result.stdout.fnmatch_lines(["batch: every answer is there already, nothing to send"])


@pytest.mark.sampled(2)
@pytest.mark.parametrize("dist", ["load", "loadscope"])
def test_workers_send_each_request_once(suite, send, batch_server, dist):
    suite.test_file(ONE + ONE.replace("test_one", "test_two"))
    result = send("-p", "xdist", "-n", "2", "--dist", dist)
    result.assert_outcomes(passed=12)
    assert executed(batch_server) == keys(suite)
    result.stdout.fnmatch_lines(["batch: 6 answers sent to the simulator (faithful@0)"])


def test_only_what_is_selected_is_sent(suite, send, batch_server):
    suite.test_file(ONE)
    send("-k", "sleep").assert_outcomes(passed=3)
    assert executed(batch_server) == sorted(r.custom_id for _, q, r in suite.bodies() if q == "sleep")


def test_tests_that_will_not_run_are_not_paid(suite, send, batch_server):
    suite.test_file("""
        @pytest.mark.skip
        @pytest.mark.batch(prompt=ask, persona="kim")
        def test_skip(answer): pass

        @pytest.mark.skipif("True", reason="no")
        @pytest.mark.batch(prompt=ask, persona="choi")
        def test_skipif(answer): pass

        @pytest.mark.xfail(run=False, reason="no")
        @pytest.mark.batch(prompt=ask, persona="park")
        def test_no_run(answer): pass
    """)
    send().assert_outcomes(skipped=4, xfailed=2)
    assert executed(batch_server) == []


def test_nothing_is_sent_when_collection_failed(suite, send, batch_server):
    suite.test_file(ONE)
    suite.test_file("raise RuntimeError('broken')", "test_broken.py")
    assert send().ret == 2
    assert executed(batch_server) == []
    send("--continue-on-collection-errors").assert_outcomes(passed=6, errors=1)
    assert executed(batch_server) == keys(suite)


@pytest.mark.parametrize("option", ["--setup-plan", "--setup-only", "--collect-only"])
def test_nothing_is_sent_where_no_test_will_run(suite, send, batch_server, option):
    suite.test_file(ONE)
    result = send(option)
    assert executed(batch_server) == []
    if option != "--collect-only":
        result.stdout.fnmatch_lines(["batch: nothing is sent, since no test will run"])


@pytest.mark.sampled
def test_workers_send_nothing_when_collection_failed(suite, send, batch_server):
    suite.test_file(ONE)
    suite.test_file("raise RuntimeError('broken')", "test_broken.py")
    assert send("-p", "xdist", "-n", "2").ret != 0
    assert executed(batch_server) == []


def test_recordings_of_another_origin_are_not_taken(suite, send, batch_server):
    suite.record(origin="https://api.openai.com/v1")
    suite.record(origin="simulator:faithful@1")
    suite.test_file(ONE)
    send().assert_outcomes(passed=6)
    assert executed(batch_server) == keys(suite)


def test_recordings_of_the_same_origin_are_not_paid_again(suite, send, batch_server):
    suite.record(origin="simulator:faithful@0", skip={("kim", "work")})
    suite.test_file(ONE)
    result = send()
    result.assert_outcomes(passed=6)
    assert len(executed(batch_server)) == 1
    result.stdout.fnmatch_lines(["batch: 5 answers recorded from *, 1 answer sent to the simulator (faithful@0)"])


def test_lines_that_fail_for_a_passing_reason_are_sent_again_and_only_they(suite, send, batch_server):
    batch_server.faults.fail_lines("kim", status_code=503)
    suite.test_file(ONE)
    send().assert_outcomes(passed=6)
    again = [key for key in keys(suite) if batch_server.ledger.executed(key) == 2]
    assert again == sorted(r.custom_id for p, _, r in suite.bodies() if p == "kim")
    assert set(batch_server.ledger.billed().values()) == {1}


@pytest.mark.sampled
def test_what_expired_is_sent_again_and_only_that(suite, send, batch_server):
    batch_server.faults.expire_next_batch(after=4)
    suite.test_file(ONE)
    send().assert_outcomes(passed=6)
    assert executed(batch_server) == keys(suite)


def test_a_failed_request_is_a_readable_error_of_its_test_that_xfail_does_not_hide(suite, send, batch_server):
    batch_server.faults.fail_lines(
        "kim", status_code=400, code="context_length_exceeded", message="too\x1b[31m long", times=99
    )
    suite.test_file("""
        @pytest.mark.xfail(reason="known", strict=False)
        @pytest.mark.batch(prompt=ask, question="work")
        def test_one(answer): assert False
    """)
    result = send()
    assert result.ret == 1
    result.assert_outcomes(errors=1, xfailed=2)
    result.stdout.fnmatch_lines(
        [
            "*the request of this test failed: context_length_exceeded (HTTP 400): too* long",
            "custom_id *, sent to simulator:faithful@0",
            "*change the prompt*",
            "batch: 2 answers sent to *, 1 request failed at the simulator (faithful@0)",
        ]
    )
    assert "\x1b[31m long" not in result.stdout.str()
    again = send()
    again.assert_outcomes(errors=1, xfailed=2)
    assert len(executed(batch_server)) == 3


def test_errors_keep_hands_the_failure_to_the_test(suite, send, batch_server):
    batch_server.faults.fail_lines("kim", status_code=400, code="bad", times=99)
    suite.test_file("""
        @pytest.mark.batch(prompt=ask, persona="kim", errors="keep")
        def test_one(answer): assert answer.error.code == "bad"

        @pytest.mark.batch(prompt=ask)
        def test_table(persona, answers):
            assert [a.error is not None for a in answers] == [persona.id == "kim"] * 2
    """)
    send().assert_outcomes(passed=2 + 3)


@pytest.mark.ledger(paid=2)
def test_refresh_pays_again_and_the_newest_answer_wins(suite, send, batch_server):
    suite.test_file(ONE)
    send()
    send("--batch-refresh", "-k", "kim").assert_outcomes(passed=2)
    assert set(batch_server.ledger.billed().values()) == {1, 2}
    assert len(executed(batch_server)) == 8


def test_generator_prompts_go_in_waves_and_equal_turns_once(suite, send, batch_server):
    suite.test_file("""
        def judged(persona, question):
            answer = yield ask(persona, question)
            yield {"model": "m", "input": f"Judge: {answer.text}"}

        @pytest.mark.batch(prompt=judged)
        def test_judged(persona, answer):
            assert len(answer.turns) == 2
            assert answer.turns[0].request.url == "/v1/chat/completions"
            assert answer.request.url == "/v1/responses"
            assert answer.text

        @pytest.mark.batch(prompt=ask)
        def test_plain(answer): assert answer.text
    """)
    result = send()
    result.assert_outcomes(passed=12)
    result.stdout.fnmatch_lines(["batch: 6 requests for *", "batch: wave 2: * requests for *"])
    assert len(executed(batch_server)) == len(set(executed(batch_server)))


@pytest.mark.sampled
@pytest.mark.ledger(paid=2)
def test_a_refresh_that_ended_between_two_waves_goes_on_with_the_second(suite, send, batch_server):
    suite.test_file("""
        def judged(persona, question):
            answer = yield ask(persona, question)
            yield {"model": "m", "input": f"Judge: {answer.text}"}

        @pytest.mark.batch(prompt=judged)
        def test_judged(answer): pass
    """)
    send().assert_outcomes(passed=6)
    calls = []

    async def refuse_after_the_first_wave(exchange):
        calls.append(exchange.call)
        if exchange.call == "batches.list" and "files.content" in calls:
            return await exchange.send(HttpReply(401, {"error": {"code": "invalid_api_key", "message": "no"}}))
        return await exchange.answer()

    batch_server.intercept(refuse_after_the_first_wave)
    assert send("--batch-refresh").ret != 0
    batch_server.intercept(None)
    send("--batch-refresh").assert_outcomes(passed=6)
    assert set(batch_server.ledger.billed().values()) == {2}


def test_record_merges_and_a_second_record_changes_nothing(suite, send, batch_server):
    suite.test_file(ONE)
    send("-k", "kim", mode="record")
    (path,) = (suite.path / "cassettes").rglob("*.jsonl")
    assert len(path.read_bytes().splitlines()) == 2
    send(mode="record").stdout.fnmatch_lines(["batch: recorded in cassettes/answers/test_it.jsonl"])
    whole = path.read_bytes()
    assert len(whole.splitlines()) == 6
    send("-k", "park", mode="record").stdout.fnmatch_lines(["batch: the recordings are up to date"])
    assert path.read_bytes() == whole
    assert len(executed(batch_server)) == 6


def test_a_recording_made_twice_is_the_same_to_the_byte(suite, send, batch_server):
    suite.test_file(ONE)
    send(mode="record")
    (path,) = (suite.path / "cassettes").rglob("*.jsonl")
    first = path.read_bytes()
    path.unlink()
    for file in (suite.path / ".batcheval").glob("journal*"):
        file.unlink()
    batch_server.reset()
    send("-p", "no:randomly", mode="record")
    assert path.read_bytes() == first
    suite.run().assert_outcomes(passed=6)


def test_equal_requests_of_two_files_are_recorded_once(suite, send):
    suite.test_file(ONE, "test_b.py")
    suite.test_file(ONE, "test_a.py")
    send(mode="record")
    (path,) = (suite.path / "cassettes").rglob("*.jsonl")
    assert path.name == "test_a.jsonl"


def test_without_a_key_the_run_ends_as_a_usage_error(suite, batch_server, monkeypatch):
    suite.test_file(ONE)
    monkeypatch.setenv("OPENAI_BASE_URL", batch_server.base_url)
    result = suite.run("--batch=send")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*OPENAI_API_KEY is not set*--batch-backend=simulator*"])


@pytest.mark.parametrize("backend", ["opnai", "simulator:nobody"])
def test_an_unknown_backend_is_a_usage_error(suite, backend):
    suite.test_file(ONE)
    result = suite.run("--batch=send", f"--batch-backend={backend}")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: unknown *"])


def test_an_unreachable_base_url_has_an_exit_status_of_its_own(suite, monkeypatch, unused_port):
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    suite.test_file(ONE)
    result = suite.run("--batch=send", f"--batch-backend=http://127.0.0.1:{unused_port}/v1")
    assert result.ret == 11
    result.stdout.fnmatch_lines([f"*127.0.0.1:{unused_port}/v1/ cannot be reached*"])


@pytest.mark.ledger(recover=False)
def test_a_key_of_the_environment_is_nowhere_in_what_is_written(suite, send, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-93b1")
    suite.test_file(ONE + "\n    def test_fails(): assert 0\n")
    result = send("--showlocals", "--junitxml=junit.xml", mode="record")
    assert "canary" not in result.stdout.str() + result.stderr.str()
    for path in suite.path.rglob("*"):
        assert not path.is_file() or b"canary" not in path.read_bytes(), path


def test_plan_says_what_would_be_sent_and_sends_nothing(suite, batch_server, monkeypatch):
    suite.test_file(ONE + ONE.replace("test_one", "test_two") + "\n    def test_other(): pass\n")
    monkeypatch.setenv("OPENAI_BASE_URL", batch_server.base_url)
    result = suite.run("--batch=plan")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "test file *tests *requests *duplicate *to send *tokens in *cost",
            "test_it.py *12 *12 *6 *6 *unknown",
            "1 batch to send:",
            "  1. /v1/chat/completions  m: 6 requests, * tokens in, unknown out, cost unknown",
            "1 other test must wait for the batches; -m batch deselects tests without the marker",
        ]
    )
    assert "passed" not in result.stdout.str()
    assert executed(batch_server) == []


def test_a_run_that_chooses_by_marks_gets_no_hint_about_them(suite):
    suite.test_file(ONE + "\n    @pytest.mark.batch\n    def test_other(): pass\n")
    result = suite.run("--batch=plan", "-m", "batch")
    result.stdout.fnmatch_lines(["1 other test must wait for the batches"])


@pytest.mark.sampled
def test_plan_with_workers_prints_the_plan_and_runs_no_test(suite):
    suite.record(origin="https://api.openai.com/v1", skip={("kim", "work")})
    suite.test_file(ONE)
    result = suite.run("--batch=plan", "-p", "xdist", "-n", "2")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["test file *recorded *to send*", "test_it.py *6 *6 *5 *1*"])


class Live:
    """A pytest of its own that can be watched and signalled."""

    def __init__(self, suite, *args):
        command = [sys.executable, "-m", "pytest", *args]
        self.process = subprocess.Popen(
            command, cwd=suite.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.lines = []

    def until(self, text):
        for line in self.process.stdout:
            self.lines.append(line)
            if text in line:
                return line
        raise AssertionError(f"{text!r} is not in\n{''.join(self.lines)}")

    def rest(self):
        self.lines += self.process.stdout
        self.process.wait()
        return "".join(self.lines)

    def end(self):
        self.process.kill()
        self.process.stdout.close()
        self.process.wait()


@pytest.fixture
def live(suite, batch_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    started = []

    def start(*args):
        started.append(Live(suite, "--batch=send", f"--batch-backend={batch_server.base_url}", *args))
        return started[-1]

    yield start
    for one in started:
        one.end()


@pytest.mark.sampled
def test_ctrl_c_says_what_goes_on_and_the_next_run_attaches(suite, send, live, batch_server):
    suite.test_file(ONE)
    batch_server.faults.hold_batches()
    run = live()
    run.until("in_progress")
    run.process.send_signal(signal.SIGINT)
    out = run.rest()
    assert run.process.returncode == 2
    assert "continues at the provider (in_progress)" in out
    assert "nothing is lost: run the same command again to collect" in out
    batch_server.faults.release()
    send("-k", "kim").assert_outcomes(passed=2)
    send().assert_outcomes(passed=6)
    assert executed(batch_server) == keys(suite)


@pytest.mark.sampled
def test_a_killed_run_is_taken_up_by_the_next(suite, send, live, batch_server):
    suite.test_file(ONE)
    batch_server.faults.hold_batches()
    run = live()
    run.until("in_progress")
    run.process.kill()
    run.process.wait()
    batch_server.faults.release()
    send().assert_outcomes(passed=6)
    assert executed(batch_server) == keys(suite)


@pytest.mark.sampled
def test_a_second_run_waits_for_the_first_and_says_for_whom(suite, live, batch_server):
    suite.test_file(ONE)
    batch_server.faults.hold_batches()
    first = live()
    first.until("in_progress")
    second = live("-k", "kim")
    assert f"waiting for process {first.process.pid} on " in second.until("waiting for")
    batch_server.faults.release()
    assert "6 passed" in first.rest()
    assert "2 passed" in second.rest()
    assert executed(batch_server) == keys(suite)


@pytest.mark.ledger(lost=True)
def test_a_damaged_journal_stops_the_run(suite, send, batch_server):
    suite.test_file(ONE)
    send("-k", "kim")
    path = suite.path / ".batcheval" / "journal.sqlite"
    for file in path.parent.glob("journal.sqlite-*"):
        file.unlink()
    path.write_bytes(b"no database" * 1000)
    result = send()
    assert result.ret == 12
    result.stdout.fnmatch_lines(["*journal.sqlite*"])
    assert len(executed(batch_server)) == 2


def test_samples_are_requests_of_their_own(suite, send, batch_server):
    suite.test_file("""
        @pytest.mark.batch(prompt=ask, persona="kim", question="work", samples=3)
        def test_samples(answers):
            assert len(answers) == 3
            assert len({a.text for a in answers}) > 1

        @pytest.mark.batch(prompt=ask, persona="kim", question="work", samples=3)
        def test_each(sample, answer): assert answer.request.sample == sample
    """)
    send().assert_outcomes(passed=4)
    assert len(executed(batch_server)) == 3
    bodies = {json.dumps(dict(a.request.body)) for a in journal_answers(suite)}
    assert len(bodies) == 1


def journal_answers(suite):
    from pytest_batcheval.wire.objects import Request

    body = next(r.body for p, q, r in suite.bodies() if (p, q) == ("kim", "work"))
    with closing(Journal.read(suite.path / ".batcheval" / "journal.sqlite")) as journal:
        found = journal.answers([Request(body, sample=n) for n in range(3)])
    assert len(found) == 3
    return found.values()


FORBIDDEN = ("\x1b]0;title", "\x07", "\u202e", r"\x1b[0m")


@pytest.mark.sampled
def test_hostile_text_is_escaped_wherever_pytest_shows_it(suite):
    suite.record()
    suite.test_file(r"""
        EVIL = "\x1b]0;title\x07 \u202e gnp.exe"

        @pytest.mark.batch(prompt=ask, persona="kim", question="work")
        @pytest.mark.parametrize("how", ["assert", "diff", "raise", "chain", "fail", "print"])
        def test_evil(answer, how):
            evil = answer.text + EVIL
            if how == "assert": assert evil == "fine"
            if how == "diff": assert [evil, 1] == ["fine", 2]
            if how == "raise": raise ValueError(evil)
            if how == "fail": pytest.fail(evil)
            if how == "print": print(evil); assert 0
            try: raise KeyError(evil)
            except KeyError as error: raise RuntimeError("second") from error
    """)
    for arguments in ((), ("-n", "2", "-p", "xdist")):
        result = suite.run("-vv", "--showlocals", "--color=no", "-rA", *arguments)
        out = result.stdout.str()
        assert result.ret == 1
        assert r"\x1b]0;title" in out
        assert not set("\x1b\x07\u202e") & set(out)
    coloured = suite.run("-vv", "--color=yes", "-rA").stdout.str()
    assert r"\x1b]0;title" in coloured
    assert [found for found in FORBIDDEN if found in coloured] == []


@pytest.mark.sampled
def test_a_body_that_differs_from_process_to_process_is_explained(suite, send):
    suite.test_file("""
        def unsteady(persona):
            words = {f"word{n}" for n in range(50)}
            return {"model": "m", "messages": [{"role": "user", "content": " ".join(words)}]}

        @pytest.mark.batch(prompt=unsteady)
        def test_one(answer): pass
    """)
    result = send("-p", "xdist", "-n", "2")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*the prompt builds another body in this process*sort it*"])


def test_submit_now_collect_later(suite, send, batch_server):
    suite.test_file(ONE)
    result = send("--batch-wait=0")
    assert result.ret == 10
    result.stdout.fnmatch_lines(["*1 batch still running*run the same command again to collect the answers*"])
    assert executed(batch_server) == []
    again = send()
    again.assert_outcomes(passed=6)
    assert executed(batch_server) == keys(suite)


@pytest.mark.sampled
def test_the_lock_of_another_run_is_waited_for_no_longer_than_asked(suite, send, live, batch_server):
    suite.test_file(ONE)
    batch_server.faults.hold_batches()
    first = live()
    first.until("in_progress")
    result = send("--batch-wait=0")
    assert result.ret == 10
    result.stdout.fnmatch_lines([f"*process {first.process.pid} *is still sending*"])


@pytest.mark.parametrize(("option", "value"), [("wait", "soon"), ("wait", "-1"), ("attempts", "0")])
def test_values_that_mean_nothing_are_usage_errors(suite, option, value):
    result = suite.run(f"--batch-{option}={value}")
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"*batch_{option} = '{value}'* must be a*"])


def test_attempts_bound_what_is_sent_again(suite, send, batch_server):
    batch_server.faults.fail_lines("kim", status_code=500, times=99)
    suite.test_file(ONE)
    send("-k", "kim-work", "--batch-attempts=1").assert_outcomes(errors=1)
    assert len(executed(batch_server)) == 1
    send("-k", "kim-work").assert_outcomes(errors=1)
    assert len(executed(batch_server)) == 4


def test_another_checkout_collects_what_the_first_has_submitted(suite, send, batch_server):
    suite.test_file(ONE)
    assert send("--batch-wait=0").ret == 10
    shutil.rmtree(suite.path / ".batcheval")
    batch_server.forward(60 * 3600)
    result = send()
    result.assert_outcomes(passed=6)
    assert executed(batch_server) == keys(suite)
    send("-k", "kim").assert_outcomes(passed=2)
    assert executed(batch_server) == keys(suite)


PRICED = """
    def priced(persona, question):
        body = ask(persona, question)
        return {**body, "model": "gpt-6-luna", "max_completion_tokens": 1000}

    @pytest.mark.batch(prompt=priced)
    def test_one(answer): assert answer.text
"""


@pytest.fixture
def provider_url(batch_server, monkeypatch):
    """The server without its headers: a provider whose answers cost money."""
    from pytest_batcheval.backends.openai_batch import OpenAIBatch
    from pytest_batcheval.backends.provider_connection import Identity

    usual = OpenAIBatch.probe
    monkeypatch.setattr(OpenAIBatch, "probe", lambda self: Identity("https://paid.test/v1", usual(self).clock_address))
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    return batch_server.base_url


@pytest.mark.ledger(lost=True)
def test_a_wave_over_budget_is_not_sent_at_all(suite, provider_url, batch_server):
    suite.test_file(PRICED)
    run = lambda budget: suite.run("--batch=send", f"--batch-backend={provider_url}", f"--batch-budget={budget}")  # noqa: E731
    result = run("0.001")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*6 requests could cost $0.0015*nothing was sent*--batch-budget*"])
    assert executed(batch_server) == []
    run("0.01").assert_outcomes(passed=6)
    assert len(executed(batch_server)) == 6


@pytest.mark.ledger(lost=True)
def test_an_unknown_sum_is_over_any_budget(suite, provider_url, batch_server):
    suite.test_file(ONE)
    result = suite.run("--batch=send", f"--batch-backend={provider_url}", "--batch-budget=100")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*the cost of 6 requests has no known limit*"])
    assert executed(batch_server) == []


@pytest.mark.ledger(paid=2)
def test_what_was_paid_and_is_gone_is_sent_again_only_when_asked_for(suite, send, batch_server):
    suite.test_file(ONE)
    batch_server.misbehave({"fault": "vanished", "times": 99})
    assert send().ret == 1
    batch_server.misbehave()
    result = send()
    result.assert_outcomes(errors=6)
    result.stdout.fnmatch_lines(["*the request of this test failed: lost*", "*--batch-pay-again sends it again*"])
    assert len(executed(batch_server)) == 6
    send("--batch-pay-again").assert_outcomes(passed=6)
    assert len(executed(batch_server)) == 12


@pytest.mark.ledger(paid=2)
def test_a_create_is_assumed_lost_only_when_asked_for(suite, send, batch_server):
    suite.test_file(ONE)
    batch_server.misbehave({"fault": "late", "seconds": 50})
    send("--batch-assume-lost").assert_outcomes(passed=6)
    batch_server.forward(86_400)
    assert len(executed(batch_server)) == 12


def test_the_error_log_names_the_tests_that_ask(suite, send, batch_server):
    batch_server.faults.fail_lines("일하", status_code=400, code="bad_request", times=9)
    suite.test_file(ONE + ONE.replace("test_one", "test_two"))
    send()
    events = [json.loads(line) for line in (suite.path / ".batcheval/errors.jsonl").read_text().splitlines()]
    named = [test for event in events for test in event["tests"]]
    assert sorted(named) == sorted(
        f"test_it.py::{test}[{persona}-work]"
        for test in ("test_one", "test_two")
        for persona in ("kim", "choi", "park")
    )


def test_recordings_that_cannot_be_written_are_named_and_what_was_sent_is_not_paid_again(suite, send, batch_server):
    suite.test_file(ONE)
    (suite.path / "cassettes").write_text("no folder")
    result = send(mode="record")
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        [
            "*cassettes/answers cannot be written: Not a directory",
            "The answers are in the journal *records them without paying again",
        ]
    )
    (suite.path / "cassettes").unlink()
    send(mode="record").stdout.fnmatch_lines(["batch: recorded in cassettes/answers/test_it.jsonl"])
    assert executed(batch_server) == keys(suite)


def test_nothing_is_sent_for_what_unittest_skips(suite):
    suite.test_file("""
        import unittest

        @unittest.skip("later")
        @pytest.mark.batch(prompt=ask)
        def test_it(answer): pass

        @pytest.mark.batch(prompt=ask_question)
        @unittest.skipIf(True, "not here")
        def test_table(answers): pass
    """)
    result = suite.run("--batch=send", "--batch-backend=simulator", "-rs")
    result.assert_outcomes(skipped=7)
    result.stdout.fnmatch_lines(["SKIPPED [[]6] *: later", "SKIPPED [[]1] *: not here"])
    result.stdout.no_fnmatch_line("batch: * request*")
