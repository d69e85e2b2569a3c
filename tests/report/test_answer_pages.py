"""The live report shows the texts of a page of answers, and leads from every test to the page of its answer."""

import re
import urllib.request
from html import unescape
from urllib.parse import urljoin

import pytest
from dashboard_process import serving

from pytest_batcheval.journal.outcome_writer import add_outcomes
from pytest_batcheval.journal.outcomes import Outcome
from pytest_batcheval.journal.rows import AnswerRow, BatchRow, FailureRow
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.report.answer_pages import PAGE
from pytest_batcheval.report.html import html_of
from pytest_batcheval.report.page import OriginRow
from pytest_batcheval.report.stored_page import stored_page
from pytest_batcheval.wire.objects import Request

ORIGIN, RUN = "https://api.test/v1", "run & more"
RESPONSE = b'{"status_code": 200, "body": {"choices": [{"message": {"content": "fine"}, "finish_reason": "stop"}]}}'
COUNT = PAGE * 2 + 50
BAD = (7, COUNT - 1)
LOST = COUNT - 2


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run of many tests in ten columns, of which two fail and one has no answer but a failure."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".batcheval").mkdir()
    requests = [Request({"model": f"m{n % 2}", "input": f"asked {n}"}) for n in range(COUNT)]
    with Journal.open(tmp_path / ".batcheval" / "journal.sqlite") as journal:
        journal.add_run(RUN, ORIGIN)
        row = BatchRow(ORIGIN, "s", requests[0].url, RUN, 1, 1, COUNT, "f", run=RUN, model="m")
        row = BatchRow(**vars(journal.plan(row, requests)) | {"state": "settled", "batch_id": "b"})
        answers = [AnswerRow(one.custom_id, "line", RESPONSE, 1, 1) for n, one in enumerate(requests) if n != LOST]
        journal.settle(row, [*answers, FailureRow(requests[LOST].custom_id, "invalid", "no", 400, False)])
    outcomes = [
        Outcome(f"t.py::test[p{n // 10}-q{n % 10}]", "t.py", "failed" if n in BAD else "passed",
                cells={one.custom_id: {"persona": f"p{n // 10}", "question": f"q{n % 10}"}})
        for n, one in enumerate(requests)
    ]  # fmt: skip
    add_outcomes(tmp_path / ".batcheval" / "outcomes.sqlite", RUN, 1_795_000_000.0, "replay", [], outcomes)
    return tmp_path, requests, outcomes


def page_of(run, number):
    folder, _, outcomes = run
    journal = folder / ".batcheval" / "journal.sqlite"
    return stored_page(journal, folder / "cassettes", (RUN, 0.0, outcomes), paged=(number, "?answers="))


def asked(text):
    return {int(number) for number in re.findall(r"asked (\d+)</p>", text)}


@pytest.mark.sampled
def test_each_answer_is_on_one_page_those_of_failing_tests_on_the_first(run):
    found = [asked(html_of(page_of(run, number))) for number in (1, 2, 3)]
    assert list(map(len, found)) == [PAGE, PAGE, 50]
    assert set.union(*found) == set(range(COUNT))
    assert set(BAD) <= found[0]
    assert html_of(page_of(run, 9)) == html_of(page_of(run, 3)), "there are no more"


def test_a_page_says_what_it_has_and_counts_all(run):
    page = page_of(run, 3)
    assert page.left_out.startswith("Answers 201 to 250 of 250, those of failing tests first;")
    assert page.origins == [OriginRow(COUNT // 2, model, ORIGIN, shown=True) for model in ("m0", "m1")]
    assert page.verdict[0] == f"2 of {COUNT} tests fail."
    assert "none: invalid (HTTP 400): no" in {one["answered"] for n in (1, 2, 3) for one in page_of(run, n).answers}


def test_one_page_is_enough_for_few(run):
    folder, requests, outcomes = run
    page = page_of((folder, requests, outcomes[:PAGE]), 1)
    assert (page.left_out, len(page.answers)) == ("", PAGE)
    assert "page 1 of" not in html_of(page)


@pytest.mark.sampled
def test_every_square_leads_to_its_answer_without_javascript(run):
    folder, _, _ = run
    with serving(folder) as address:
        pages = {}

        def text(link):
            where = urljoin(f"{address}report?run=run+%26+more", link).partition("#")[0]
            if where not in pages:
                pages[where] = urllib.request.urlopen(where, timeout=20).read().decode()
            return pages[where]

        links = [unescape(link) for link in re.findall(r'<a href="([^"]*#a-[^"]*)" title', text(""))]
        assert len(links) == COUNT
        for link in links:
            assert f'<div id="{link.partition("#")[2]}">' in re.sub("<noscript>.*?</noscript>", "", text(link))
        assert len(pages) == 3
        [there] = re.findall(r'<a href="([^"]+)">page 2 of 3</a>', text(""))
        assert len(asked(text(unescape(there)))) == PAGE
