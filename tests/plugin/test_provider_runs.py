"""A run at another provider: its plan says the promise, its answers are recorded, and replayed without it."""

import pytest


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("name", "promise"), [("mistral", "*Mistral AI, promise C: *only 20 minutes without a trace*")]
)
def test_a_run_is_planned_recorded_and_replayed(suite, name, promise):
    suite.test_file("""
        def asked(persona, question):
            messages = [{"role": "user", "content": f"{persona.id} {question.text}"}]
            return {"model": "mistral-small-latest", "max_tokens": 300, "messages": messages}

        @pytest.mark.batch(prompt=asked, persona="kim")
        def test_it(answer):
            assert (answer.finish_reason, answer.refusal, answer.tool_calls) == ("stop", None, ())
            assert answer.text and answer.tokens[1]
    """)
    backend = f"--batch-backend={name}@simulator"
    plan = suite.run("--batch=plan", backend)
    plan.stdout.fnmatch_lines([promise, "*1 batch to send:*", "*mistral-small-latest: 2 requests*"])
    suite.run("--batch=record", backend).assert_outcomes(passed=2)
    suite.run().assert_outcomes(passed=2)
