"""Cells and files have the names that the author gave, and what is sent is what the test sees."""

import json

import pytest

MOODS = """
        class Mood:
            def __init__(self, words): self.words = words

        def moody(mood, question):
            return {"model": "m", "messages": [{"role": "user", "content": f"{mood.words} {question.text}"}]}
"""

REPEATS = """
        @pytest.fixture
        def _repetition(request): return request.param

        @pytest.hookimpl(trylast=True)
        def pytest_generate_tests(metafunc):
            metafunc.fixturenames.append("_repetition")
            metafunc.parametrize("_repetition", range(3), indirect=True, ids=lambda i: f"{i + 1}-3")
"""
"""A plugin that repeats every test, as pytest-repeat does."""

LAZY = """
        class Later:
            def __init__(self, name): self.name = name
            def __repr__(self): return self.name

        @pytest.fixture
        def gloomy(): return "I feel low."

        @pytest.hookimpl(tryfirst=True)
        def pytest_fixture_setup(fixturedef, request):
            value = getattr(request, "param", None)
            if type(value).__name__ == "Later":
                request.param = request.getfixturevalue(value.name)
"""
"""A plugin that replaces a parameter when a test is set up."""


def recorded_cells(suite):
    lines = [line for path in suite.path.rglob("*.jsonl") for line in path.read_text().splitlines()]
    return [json.loads(line)["cell"] for line in lines]


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("parametrize", "ids"),
    [
        ('"mood", [Mood("glad"), Mood("sad")], ids=["calm", "low"]', ["calm", "low"]),
        ('"mood", [pytest.param(Mood("glad"), id="기쁨"), Mood("sad")]', ["기쁨", "mood1"]),
        ('"mood", [Mood("glad"), Mood("sad")], ids=lambda mood: mood.words', ["glad", "sad"]),
        ('"mood", [Mood("glad"), Mood("sad")]', ["mood0", "mood1"]),
        ('"n, mood", [(1, Mood("glad")), pytest.param(2, Mood("sad"), id="low")]', ["mood0", "low"]),
        ('["mood"], argvalues=[[Mood("glad")], [Mood("sad")]], ids=["a", None]', ["a", "mood1"]),
    ],
)
def test_an_object_is_recorded_by_its_test_id(suite, parametrize, ids):
    suite.test_file(f"""
        {MOODS.strip()}

        @pytest.mark.batch(prompt=moody, question="work")
        @pytest.mark.parametrize({parametrize})
        def test_it({"n, " if "n," in parametrize else ""}answer): assert answer.cell["mood"] in {ids}
    """)
    suite.run("--batch=record", "--batch-backend=simulator").assert_outcomes(passed=2)
    cells = recorded_cells(suite)
    assert sorted((cell["mood"], cell["question"]) for cell in cells) == sorted((i, "work") for i in ids)


@pytest.mark.sampled
def test_a_recording_is_the_same_in_every_process(suite):
    suite.test_file(f"""
        {MOODS.strip()}

        @pytest.mark.batch(prompt=moody, question="work")
        @pytest.mark.parametrize("mood", [Mood("glad"), Mood("sad")])
        def test_it(answer): pass
    """)
    found = []
    for _ in range(2):
        suite.run_apart("--batch=record", "--batch-backend=simulator")
        path = suite.path / "cassettes/answers/test_it.jsonl"
        found.append(path.read_bytes())
        path.unlink()
    assert found[0] == found[1]


def test_a_repetition_is_no_axis_and_asks_once(suite):
    suite.test_file(REPEATS, "conftest.py")
    suite.test_file("""
        @pytest.mark.batch(prompt=ask)
        def test_one(persona, answer): assert "_repetition" not in answer.cell

        @pytest.mark.batch(prompt=ask)
        def test_all(answers): assert len(answers) == 6 and {*answers.rows[0].cell} == {"persona", "question"}
    """)
    result = suite.run("--batch=record", "--batch-backend=simulator")
    result.assert_outcomes(passed=21)
    result.stdout.fnmatch_lines(["batch: 6 requests for *"])
    assert sorted(map(sorted, recorded_cells(suite))) == [["persona", "question"]] * 6


def test_a_parameter_that_the_prompt_does_not_take_is_no_part_of_the_cell(suite):
    suite.record()
    suite.test_file("""
        @pytest.mark.batch(prompt=ask)
        @pytest.mark.parametrize("limit", [10, 20])
        def test_one(limit, answer): assert answer.cell.keys() == {"persona", "question"}

        @pytest.mark.parametrize("tone", ["calm", "rude"])
        @pytest.mark.batch(prompt=lambda question, tone="calm": ask_question(question), question="work")
        def test_default(tone, answer): assert answer.cell == {"question": "work", "tone": answer.cell["tone"]}
    """)
    suite.run("--batch=send", "--batch-backend=simulator").assert_outcomes(passed=14)


@pytest.mark.sampled
def test_the_files_of_a_decorated_id_are_those_of_the_test(suite):
    suite.test_file("""
        def test_job(batch_conversation): batch_conversation.client().files.list()

        class TestJobs:
            @pytest.mark.parametrize("name", ["a", "나"])
            def test_job(self, name, batch_conversation): batch_conversation.client().files.list()
    """)
    suite.run("--batch=record", "--batch-backend=simulator").assert_outcomes(passed=3)
    names = sorted(str(path.relative_to(suite.path)) for path in suite.path.rglob("*.yaml"))
    suite.test_file(
        """
        def pytest_collection_modifyitems(items):
            for item in items:
                item._nodeid = f"{item.nodeid}@group" if "a" in item.name else f"A text :: of {item.name}"
    """,
        "conftest.py",
    )
    suite.run().assert_outcomes(passed=3)
    suite.run("--batch=record", "--batch-backend=simulator").assert_outcomes(passed=3)
    assert sorted(str(path.relative_to(suite.path)) for path in suite.path.rglob("*.yaml")) == names


@pytest.mark.sampled
def test_the_recording_of_a_decorated_id_is_that_of_the_test(suite):
    suite.record(skip=[("kim", "work")])
    suite.test_file("""
        @pytest.mark.batch(prompt=ask)
        def test_it(answer): pass
    """)
    suite.test_file(
        """
        def pytest_collection_modifyitems(items):
            for item in items:
                item._nodeid = f"the answer of {item.name}"
    """,
        "conftest.py",
    )
    result = suite.run()
    result.stdout.fnmatch_lines(["1 test could not run: 1 request without *", "  test_it.py  1"])
    suite.run("--batch=record", "--batch-backend=simulator").assert_outcomes(passed=6)
    assert [path.name for path in suite.path.rglob("*.jsonl")] == ["test_it.jsonl"]


@pytest.mark.sampled
def test_a_repeated_conversation_has_one_file(suite):
    suite.test_file("""
        @pytest.mark.parametrize("name", ["a", "나"])
        def test_job(name, batch_conversation): batch_conversation.client().files.list()

        def test_plain(batch_conversation): batch_conversation.client().files.list()
    """)
    suite.run("--batch=record", "--batch-backend=simulator").assert_outcomes(passed=3)
    suite.test_file(REPEATS, "conftest.py")
    suite.run().assert_outcomes(passed=9)


@pytest.mark.sampled
def test_a_parameter_that_a_plugin_replaces_fails_its_test(suite):
    suite.test_file(LAZY, "conftest.py")
    suite.test_file("""
        from conftest import Later

        def feel(mood):
            return {"model": "m", "messages": [{"role": "user", "content": f"{mood}"}]}

        @pytest.mark.batch(prompt=feel)
        @pytest.mark.parametrize("mood", [Later("gloomy"), "glad"])
        def test_it(mood, answer): pass

        @pytest.mark.batch(prompt=feel)
        @pytest.mark.parametrize("mood", [Later("gloomy")])
        @pytest.mark.xfail
        def test_xfail(mood, answer): pass
    """)
    result = suite.run_apart("--batch=send", "--batch-backend=simulator")
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(["*built from another 'mood' than the test gets (conftest.Later and str)*"])


@pytest.mark.sampled
def test_a_value_that_builds_the_same_request_may_differ(suite):
    suite.test_file(LAZY.replace("request.getfixturevalue(value.name)", 'f"{value}"'), "conftest.py")
    suite.test_file("""
        from conftest import Later

        def feel(mood):
            return {"model": "m", "messages": [{"role": "user", "content": f"{mood}"}]}

        @pytest.mark.batch(prompt=feel)
        @pytest.mark.parametrize("mood", [Later("gloomy")])
        def test_it(mood, answer): assert mood == "gloomy"
    """)
    suite.run_apart("--batch=send", "--batch-backend=simulator").assert_outcomes(passed=1)


@pytest.mark.sampled
def test_a_lazy_value_of_a_plugin_is_refused_before_it_is_sent(suite):
    suite.test_file(
        """
        class LazyFixture:
            def __init__(self, name): self.name = name
            def __repr__(self): return self.name
    """,
        "lazily.py",
    )
    suite.test_file("""
        from lazily import LazyFixture

        def feel(mood):
            return {"model": "m", "messages": [{"role": "user", "content": f"{mood}"}]}

        @pytest.mark.batch(prompt=feel)
        @pytest.mark.parametrize("mood", [LazyFixture("gloomy")])
        def test_it(mood, answer): pass
    """)
    result = suite.run_apart("-p", "lazily", "--batch=send", "--batch-backend=simulator")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*prompt feel() needs 'mood', whose value a plugin makes*(lazily.LazyFixture)*"])
    result.stdout.no_fnmatch_line("batch: 1 request*")


def test_a_parameter_that_a_plugin_replaces_for_the_call_fails_its_test(suite):
    suite.test_file(
        """
        @pytest.hookimpl(tryfirst=True)
        def pytest_pyfunc_call(pyfuncitem):
            if "mood" in pyfuncitem.funcargs:
                pyfuncitem.funcargs["mood"] = "gloomy"
    """,
        "conftest.py",
    )
    suite.test_file("""
        @pytest.mark.batch(prompt=lambda mood: {"model": "m", "messages": [{"role": "user", "content": mood}]})
        @pytest.mark.parametrize("mood", ["glad", "gloomy"])
        def test_it(mood, answer): assert mood == "gloomy"
    """)
    result = suite.run("--batch=send", "--batch-backend=simulator")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*built from another 'mood' than the test gets (str)*"])
