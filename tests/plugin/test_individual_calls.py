"""`--batch-calls=individual`: the same tests, each request a call of its own."""

from contextlib import closing

import pytest

from pytest_batcheval.journal.store import Journal
from pytest_batcheval.simulator.behaviour import Behaviour

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
def send(suite, batch_server, monkeypatch):
    """Run the suite against a local server by individual calls: `send("-k", "kim")`."""
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    batch_server.behaviour = Behaviour(models="any", call_seconds=3)

    def run(*args, mode="send", calls=("--batch-calls=individual",)):
        return suite.run(f"--batch={mode}", f"--batch-backend={batch_server.base_url}", *calls, *args)

    return run


def ways(server):
    return {execution.batch_id is None for execution in server.ledger.executions}


def test_each_request_is_a_call_and_reaches_its_tests(suite, send, batch_server):
    suite.test_file(ONE + ONE.replace("test_one", "test_two"))
    result = send()
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
    send().stdout.fnmatch_lines(["batch: every answer is there already, nothing to send"])


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_tests_may_be_async(suite, send, mode):
    suite.test_file(ASYNC)
    plugin = ("-p", "pytest_asyncio.plugin", "-o", f"asyncio_mode={mode}")
    loop = ("-o", "asyncio_default_fixture_loop_scope=function")
    send(*plugin, *loop).assert_outcomes(passed=6)


def test_the_ini_key_is_the_default_and_the_option_beats_it(suite, send, batch_server):
    suite.test_file(ONE)
    send("-k", "kim", "-o", "batch_calls=individual", calls=())
    assert ways(batch_server) == {True}
    send("-o", "batch_calls=individual", calls=("--batch-calls=batch",)).assert_outcomes(passed=6)
    assert ways(batch_server) == {True, False}
    assert send("-o", "batch_calls=single", calls=()).ret == 4


def test_what_is_recorded_replays_without_any_network(suite, send, batch_server):
    suite.test_file(ONE)
    send(mode="record").assert_outcomes(passed=6)
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
def test_a_call_without_an_answer_fails_its_tests_and_says_why(suite, send, batch_server):
    suite.test_file(ONE)
    batch_server.misbehave({"fault": "reset_after", "call": "chat", "nth": 2})
    result = send()
    result.assert_outcomes(passed=5, errors=1)
    result.stdout.fnmatch_lines(["batch: 1 call of unknown outcome may have been paid; the next run*"])
    assert "outcome unknown" in result.stdout.str()
    result = send()
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["batch: at most 1 call of unknown outcome may be paid twice*"])


def test_the_plan_counts_calls_at_their_full_price(suite):
    source = (suite.path / "prompts.py").read_text().replace('"model": "m"', '"model": "gpt-4.1-mini"')
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
