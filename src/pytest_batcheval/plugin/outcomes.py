"""The outcomes of our tests, taken from their reports, and stored beside the journal when the run ends."""

from __future__ import annotations

import json
import re
import sqlite3
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_batcheval.errors import BatchEvalError
from pytest_batcheval.journal.address import beside
from pytest_batcheval.journal.outcome_writer import add_outcomes
from pytest_batcheval.journal.outcomes import FILE, KeptResult, Outcome, Samples
from pytest_batcheval.plugin.options import Settings
from pytest_batcheval.text.phrase import LANGUAGES
from pytest_batcheval.text.streams import encodable
from pytest_batcheval.wire import real_time

if TYPE_CHECKING:
    from pytest_batcheval.plugin.stored_answers import StoredAnswers
    from pytest_batcheval.quality.result import Result
    from pytest_batcheval.report.figures import RunFigures

LONGEST = 500
"""Characters of a message that are stored."""

_WORKER = re.compile(r"^\[gw\d+\] .*\n")
"""The line that pytest-xdist puts before a failure."""


class OutcomeCollector:
    """Takes the reports of tests that ask for answers, of xdist's workers too."""

    def __init__(self) -> None:
        self._started = real_time.now()
        self._found: dict[str, Outcome] = {}

    def begin(self, report: pytest.TestReport, data: Mapping[str, Any]) -> None:
        """Take the report with a test's counts, the first of it."""
        test = encodable(report.nodeid, "utf-8")  # as it is stored; names of files may have what UTF-8 does not have
        models = {used["model"] for used in data["used"].values()}
        model = models.pop() if len(models) == 1 else ""
        self._found[report.nodeid] = Outcome(
            test, data["module"], "passed", cells=data["cells"], item=data["item"], model=model
        )

    def take(self, report: pytest.TestReport) -> None:
        """Take any later report of such a test."""
        known = self._found.get(report.nodeid)
        if known is None:
            return
        results = [*known.results, *(KeptResult(**data) for data in getattr(report, "batcheval_results", ()))]
        samples = Samples(*report.batcheval_samples) if hasattr(report, "batcheval_samples") else known.samples
        outcome, message = _outcome(report), known.message
        if (report.when != "call" and outcome == "passed") or known.outcome in ("failed", "unrecorded"):
            outcome = known.outcome  # what is clean after a failure changes nothing
        elif report.failed:
            message = _message(report)
        seconds = known.seconds + report.duration
        self._found[report.nodeid] = replace(
            known, outcome=outcome, message=message, seconds=seconds, results=results, samples=samples
        )

    @property
    def found(self) -> Collection[Outcome]:
        """The outcomes so far."""
        return self._found.values()

    def store(self, settings: Settings, run: str, argv: list[str]) -> None:
        """Write what was taken; a run does not fail because that cannot be written."""
        if self._found:
            with suppress(OSError, sqlite3.Error, ValueError):
                path = beside(settings.journal).parent / FILE
                add_outcomes(path, run, self._started, settings.mode, argv, self._found.values())

    def write_report(self, settings: Settings, stored: StoredAnswers, figures: Callable[[], RunFigures | None]) -> str:
        """Write the report of this run, if one is wanted, and return a remark; a run does not fail because of it."""
        if settings.report is None:
            return ""
        if not self._found:
            return "no report was written: no test of an answer has run"
        from pytest_batcheval.report.answer_list import used_answers
        from pytest_batcheval.report.commands import answers_command
        from pytest_batcheval.report.html import write_report
        from pytest_batcheval.report.language import Language
        from pytest_batcheval.report.page import own_origins, report_page

        try:
            outcomes = list(self._found.values())
            answers = used_answers(stored.recordings, settings.journal, outcomes)
            sent = figures()
            own = own_origins(sent, stored.journal.run_asked)
            everything = answers_command(settings.journal, settings.cassettes)
            words = Language.of(settings.lang)
            page = report_page(outcomes, answers, self._started, sent=sent, words=words, everything=everything, own=own)
            write_report(page, settings.report)
        except (BatchEvalError, OSError) as error:
            return f"no report was written: {error}"
        return f"report: {settings.report}"


def recent_results() -> list[Result]:
    """The quality results since the last call; those of a gate's parts are in it too."""
    module = sys.modules.get("pytest_batcheval.quality.result")
    if module is None:  # nobody has computed any
        return []
    found = list(module.recent)
    module.recent.clear()
    return found


def as_data(results: Iterable[Result]) -> list[dict[str, Any]]:
    """Quality results as data that a report carries; one of which no text can be made is left out."""
    found: list[dict[str, Any]] = []
    for result in results:
        with suppress(Exception):  # a class of the user's may be half made
            figures = json.loads(json.dumps(result.to_dict()))
            translations = {code: result.translations(code) for code in LANGUAGES[1:]}
            found.append({"kind": type(result).__name__, "summary": repr(result), "words": result.explain("en"),
                          "figures": figures, "translations": translations})  # fmt: skip
    return found


def _outcome(report: pytest.TestReport) -> str:
    if getattr(report, "unrecorded", False):
        return "unrecorded"
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    return "error" if report.failed and report.when != "call" else report.outcome


def _message(report: pytest.TestReport) -> str:
    """The short text that pytest itself shows of a failure, on one line."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else _WORKER.sub("", report.longreprtext)
    return " ".join(text.split())[:LONGEST]
