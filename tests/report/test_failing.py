"""Failing tests counted by axis and message."""

from pytest_batcheval.journal.outcomes import Outcome
from pytest_batcheval.report.failing import failing_lines
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
