"""Failing tests counted by axis and message."""

import pytest

from pytest_batcheval.journal.outcomes import Outcome
from pytest_batcheval.report.failing import failing_lines, failing_summary, failing_tests
from pytest_batcheval.text.table import columns


def outcomes(bad, personas=4, questions=3, message=""):
    """Tests of a matrix, of which `bad(persona, question)` fail."""
    for persona in range(personas):
        for question in range(questions):
            cell = {"persona": f"p{persona}", "question": f"q{question}"}
            failed = bad(persona, question)
            outcome = Outcome("t", "m", "failed" if failed else "passed", message if failed else "", cells={"k": cell})
            yield outcome


def test_each_axis_names_what_fails_the_largest_share_first():
    found = failing_lines(outcomes(lambda p, q: p == 2 or (p, q) == (0, 1), message="not in character"), 80)
    assert found == [
        "4 of 12 tests of one answer fail",
        "by persona   p2 3/3, p0 1/3",
        "by question  q1 2/4, q0 1/4, q2 1/4",
        "4 x not in character",
    ]


def test_a_single_failure_needs_no_count():
    assert failing_lines(outcomes(lambda p, q: p == q == 0), 80) == []
    assert failing_lines(outcomes(lambda p, q: False), 80) == []


def test_an_axis_of_one_value_has_no_line():
    found = failing_lines(outcomes(lambda p, q: q == 0, personas=5, questions=1), 80)
    assert [line.split()[:2] for line in found] == [["5", "of"], ["by", "persona"]]


def test_lines_fit_and_say_how_many_are_left_out():
    found = failing_lines(outcomes(lambda p, q: True, personas=30, message="가" * 200), 80)
    assert all(columns(line) <= 80 for line in found)
    assert found[1].startswith("by persona   p0 3/3, p1 3/3")
    assert found[1].endswith("more")


def test_messages_are_shown_as_text():
    assert "\x1b" not in "".join(failing_lines(outcomes(lambda p, q: True, message="\x1b[31mred"), 80))


def test_tables_and_tests_of_several_answers_do_not_count():
    cells = {"a": {"persona": "p"}, "b": {"persona": "q"}}
    assert failing_lines([Outcome("t", "m", "failed", cells=cells)] * 3, 80) == []


# -- what several tests say -----------------------------------------------------------------------------------------


def said(*messages):
    """The messages of failing tests of the personas kim, choi and so on, and their numbers."""
    names = ("kim", "choi", "park", "rho")
    tests = [
        Outcome("t", "m", "failed", message, cells={"k": {"persona": name}})
        for name, message in zip(names, messages, strict=False)
    ]
    return failing_tests(tests).messages


@pytest.mark.parametrize(
    ("messages", "shown"),
    [
        (
            ["AssertionError: too long assert 3 > 5", "AssertionError: too long assert 4 > 9"],
            "AssertionError: too long",
        ),
        (["assert 'yes' in 'I am kim, who'", "assert 'yes' in 'It\\'s cut o"], "assert … in …"),
        (["AssertionError: assert 3 >= 5", "AssertionError: assert 2 >= 5"], "AssertionError: assert … >= …"),
        (["kim broke character", "choi broke character"], "… broke character"),
        (["HTTP 400, custom_id 029bae57a759d", "HTTP 400, custom_id 76d23792f082"], "HTTP 400, custom_id …"),
        (["kim and 1 more", "kim and 1 more"], None),
    ],
)
def test_tests_that_say_the_same_are_one_line_with_a_count(messages, shown):
    assert said(*messages) == ([(shown, 2)] if shown else [])


def test_what_is_equal_is_shown_as_it_is_and_what_differs_is_not_counted_together():
    assert said("assert 1 == 2", "assert 1 == 2", "assert 1 == 2") == [("assert 1 == 2", 3)]
    assert said("HTTP 400", "HTTP 500", "HTTP 400") == [("HTTP 400", 2)]


# -- the end of a run -----------------------------------------------------------------------------------------------


def test_a_run_ends_with_the_shares_of_each_axis_and_a_grid():
    shares, rest = failing_summary(outcomes(lambda p, q: p == 2 or (p, q) == (0, 1), message="bad"), 80)
    assert shares == ["failing by persona: p2 3/3, p0 1/3", "        by question: q1 2/4, q0 1/4, q2 1/4"]
    assert rest == [
        "4 of 12 tests of one answer fail",
        "    q1  q0  q2",
        "p2  F   F   F",
        "p0  F   .   .",
        "4 x bad",
    ]


def test_a_cell_of_several_tests_has_their_number_and_one_without_tests_is_empty():
    tests = [*outcomes(lambda p, q: p == q, personas=2, questions=2), *outcomes(lambda p, q: False, 1, 2)]
    tests.append(Outcome("t", "m", "failed", cells={"k": {"persona": "p9", "question": "q0"}}))
    _, rest = failing_summary(tests, 80)
    assert rest[1:] == ["    q0   q1", "p9  F", "p1  .    F", "p0  1/2  ."]


@pytest.mark.parametrize("width", [80, 40])
def test_the_grid_fits_and_says_what_it_leaves_out(width):
    every = list(outcomes(lambda p, q: (p + q) % 3, personas=25, questions=11))
    names = {f"q{n}": f"질문-{n}-with a long\x1b[2J name" for n in range(11)}
    long = [
        Outcome("t", "m", one.outcome, cells={"k": cell | {"question": names[cell["question"]]}})
        for one in every
        for cell in one.cells.values()
    ]
    shares, rest = failing_summary(long, width)
    assert all(columns(line) <= width for line in (*shares, *rest))
    assert "\x1b" not in "".join((*shares, *rest))
    assert rest[1].endswith(" more")
    assert rest[12] == "… 15 more"


@pytest.mark.parametrize("bad", [lambda p, q: True, lambda p, q: p == q == 0])
def test_a_grid_of_one_value_is_left_out(bad):
    _, rest = failing_summary(outcomes(bad), 80)
    assert len(rest) < 2
