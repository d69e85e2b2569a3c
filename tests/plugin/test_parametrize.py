import numpy  # noqa: F401  (imported here once: pytester forgets what an inner run imported)
import pytest


def test_the_prompts_axes_make_tests_when_a_test_takes_answer(suite):
    suite.test_file("""
        @pytest.mark.batch(prompt=ask)
        def test_one(answer): pass
    """)
    assert suite.collected() == [f"test_one[{p}-{q}]" for p in ("kim", "choi", "park") for q in ("sleep", "work")]


def test_the_prompts_axes_come_as_a_table_when_a_test_takes_answers(suite):
    suite.record()
    suite.test_file("""
        @pytest.mark.batch(prompt=ask)
        def test_all(answers):
            assert [a.text for a in answers][:3] == ["kim/sleep", "kim/work", "choi/sleep"]
            assert len(answers) == 6

        @pytest.mark.batch(prompt=ask)
        def test_one_patient(persona, answers):
            assert [a.text for a in answers] == [f"{persona.id}/sleep", f"{persona.id}/work"]
            assert [row.id("question") for row in answers.rows] == ["sleep", "work"]
    """)
    assert suite.collected() == [
        "test_all",
        "test_one_patient[kim]",
        "test_one_patient[choi]",
        "test_one_patient[park]",
    ]
    suite.run().assert_outcomes(passed=4)


def test_marker_keywords_narrow_an_axis(suite):
    suite.test_file("""
        @pytest.mark.batch(prompt=ask, question="work")
        def test_one(persona, answer): pass

        @pytest.mark.batch(prompt=ask, axes={"persona": ["kim", "park"]}, question=["sleep"])
        def test_two(answer): pass
    """)
    assert suite.collected() == [
        "test_one[kim-work]",
        "test_one[choi-work]",
        "test_one[park-work]",
        "test_two[kim-sleep]",
        "test_two[park-sleep]",
    ]


def test_k_selects_exactly_a_persona(suite):
    suite.test_file("""
        @pytest.mark.batch(prompt=ask)
        def test_one(answer): pass
    """)
    assert suite.collected("-k", "choi") == ["test_one[choi-sleep]", "test_one[choi-work]"]


def test_samples_are_tests_of_answer_and_rows_of_answers(suite):
    suite.record(samples=2)
    suite.test_file("""
        @pytest.mark.batch(prompt=ask, samples=2, question="work")
        def test_one(persona, sample, answer):
            assert answer.text == f"{persona.id}/work/{sample}"

        @pytest.mark.batch(prompt=ask, samples=2, question="work")
        def test_all(answers):
            assert [(r.id("persona"), r.sample) for r in answers.rows][:3] == [("kim", 0), ("kim", 1), ("choi", 0)]
            assert len({a.custom_id for a in answers}) == 6
    """)
    assert suite.collected("-k", "kim") == ["test_one[kim-work-s0]", "test_one[kim-work-s1]"]
    suite.run().assert_outcomes(passed=7)


def test_an_own_parametrize_joins_the_axes_and_may_replace_one(suite):
    suite.test_file("""
        def versioned(version, persona):
            return {"model": "m", "messages": [{"role": "system", "content": f"{version} {persona}"}]}

        @pytest.mark.batch(prompt=versioned)
        @pytest.mark.parametrize("persona", ["somebody", pytest.param("nobody", marks=pytest.mark.skip)])
        @pytest.mark.parametrize("version", ["plain", "polite"])
        def test_one(answer): pass
    """)
    assert suite.collected() == [
        "test_one[plain-somebody]",
        "test_one[plain-nobody]",
        "test_one[polite-somebody]",
        "test_one[polite-nobody]",
    ]


def test_a_module_mark_is_joined_by_a_functions_own(suite):
    suite.test_file("""
        pytestmark = pytest.mark.batch(prompt=ask)

        class TestPatients:
            def test_all(self, answer): pass

            @pytest.mark.batch(persona="kim")
            def test_kim(self, answer): pass

        def test_other(): pass
    """)
    ids = suite.collected()
    assert len(ids) == 6 + 2 + 1
    assert ids[6:8] == ["TestPatients::test_kim[kim-sleep]", "TestPatients::test_kim[kim-work]"]


def test_a_mark_without_prompt_is_a_plain_marker(suite):
    suite.test_file("""
        @pytest.mark.batch
        def test_plain(): pass
    """)
    result = suite.run("-m", "batch")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("batch:*")


def test_an_axis_named_by_a_plain_test_is_one_test_each(suite):
    suite.test_file("""
        def test_described(persona): assert persona.description
    """)
    assert suite.collected() == ["test_described[kim]", "test_described[choi]", "test_described[park]"]


def test_axes_of_a_sub_folders_hook_replace_those_of_the_files(suite):
    source = """
        @pytest.mark.batch(prompt=ask_question)
        def test_one(answer): pass
    """
    suite.test_file(source, "test_top.py")
    suite.test_file(source, "sub/test_sub.py")
    suite.test_file(
        """
        from pytest_batcheval import Question

        def pytest_batch_axes(config):
            return {"question": [Question("hobby", {"text": "What do you enjoy?"})], "age": [30, 70]}
    """,
        "sub/conftest.py",
    )
    assert sorted(suite.collected()) == ["test_one[hobby]", "test_one[sleep]", "test_one[work]"]


def test_the_users_own_fixture_wins_without_a_prompt(suite):
    suite.test_file("""
        @pytest.fixture
        def answer(): return 42

        @pytest.mark.batch
        def test_own(answer): assert answer == 42
    """)
    suite.run().assert_outcomes(passed=1)


@pytest.mark.sampled(9)
@pytest.mark.parametrize(
    ("marked", "message"),
    [
        ("@pytest.mark.batch('ask')\ndef test_x(answer): pass", "batch takes keywords only"),
        ("@pytest.mark.batch(question='work')\ndef test_x(answer): pass", "no prompt="),
        (
            "@pytest.mark.batch(prompt='ask')\ndef test_x(answer): pass",
            "must be a function that returns a request body",
        ),
        ("@pytest.mark.batch(prompt=ask, samples=0)\ndef test_x(answer): pass", "must be an integer, at least 1"),
        ("@pytest.mark.batch(prompt=ask, errors='no')\ndef test_x(answer): pass", "allowed are 'raise', 'keep'"),
        ("@pytest.mark.batch(prompt=ask, endpoint='chat')\ndef test_x(answer): pass", "a path of the API"),
        ("@pytest.mark.batch(prompt=ask, axes=['kim'])\ndef test_x(answer): pass", "a dict from axis name"),
        ("@pytest.mark.batch(prompt=ask, question=3)\ndef test_x(answer): pass", "or a list of ids"),
        ("@pytest.mark.batch(prompt=ask, mood='x')\ndef test_x(answer): pass", "allowed are persona, question, prompt"),
        ("@pytest.mark.batch(prompt=ask, question='works')\ndef test_x(answer): pass", "its ids are sleep, work"),
        ("@pytest.mark.batch(prompt=ask, question=[])\ndef test_x(answer): pass", "would have no value left"),
        (
            "def bad(tmp_path): ...\n@pytest.mark.batch(prompt=bad)\ndef test_x(answer): pass",
            "bad() needs 'tmp_path', which is a fixture*can only have axes and parametrised arguments: persona, question",
        ),
        (
            "def bad(mood): ...\n@pytest.mark.batch(prompt=bad)\ndef test_x(answer): pass",
            "'mood', which is neither an axis nor a parametrised argument",
        ),
        (
            "def bad(*mood): ...\n@pytest.mark.batch(prompt=bad)\ndef test_x(answer): pass",
            "name each parameter after an axis",
        ),
        (
            "@pytest.fixture\ndef mood(request): return request.param\ndef bad(mood): ...\n"
            "@pytest.mark.batch(prompt=bad)\n@pytest.mark.parametrize('mood', [1], indirect=True)\n"
            "def test_x(answer): pass",
            "'mood', which is parametrised indirectly",
        ),
        (
            "@pytest.mark.batch(prompt=ask, persona='kim')\n@pytest.mark.parametrize('persona', ['a'])\n"
            "def test_x(answer): pass",
            "narrows an axis this test parametrises itself",
        ),
        (
            "@pytest.fixture\ndef answer(): return 1\n@pytest.mark.batch(prompt=ask)\ndef test_x(answer): pass",
            "'answer' from a fixture or parameter of its own*rename yours or drop prompt=",
        ),
    ],
)
def test_a_wrong_marker_is_an_error_that_names_what_is_allowed(suite, marked, message):
    suite.test_file(marked)
    result = suite.run()
    assert result.ret == 2
    result.stdout.fnmatch_lines([f"*test_it.py:*test_x: *{message}*".replace("[", "[[]")])


def test_answer_without_a_prompt_says_what_is_missing(suite):
    suite.test_file("""
        def test_x(answer): pass
    """)
    result = suite.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*'answer' needs @pytest.mark.batch(prompt=*"])


def test_doctest_async_and_skipped_items_are_left_alone(suite):
    suite.record()
    suite.test_file('''
        def doubled(x):
            """
            >>> doubled(2)
            4
            """
            return 2 * x

        @pytest.mark.asyncio
        @pytest.mark.batch(prompt=ask, question="work")
        async def test_async(persona, answer): assert answer.text == f"{persona.id}/work"

        @pytest.mark.anyio
        @pytest.mark.batch(prompt=ask, question="work", persona="kim")
        async def test_anyio(answer): assert answer.text == "kim/work"

        @pytest.fixture
        def anyio_backend(): return "asyncio"

        @pytest.mark.skip
        @pytest.mark.batch(prompt=ask)
        def test_skipped(answer): pass
    ''')
    suite.run(
        "--doctest-modules",
        "-p",
        "pytest_asyncio.plugin",
        "-p",
        "anyio",
        "-o",
        "asyncio_default_fixture_loop_scope=function",
    ).assert_outcomes(passed=1 + 3 + 1, skipped=6)


UNITTEST = """
    import unittest

    def plain(): return {"model": "m", "input": "Hello"}

    class TestOld(unittest.TestCase):
        @pytest.fixture(autouse=True)
        def _take(self, answer): self.answer = answer

    @pytest.mark.batch(prompt=ask)
    class TestAxes(TestOld):
        def test_it(self): pass

    @pytest.mark.batch(prompt=plain, samples=0)
    class TestWrong(TestOld):
        def test_it(self): pass

    @pytest.mark.batch(prompt=plain)
    class TestPlain(TestOld):
        def test_it(self): assert self.answer.text
"""


def test_a_unittest_class_gets_an_answer_and_an_error_that_it_has_no_axes(suite):
    suite.test_file(UNITTEST)
    result = suite.run("--batch=send", "--batch-backend=simulator")
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(
        [
            "prompt ask() needs 'persona', 'question', and this test has no axes: *unittest.TestCase*Make it a function*",
            "batch(samples=0): must be an integer, at least 1",
        ]
    )
