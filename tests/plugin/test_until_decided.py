"""`--batch-until-decided`: samples in waves, only where the verdict is open; `--batch-fail-on-regression`."""

import pytest

RECORD = ("--batch=record", "--batch-backend=simulator", "--batch-until-decided")

RATE = """
    SEEN = {}

    @pytest.fixture
    def own():
        return []

    @pytest.mark.batch(prompt=ask, samples=5, min_pass=0.5, persona=["kim", "choi"], question="sleep")
    def test_rate(persona, answer, own):
        own.append(answer)
        wrong = {"kim": 0, "choi": 4}[persona.id]
        assert answer.request.sample % 5 >= wrong, "wrong"
"""
COUNT = """
    @pytest.mark.batch(prompt=ask, passes="4 of 5", question="sleep")
    def test_count(persona, answer):
        wrong = {"kim": (), "choi": (1,), "park": (0, 2)}[persona.id]
        assert answer.request.sample not in wrong, "wrong"
"""


def samples_of(suite):
    """The numbers of the samples that are recorded, by persona."""
    import json

    lines = (suite.path / "cassettes" / "answers" / "test_it.jsonl").read_text(encoding="utf-8").splitlines()
    recorded = [json.loads(line) for line in lines]
    found = {}
    for line in recorded:
        found.setdefault(line["cell"]["persona"], []).append(line["request"].get("sample", 0))
    return {persona: sorted(numbers) for persona, numbers in found.items()}


def test_only_undecided_tests_get_more_samples(suite):
    suite.test_file(RATE)
    result = suite.run(*RECORD)
    result.assert_outcomes(passed=1, failed=1)
    out = result.stdout.str()
    assert "samples, wave 2: 2 tests undecided" in out, "five of five do not show a half at every look"
    recorded = samples_of(suite)
    assert recorded["kim"] == list(range(10))
    assert recorded["choi"] == list(range(20)), "4 of 20 refute a half, and 3 of 15 do not yet"
    assert "wave 4: 1 test undecided" in out
    assert "failed: 4 of 20 samples passed" in out


@pytest.mark.sampled
def test_a_replay_takes_the_same_samples_and_sends_nothing(suite):
    suite.test_file(RATE)
    suite.run(*RECORD)
    result = suite.run("--batch-until-decided")
    result.assert_outcomes(passed=1, failed=1)
    assert "failed: 4 of 20 samples passed" in result.stdout.str()
    once = suite.run()
    once.assert_outcomes(passed=1, failed=1)
    assert "failed: 1 of 5 samples passed" not in once.stdout.str()
    assert "undecided: 1 of 5 samples passed" in once.stdout.str(), "five samples by themselves decide nothing yet"


@pytest.mark.sampled
def test_of_a_count_the_last_samples_are_sent_only_where_they_matter(suite):
    suite.test_file(COUNT)
    result = suite.run(*RECORD)
    result.assert_outcomes(passed=2, failed=1)
    assert samples_of(suite) == {"kim": [0, 1, 2, 3], "choi": [0, 1, 2, 3, 4], "park": [0, 1, 2, 3]}


@pytest.mark.sampled
def test_what_is_never_decided_ends_after_ten_waves(suite):
    suite.test_file("""
        @pytest.mark.batch(prompt=ask, samples=2, min_pass=0.5, persona="kim", question="sleep")
        def test_rate(answer):
            assert answer.request.sample % 2
    """)
    result = suite.run(*RECORD)
    result.assert_outcomes(failed=1)
    assert samples_of(suite) == {"kim": list(range(20))}
    assert "undecided: 10 of 20 samples passed" in result.stdout.str()


@pytest.mark.ledger(paid=10)
def test_a_budget_ends_the_waves_and_the_tests_run(suite, batch_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setattr("pytest_batcheval.plugin.waves.is_simulator", lambda origin: False)
    (suite.path / "prompts.py").write_text(
        (suite.path / "prompts.py").read_text()
        + "\n\ndef priced(persona, question):\n"
        + "    return ask(persona, question) | {'model': 'gpt-6-luna', 'max_completion_tokens': 1000}\n"
    )
    suite.test_file(RATE.replace("prompt=ask", "prompt=priced").replace("SEEN = {}", "from prompts import priced"))
    result = suite.run(
        "--batch=send", f"--batch-backend={batch_server.base_url}", "--batch-until-decided", "--batch-budget=0.0026"
    )
    result.assert_outcomes(failed=2)
    assert "2 tests stay undecided: 10 requests could cost $" in result.stdout.str()


@pytest.mark.sampled
def test_fixtures_of_a_wave_are_torn_down_before_the_tests_run(suite):
    suite.test_file("""
        LOG = []

        @pytest.fixture(scope="module", autouse=True)
        def shared():
            LOG.append("up")
            yield
            LOG.append("down")

        @pytest.mark.batch(prompt=ask, passes="2 of 3", question="sleep")
        def test_count(persona, answer):
            assert answer.text

        def test_log():
            assert LOG in (["up"], ["up", "down", "up"])
    """)
    suite.run(*RECORD).assert_outcomes(passed=4)


@pytest.mark.sampled
def test_workers_are_refused_before_anything_is_sent(suite):
    suite.test_file(COUNT)
    result = suite.run_apart(*RECORD, "-p", "xdist", "-n", "1")
    assert result.ret == 4
    assert "leave out -n" in result.stderr.str() + result.stdout.str()
    assert not (suite.path / "cassettes").exists()


PLAIN = """
    import os

    WORSE = os.environ.get("WORSE", "")

    @pytest.mark.parametrize("limit", [1, 2])
    @pytest.mark.batch(prompt=ask, samples=4)
    def test_plain(persona, question, answer, limit):
        {body}
"""


@pytest.mark.sampled
def test_a_significant_drop_since_the_run_before_fails_a_run_whose_tests_may_fail(suite, monkeypatch):
    suite.record(samples=4)
    suite.test_file(PLAIN.format(body="if WORSE: pytest.xfail('known')"))
    first = suite.run("--batch-fail-on-regression")
    assert first.ret == 0
    assert "no earlier run has a test of this one" in first.stdout.str()
    same = suite.run("--batch-fail-on-regression")
    assert same.ret == 0
    monkeypatch.setenv("WORSE", "1")
    worse = suite.run()
    assert worse.ret == 0, "tests that are expected to fail do not fail a run"
    monkeypatch.delenv("WORSE")
    suite.run()
    monkeypatch.setenv("WORSE", "1")
    worse = suite.run("--batch-fail-on-regression")
    assert worse.ret == 1
    assert "worse: 0.0% passed, against 100.0%" in worse.stdout.str()
