"""The answers on a page of a very large run: which they are, that the rest is said, and how much is held of it."""

import weakref
from dataclasses import replace

import pytest

from pytest_batcheval.journal.outcomes import KeptResult, Outcome
from pytest_batcheval.report import page as pages
from pytest_batcheval.report.answer_list import ListedAnswer, OwnOrigins
from pytest_batcheval.report.html import html_of
from pytest_batcheval.report.page import MOST_LISTED, MOST_SQUARES, OriginRow, report_page
from pytest_batcheval.report.quality_part import MOST_RESULTS
from pytest_batcheval.report.shown_answers import LONGEST_TEXT, MOST_CHARACTERS, shown_answers
from pytest_batcheval.wire.objects import Answer, Request


def answer(number, text="fine", origin="https://api.test/v1", asked_at=None):
    """An answer in the cell of this number."""
    request = Request({"model": "m", "messages": [{"role": "user", "content": f"{number}"}]})
    body = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
    cell = {"persona": f"p{number // 10:05}", "question": f"q{number % 10}"}
    response = {"status_code": 200, "body": body}
    return ListedAnswer(Answer(request, origin, response, cell=cell, asked_at=asked_at), "x.jsonl:1")


def outcome(one, failed=False):
    """The test of an answer."""
    cell = one.answer.cell
    test = f"t.py::test[{cell['persona']}-{cell['question']}]"
    return Outcome(test, "t.py", "failed" if failed else "passed", cells={one.answer.custom_id: cell})


def test_all_that_fit_are_shown_in_the_order_of_their_cells():
    given = [answer(number) for number in (3, 1, 2)]
    found = shown_answers(iter(given), ())
    assert [one.answer.cell["question"] for one in found.answers] == ["q1", "q2", "q3"]
    assert (found.count, found.origins) == (3, {("m", "https://api.test/v1"): 3})


def test_one_of_each_request_is_shown():
    twice = [answer(1, origin="simulator:x@0"), answer(1), answer(1, origin="simulator:y@0")]
    found = shown_answers(iter(twice), ())
    assert [one.answer.origin for one in found.answers] == ["https://api.test/v1"]
    assert found.origins == {("m", "https://api.test/v1"): 1}


def test_an_answer_of_an_origin_that_the_run_asked_is_shown_and_those_of_others_beside_it():
    here, there, simulated = "https://b.test/v1", "https://a.test/v1", "simulator:x@0"
    given = [
        answer(1, "mine", here),
        answer(1, "theirs", there),
        answer(1, "made up", simulated),
        answer(2, "one", there),
    ]
    found = shown_answers(iter(given), (), OwnOrigins([here]))
    assert [one.answer.text for one in found.answers] == ["mine", "one"]
    assert [[one.answer.text for one in some] for some in found.beside.values()] == [["theirs"]]
    assert (found.count, found.origins) == (2, {("m", here): 1, ("m", there): 1})
    assert found.totals["m", there].answers == 2


def test_of_two_origins_that_the_run_asked_the_one_is_shown_that_it_asked_this_request():
    here, there = "https://a.test/v1", "https://b.test/v1"
    given = [answer(1, "older", here), answer(1, "this run's", there)]
    own = OwnOrigins([here, there], {given[0].answer.custom_id: there})
    assert [one.answer.text for one in shown_answers(iter(given), (), own).answers] == ["this run's"]


def test_simulators_are_compared_with_each_other():
    given = [answer(1, origin="simulator:x@0"), answer(1, "as groq", origin="simulator:x@0/groq")]
    found = shown_answers(iter(given), ())
    assert [[one.answer.text for one in some] for some in found.beside.values()] == [["as groq"]]


def test_texts_beyond_what_fits_are_left_out_those_of_failing_tests_and_the_newest_first():
    fits = MOST_CHARACTERS // LONGEST_TEXT - 1
    given = [answer(number, "x" * LONGEST_TEXT * 2, asked_at=float(number)) for number in range(fits * 2)]
    bad = {one.answer.custom_id for one in given[:5]}
    found = shown_answers(iter(given), bad)
    assert [given.index(one) for one in found.answers] == [*range(5), *range(fits + 5, fits * 2)]
    assert found.count == fits * 2


def test_no_more_answers_are_held_than_twice_what_fits():
    fits, text = MOST_CHARACTERS // LONGEST_TEXT, "x" * LONGEST_TEXT
    alive, most = weakref.WeakValueDictionary(), 0

    def each():
        nonlocal most
        for number in range(5 * fits):
            one = answer(number, text)
            alive[number] = one
            most = max(most, len(alive))
            yield one

    found = shown_answers(each(), ())
    assert (len(found.answers), found.count) == (fits - 1, 5 * fits)
    assert most <= 2 * fits + 1


@pytest.mark.sampled
def test_a_report_of_100_000_tests_is_bounded_and_says_what_it_leaves_out():
    answers = [answer(number, "가슴이 답답해요. " * 20) for number in range(100_000)]
    outcomes = [outcome(one, number % 9 == 0) for number, one in enumerate(answers)]
    page = report_page(outcomes, iter(answers), everything="batcheval answers --output answers.csv")
    assert page.left_out == (
        "Answers on this page: 20,000 of 100,000, those of failing tests first, then the newest. "
        "All of them: batcheval answers --output answers.csv"
    )
    failing = {key for one in outcomes if one.failing for key in one.cells}
    assert failing <= {one["custom_id"] for one in page.answers}
    assert page.origins == [OriginRow(100_000, "m", "https://api.test/v1", shown=True)]
    assert page.verdict[0] == "11,112 of 100,000 tests fail."
    text = html_of(page)
    assert page.left_out in text
    assert text.count('<span class="hidden"> passed</span>') == 100_000 - 11_112, "every test has its square"
    assert len(text.encode()) < 40_000_000


def test_a_report_with_everything_says_nothing_of_it():
    one = answer(1)
    assert report_page([outcome(one)], [one]).left_out == ""


@pytest.mark.sampled
def test_a_list_of_tests_is_bounded_those_that_fail_first():
    outcomes = [Outcome(f"t.py::test[{number}]", "t.py", "passed") for number in range(MOST_LISTED + 7)]
    outcomes[-1] = replace(outcomes[-1], outcome="failed")
    page = report_page(outcomes, [])
    [test] = page.tests
    assert (len(test["rows"]), test["more"]) == (MOST_LISTED, 7)
    assert test["rows"][0]["outcome"] == "failed"
    assert "<li>and 7 more</li>" in html_of(page)


def test_more_tests_than_squares_are_a_list(monkeypatch):
    outcomes = [outcome(answer(number)) for number in range(40)]
    assert report_page(outcomes, []).tests[0]["grids"]
    assert MOST_SQUARES >= 100_000
    monkeypatch.setattr(pages, "MOST_SQUARES", 39)
    test = report_page(outcomes, []).tests[0]
    assert (test["grids"], len(test["rows"]), test["more"]) == ([], 40, 0)


def test_quality_results_are_bounded():
    figures = {"effect": 0.5, "interval": None, "p_value": None, "null": "none", "n": 4}
    results = [KeptResult("Diversity", "<Diversity 1>", f"{number}", figures) for number in range(MOST_RESULTS + 3)]
    page = report_page([Outcome("t.py::test", "t.py", "passed", results=[*results, results[0]])], [])
    assert (len(page.quality), page.more_results) == (MOST_RESULTS, 3)
    assert "<p>and 3 more</p>" in html_of(page)
