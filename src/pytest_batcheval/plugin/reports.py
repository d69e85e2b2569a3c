"""Reports of batch tests: outcomes that `xfail` cannot hide, the answers of a failing test."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from typing import Any

import pytest

from pytest_batcheval.engine.retry import retry_of_error
from pytest_batcheval.journal.lock import shown_argv
from pytest_batcheval.plugin._pytest_compat import add_section, has_section
from pytest_batcheval.plugin.marker import is_ours
from pytest_batcheval.plugin.options import Settings
from pytest_batcheval.plugin.outcomes import as_data, recent_results
from pytest_batcheval.plugin.plan import item_plan
from pytest_batcheval.plugin.run_stats import RunStats
from pytest_batcheval.plugin.safe_output import escape_report
from pytest_batcheval.plugin.samples import SamplesFailed, item_of_samples, show_samples, take_verdict
from pytest_batcheval.plugin.stash import batch_session, take_stats
from pytest_batcheval.plugin.unrecorded import FailedByUs, Unrecorded
from pytest_batcheval.recordings.answer_table import Answers
from pytest_batcheval.report.answer_text import labelled, turn_lines
from pytest_batcheval.report.commands import show_command
from pytest_batcheval.text.format import counted
from pytest_batcheval.wire.key import KEY_SHOWN
from pytest_batcheval.wire.objects import Answer
from pytest_batcheval.wire.origin import describe
from pytest_batcheval.wire.value_id import value_id


class RequestFailed(FailedByUs):
    """The request of this test failed at the provider."""

    def __init__(self, answer: Answer, show: str) -> None:
        """`show` is the command that shows the whole answer."""
        error = answer.error
        assert error is not None
        super().__init__(
            f"the request of this test failed: {error}\n"
            f"custom_id {answer.custom_id}, sent to {answer.origin}\n"
            f"{retry_of_error(error).value}\n"
            f"all of it: {show}"
        )


class ItemReports:
    """A pytest plugin that completes the reports of our tests before any other plugin sees them.

    Its wrapper is the innermost: what it raises or marks, reporters and reruns of any order find in the report. The
    counts of a test travel with its report, from a forked process or a worker of xdist too, and are added up here.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._batch = batch_session(config)
        self._in_worker = hasattr(config, "workerinput")
        self._outcomes = self._batch.outcomes

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Complete a report: outcome, answers, counts, properties."""
        if call.excinfo is not None and isinstance(call.excinfo.value, FailedByUs):
            call.excinfo = _at_its_end(call.excinfo)  # pytest looks up the file of every frame, and shows none
        report = yield
        results = recent_results()
        plan = item_plan(item)
        if plan is None and not is_ours(item):
            return report
        stats = take_stats(item)
        if stats is not None or (plan is not None and call.when == "setup"):
            first = self._batch.stats.first_missing is None
            module = "" if plan is None else plan.module
            data = {"module": module, "item": item_of_samples(item), **(stats or RunStats()).to_data(first)}
            report.batcheval = data  # type: ignore[attr-defined]
        if verdict := take_verdict(item):
            report.batcheval_samples = (verdict.passed, verdict.failed, verdict.outcome)  # type: ignore[attr-defined]
        if results:
            report.batcheval_results = as_data(results)  # type: ignore[attr-defined]
        if call.when == "setup" and item.config.getoption("xmlpath", None):
            from pytest_batcheval.plugin.ci import add_properties

            add_properties(item)
        if call.excinfo is not None:
            if report.failed:
                show_answers(item, report)
            _shape(report, call.excinfo.value)
            if isinstance(call.excinfo.value, SamplesFailed):
                show_samples(item, report, call.excinfo.value)
            _escape(report, item.config)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the counts of a test."""
        data = getattr(report, "batcheval", None)
        if data is not None:
            self._batch.stats.add_data(report.nodeid, data)
        if self._in_worker:  # the report goes on to the controller
            return
        if data is not None:
            if data["module"]:
                self._outcomes.begin(report, data)
            del report.batcheval
        self._outcomes.take(report)

    @pytest.hookimpl(tryfirst=True)  # pytest's terminal shows the exit status
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Store the outcomes, once they are together, and compare them with the run before if that is wanted."""
        if not self._in_worker:
            batch = self._batch
            if batch.settings.fail_on_regression and self._outcomes.found:
                from pytest_batcheval.plugin.regression import find_regression

                batch.regression_remark = find_regression(session, batch)
            self._outcomes.store(batch.settings, batch.run_id, shown_argv())
            batch.report_remark = self._outcomes.write_report(batch.settings, batch.stored, lambda: batch.figures)


def _at_its_end(raised: pytest.ExceptionInfo[BaseException]) -> pytest.ExceptionInfo[BaseException]:
    """An exception with the innermost frame of its traceback alone."""
    last = raised.tb
    while last.tb_next is not None:
        last = last.tb_next
    return pytest.ExceptionInfo.from_exc_info((raised.type, raised.value, last))


def complete(item: pytest.Item, report: pytest.TestReport) -> None:
    """Complete a report that other plugins may have changed since: a failure shows the answers, no text is harmful."""
    if report.failed and not has_section(report, SECTION):
        show_answers(item, report)
    _escape(report, item.config, again=True)


def _escape(report: pytest.TestReport, config: pytest.Config, again: bool = False) -> None:
    """Make the texts of a report safe to show; `again` where those that are cut have been cut already."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    whole = again or config.get_verbosity(config.VERBOSITY_ASSERTIONS) >= 2
    escape_report(report, reporter is not None and reporter.hasmarkup, whole)


def _shape(report: pytest.TestReport, error: BaseException) -> None:
    """Make a report of one of our outcomes short."""
    if isinstance(error, Unrecorded):
        report.unrecorded = True  # type: ignore[attr-defined]
    elif isinstance(error, RequestFailed):
        report.request_failed = True  # type: ignore[attr-defined]
    else:
        return
    report.longrepr = str(error)


SECTION = "batch"
MOST_ANSWERS = 3
"""Answers of a table that are shown, of those the failure names."""

SHOWN_LINES, SHOWN_CHARACTERS = 12, 1_000
"""Of one text of an answer, unless `-vv` shows the whole of it."""

MOST_OF_A_VALUE = 200

_WORDS = ("text", "name", "description")
"""Attributes that describe an axis value better than its id; the first it has is shown."""


def show_answers(item: pytest.Item, report: pytest.TestReport) -> None:
    """Show request and answer: of a test's one answer, or of those in its table that the failure names."""
    lines: list[str] = []
    with suppress(Exception):  # an author's objects are shown in it, and no report is worth a run
        lines += _section(item, report)
    if not lines:
        return
    add_section(report, SECTION, "\n".join(lines))


def _section(item: pytest.Item, report: pytest.TestReport) -> Iterator[str]:
    plan, fixtures = item_plan(item), getattr(item, "funcargs", {})
    whole = item.config.get_verbosity() >= 2
    settings = batch_session(item.config).settings
    if plan is not None and isinstance(answer := fixtures.get("answer"), Answer):
        yield from _answer_lines(plan.cells[0].cell, answer, settings, whole)
    if isinstance(answers := fixtures.get("answers"), Answers):
        text = report.longreprtext
        named = [row for row in answers.rows if row.answer.custom_id[:KEY_SHOWN] in text]
        yield _table(answers, named[:MOST_ANSWERS], len(named))
        for row in named[:MOST_ANSWERS]:
            yield ""
            yield from _answer_lines(row.cell, row.answer, settings, whole)


def _table(answers: Answers, shown: list[Any], named: int) -> str:
    failed = sum(answer.error is not None for answer in answers)
    origins = ", ".join(sorted({describe(answer.origin) for answer in answers}))
    without = f", {failed:,} without an answer" if failed else ""
    few = f"{len(shown)} of the {named}" if len(shown) < named else f"{named}"
    rest = f"; {few} that the failure names:" if shown else ""
    return f"a table of {counted(len(answers), 'answer')} from {origins}{without}{rest}"


def _answer_lines(cell: Mapping[str, Any], answer: Answer, settings: Settings, whole: bool) -> Iterator[str]:
    for name, value in cell.items():
        yield labelled(name, _value(value))
    yield labelled("custom_id", answer.custom_id)
    yield labelled("from", describe(answer.origin) + ("" if answer.error else f", model {answer.model}"))
    yield from turn_lines(answer) if whole else turn_lines(answer, SHOWN_CHARACTERS, SHOWN_LINES)
    yield labelled("all of it", show_command(answer.custom_id, settings.journal, settings.cassettes))


def _words(value: object) -> str:
    for word in _WORDS:
        with suppress(Exception):  # an author's property
            if isinstance(found := getattr(value, word, None), str) and found:
                return found
    return ""


def _value(value: object) -> str:
    name = value_id(value)
    shown = " ".join(_words(value).split())
    short = shown if len(shown) <= MOST_OF_A_VALUE else f"{shown[:MOST_OF_A_VALUE]}…"
    return f"{name}: {short}" if short and short != name else name
