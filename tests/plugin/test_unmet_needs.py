"""What a measure needs of its table is checked before anything is paid for, all of a module at once."""

import json
import re

import pytest

PEOPLE, QUESTIONS = 8, 4
PLACE = re.compile(r"test_it\.py:\d+: ")
CODES = ("NS", "HA")


@pytest.fixture
def matrix(suite):
    """A suite of a table that is large enough, with profiles and targets: `matrix.write(personas=…)` changes it."""

    def write(personas=PEOPLE, questions=QUESTIONS, codes=CODES, targets=CODES):
        levels = [
            {code: ("high", "low")[(n >> place) % 2] for place, code in enumerate(codes)} for n in range(personas)
        ]
        people = [{"id": f"p{n}x", "description": f"You are {n}.", "profile": own} for n, own in enumerate(levels)]
        asked = [{"id": f"q{n}", "text": f"What is {n}?", "targets": list(targets)} for n in range(questions)]
        (suite.path / "personas.json").write_text(json.dumps(people))
        (suite.path / "questions.json").write_text(json.dumps(asked))

    suite.write = write
    write()
    return suite


IMPORTS = "from pytest_batcheval import quality\nfrom pytest_batcheval.quality import consistency\n"
USES = {
    "by its name": "def test_x(answers): consistency(answers)",
    "by its module": "def test_x(answers): quality.consistency(answers)",
    "imported inside": "def test_x(answers):\n    from pytest_batcheval.quality import consistency as c\n    c(answers)",
    "in a helper": "def agree(table): return consistency(table)\n@MARK\ndef test_x(answers): agree(answers)",
    "in a lambda": "def test_x(answers): (lambda: consistency(answers))()",
    "in a fixture": "@pytest.fixture\ndef found(answers): return consistency(answers)\n@MARK\ndef test_x(found): pass",
    "with one sample a table": "@pytest.mark.batch(prompt=ask, samples=3)\ndef test_x(answers, sample): consistency(answers)",
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("use", USES)
def test_consistency_of_single_samples_is_refused_before_anything_is_paid(suite, use):
    source = USES[use].replace("MARK", "pytest.mark.batch(prompt=ask)")
    marked = source if "@" in source else f"@pytest.mark.batch(prompt=ask)\n{source}"
    suite.test_file(IMPORTS + marked)
    result = suite.run()
    assert result.ret == 2
    line = 5 + marked.partition("def test_x")[0].count("\n") - 1
    result.stdout.fnmatch_lines(
        [f"*test_it.py:{line}: test_x: consistency() needs at least 2 samples*have 1; write batch(samples=2) or more*"]
    )


def test_whoever_has_the_samples_or_asks_for_no_consistency_is_let_be(matrix):
    matrix.test_file(
        IMPORTS
        + """
@pytest.mark.batch(prompt=ask, samples=2)
def test_two(answers): consistency(answers)

@pytest.mark.batch(prompt=ask)
def test_other(answers, tmp_path): answers.consistency; tmp_path.consistency

@pytest.mark.batch(prompt=ask)
def test_mixed(answers, tmp_path):
    quality.diversity(answers)
    tmp_path.consistency(quality)

@pytest.mark.batch(prompt=ask, question="q0", persona="p0x")
def test_answer(answer): assert consistency
"""
    )
    assert matrix.collected() == ["test_two", "test_other", "test_mixed", "test_answer[p0x-q0]"]


MEASURES = """
from pytest_batcheval import Answers
from pytest_batcheval.quality import (
    Rubric, at_turn, cell_values, compare, differentiation, discriminant, diversity, ladder, persona_echo, quality_gate,
    rubric_request, scores_of, trait_reflection,
)

def judged(persona, question):
    answer = yield ask(persona, question)
    yield rubric_request(answer, question, Rubric.load("rubric.json"), model="m")
"""


def told(suite, body, prompt="ask", **marker):
    """What is said at collection of a test with this body; nothing if it is collected."""
    lines = body.replace("\n", "\n    ")
    given = "".join(f", {name}={value!r}" for name, value in marker.items())
    suite.test_file(f"{MEASURES}\n@pytest.mark.batch(prompt={prompt}{given})\ndef test_x(answers):\n    {lines}\n")
    result = suite.run("--collect-only", "-q")
    assert result.ret in (0, 2)
    return [line.partition(": test_x: ")[2] for line in result.stdout.lines if PLACE.match(line)]


SIZES = " needs at least 8 personas and 4 questions and `answers` would have {} and {}; give the axes more values, or "


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "body",
    [
        "differentiation(answers)",
        "assert quality_gate(answers, scores=scores).passed",
        "few = answers.where(question=['q0'])\nassert differentiation(few)",
        "first, second = at_turn(answers, 0), at_turn(answers, 1)\ndifferentiation(first)",
        "a, b = (at_turn(answers, turn) for turn in range(2))\ndifferentiation(b)",
        "if answers:\n    for _ in range(2):\n        assert differentiation(answers).icc > 0",
    ],
)
def test_a_table_that_is_too_small_is_told_before_it_is_paid(matrix, body):
    matrix.write(personas=7)
    (problem,) = told(matrix, body)
    assert SIZES.format("7 personas", "4 questions") in problem
    matrix.write()
    assert not told(matrix, body)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "body",
    [
        "with pytest.raises(ValueError):\n    differentiation(answers)",
        "try:\n    differentiation(answers)\nexcept ValueError:\n    pass",
        "other = Answers.from_records([])\ndifferentiation(other)",
        "answers = Answers([*answers.rows, *answers.rows])\ndifferentiation(answers)",
        "differentiation(answers, **options)",
        "differentiation(answers, rows='model', columns='question')",
    ],
)
def test_what_is_not_known_of_a_table_is_left_to_the_measure(matrix, body):
    matrix.write(personas=2)
    assert not told(matrix, body)


def test_the_average_persona_does_not_count_where_it_is_left_out(matrix):
    people = json.loads((matrix.path / "personas.json").read_text())
    (matrix.path / "personas.json").write_text(json.dumps([{**people[0], "id": "average"}, *people[1:]]))
    (problem,) = told(matrix, "differentiation(answers)")
    assert SIZES.format("7 personas", "4 questions") in problem
    assert not told(matrix, "differentiation(answers, without=())")


def test_a_marker_that_narrows_counts(matrix):
    (problem,) = told(matrix, "differentiation(answers)", question=["q0", "q1"])
    assert SIZES.format("8 personas", "2 questions") in problem


@pytest.mark.sampled(2)
@pytest.mark.parametrize("measure", ["trait_reflection", "discriminant", "compare", "cell_values"])
def test_levels_and_targets_that_are_missing_are_told(matrix, measure):
    body = f"{measure}(answers)"
    assert not told(matrix, body)
    matrix.write(targets=())
    (problem,) = told(matrix, body)
    assert problem.startswith(
        f"{measure}() needs questions that aim at a dimension, and none of 4 questions has `targets`"
    )
    matrix.write(codes=())
    (problem,) = told(matrix, body)
    assert problem.startswith(
        f"{measure}() needs the levels of each persona, and p0x, p1x, p2x, p3x, p4x and 3 more have"
    )
    assert not told(matrix, "trait_reflection(answers, levels={}, targets={})")
    assert not told(matrix, "cell_values(answers, mine, metric='mine/1')")


def test_a_leak_needs_two_dimensions(matrix):
    matrix.write(codes=("NS",))
    (problem,) = told(matrix, "discriminant(answers)")
    assert "needs 2 dimensions with personas prompted high and low and a question that aims at it" in problem
    assert problem.endswith("`answers` would have NS")
    assert not told(matrix, "trait_reflection(answers)")


def test_a_persona_without_a_description_is_told(matrix):
    ini = (matrix.path / "pytest.ini").read_text()
    (matrix.path / "pytest.ini").write_text(ini.replace("persona=personas.json", ""))
    (matrix.path / "conftest.py").write_text(
        "def pytest_batch_axes(): return {'persona': [f'p{n}x' for n in range(8)]}"
    )
    (problem,) = told(matrix, "persona_echo(answers)")
    assert problem.startswith("persona_echo() needs the `description` of each persona, and p0x, p1x,")


def rubric(suite, *codes):
    dimensions = [{"code": code, "name": code, "high": ["much"], "low": ["little"]} for code in codes]
    scale = {str(score): f"{score} points" for score in range(1, 6)}
    words = {"version": "mine/1", "roles": {"in_role": "a patient"}, "scale": scale, "rules": ["Be fair."]}
    (suite.path / "rubric.json").write_text(json.dumps({**words, "dimensions": dimensions}))


def test_a_judge_that_nobody_asked_is_told(matrix):
    rubric(matrix, *CODES)
    for body in ("trait_reflection(answers, scores=scores_of(answers))", "assert ladder.evidence(answers).passed"):
        (problem,) = told(matrix, body)
        assert "needs a judge's verdict on each answer, and no turn of the prompt ask() asks for one" in problem
        assert not told(matrix, body, prompt="judged")


@pytest.mark.parametrize("scores", ["", ", scores=scores_of(answers)", ", scores=quality.verdicts_of(answers).scores"])
def test_a_rubric_of_other_dimensions_than_the_personas_is_told(matrix, scores):
    rubric(matrix, "NS", "ST")
    body = f"from pytest_batcheval import quality\ntrait_reflection(answers{scores})"
    (problem,) = told(matrix, body, prompt="judged")
    advice = "add them to the rubric, or pass dimensions=…"
    assert problem == f"trait_reflection() needs scores of HA, and the rubric has NS, ST only; {advice}"
    assert not told(matrix, body.replace("(answers", "(answers, dimensions=['NS']", 1), prompt="judged")


def test_own_factors_need_a_judge(matrix):
    (matrix.path / "pytest.ini").write_text((matrix.path / "pytest.ini").read_text() + "\nbatch_factors = openness\n")
    matrix.write(codes=("NS", "openness"), targets=("NS", "openness"))
    (problem,) = told(matrix, "trait_reflection(answers)")
    assert "needs scores of openness, and the word list, which scores where no judge does, has CO, HA," in problem
    assert not told(matrix, "trait_reflection(answers, scores=mine)")
    rubric(matrix, "NS", "openness")
    assert not told(matrix, "trait_reflection(answers)", prompt="judged")


def test_two_judges_need_a_hundred_answers(matrix):
    rubric(matrix, *CODES)
    problem = told(matrix, "ladder.repeat(at_turn(answers, 1), at_turn(answers, 1))", prompt="judged")[0]
    assert problem == "repeat() needs at least 100 answers and `answers` would have 32 answers"


def test_all_that_is_wrong_in_a_module_is_told_at_once_and_nothing_is_sent(matrix, batch_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    matrix.write(personas=3, codes=())
    matrix.test_file(
        MEASURES
        + """
@pytest.mark.batch(prompt=ask)
def test_one(answers): differentiation(answers)

@pytest.mark.batch(prompt=ask)
@pytest.mark.parametrize("dimension", ["NS", "HA"])
def test_two(answers, dimension): trait_reflection(answers, dimensions=[dimension]); trait_reflection(answers)

@pytest.mark.batch(prompt=ask)
def test_fine(answer): pass
"""
    )
    result = matrix.run("--batch=send", f"--batch-backend={batch_server.base_url}")
    assert result.ret == 2
    assert not batch_server.ledger.executions
    lines = [line for line in result.stdout.lines if PLACE.match(line)]
    assert [line.split(" needs ")[0] for line in lines] == [
        "test_it.py:14: test_one: differentiation()",
        "test_it.py:17: test_two: trait_reflection()",
        "test_it.py:17: test_two: trait_reflection()",
    ]
    result.stdout.fnmatch_lines(["*1 error in *"])


def test_reading_a_test_does_not_import_numpy(suite):
    suite.test_file("""
        from pytest_batcheval import quality

        @pytest.mark.batch(prompt=ask)
        def test_x(answers): quality.differentiation(answers)

        def pytest_sessionfinish(): pass
    """)
    (suite.path / "conftest.py").write_text(
        "import sys\ndef pytest_sessionfinish(): print('numpy' in sys.modules, 'is numpy there?')\n"
    )
    result = suite.run_apart("--collect-only", "-s")
    assert result.ret == 2
    result.stdout.fnmatch_lines(["*False is numpy there[?]*"])
