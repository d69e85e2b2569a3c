"""lazy-fixtures, cases, bdd, subtests, check: where a test's parameters, and its failures, come from others."""

import pytest

LAZY = """
    from pytest_lazy_fixtures import lf

    def ask_in(persona, question, tone):
        return {"model": "m", "messages": [{"role": "user", "content": f"{tone}: {persona.id} {question.id}"}]}

    @pytest.fixture
    def calm():
        return "calmly"
"""


@pytest.mark.chosen
@pytest.mark.neighbours("lazy-fixtures")
@pytest.mark.parametrize("ours_last", [False, True])
@pytest.mark.parametrize("value", ['lf("calm")', '[lf("calm"), 1]', 'pytest.param(lf("calm"), id="x")'])
def test_the_name_of_a_lazy_fixture_is_never_sent(repository, batch_server, sent, ours_last, value):
    repository.test_file(
        LAZY
        + f"""
    @pytest.mark.parametrize("tone", [{value}])
    @pytest.mark.batch(prompt=ask_in)
    def test_one(persona, question, tone, answer):
        assert answer.text
    """
    )
    done = repository.send(batch_server, ours_last=ours_last)
    assert sent() == []
    assert done.status != 0
    assert "passed" not in done.outcomes
    assert "tone" in done.stdout


@pytest.mark.neighbours("lazy-fixtures")
def test_an_attribute_of_a_lazy_fixture_is_never_sent(repository, batch_server, sent):
    repository.test_file(
        LAZY
        + """
    def ask_length(question, tone):
        return {"model": "m", "messages": [{"role": "user", "content": question.text, "name": str(tone)}]}

    @pytest.mark.parametrize("tone", ["plain", lf("calm.upper")])
    @pytest.mark.batch(prompt=ask_length)
    def test_one(question, tone, answer):
        assert answer.text
    """
    )
    done = repository.send(batch_server)
    assert len(sent()) in (0, 2)
    assert done.outcomes.get("passed", 0) == len(sent())
    assert done.status != 0


@pytest.mark.neighbours("lazy-fixtures")
@pytest.mark.parametrize("ours_last", [False, True])
def test_a_lazy_fixture_that_the_prompt_does_not_take_is_the_tests(repository, batch_server, sent, ours_last):
    repository.test_file(
        LAZY
        + """
    @pytest.mark.parametrize("tone", [lf("calm"), "loud"])
    @pytest.mark.batch(prompt=ask)
    def test_one(persona, question, tone, answer):
        assert answer.text and tone in ("calmly", "loud")
    """
    )
    done = repository.send(batch_server, mode="record", ours_last=ours_last)
    done.assert_outcomes(passed=12)
    assert sent() == [1] * 6
    assert [sorted(line["cell"]) for line in repository.recorded()] == [["persona", "question"]] * 6


LOADS_CASES = pytest.mark.skipif(
    pytest.version_tuple >= (9, 2), reason="pytest-cases 3.10 does not load with pytest 9.2"
)
CASES = """
    from pytest_cases import parametrize_with_cases

    def say(text):
        return {"model": "m", "messages": [{"role": "user", "content": TEXT}]}

    def case_first():
        return "first words"

    def case_second():
        return "second words"

    @parametrize_with_cases("text", cases=".")
    @pytest.mark.batch(prompt=say)
    def test_one(text, answer):
        assert answer.text
        assert answer.body["messages"][0]["content"] == text
        assert text in ("first words", "second words")
"""


@LOADS_CASES
@pytest.mark.neighbours("cases")
@pytest.mark.parametrize("ours_last", [False, True])
@pytest.mark.parametrize("text", ["text", 'f"{text}"'], ids=["value", "words"])
def test_cases_are_sent_as_the_test_sees_them_or_not_at_all(repository, batch_server, sent, ours_last, text):
    repository.test_file(CASES.replace("TEXT", text))
    done = repository.send(batch_server, mode="record", ours_last=ours_last)
    recorded = repository.recorded()
    bodies = [line["request"]["body"]["messages"][0]["content"] for line in recorded]
    assert set(bodies) <= {"first words", "second words"}
    assert len(sent()) == len(bodies) == done.outcomes.get("passed", 0)
    assert [line["cell"] for line in recorded if line["cell"]["text"] not in ("first", "second")] == []
    if not bodies:
        assert done.status == 1
        assert "text" in done.stdout


@LOADS_CASES
@pytest.mark.neighbours("cases")
@pytest.mark.parametrize("ours_last", [False, True])
def test_cases_that_the_prompt_does_not_take_are_no_part_of_a_cell(repository, batch_server, sent, ours_last):
    repository.test_file("""
        from pytest_cases import parametrize_with_cases

        def case_short():
            return 1

        def case_long():
            return 1000

        @parametrize_with_cases("least", cases=".")
        @pytest.mark.batch(prompt=ask)
        def test_one(persona, question, least, answer):
            assert answer.text and least in (1, 1000)
    """)
    done = repository.send(batch_server, mode="record", ours_last=ours_last)
    done.assert_outcomes(passed=12)
    assert sent() == [1] * 6
    assert [sorted(line["cell"]) for line in repository.recorded()] == [["persona", "question"]] * 6


FEATURE = """
Feature: Patients
  Scenario: A patient answers
    Given a patient
    When the patient is asked
    Then the answer has words

  Scenario Outline: A patient of some mood answers
    Given a patient
    When the patient is asked in <mood>
    Then the answer has words

    Examples:
      | mood |
      | calm |
      | loud |
"""
STEPS = """
    from pytest_bdd import given, parsers, scenario, then, when

    @given("a patient")
    def patient(persona):
        assert persona.id in ("kim", "choi", "park")

    @when("the patient is asked")
    def asked(answer):
        assert answer.text

    @when(parsers.parse("the patient is asked in {mood}"))
    def asked_in(answer, mood):
        assert answer.text and mood in ("calm", "loud")

    @then("the answer has words")
    def has_words(answer):
        assert answer.text
"""

ANSWERS = """
    @pytest.mark.batch(prompt=ask)
    @scenario("patients.feature", "A patient answers")
    def test_answers(persona, question, answer):
        pass
"""
"""A scenario that takes an answer."""


@pytest.mark.chosen
@pytest.mark.neighbours("bdd")
@pytest.mark.parametrize("ours_last", [False, True])
def test_scenarios_take_answers_and_examples_are_no_axis(repository, batch_server, sent, ours_last):
    repository.file("patients.feature", FEATURE)
    repository.test_file(
        STEPS
        + ANSWERS
        + """
    @pytest.mark.batch(prompt=ask)
    @scenario("patients.feature", "A patient of some mood answers")
    def test_moods(persona, question, answer):
        pass
    """
    )
    done = repository.send(batch_server, mode="record", ours_last=ours_last)
    done.assert_outcomes(passed=18)
    assert sent() == [1] * 6
    assert [sorted(line["cell"]) for line in repository.recorded()] == [["persona", "question"]] * 6
    repository.run(ours_last=ours_last).assert_outcomes(passed=18)


@pytest.mark.neighbours("bdd")
def test_a_step_that_takes_an_answer_by_itself_is_told_what_to_write(repository, batch_server, sent):
    repository.file("patients.feature", FEATURE)
    repository.test_file(
        STEPS
        + """
    @pytest.mark.batch(prompt=ask)
    @scenario("patients.feature", "A patient answers")
    def test_answers(persona):
        pass
    """
    )
    done = repository.send(batch_server)
    done.assert_outcomes(failed=3)
    assert sent() == []
    assert (
        "'answer' needs @pytest.mark.batch(prompt=…) on the test, and must be named among the arguments" in done.stdout
    )


@pytest.mark.neighbours("bdd")
def test_an_unrecorded_scenario_is_an_error(repository):
    repository.file("patients.feature", FEATURE)
    repository.test_file(STEPS + ANSWERS)
    repository.record(skip=["park/work"])
    done = repository.run("--junitxml=junit.xml", "--cucumberjson=cucumber.json", "--gherkin-terminal-reporter", "-v")
    done.assert_outcomes(passed=5, unrecorded=1)
    assert [tag for tag, _ in repository.junit()["test_answers[park-work]"]] == ["error"]


SUBTESTS = """
    @pytest.mark.batch(prompt=ask)
    def test_table(subtests, persona, answers):
        for answer in answers:
            with subtests.test(msg=answer.text):
                assert answer.text.endswith("sleep")
"""


@pytest.mark.parametrize("plugin", ["subtests", None])
@pytest.mark.neighbours("subtests")
def test_subtests_of_a_table(repository, plugin):
    repository.plugins = [plugin] if plugin else []
    repository.test_file(SUBTESTS)
    repository.record(skip=["park/work"])
    done = repository.run("--junitxml=junit.xml")
    assert done.status == 1
    assert done.outcomes["unrecorded"] == 1
    assert "1 test could not run: 1 request without a recorded answer" in done.stdout
    assert [tag for tag, _ in repository.junit()["test_table[park]"]] == ["error"]
    assert done.stdout.count("a table of 2 answers from the simulator (faithful@0)") >= 2


@pytest.mark.chosen
@pytest.mark.neighbours("check")
@pytest.mark.parametrize("ours_last", [False, True])
def test_checks_that_fail_show_the_answer_once(repository, ours_last):
    repository.test_file("""
        from pytest_check import check

        @pytest.mark.batch(prompt=ask, persona=["kim", "park"])
        def test_one(persona, question, answer):
            check.equal(answer.text, "kim/sleep")
            check.is_in("kim", answer.text)
    """)
    repository.record(skip=["park/work"])
    done = repository.run("--junitxml=junit.xml", ours_last=ours_last)
    done.assert_outcomes(passed=1, failed=2, unrecorded=1)
    assert [tag for tag, _ in repository.junit()["test_one[park-work]"]] == ["error"]
    assert done.stdout.count("- batch -") == 2
    assert "Failed Checks: 2" in done.stdout


@pytest.mark.neighbours("check")
@pytest.mark.parametrize("ours_last", [False, True])
def test_a_check_in_a_fixture_leaves_an_unrecorded_test_unrecorded(repository, ours_last):
    repository.test_file("""
        from pytest_check import check

        @pytest.fixture
        def checked():
            check.equal(1, 2)

        @pytest.mark.xfail
        @pytest.mark.batch(prompt=ask, persona="park", question="work")
        def test_one(checked, answer):
            assert answer.text
    """)
    done = repository.run("--junitxml=junit.xml", ours_last=ours_last)
    done.assert_outcomes(unrecorded=1)
    assert done.status == 1
