"""`--batch=plan` says what the largest table could show, before it is paid for."""

import json

SUITE = """
    @pytest.mark.batch(prompt=ask, samples=3)
    def test_differ(answers): pass
"""


def test_the_plan_of_a_table_tells_its_power(suite):
    people = [{"id": f"person-{n}x", "description": f"You are person {n}."} for n in range(8)]
    questions = [{"id": f"question-{n}x", "text": f"What is {n}?"} for n in range(4)]
    (suite.path / "personas.json").write_text(json.dumps(people))
    (suite.path / "questions.json").write_text(json.dumps(questions))
    suite.test_file(SUITE)
    suite.run("--batch=plan").stdout.fnmatch_lines(
        ["what its largest table can show:", "*8 personas x 4 questions x 3 samples*", "*personas told apart*"]
    )


def test_a_table_that_is_too_small_for_any_statistic_tells_nothing(suite):
    suite.test_file(SUITE)
    suite.run("--batch=plan").stdout.no_fnmatch_line("*can show*")
