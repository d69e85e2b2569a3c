"""Markers of bases, parameters and hooks: the closest one counts, and what cannot be honoured is refused."""

import json

import pytest

TWO_PROMPTS = """
        def plain(question):
            return {"model": "m", "messages": [{"role": "user", "content": f"plain {question.text}"}]}

        def warm(persona, question):
            return {"model": "m", "messages": [{"role": "user", "content": f"warm {persona.id} {question.text}"}]}
"""


def contents(suite, *args):
    """The last message of every request that the selected tests ask for."""
    path = suite.path / "requests.json"
    suite.run("-p", "pytest_batcheval.plugin.request_dump", f"--batch-dump-requests={path}", *args)
    return [entry["body"]["messages"][-1]["content"] for entry in json.loads(path.read_text())["requests"]]


def test_a_subclass_beats_its_base(suite):
    suite.test_file(f"""
        {TWO_PROMPTS.strip()}

        @pytest.mark.batch(prompt=plain, question="sleep")
        class TestPlain:
            def test_it(self, answer): pass

        @pytest.mark.batch(prompt=warm)
        class TestWarm(TestPlain):
            pass
    """)
    assert suite.collected("-k", "TestWarm") == [f"TestWarm::test_it[{p}-sleep]" for p in ("kim", "choi", "park")]
    assert contents(suite, "-k", "TestWarm") == [f"warm {p} How do you sleep?" for p in ("kim", "choi", "park")]
    assert contents(suite, "-k", "TestPlain") == ["plain How do you sleep?"]


def test_the_order_is_that_of_the_mro(suite):
    suite.test_file("""
        class Root:
            pytestmark = [pytest.mark.batch(prompt=ask), pytest.mark.batch(persona="kim", question="sleep")]

        class Left(Root):
            pytestmark = pytest.mark.batch(persona="choi")

        class Right(Root):
            pytestmark = pytest.mark.batch(persona="park", question="work")

        class TestBoth(Left, Right):
            def test_it(self, answer): pass

        @pytest.mark.batch(persona="park")
        class TestOwn(Left, Right):
            @pytest.mark.batch(question="sleep")
            def test_it(self, answer): pass
    """)
    assert suite.collected() == ["TestBoth::test_it[choi-work]", "TestOwn::test_it[park-sleep]"]


def test_a_marker_put_before_the_others_by_a_hook_is_the_closest(suite):
    suite.test_file("""
        @pytest.mark.batch(prompt=ask, errors="raise", persona="kim", question="work")
        class TestIt:
            def test_it(self, answer): pass
    """)
    suite.test_file(
        """
        def pytest_collection_modifyitems(items):
            for item in items:
                item.parent.add_marker(pytest.mark.batch(prompt=ask_question), append=False)
    """,
        "conftest.py",
    )
    assert contents(suite) == ["어떻게 일하세요?"]
    body = {"model": "m", "messages": [{"role": "user", "content": "어떻게 일하세요?"}]}
    path = suite.path / "requests.json"
    assert json.loads(path.read_text())["requests"][0]["body"] == body


@pytest.mark.sampled(2)
@pytest.mark.parametrize("takes", ["answer", "answers"])
def test_a_parameter_narrows_and_samples(suite, takes):
    suite.test_file(f"""
        @pytest.mark.batch(prompt=ask, question="work")
        @pytest.mark.parametrize("tone", [
            pytest.param("calm", marks=pytest.mark.batch(persona="kim", samples=3)),
            pytest.param("rude", marks=[pytest.mark.batch(persona=["kim", "park"])]),
            "plain",
        ])
        def test_it(tone, {takes}): pass
    """)
    wanted = {"calm": 3, "rude": 2, "plain": 3}
    for tone, number in wanted.items():
        keys = suite.path / "keys.json"
        keys.unlink(missing_ok=True)
        suite.run("-p", "pytest_batcheval.plugin.request_dump", f"--batch-dump-requests={keys}", "-k", tone)
        requests = json.loads(keys.read_text())["requests"]
        assert len(requests) == number, tone
    if takes == "answer":
        assert [i for i in suite.collected() if "calm" in i] == [f"test_it[calm-kim-work-s{n}]" for n in range(3)]
        assert [i for i in suite.collected() if "rude" in i] == [
            "test_it[rude-kim-work-s0]",
            "test_it[rude-park-work-s0]",
        ]
    else:
        assert suite.collected() == ["test_it[calm]", "test_it[rude]", "test_it[plain]"]


def test_a_parameter_brings_its_prompt(suite):
    suite.test_file(f"""
        {TWO_PROMPTS.strip()}

        def cold(persona, question):
            return {{"model": "m", "messages": [{{"role": "user", "content": f"cold {{persona.id}}"}}]}}

        @pytest.mark.batch(question="work", persona="kim")
        @pytest.mark.parametrize("tone", [
            pytest.param("warm", marks=pytest.mark.batch(prompt=warm)),
            pytest.param("cold", marks=pytest.mark.batch(prompt=cold, persona="park")),
        ])
        def test_it(tone, answer): pass
    """)
    assert suite.collected() == ["test_it[warm-kim-work]", "test_it[cold-park-work]"]
    assert contents(suite) == ["warm kim 어떻게 일하세요?", "cold park"]


def test_parameters_of_a_hook_are_honoured_too(suite):
    suite.test_file("""
        @pytest.mark.batch(prompt=ask, question="work")
        def test_it(tone, answer): pass
    """)
    suite.test_file(
        """
        def pytest_generate_tests(metafunc):
            metafunc.parametrize("tone", [pytest.param("calm", marks=pytest.mark.batch(persona="kim")), "rude"])
    """,
        "conftest.py",
    )
    assert suite.collected() == [
        "test_it[calm-kim-work]",
        *(f"test_it[rude-{p}-work]" for p in ("kim", "choi", "park")),
    ]


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("marks", "message"),
    [
        ("pytest.mark.batch(persno='kim')", "batch(persno=…): 'persno' is neither an axis nor a keyword"),
        ("pytest.mark.batch(persona='kimm')", "the axis 'persona' has no 'kimm'"),
        ("pytest.mark.batch(samples='3')", "batch(samples='3'): must be an integer, at least 1"),
        ("pytest.mark.batch('ask')", "batch takes keywords only, not 'ask'"),
        ("pytest.mark.batch(tone='x')", "'tone' is neither an axis nor a keyword"),
        ("pytest.mark.batch(prompt=ask_question)", "ask_question() of one of this test's parameters does not need 'persona'"),
    ],
)  # fmt: skip
def test_a_parameters_wrong_marker_is_refused_with_file_and_line(suite, marks, message):
    suite.test_file(f"""
        @pytest.mark.batch(prompt=ask)
        @pytest.mark.parametrize("tone", ["calm", pytest.param("rude", marks={marks})])
        def test_it(tone, answer): pass
    """)
    result = suite.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*test_it.py:4: test_it: *{message.replace('[', '[[]')}*"])


def test_a_parameter_without_a_prompt_among_others_is_refused(suite):
    suite.test_file("""
        @pytest.mark.parametrize("tone", ["calm", pytest.param("rude", marks=pytest.mark.batch(prompt=ask))])
        def test_it(tone, answer): pass
    """)
    suite.run().stdout.fnmatch_lines(["*some of this test's parameters have batch(prompt=…) and others have none*"])


@pytest.mark.sampled(2)
@pytest.mark.parametrize("keyword", ["samples=2", "persona='kim'", "axes={'persona': 'kim'}", "persno='kim'"])
def test_a_late_marker_that_asks_for_other_tests_is_refused(suite, keyword):
    suite.record()
    suite.test_file("""
        @pytest.mark.batch(prompt=ask)
        def test_it(answer): pass
    """)
    suite.test_file(
        f"""
        def pytest_collection_modifyitems(items):
            for item in items:
                item.add_marker(pytest.mark.batch({keyword}))
    """,
        "conftest.py",
    )
    for mode in ("--batch=replay", "--batch=plan"):
        result = suite.run(mode)
        result.assert_outcomes(errors=6)
        result.stdout.fnmatch_lines(
            [f"test_it.py:4: test_it[[]kim-sleep]: batch({keyword.split('=')[0]}=…) was added*"]
        )


def test_a_late_marker_may_bring_the_prompt(suite):
    suite.record()
    suite.test_file("""
        def test_it(persona, question, answer): assert answer.text == f"{persona.id}/{question.id}"
    """)
    suite.test_file(
        """
        def pytest_collection_modifyitems(items):
            for item in items:
                item.add_marker(pytest.mark.batch(prompt=ask))
    """,
        "conftest.py",
    )
    suite.run().assert_outcomes(passed=6)


def test_a_late_prompt_without_its_axes_is_refused_and_not_explained_with_unittest(suite):
    suite.test_file("def test_it(answer): pass")
    suite.test_file(
        """
        def pytest_collection_modifyitems(items):
            for item in items:
                item.add_marker(pytest.mark.batch(prompt=ask))
    """,
        "conftest.py",
    )
    result = suite.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["test_it.py:3: test_it: prompt ask() needs 'persona', 'question', and the marker was*"]
    )
    result.stdout.no_fnmatch_line("*TestCase*")


def test_a_subclass_has_a_conversation_of_its_own(suite):
    suite.test_file("""
        @pytest.mark.batch_conversation("plain")
        class TestPlain:
            def test_it(self, batch_conversation): batch_conversation.client().files.list()

        @pytest.mark.batch_conversation("warm")
        class TestWarm(TestPlain):
            pass
    """)
    suite.run("--batch=record", "--batch-backend=simulator").assert_outcomes(passed=2)
    assert sorted(path.name for path in suite.path.rglob("*.yaml")) == ["plain.yaml", "warm.yaml"]
    suite.run().assert_outcomes(passed=2)


def test_two_tests_that_would_record_one_conversation_are_refused(suite):
    suite.test_file("""
        @pytest.mark.batch_conversation("job")
        def test_one(batch_conversation): pass

        @pytest.mark.batch_conversation("job")
        def test_two(batch_conversation): pass

        @pytest.mark.batch_conversation("test_it/test_four")
        def test_three(batch_conversation): pass

        def test_four(batch_conversation): pass
    """)
    for selection in ([], ["-k", "test_one or test_four"]):
        result = suite.run("--batch=record", "--batch-backend=simulator", *selection)
        result.assert_outcomes(errors=2)
        result.stdout.fnmatch_lines(
            ["test_it.py:7: test_two: its conversation */job.yaml is also that of *::test_one;*"]
        )
        result.stdout.fnmatch_lines(
            ["test_it.py:13: test_four: its conversation */test_four.yaml is also that of *three;*"]
        )
    assert not (suite.path / "cassettes").exists()


def test_a_marker_of_a_running_test_is_refused(suite):
    suite.record()
    suite.test_file("""
        @pytest.fixture(autouse=True)
        def late(request):
            if "sleep" in request.node.name:
                request.node.add_marker(pytest.mark.batch(errors="keep"))

        @pytest.mark.batch(prompt=ask, persona="kim")
        def test_it(answer): pass
    """)
    result = suite.run()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["a batch marker was added when this test was set up; requests are built before that"])


@pytest.mark.sampled
def test_parameters_name_their_conversations(suite):
    suite.test_file("""
        @pytest.mark.parametrize("kind", [
            pytest.param("a", marks=pytest.mark.batch_conversation("first")),
            pytest.param("b", marks=pytest.mark.batch_conversation("second")),
            "c",
        ])
        def test_it(kind, batch_conversation): batch_conversation.client().files.list()
    """)
    suite.run("--batch=record", "--batch-backend=simulator").assert_outcomes(passed=3)
    assert sorted(path.name for path in suite.path.rglob("*.yaml")) == [
        "first-a.yaml",
        "second-b.yaml",
        "test_it-c.yaml",
    ]
    suite.run().assert_outcomes(passed=3)


def test_a_fixtures_parameters_are_honoured_too(suite):
    suite.test_file("""
        @pytest.fixture(params=[pytest.param(1, marks=pytest.mark.batch(persona="kim")), 2])
        def number(request): return request.param

        @pytest.mark.batch(prompt=ask, question="work")
        def test_it(number, answer): pass
    """)
    assert suite.collected() == ["test_it[1-kim-work]", *(f"test_it[2-{p}-work]" for p in ("kim", "choi", "park"))]
