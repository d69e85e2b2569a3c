"""A cell that asks otherwise than before is shown, with its price, before it is paid for again."""

import pytest

SUITE = """
    def interview(persona, question):
        return {
            "model": "gpt-4.1-mini",
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
