"""One suite at several providers by one option: its report has answers, price and promise of each side by side."""

from __future__ import annotations

import re
from contextlib import closing

import pytest

from pytest_batcheval.journal.store import Journal
from pytest_batcheval.report.figures import Figures

SUITE = """
import pytest

def ask(question):
    return {"model": "m", "messages": [{"role": "user", "content": question}]}

@pytest.mark.parametrize("question", ["How do you sleep?", "What do you do all day?"])
@pytest.mark.batch(prompt=ask)
def test_answers(question, answer):
    assert answer.text
"""
PLUGIN = ("-p", "pytest_batcheval.plugin")
BACKENDS = ("simulator", "groq@simulator", "together@simulator", "deepinfra@simulator")
PLACES = ("faithful@0", "faithful@0/groq", "faithful@0/together", "faithful@0/deepinfra")
PROMISES = ("B", "B", "C", "B")


@pytest.fixture
def page(pytester, monkeypatch):
    """The text of the report on the last of four runs."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # an inner run takes half the time
    pytester.makepyfile(SUITE)
    for backend in BACKENDS:
        result = pytester.runpytest_inprocess(
            *PLUGIN, "--batch=send", f"--batch-backend={backend}", "--batch-report=report.html"
        )
        result.assert_outcomes(passed=2)
        assert "2 answers sent to" in result.stdout.str()
    return (pytester.path / "report.html").read_text(encoding="utf-8")


@pytest.mark.sampled
def test_each_origin_has_a_row_and_each_answer_those_of_the_others(page, pytester):
    rows = re.findall(
        r'<tr><td class="number">2</td><td>m</td><td>(.*?)</td><td>.*?</td><td.*?>(.*?)</td><td>(.*?)</td>', page
    )
    places = {f"the simulator ({place})": promise for place, promise in zip(PLACES, PROMISES, strict=True)}
    assert {place.partition(" (shown")[0]: promise for place, _, promise in rows} == places
    assert {usd for _, usd, _ in rows} == {"$0.00"}
    first, *others = rows
    assert first[0] == f"the simulator ({PLACES[-1]})"
    assert all(place.endswith("(shown beside)") for place, _, _ in others)
    for place in PLACES[:-1]:
        assert page.count(f"the simulator ({place}) answered</p>") == 2
    with closing(Journal.read(pytester.path / ".batcheval" / "journal.sqlite")) as reader:
        assert [run.origin.partition(":")[2] for run in Figures(reader).runs()] == list(PLACES)


def test_a_single_origin_needs_no_comparison(pytester, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(SUITE)
    pytester.runpytest_inprocess(*PLUGIN, "--batch=send", "--batch-backend=simulator", "--batch-report=report.html")
    page = (pytester.path / "report.html").read_text(encoding="utf-8")
    assert "price as a batch" not in page
    assert "shown beside" not in page
