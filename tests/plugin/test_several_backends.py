"""Requests that choose a backend: a judge elsewhere than the patient, names given by option, one run at two providers."""

from contextlib import closing

import pytest

from pytest_batcheval.cli import main
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.simulator.server import SimulatorServer

JUDGED = """
    from pytest_batcheval import prompts

    def patient(question):
        return {"model": "gpt-6-luna", "max_completion_tokens": 50, "reasoning_effort": "none",
                "messages": [{"role": "user", "content": question.text}]}

    def verdict(answer, question):
        words = f"{question.text} {answer.text} Is that an answer?"
        return {"model": "claude-sonnet-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": words}]}

    judged = prompts.judge(patient, verdict, backend="BACKEND", endpoint="/v1/messages")

    @pytest.mark.batch(prompt=judged)
    def test_judged(question, answer):
        assert [turn.request.backend for turn in answer.turns] == ["", "BACKEND"]
        assert answer.request.url == "/v1/messages"
        assert answer.text

    @pytest.mark.batch(prompt=patient)
    def test_plain(question, answer):
        assert answer.text
"""
PAIR = """
    def other(question):
        return {"model": "m", "messages": [{"role": "user", "content": "other: " + question.text}]}

    @pytest.mark.batch(prompt=ask_question)
    def test_here(question, answer):
        assert answer.text

    @pytest.mark.batch(prompt=other, backend="there")
    def test_there(question, answer):
        assert answer.text
"""
WAIT = "--batch-wait=0"


@pytest.fixture
def judged(suite):
    suite.test_file(JUDGED.replace("BACKEND", "anthropic"))
    return suite


@pytest.fixture
def there():
    """A server of another origin than the batch server."""
    with SimulatorServer("blind", seed=1, clock="per-poll") as server:
        yield server


@pytest.fixture
def pair(suite, batch_server, there, monkeypatch):
    """`pair("--batch=send")`: the suite with two servers."""
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    suite.test_file(PAIR)
    backends = (f"--batch-backend={batch_server.base_url}", f"--batch-backend=there={there.base_url}")
    return lambda *more: suite.run(*backends, *more)


def paid(server):
    return sorted(server.ledger.billed().values())


@pytest.mark.sampled(2)
@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "2")])
def test_a_judge_is_asked_elsewhere_than_the_patient(judged, workers):
    sent = judged.run("--batch=record", "--batch-backend=simulator", *workers)
    sent.assert_outcomes(passed=4)
    sent.stdout.fnmatch_lines(
        ["batch: 2 requests for the simulator*", "batch: wave 2: 2 requests for the simulator (faithful@0/anthropic)*"]
    )
    judged.run(*workers).assert_outcomes(passed=4)


def test_the_plan_has_both_with_what_each_promises(judged):
    plan = judged.run("--batch=plan", "--batch-backend=openai")
    plan.stdout.fnmatch_lines(
        [
            "for https://api.openai.com/v1 and https://api.anthropic.com/v1; nothing is sent",
            "OpenAI, promise B:*",
            "Anthropic, promise D:*",
            "  1. OpenAI: /v1/chat/completions  gpt-6-luna: 2 requests*",
            "about 2 more requests in later waves*",
            "  Anthropic: /v1/messages  claude-sonnet-4-5: 2 requests*",
        ]
    )


def test_a_missing_key_of_a_later_wave_stops_a_run_before_the_first(judged, batch_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    run = judged.run("--batch=send", f"--batch-backend={batch_server.base_url}")
    assert run.ret == 4
    run.stderr.fnmatch_lines(["*ANTHROPIC_API_KEY*"])
    assert not batch_server.ledger.billed()


def test_a_run_without_requests_of_its_own_needs_no_key_of_its_own(suite, there, monkeypatch):
    suite.test_file(PAIR)
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    named = f"--batch-backend=there={there.base_url}"
    suite.run("--batch=send", "--batch-backend=groq", named, "-k", "there").assert_outcomes(passed=2)


@pytest.mark.ledger(recover=False)
def test_both_have_their_batches_before_either_is_waited_for(pair, suite, batch_server, there):
    left = pair("--batch=send", WAIT)
    assert left.ret == 10
    with closing(Journal.read(suite.path / ".batcheval" / "journal.sqlite")) as reader:
        assert [(row.origin, row.state) for row in reader.batches()] == [
            (batch_server.origin, "created"),
            (there.origin, "created"),
        ]
    done = pair("--batch=send")
    done.assert_outcomes(passed=4)
    assert [paid(server) for server in (batch_server, there)] == [[1, 1], [1, 1]]
    pair("--batch=send").stdout.fnmatch_lines(["batch: every answer is there already, nothing to send"])


@pytest.mark.sampled
@pytest.mark.ledger(recover=False)
def test_answers_are_counted_by_origin_and_the_journal_keeps_both(pair, suite, batch_server, there):
    run = pair("--batch=send")
    run.stdout.fnmatch_lines(
        ["batch: 2 requests for the simulator (faithful@0), 2 requests for the simulator (blind@1)"]
    )
    run.stdout.fnmatch_lines(["batch: *2 answers sent to the simulator (blind@1)*"])
    with closing(Journal.read(suite.path / ".batcheval" / "journal.sqlite")) as reader:
        (row,) = reader.runs()
        assert reader.run_origins(row.id) == {"": batch_server.origin, "there": there.origin}


@pytest.mark.sampled
@pytest.mark.ledger(recover=False)
def test_an_ini_key_names_backends_and_an_option_beats_it(suite, batch_server, there, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    suite.test_file(PAIR)
    ini = suite.path / "pytest.ini"
    ini.write_text(ini.read_text() + "\nbatch_backends =\n    there = http://127.0.0.1:9/v1\n")
    own = f"--batch-backend={batch_server.base_url}"
    assert suite.run("--batch=send", own, "-k", "there").ret != 0
    suite.run("--batch=send", own, f"--batch-backend=there={there.base_url}").assert_outcomes(passed=4)


@pytest.mark.sampled
def test_one_request_for_two_backends_is_refused(suite):
    suite.test_file(
        """
        @pytest.mark.parametrize("n", [
            pytest.param(1, marks=pytest.mark.batch(backend="groq")),
            pytest.param(2, marks=pytest.mark.batch(backend="deepinfra")),
        ])
        @pytest.mark.batch(prompt=ask_question)
        def test_same(n, question, answer):
            pass
        """
    )
    for mode in ("plan", "send"):
        run = suite.run(f"--batch={mode}", "--batch-backend=simulator")
        assert run.ret == 4
        run.stderr.fnmatch_lines(["*is asked of groq@simulator:faithful and of deepinfra@simulator:faithful*-k*"])


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("backend", "own", "words"),
    [
        ("judge", "openai", "*backend 'judge'*unknown backend 'judge'*--batch-backend=judge=BACKEND*"),
        ("judge", "simulator", "*backend 'judge'*in a run at the simulator*--batch-backend=judge=simulator*"),
        ("azure", "openai", "*backend 'azure'*set AZURE_OPENAI_BASE_URL*"),
    ],
)
def test_a_name_that_means_nothing_is_told_with_the_option_that_gives_it_one(suite, backend, own, words):
    suite.test_file(PAIR.replace('"there"', f'"{backend}"'))
    for mode in ("plan", "send"):
        run = suite.run(f"--batch={mode}", f"--batch-backend={own}", "-k", "there")
        assert run.ret == 4
        run.stderr.fnmatch_lines([words])


@pytest.mark.sampled(3)
@pytest.mark.parametrize("backend", ["''", "3", "['groq']"])
def test_a_backend_in_the_marker_is_a_name(suite, backend):
    suite.test_file(PAIR.replace('"there"', backend))
    suite.run("-k", "there").stdout.fnmatch_lines(["*must be a backend, or a name for one, such as 'anthropic'*"])


def test_a_line_of_the_ini_key_without_a_name_is_refused(suite):
    ini = suite.path / "pytest.ini"
    ini.write_text(ini.read_text() + "\nbatch_backends = anthropic\n")
    run = suite.run()
    assert run.ret == 4
    run.stderr.fnmatch_lines(["*batch_backends = 'anthropic': must be NAME = BACKEND*"])


@pytest.mark.sampled
@pytest.mark.ledger(paid=2)
def test_a_refresh_asks_both_again(pair, batch_server, there):
    pair("--batch=send")
    pair("--batch=send", "--batch-refresh").assert_outcomes(passed=4)
    assert [paid(server) for server in (batch_server, there)] == [[2, 2], [2, 2]]


@pytest.mark.sampled
def test_an_ini_key_does_not_lead_out_of_a_run_at_the_simulator(judged, monkeypatch):
    """Nothing is paid there unless the command line names who is."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a-real-key")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    ini = judged.path / "pytest.ini"
    ini.write_text(ini.read_text() + "\nbatch_backends = anthropic = anthropic\n")
    judged.run("--batch=send", "--batch-backend=simulator").assert_outcomes(passed=4)


@pytest.mark.sampled
def test_the_providers_own_simulator_is_the_runs(suite):
    suite.test_file(PAIR.replace('"there"', '"openai"').replace("other: ", ""))
    run = suite.run("--batch=send", "--batch-backend=simulator")
    run.assert_outcomes(passed=4)
    run.stdout.fnmatch_lines(["batch: 2 requests for the simulator (faithful@0)"])


@pytest.mark.sampled
def test_two_spellings_of_one_server_are_one(suite, batch_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    suite.test_file(PAIR)
    url = batch_server.base_url
    run = suite.run("--batch=send", f"--batch-backend={url}", f"--batch-backend=there=openai@{url}")
    run.assert_outcomes(passed=4)
    run.stdout.fnmatch_lines(["batch: 4 requests for the simulator (faithful@0)"])


def test_the_same_body_of_two_providers_in_two_waves_is_refused_before_the_first(suite):
    suite.test_file(
        """
        from pytest_batcheval import Request

        def both(question):
            yield ask_question(question)
            yield Request(ask_question(question), backend="groq")

        @pytest.mark.batch(prompt=both)
        def test_both(question, answer):
            pass
        """
    )
    for mode in ("plan", "send"):
        run = suite.run(f"--batch={mode}", "--batch-backend=simulator")
        assert run.ret == 4
        run.stderr.fnmatch_lines(["*is asked of simulator and of groq@simulator:faithful*"])


@pytest.mark.ledger(recover=False)
def test_what_both_have_left_is_named_with_a_command_for_each(pair, suite, batch_server, there, capsys):
    left = pair("--batch=send", WAIT)
    left.stdout.fnmatch_lines(["*1 batch still running*1 batch still running*"])
    monkey = pytest.MonkeyPatch()
    monkey.chdir(suite.path)
    main(["status"])
    monkey.undo()
    said = capsys.readouterr().out
    assert [f"--backend {server.base_url}" in said for server in (batch_server, there)] == [True, True]
    pair("--batch=send").assert_outcomes(passed=4)
