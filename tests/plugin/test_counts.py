"""Lines with a count: one and several, from the functions that make the lines."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_batcheval.journal.rows import BatchRow
from pytest_batcheval.plugin.interrupted import left_behind
from pytest_batcheval.plugin.plan import ItemPlan, Plan
from pytest_batcheval.plugin.plan_report import plan_lines
from pytest_batcheval.plugin.run_stats import RunStats, UnusedRecordings
from pytest_batcheval.plugin.safe_output import MOST_LINES, escape_report
from pytest_batcheval.plugin.stored_answers import StoredAnswers
from pytest_batcheval.plugin.terminal import section_lines
from pytest_batcheval.report.ci_page import CiRun, page
from pytest_batcheval.wire.objects import Request


@pytest.mark.parametrize(
    ("more", "last"), [(1, "(1 more line: -vv shows them)"), (2, "(2 more lines: -vv shows them)")]
)
def test_a_long_comparison_names_the_lines_that_are_not_shown(more, last):
    report = SimpleNamespace(longrepr=["x"] * (MOST_LINES + more), sections=[])
    escape_report(report, coloured=False, whole=False)
    assert report.longrepr == ["x"] * MOST_LINES + [last]


def test_a_message_of_three_lines_is_shown_whole():
    report = SimpleNamespace(longrepr=["a", "b", "c"], sections=[])
    escape_report(report, coloured=False, whole=False)
    assert report.longrepr == ["a", "b", "c"]


@pytest.mark.parametrize(("number", "requests"), [(1, "1 request"), (1200, "1,200 requests")])
def test_an_interrupted_run_counts_what_it_left(number, requests):
    rows = [BatchRow("o", "s", "e", "i", 1, 1, number, "f", state=state) for state in ("planned", "creating")]
    stored = SimpleNamespace(origins={"": "o"}, journal=SimpleNamespace(open_batches=lambda origin: rows))
    settings = SimpleNamespace(
        batched=True, backend="openai", backends={}, given_backends=frozenset(), journal=Path("journal.sqlite")
    )
    assert left_behind(settings, stored, {}) == [
        f"{requests} not sent yet",
        f"a batch of {requests} may have been created: the next run looks for it before it sends any",
        "nothing is lost: run the same command again to continue",
    ]


@pytest.mark.parametrize(("number", "requests"), [(1, "1 request"), (2, "2 requests")])
def test_the_step_summary_counts_what_was_sent(number, requests):
    run = SimpleNamespace(requests=number, failed=0, paid_usd=Decimal(0), failures=[])
    assert f"{requests} sent, 0 failed, cost $0.00." in "\n".join(page(CiRun(figures=run)))


@pytest.mark.parametrize(("number", "answers"), [(1, "1 recorded answer"), (2, "2 recorded answers")])
def test_the_section_counts_unused_recordings(number, answers):
    session = SimpleNamespace(stats=RunStats(unused=UnusedRecordings(number, 0, ["a.jsonl"])))
    (line,) = section_lines(session, None, 0)
    assert f"{answers} that no test asks for, in a.jsonl" in line


@pytest.mark.parametrize(
    ("number", "calls", "sent", "listed"),
    [
        (1, "batch", "1 batch to send:", "1 request,"),
        (2, "batch", "1 batch to send:", "2 requests,"),
        (1, "individual", "1 individual call to send:", "1 request,"),
        (2, "individual", "2 individual calls to send:", "2 requests,"),
    ],
)
def test_the_plan_counts_what_it_would_send(tmp_path, number, calls, sent, listed):
    requests = tuple(Request({"model": "m", "messages": [{"role": "user", "content": str(n)}]}) for n in range(number))
    items = [ItemPlan("t.py::one", "t.py", requests=requests), ItemPlan("t.py::two", "t.py", error=ValueError())]
    settings = SimpleNamespace(
        refresh=False,
        backends={},
        given_backends=frozenset(),
        batched=calls == "batch",
        tier="",
        deadline=None,
        backend="openai",
        sends=False,
        mode="plan",
        cassettes=tmp_path,
        round="",
        journal=tmp_path / "none.sqlite",
    )
    lines = plan_lines(Plan(items), StoredAnswers(settings), settings, "")
    assert sent in lines
    assert any(f"m: {listed}" in line for line in lines)
    assert "1 test with an error in prompt or marker; it asks for nothing and will fail:" in lines
