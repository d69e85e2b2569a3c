"""What a plan, and a run before it sends, say of requests that will not bring what is wanted."""

from dataclasses import replace
from datetime import date

import pytest

from pytest_batcheval.plugin.plan_warnings import request_lines
from pytest_batcheval.wire.objects import Request
from pytest_batcheval.wire.real_time import utc_day

BROKEN = """
    def careless(persona, question):
        return {"model": "m", "input": question.tittle}

    @pytest.mark.batch(prompt=careless)
    def test_broken(answer): pass

    def random(persona):
        import uuid
        return {"model": "m", "input": str(uuid.uuid4())}

    @pytest.mark.batch(prompt=random, persona="kim")
    def test_impure(answer): pass

    @pytest.mark.batch(prompt=ask, persona="kim", question="sleep")
    def test_whole(answer): assert answer.text
"""


def test_a_plan_says_which_prompts_fail_and_why_and_ends_with_1(suite):
    suite.test_file(BROKEN)
    result = suite.run("--batch=plan")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "1 batch to send:",
            "7 tests with an error in prompt or marker; they ask for nothing and will fail:",
            "  test_it.py:7: test_broken[[]kim-sleep] and 5 more tests: prompt careless(persona=kim, question=sleep) "
            "raised AttributeError: *tittle* (*test_it.py:5)",
            "  test_it.py:14: test_impure[[]kim]: prompt random(persona=kim) is not pure: *",
            '    - "input": "*",',
            '    + "input": "*",',
        ]
    )


def test_a_run_says_it_before_it_sends_what_is_whole(suite):
    suite.test_file(BROKEN)
    result = suite.run("--batch=send", "--batch-backend=simulator")
    result.assert_outcomes(passed=1, errors=7)
    result.stdout.fnmatch_lines(
        [
            "batch: 7 tests with an error in prompt or marker; they ask for nothing and will fail:",
            "*test_it.py:7: test_broken[[]kim-sleep] and 5 more tests: *raised AttributeError: *",
            "batch: 1 request for the simulator*",
        ]
    )


SIMULATED = """
    def blind(question, model="sim-blind"):
        return {"model": model, "messages": [{"role": "user", "content": question.text}]}

    @pytest.mark.batch(prompt=blind)
    def test_blind(answer): pass

    @pytest.mark.parametrize("model", ["m", "sim-judge_noisy-0.5"])
    @pytest.mark.batch(prompt=blind, question="sleep")
    def test_models(model, answer): pass

    @pytest.mark.parametrize("model", ["sim-nobody", "sim-racing"])
    @pytest.mark.batch(prompt=blind, question="sleep")
    def test_theirs(model, answer): pass
"""
"""A provider may have models of such names, but none of a respondent's."""


def test_a_plan_for_a_provider_leaves_out_what_only_the_simulator_has(suite, monkeypatch):
    suite.test_file(SIMULATED)
    told = [
        "test file *tests *requests *skipped *to send*",
        "test_it.py *6 *6 *3 *3 *",
        "3 tests skipped: sim-blind, sim-judge_noisy-0.5 are respondents of the simulator, not of https://*",
    ]
    suite.run("--batch=plan").stdout.fnmatch_lines(told)
    suite.run("--batch=plan", "--batch-backend=https://llm.example.com/v1").stdout.fnmatch_lines(told)
    monkeypatch.setenv("OPENAI_BASE_URL", "https://other.example.com/v1")
    suite.run("--batch=plan").stdout.fnmatch_lines(told)


@pytest.mark.parametrize("backend", ["simulator", "http://127.0.0.1:9/v1"])
def test_a_plan_for_what_is_or_may_be_a_simulator_has_all_of_it(suite, backend):
    suite.test_file(SIMULATED)
    result = suite.run("--batch=plan", f"--batch-backend={backend}")
    result.stdout.fnmatch_lines(["test_it.py *6 *6 *6 *"])
    result.stdout.no_fnmatch_line("*skipped*")


@pytest.fixture
def provider(batch_server, monkeypatch):
    """A server that does not say that it is a simulator."""

    async def unmarked(exchange):
        reply = await exchange.handle(exchange)
        return await exchange.send(replace(reply, headers=[*reply.headers, (b"x-simulator", b"no")]))

    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    batch_server.intercept(unmarked)
    batch_server.behaviour = replace(batch_server.behaviour, models="any")
    return batch_server


@pytest.mark.ledger(lost=True)  # the answers have another origin than the server's
@pytest.mark.parametrize("workers", [(), pytest.param(("-p", "xdist", "-n", "2"), marks=pytest.mark.sampled)])
def test_a_run_at_a_provider_skips_them(suite, provider, workers):
    suite.test_file(SIMULATED.replace('"sim-nobody", "sim-racing"', '"n"'))
    backend = f"--batch-backend={provider.base_url}"
    result = suite.run("--batch=send", "--batch-calls=individual", backend, "-rs", *workers)
    result.assert_outcomes(passed=2, skipped=3)
    result.stdout.fnmatch_lines(
        [
            "batch: 3 tests skipped: sim-blind, sim-judge_noisy-0.5 are respondents of the simulator, not of http*",
            "batch: 2 requests for *",
            "SKIPPED *: sim-*: only the simulator has this model",
        ]
    )
    assert len(provider.ledger.executions) == 2


LISTED = """
    def by_model(question, model):
        return {**ask_question(question), "model": model}

    @pytest.mark.parametrize("model", ["kept", "ended", "old", "gpt-6-luna"])
    @pytest.mark.batch(prompt=by_model, question="sleep")
    def test_it(model, answer): pass
"""


@pytest.mark.ledger(lost=True)
def test_a_run_says_which_models_the_list_of_its_provider_ends(suite, provider):
    today = utc_day()
    ends = {
        "ended": {"shutdown_date": today},
        "old": {"deprecation": f"{today}T12:00:00Z"},
        "kept": {"shutdown_date": 7},
    }

    async def listed(exchange):
        reply = await exchange.handle(exchange)
        if exchange.call == "models.list":
            reply = replace(reply, body={"object": "list", "data": [{"id": name, **end} for name, end in ends.items()]})
        return await exchange.send(replace(reply, headers=[*reply.headers, (b"x-simulator", b"no")]))

    provider.intercept(listed)
    suite.test_file(LISTED)
    result = suite.run("--batch=send", "--batch-calls=individual", f"--batch-backend={provider.base_url}")
    result.assert_outcomes(passed=4)
    lines = [line for line in result.stdout.lines if " by its provider " in line]
    assert lines == [
        f"batch: ended was shut down by its provider on {today}: 1 request will fail there",
        f"batch: old was deprecated by its provider on {today}: 1 request may fail there",
    ]


@pytest.mark.parametrize(
    ("today", "lines"),
    [
        ("2026-11-14", []),
        ("2026-11-15", ["gpt-4.1-mini will be shut down by OpenAI on 2027-01-14, in 60 days; 2 requests for it"]),
        ("2027-01-13", ["gpt-4.1-mini will be shut down by OpenAI on 2027-01-14, in 1 day; 2 requests for it"]),
        ("2027-01-14", ["gpt-4.1-mini was shut down by OpenAI on 2027-01-14: 2 requests will fail there"]),
        ("2028-01-01", ["gpt-4.1-mini was shut down by OpenAI on 2027-01-14: 2 requests will fail there"]),
    ],
)
def test_a_model_near_its_end_is_told(today, lines):
    requests = [Request({"model": model, "input": n}) for n, model in enumerate(["gpt-4.1-mini", "m", "gpt-4.1-mini"])]
    asked = [("test_it.py::test_one", request) for request in requests]
    assert request_lines(asked, "https://api.openai.com/v1", date.fromisoformat(today)) == lines
    assert not request_lines(asked, "simulator:faithful@0", date.fromisoformat(today))


ENDING = """
    @pytest.mark.batch(prompt=lambda question: {**ask_question(question), "model": "gpt-4.1-mini"})
    def test_one(answer): pass
"""


@pytest.mark.ledger(lost=True)  # the answers have another origin than the server's
def test_a_plan_and_a_run_tell_it_before_anything_is_sent(suite, provider, monkeypatch):
    monkeypatch.setattr("pytest_batcheval.wire.real_time.utc_day", lambda: "2027-01-04")
    suite.test_file(ENDING)
    told = "gpt-4.1-mini will be shut down by OpenAI on 2027-01-14, in 10 days; 2 requests for it"
    suite.run("--batch=plan").stdout.fnmatch_lines([told])
    result = suite.run("--batch=send", "--batch-calls=individual", f"--batch-backend={provider.base_url}")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines([f"batch: {told.replace('OpenAI', 'its provider')}", "batch: calls: *"])


FLEX = """
    @pytest.mark.batch(prompt=lambda question: {**ask_question(question), "model": "gpt-6-luna", "service_tier": "flex"})
    def test_one(answer): pass
"""


def test_a_service_tier_in_a_batch_is_told_to_mean_nothing(suite):
    suite.test_file(FLEX)
    told = "2 requests with service_tier 'flex', which means nothing in a batch: priced as any other"
    suite.run("--batch=plan").stdout.fnmatch_lines([told])
    suite.run("--batch=plan", "--batch-calls=individual").stdout.no_fnmatch_line("*means nothing*")


LONG = """
    def story(question, words):
        return {"model": "gpt-4o", "messages": [{"role": "user", "content": "a " * words}], "max_completion_tokens": 100}

    @pytest.mark.batch(prompt=story, question="sleep")
    @pytest.mark.parametrize("words", [10, 280_000, 400_000])
    def test_long(answer): pass
"""


@pytest.mark.sampled
@pytest.mark.ledger(lost=True)  # the answers have another origin than the server's
def test_requests_that_are_too_long_are_told_by_their_tests_and_sent_all_the_same(suite, provider):
    suite.test_file(LONG)
    told = [
        "2 requests may be too long for the model's context window, by estimated tokens:",
        "*test_it.py::test_long[[]400000-sleep]: about 184,00? tokens in and at most 100 out, and gpt-4o has 128,000: "
        "does not fit, and would fail",
        "*test_it.py::test_long[[]280000-sleep]: about 128,80? tokens in and at most 100 out, and gpt-4o has 128,000: "
        "may not fit",
    ]
    suite.run("--batch=plan").stdout.fnmatch_lines(told)
    result = suite.run("--batch=send", "--batch-calls=individual", f"--batch-backend={provider.base_url}")
    result.stdout.fnmatch_lines([f"batch: {told[0]}", *told[1:], "batch: calls: *"])
    result.assert_outcomes(passed=1, errors=2)
