"""What a plan, and a run before it sends, say of requests that will not bring what is wanted."""

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
