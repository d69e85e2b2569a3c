"""What a wave shows before it pays: cells that ask otherwise than before; and waves of individual calls."""

from contextlib import closing

import pytest

from pytest_batcheval.journal.store import Journal
from pytest_batcheval.simulator.behaviour import Behaviour

SUITE = """
    def interview(persona, question):
        return {
            "model": "gpt-6-luna",
            "reasoning_effort": "none",
            "max_completion_tokens": 50,
            "messages": [{"role": "user", "content": persona.description + " WORDS " + question.text}],
        }

    @pytest.mark.batch(prompt=interview)
    def test_one(persona, question, answer):
        assert answer.text
"""


@pytest.fixture
def send(suite, batch_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")

    def run(words, *args):
        suite.test_file(SUITE.replace("WORDS", words))
        return suite.run("--batch=send", f"--batch-backend={batch_server.base_url}", *args)

    return run


def test_the_first_run_changes_nothing(send):
    result = send("please")
    result.assert_outcomes(passed=6)
    result.stdout.no_fnmatch_line("*changed since*")


def test_a_changed_prompt_is_shown_with_its_price_and_one_difference(send):
    send("please")
    result = send("kindly")
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(
        [
            "batch: 6 requests for the simulator*",
            "batch: 6 of them have changed since an earlier run, and cost about $0.0*",
            "batch: the first, *interview(persona=choi, question=sleep), differs in:",
            'batch: -*"content": "You are choi. please How do you sleep?"*',
            'batch: +*"content": "You are choi. kindly How do you sleep?"*',
            "batch: batch 1/1*",
        ]
    )


def test_only_what_changed_is_counted(send, suite):
    send("please", "-k", "kim")
    send("kindly").stdout.fnmatch_lines(["batch: 2 of them have changed since an earlier run*"])


@pytest.mark.sampled
def test_a_change_that_was_paid_already_is_not_shown(send):
    send("please")
    send("kindly")
    send("please").stdout.no_fnmatch_line("*changed since*")
    send("something new").stdout.fnmatch_lines(["batch: 6 of them have changed since an earlier run*"])


def test_later_turns_are_cells_of_their_own(send, suite, batch_server):
    suite.test_file("""
        def judged(persona):
            answer = yield {"model": "m", "messages": [{"role": "user", "content": persona.description}]}
            yield {"model": "m", "messages": [{"role": "user", "content": "judge " + answer.text}]}

        @pytest.mark.batch(prompt=judged, samples=2)
        def test_two(persona, answers): pass
    """)
    arguments = ("--batch=send", f"--batch-backend={batch_server.base_url}")
    suite.run(*arguments).stdout.no_fnmatch_line("*changed since*")
    (suite.path / "test_it.py").write_text((suite.path / "test_it.py").read_text().replace("judge ", "score "))
    suite.run(*arguments).stdout.fnmatch_lines(["batch: wave 2: 6 requests*", "batch: 6 of them have changed*"])


def test_two_prompts_of_one_name_are_both_sent(send, suite, batch_server):
    suite.test_file("""
        def named(word):
            return lambda persona: {"model": "m", "messages": [{"role": "user", "content": word}]}

        prompts = [named("a"), named("b")]

        @pytest.mark.batch(prompt=prompts[0])
        def test_a(persona, answer): pass

        @pytest.mark.batch(prompt=prompts[1])
        def test_b(persona, answer): pass
    """)
    result = suite.run("--batch=send", f"--batch-backend={batch_server.base_url}")
    result.assert_outcomes(passed=6)
    assert len(batch_server.ledger.executions) == 2


# -- `--batch-calls=individual`: the same tests, each request a call of its own -----------------------------------------

ONE = """
    @pytest.mark.batch(prompt=ask)
    def test_one(persona, question, answer):
        assert answer.text
"""
ASYNC = """
    @pytest.mark.asyncio
    @pytest.mark.batch(prompt=ask)
    async def test_async(persona, question, answer):
        assert answer.text
"""


@pytest.fixture
def call_each(suite, batch_server, monkeypatch):
    """Run the suite against a local server by individual calls: `call_each("-k", "kim")`."""
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    batch_server.behaviour = Behaviour(models="any", call_seconds=3)

    def run(*args, mode="send", calls=("--batch-calls=individual",)):
        return suite.run(f"--batch={mode}", f"--batch-backend={batch_server.base_url}", *calls, *args)

    return run


def ways(server):
    return {execution.batch_id is None for execution in server.ledger.executions}


def test_each_request_is_a_call_and_reaches_its_tests(suite, call_each, batch_server):
    suite.test_file(ONE + ONE.replace("test_one", "test_two"))
    result = call_each()
    result.assert_outcomes(passed=12)
    assert len(batch_server.ledger.executions) == 6
    assert ways(batch_server) == {True}
    result.stdout.fnmatch_lines(
        [
            "batch: 6 requests for the simulator (faithful@0)",
            "batch: calls: 6/6 answered, 0 under way",
            "batch: 6 answers sent to the simulator (faithful@0)",
        ]
    )
    call_each().stdout.fnmatch_lines(["batch: every answer is there already, nothing to send"])


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_tests_may_be_async(suite, call_each, mode):
    suite.test_file(ASYNC)
    plugin = ("-p", "pytest_asyncio.plugin", "-o", f"asyncio_mode={mode}")
    loop = ("-o", "asyncio_default_fixture_loop_scope=function")
    call_each(*plugin, *loop).assert_outcomes(passed=6)


def test_the_ini_key_is_the_default_and_the_option_beats_it(suite, call_each, batch_server):
    suite.test_file(ONE)
    call_each("-k", "kim", "-o", "batch_calls=individual", calls=())
    assert ways(batch_server) == {True}
    call_each("-o", "batch_calls=individual", calls=("--batch-calls=batch",)).assert_outcomes(passed=6)
    assert ways(batch_server) == {True, False}
    assert call_each("-o", "batch_calls=single", calls=()).ret == 4


def test_what_is_recorded_replays_without_any_network(suite, call_each, batch_server):
    suite.test_file(ONE)
    call_each(mode="record").assert_outcomes(passed=6)
    batch_server.reset()
    result = suite.run("--batch-journal=elsewhere.sqlite")
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["batch: 6 answers recorded from the simulator (faithful@0)"])


def test_the_simulator_in_process_is_called_too(suite):
    suite.test_file(ONE)
    suite.run("--batch=send", "--batch-backend=simulator", "--batch-calls=individual").assert_outcomes(passed=6)
    with closing(Journal.read(suite.path / ".batcheval/journal.sqlite")) as reader:
        assert [row.calls for row in reader.batches()] == ["individual"]


@pytest.mark.ledger(lost=True)
def test_a_call_without_an_answer_fails_its_tests_and_says_why(suite, call_each, batch_server):
    suite.test_file(ONE)
    batch_server.misbehave({"fault": "reset_after", "call": "chat", "nth": 2})
    result = call_each()
    result.assert_outcomes(passed=5, errors=1)
    result.stdout.fnmatch_lines(["batch: 1 call of unknown outcome may have been paid; the next run*"])
    assert "outcome unknown" in result.stdout.str()
    result = call_each()
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["batch: at most 1 call of unknown outcome may be paid twice*"])


def test_the_plan_counts_calls_at_their_full_price(suite):
    source = (suite.path / "prompts.py").read_text().replace('"model": "m"', '"model": "gpt-6-luna"')
    (suite.path / "prompts.py").write_text(source)
    suite.test_file(ONE)

    def total(*args):
        out = suite.run("--batch=plan", *args).stdout
        (line,) = [line for line in out.lines if line.startswith("total")]
        return out, float(line.rpartition("$")[2])

    _, batched = total()
    out, single = total("--batch-calls=individual")
    out.fnmatch_lines(["6 individual calls to send:"])
    assert "no batch rate known" not in out.str()
    assert single == pytest.approx(2 * batched, rel=0.1)  # both are printed with four decimals
