"""`--batch=plan` of generator prompts: the waves that follow from answers are estimated before anything is paid."""

import pytest

from pytest_batcheval.plugin.foreseen import MOST_WAVES, foreseen
from pytest_batcheval.prompts import judge, pairwise
from pytest_batcheval.prompts.prompt_call import PromptCall


def ask(question="How do you sleep?", model="gpt-6-luna"):
    return {
        "model": model,
        "messages": [{"role": "user", "content": question}],
        "max_completion_tokens": 300,
        "reasoning_effort": "none",
    }


def ask_other(question="How do you sleep?"):
    return ask(question, "gpt-6.1-terra")


def better(first, second):
    return {
        "model": "gpt-6.1-terra",
        "input": f"A: {first.text}\nB: {second.text}",
        "max_output_tokens": 10,
        "reasoning": {"effort": "none"},
    }


def verdict(answer):
    schema = {
        "type": "object",
        "properties": {"score": {"type": "integer", "minimum": 1, "maximum": 5}, "reason": {"type": "string"}},
        "required": ["score", "reason"],
    }
    form = {"type": "json_schema", "json_schema": {"name": "verdict", "schema": schema}}
    return {**ask(f"Rate: {answer.text}"), "response_format": form}


def reads_the_verdict():
    answer = yield ask()
    found = yield verdict(answer)
    assert 1 <= found.json()["score"] <= 5
    yield ask(found.json()["reason"])


def until_it_says_so():
    answer = yield ask()
    while "certainly" not in answer.text:
        answer = yield ask(f"{answer.text} Go on.")


def reads_a_number():
    answer = yield ask("A number from 1 to 5, please.")
    yield ask(f"Why {int(answer.text)}?")


def repeats_itself():
    answer = yield ask()
    while "certainly" not in answer.text:
        answer = yield ask("Are you certain?")


@pytest.mark.parametrize(
    ("prompt", "later", "complete"),
    [
        (ask, 0, True),
        (pairwise(ask, ask_other, better), 2, True),
        (judge(ask, verdict), 1, True),
        (reads_the_verdict, 2, True),
        (until_it_says_so, MOST_WAVES - 1, False),
        (reads_a_number, 0, False),
        (repeats_itself, 1, False),
    ],
)
def test_the_waves_of_a_prompt_are_foreseen(prompt, later, complete):
    found = foreseen(PromptCall(prompt))
    assert (len(found.later), found.complete) == (later, complete)


def test_the_waves_of_messages_are_foreseen():
    def twice():
        answer = yield {**ask(), "max_tokens": 100}
        yield {**ask(f"Really? {answer.text}"), "max_tokens": 100}

    found = foreseen(PromptCall(twice, endpoint="/v1/messages"))
    assert (len(found.later), found.complete, found.later[0].url) == (1, True, "/v1/messages")


def test_the_waves_of_contents_are_foreseen():
    def twice():
        answer = yield {"model": "gemini-2.5-flash", "contents": [{"parts": [{"text": "Hello"}]}]}
        yield {"model": "gemini-2.5-flash", "contents": [{"parts": [{"text": f"Really? {answer.text}"}]}]}

    found = foreseen(PromptCall(twice))
    assert (len(found.later), found.complete, found.later[0].url) == (1, True, "/v1beta/models:generateContent")


def test_an_answer_that_is_known_is_not_made_up(suite):
    calls = []

    def known(request):
        calls.append(request)

    (judged,) = foreseen(PromptCall(judge(ask, verdict)), known).later
    assert judged.model == "gpt-6-luna"
    assert len({request.custom_id for request in calls}) == 2


PAIRS = """
    from pytest_batcheval.prompts import pairwise

    SHORT = {"reasoning": {"effort": "none"}}

    def one(question, model="gpt-6-luna"):
        return {"model": model, "input": question, "max_output_tokens": 300, **SHORT}

    def other(question):
        return one(question, "gpt-6.1-terra")

    def better(first, second):
        text = f"A: {first.text}\\nB: {second.text}"
        return {"model": "gpt-6.1-terra", "input": text, "max_output_tokens": 10, **SHORT}

    @pytest.mark.batch(prompt=pairwise(one, other, better))
    @pytest.mark.parametrize("question", [f"Question {n}?" for n in range(20)])
    def test_pairs(answer): pass
"""


@pytest.fixture
def pairs(suite):
    """A suite of twenty pairs."""
    suite.test_file(PAIRS)
    return suite


def test_judges_are_counted_before_they_are_paid(pairs):
    out = pairs.run("--batch=plan").stdout
    out.fnmatch_lines(
        [
            "test_it.py *20 *40 *40 *",
            "about 40 more requests in later waves, built from the answers (here from made-up ones of some 200 tokens):",
            "  /v1/responses  gpt-6.1-terra: 40 requests, * about 1?,??? tokens in, at most 400 out, at most $0.0*",
            "in all about 80 requests, about $0.0*",
        ]
    )


@pytest.mark.sampled
def test_a_wave_that_is_answered_is_not_made_up_any_more(pairs):
    backend = "--batch-backend=simulator"
    pairs.run("--batch=send", backend)
    out = pairs.run("--batch=plan", backend).stdout
    out.fnmatch_lines(["test_it.py *20 *80 *80 *$0.00", "0 batches to send"])
    out.no_fnmatch_line("*later*")
    (pairs.path / "test_it.py").write_text((pairs.path / "test_it.py").read_text().replace("range(20)", "range(21)"))
    pairs.run("--batch=plan", backend).stdout.fnmatch_lines(
        ["test_it.py *21 *82 *80 *2 *", "about 2 more requests in later waves*", "in all about 4 requests*"]
    )


def test_a_later_request_that_is_answered_already_is_not_counted(suite):
    suite.test_file("""
        def twice(question):
            yield ask_question(question)
            yield {"model": "m", "input": "Goodbye."}

        @pytest.mark.batch(prompt=twice)
        def test_twice(answer): pass

        @pytest.mark.batch(prompt=lambda: {"model": "m", "input": "Goodbye."})
        def test_goodbye(answer): pass
    """)
    plan = ("--batch=plan", "--batch-backend=simulator", "-k", "twice")
    suite.run(*plan).stdout.fnmatch_lines(["about 1 more request in later waves*", "in all about 3 requests*"])
    suite.run("--batch=send", "--batch-backend=simulator", "-k", "goodbye").assert_outcomes(passed=1)
    suite.run(*plan).stdout.no_fnmatch_line("*later waves*")


def test_a_prompt_that_cannot_read_a_made_up_answer_is_told(suite):
    suite.test_file("""
        def reads_a_number(question):
            answer = yield ask_question(question)
            yield {"model": "m", "input": f"Why {int(answer.text)}?"}

        @pytest.mark.batch(prompt=reads_a_number)
        def test_why(answer): pass
    """)
    result = suite.run("--batch=plan")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "at least 0 more requests in later waves, *",
            "  a prompt cannot read a made-up answer, or goes on for long: what it asks then is not counted",
            "in all at least 2 requests, cost unknown",
        ]
    )


def test_a_judge_that_only_the_simulator_has_is_found_in_a_later_wave(suite):
    suite.test_file("""
        def judged(question):
            answer = yield ask_question(question)
            yield {"model": "sim-judge", "input": f"Rate {answer.text}"}

        @pytest.mark.batch(prompt=judged)
        def test_judged(answer): pass
    """)
    suite.run("--batch=plan").stdout.fnmatch_lines(["test_it.py *2 *2 *2 *$0.00", "2 tests skipped: sim-judge is *"])
