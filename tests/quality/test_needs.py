"""What is declared of a measure's needs is what the measure itself refuses."""

import inspect

import pytest

from pytest_batcheval import Answers, quality
from pytest_batcheval.quality import TableError, ladder
from pytest_batcheval.quality.needs import LEAST_COLUMNS, LEAST_JUDGED, LEAST_ROWS, NEEDS

CODES = ("NS", "HA")
SIZED = sorted(name for name, needs in NEEDS.items() if needs.sizes)


class Value(str):
    """An axis value with fields."""

    def __new__(cls, text, **fields):
        made = super().__new__(cls, text)
        vars(made).update(fields)
        return made


def answers(personas=LEAST_ROWS, questions=LEAST_COLUMNS, samples=2, codes=CODES, described="{}"):
    """A table that every measure takes, unless it is asked otherwise."""
    people = [
        Value(f"p{n}", levels={code: 1 - (n >> place) % 2 * 2 for place, code in enumerate(codes)})
        for n in range(personas)
    ]
    for person in people:
        person.description = described.format(f"One who walks the {person} road")
    asked = [Value(f"q{n}", targets=codes) for n in range(questions)]
    words = "I get restless on the spot, and I keep worrying about {} and {} number {}."
    return Answers.from_records(
        {"persona": person, "question": question, "sample": sample, "text": words.format(person, question, sample)}
        for person in people
        for question in asked
        for sample in range(samples)
    )


def measured(name, rows):
    function = getattr(quality, name)
    if name == "group_difference":
        return function(rows, {f"p{n}": n % 2 for n in range(LEAST_ROWS)})
    if name == "judge_variance":
        return function(rows, {judge: {"NS": [3 + n % 2 for n in range(len(rows))]} for judge in "ab"})
    return function(rows, rows) if name in ("compare", "regression") else function(rows)


@pytest.mark.parametrize("name", SIZED)
def test_a_measure_takes_the_least_table_and_no_smaller_one(name):
    assert measured(name, answers()) is not None
    for fewer in ({"personas": LEAST_ROWS - 1}, {"questions": LEAST_COLUMNS - 1}):
        with pytest.raises(TableError, match="too few"):
            measured(name, answers(**fewer))


@pytest.mark.parametrize("name", sorted(name for name, needs in NEEDS.items() if needs.dimensions))
def test_dimensions_are_needed_and_no_more_than_are_declared(name):
    assert measured(name, answers(codes=CODES[: NEEDS[name].dimensions])) is not None
    with pytest.raises(TableError, match=r"levels|at least two dimensions"):
        measured(name, answers(codes=CODES[: NEEDS[name].dimensions - 1]))


@pytest.mark.parametrize("name", SIZED)
def test_samples_and_descriptions_are_needed_where_it_is_declared(name):
    for needed, lacking in (
        (NEEDS[name].samples > 1, answers(samples=1)),
        (NEEDS[name].described, answers(described="")),
    ):
        if needed:
            with pytest.raises(TableError, match=r"sample|description"):
                measured(name, lacking)
        elif name != "quality_gate":  # its parts are measures of their own
            assert measured(name, lacking) is not None


@pytest.mark.parametrize("name", sorted(NEEDS))
def test_what_is_named_exists_with_the_arguments_that_are_named(name):
    function = getattr(quality, name, None) or getattr(ladder, name)
    parameters = inspect.signature(function).parameters
    assert NEEDS[name].instead <= parameters.keys()
    if NEEDS[name].left_out:
        assert {*parameters["without"].default} == NEEDS[name].left_out


@pytest.mark.parametrize("name", sorted(name for name, needs in NEEDS.items() if needs.verdicts))
def test_a_table_without_verdicts_is_refused(name):
    rows = answers()
    function = getattr(quality, name, None) or getattr(ladder, name)
    arguments = {"bias_probe": ("order", rows, rows), "repeat": (rows, rows), "second_judge": (rows, rows)}
    with pytest.raises(TableError, match=r"does not answer a request built by rubric_request|planted"):
        function(*arguments.get(name, (rows,)))


def test_the_agreement_of_two_judges_needs_as_many_answers():
    rows = answers(samples=2)
    assert len(rows) < LEAST_JUDGED
    with pytest.raises(TableError, match=f"at least {LEAST_JUDGED}"):
        quality.judge_agreement(rows, {"NS": [3] * len(rows)}, {"NS": [3] * len(rows)})
