"""One verdict on all samples of a test: `passes=` and `min_pass=`."""

import json
import sqlite3

import pytest

FIVE = """
    @pytest.mark.batch(prompt=ask, passes="4 of 5", persona="kim")
    def test_short(question, answer):
        assert not answer.text.endswith(BAD), f"bad: {answer.text}"
"""


def five(*bad):
    """The tests of a persona's two questions, where these samples fail."""
    return FIVE.replace("BAD", repr(tuple(f"/{number}" for number in bad)))


def stored(suite, table="item"):
    with sqlite3.connect(suite.path / ".batcheval" / "outcomes.sqlite") as connection:
        return connection.execute(f"SELECT * FROM {table} ORDER BY test").fetchall()


@pytest.mark.parametrize(("bad", "failed"), [((), 0), ((2,), 0), ((0, 3), 2)], ids=["none", "one", "two"])
def test_a_count_of_samples_decides(suite, bad, failed):
    suite.record(samples=5)
    suite.test_file(five(*bad))
    result = suite.run()
    result.assert_outcomes(passed=2 - failed, failed=failed)
    assert suite.collected() == ["test_short[sleep-kim]", "test_short[work-kim]"]
    rows = [row[4:] for row in stored(suite)]
    assert rows == [(5 - len(bad), len(bad), "failed" if failed else "passed")] * 2


def test_a_failure_says_the_verdict_and_shows_the_first_sample_that_failed(suite, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    suite.record(samples=5)
    suite.test_file(five(1, 3))
    lines = suite.run().outlines
    text = "\n".join(lines)
    verdict = "failed: 3 of 5 samples passed (95 %: 23% to 88%), wanted 4 of 5"
    assert f"FAILED test_it.py::test_short[sleep-kim] - {verdict}" in text
    assert "1 x AssertionError: bad: kim/sleep/1" in text
    assert ">       assert not answer.text.endswith(" in text
    assert "answer     kim/sleep/1" in text, "the report shows the answer of that sample"
    assert "samples.py" not in text, "no frame of ours"


RATE = """
    @pytest.mark.batch(prompt=ask, samples=5, min_pass={rate}, persona="kim")
    def test_short(question, answer):
        assert not answer.text.endswith({bad}), "bad"
"""


@pytest.mark.parametrize(
    ("rate", "bad", "verdict"),
    [
        (0.5, (), "passed"),
        (0.9, (), "undecided: 5 of 5 samples passed (95 %: 57% to 100%), wanted at least 90%; 30 more samples would"),
        (0.9, (0, 1, 2), "failed: 2 of 5 samples passed (95 %: 12% to 77%), wanted at least 90%"),
    ],
)
def test_a_rate_must_be_shown(suite, rate, bad, verdict, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    suite.record(samples=5)
    suite.test_file(RATE.format(rate=rate, bad=tuple(f"/{number}" for number in bad)))
    result = suite.run()
    passed = 2 if verdict == "passed" else 0
    result.assert_outcomes(passed=passed, failed=2 - passed)
    assert passed or f"test_it.py::test_short[sleep-kim] - {verdict}" in result.stdout.str()
    assert [row[-1] for row in stored(suite)] == [verdict.partition(":")[0]] * 2


def test_an_undecided_test_has_a_letter_of_its_own_and_fails_the_run(suite):
    suite.record(samples=5)
    suite.test_file(RATE.format(rate=0.9, bad=()))
    result = suite.run("-v")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*test_short[[]sleep-kim] UNDECIDED*", "*2 failed*"])


@pytest.mark.ledger(paid=9)
def test_a_sample_without_an_answer_says_nothing(suite, batch_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    first = iter([True])
    fails = lambda body: "sleep" in str(body) and next(first, False)  # noqa: E731
    batch_server.faults.fail_lines(fails, status_code=400, code="bad_request")
    suite.test_file(FIVE.replace("BAD", "('never',)"))
    result = suite.run("--batch=send", f"--batch-backend={batch_server.base_url}")
    result.assert_outcomes(passed=2)
    assert sorted(row[4:] for row in stored(suite)) == [(4, 0, "passed"), (5, 0, "passed")]


@pytest.mark.sampled
def test_workers_judge_samples_too(suite):
    suite.record(samples=5)
    suite.test_file(five(1, 3))
    result = suite.run_apart("-p", "xdist", "-n", "1")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*AssertionError: bad: kim/sleep/1*"])
    assert [row[-1] for row in stored(suite)] == ["failed", "failed"]


def test_samples_that_are_tests_of_their_own_are_kept_as_one_item(suite):
    suite.record(samples=2)
    suite.test_file("""
        @pytest.mark.batch(prompt=ask, samples=2, persona="kim")
        def test_short(question, answer):
            assert answer.text
    """)
    suite.run().assert_outcomes(passed=4)
    items = {row[1].partition("::")[2]: row[2].partition("::")[2] for row in stored(suite)}
    assert items == {
        f"test_short[{question}-kim-s{number}]": f"test_short[{question}-kim]"
        for question in ("sleep", "work")
        for number in (0, 1)
    }


REFUSED = {
    "two rules": ('passes="4 of 5", min_pass=0.9', "answer", "two rules; write one of them"),
    "no rule": ("passes=4", "answer", 'must be a text such as "4 of 5"'),
    "more than there are": ('passes="6 of 5"', "answer", "not more than there are"),
    "one sample": ('passes="1 of 1"', "answer", "at least 2 samples"),
    "another number": ('samples=3, passes="4 of 5"', "answer", "write samples=5"),
    "no samples": ("min_pass=0.9", "answer", "one answer has no rate"),
    "no rate": ("samples=5, min_pass=90", "answer", "a number between 0 and 1"),
    "a table": ('passes="4 of 5"', "answers", "drop the argument 'answers'"),
    "the sample's number": ('passes="4 of 5"', "answer, sample", "drop the argument 'sample'"),
    "a fixture of the answer": ('passes="4 of 5"', "answer, words", "the fixture 'words' would keep the first"),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("case", REFUSED)
def test_a_rule_that_cannot_be_is_refused_before_anything_is_sent(suite, case):
    keywords, takes, text = REFUSED[case]
    suite.test_file(f"""
        @pytest.fixture
        def words(answer):
            return answer.text.split()

        @pytest.mark.batch(prompt=ask, {keywords})
        def test_it({takes}):
            pass
    """)
    result = suite.run("--batch=plan")
    assert result.ret != 0
    assert text in result.stdout.str()
    assert "test_it.py:" in result.stdout.str()


def test_the_samples_of_parameters_have_rules_of_their_own_or_none(suite):
    suite.record(samples=5)
    suite.test_file("""
        @pytest.mark.parametrize("limit", [
            pytest.param(1, marks=pytest.mark.batch(passes="4 of 5")),
            pytest.param(2, marks=pytest.mark.batch(passes="1 of 2")),
        ])
        @pytest.mark.batch(prompt=ask, persona="kim", question="sleep")
        def test_it(limit, answer):
            assert answer.text.endswith(("/0", "/1", "/2"))
    """)
    result = suite.run()
    result.assert_outcomes(passed=1, failed=1)
    assert [row[4:] for row in stored(suite)] == [(3, 2, "failed"), (2, 0, "passed")]


def test_a_record_of_the_rule_is_in_the_plan(suite):
    suite.test_file(five())
    out = suite.run("--batch=plan").stdout.str()
    assert "10 requests" in out, json.dumps(out)
