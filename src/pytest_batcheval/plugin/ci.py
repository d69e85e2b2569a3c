"""Output for continuous integration: JUnit properties, GitHub's step summary and annotations."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_batcheval.plugin.plan import item_plan
from pytest_batcheval.plugin.run_stats import RunStats
from pytest_batcheval.recordings.answer_table import Answers
from pytest_batcheval.text.sanitize import safe_to_show
from pytest_batcheval.wire.key import KEY_SHOWN
from pytest_batcheval.wire.objects import Answer
from pytest_batcheval.wire.origin import describe

if TYPE_CHECKING:
    from pytest_batcheval.journal.outcomes import Outcome
    from pytest_batcheval.report.figures import RunFigures

SUMMARY = "GITHUB_STEP_SUMMARY"
"""Variable of GitHub Actions: a file whose Markdown is shown on the page of the run; at most one MiB per step."""

ACTIONS = "GITHUB_ACTIONS"
"""Variable of GitHub Actions: `true` where lines of the output that begin with `::` are commands."""

MOST_CAUSES = 20
LONGEST_MESSAGE = 300
LONGEST_ANNOTATION = 1000
WIDTH = 120
"""Columns of the lines on what failing tests have in common."""

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~$&@:])")


def add_properties(item: pytest.Item) -> None:
    """Give a batch test, once it is set up, the user properties `custom_id` (its first), `origin` and `model` (served).

    A test over many answers has every origin and model, separated by commas.
    """
    plan, fixtures = item_plan(item), getattr(item, "funcargs", {})
    if plan is None or not plan.requests:
        return
    answers = [answer for answer in _handed_out(fixtures) if answer.error is None]
    values = {
        "custom_id": plan.requests[0].custom_id,
        "origin": _joined(answer.origin for answer in answers),
        "model": _joined(answer.model for answer in answers),
    }
    known = {name for name, _ in item.user_properties}
    item.user_properties += [
        (name, safe_to_show(value)) for name, value in values.items() if value and name not in known
    ]


def report(
    reporter: pytest.TerminalReporter,
    stats: RunStats,
    brought: Collection[str],
    run: RunFigures | None,
    outcomes: Collection[Outcome] = (),
) -> None:
    """Write the step summary and the annotations, where GitHub Actions' variables are set."""
    if error := _append(summary(stats, brought, run, outcomes)):
        reporter.write_line(f"batch: the summary for GitHub cannot be written: {error}")
    if os.environ.get(ACTIONS) == "true":
        reporter.ensure_newline()
        for line in error_commands(reporter):
            reporter.write_line(line)


def report_stop(reason: str) -> None:
    """Write the step summary of a run that ended before any test: of batches that still run, for example."""
    _append(["### Batch tests", "", "No test has run yet.", "", *_fenced(list(map(safe_to_show, reason.split("\n"))))])


def _append(lines: Iterable[str]) -> OSError | None:
    """Append lines to the step summary, where there is one; return the error of one that cannot be written."""
    if path := os.environ.get(SUMMARY):
        try:
            with Path(path).open("a", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")
        except OSError as error:
            return error
    return None


def summary(
    stats: RunStats, brought: Collection[str], run: RunFigures | None, outcomes: Collection[Outcome] = ()
) -> list[str]:
    """Markdown: outcomes, answers by source and origin, requests sent, failed and unrecorded, cost, causes."""
    counts = stats.by_source(brought)
    lines = ["### Batch tests", "", *_tests(outcomes), "| requests | | origin |", "|--:|---|---|"]
    lines += [f"| {number:,} | {source} | {_markdown(describe(origin))} |"
              for (source, origin), number in sorted(counts.items())]  # fmt: skip
    if missing := len({key for keys in stats.missing.values() for key in keys}):
        lines.append(f"| {missing:,} | **unrecorded** | |")
    lines += ["", _sent(run), ""]
    if run is not None and run.failures:
        causes = (
            f"{error.count:,} x {error.code} (HTTP {error.status_code or '-'}), "
            f"{error.key[:KEY_SHOWN]}: {error.message}"
            for error in run.failures[:MOST_CAUSES]
        )
        lines += _fenced([_one_line(text)[:LONGEST_MESSAGE] for text in causes])
    return lines


def _tests(outcomes: Collection[Outcome]) -> list[str]:
    """The number of failing tests, what they have in common, and the first of them with what they say."""
    from pytest_batcheval.report.failing import FAILING, failing_lines
    from pytest_batcheval.text.format import counted

    failing = [one for one in outcomes if one.outcome in FAILING]
    if not outcomes:
        return []
    verdict = f"**{len(failing):,} of {counted(len(outcomes), 'test')} failed.**" if failing else (
        f"**None of {counted(len(outcomes), 'test')} failed.**")  # fmt: skip
    common = failing_lines(outcomes, WIDTH)
    first = [f"{one.test}: {one.message}"[:LONGEST_MESSAGE] for one in failing[:MOST_CAUSES]]
    more = [f"… and {counted(len(failing) - MOST_CAUSES, 'more test')}"] if len(failing) > MOST_CAUSES else []
    texts = [*map(safe_to_show, common), *map(_one_line, (*first, *more))]
    return [verdict, "", *([*_fenced(texts), ""] if texts else [])]


def error_commands(reporter: pytest.TerminalReporter) -> Iterator[str]:
    """An `::error` for each test function whose requests are unrecorded or failed: the number, and the first text."""
    found: dict[tuple[str, int, str], list[pytest.TestReport]] = {}
    for outcome in reporter.stats.values():
        for test in outcome:
            if (kind := _kind(test)) is not None:
                path, line, _ = test.location
                place = (_in_workspace(reporter.config.rootpath / path), (line or 0) + 1, kind)
                found.setdefault(place, []).append(test)
    for (path, line, kind), tests in sorted(found.items()):
        text = f"{len(tests)} tests, the first: " if len(tests) > 1 else ""
        where = f"file={_escaped(path, ':,')},line={line},title={kind}"
        yield f"::error {where}::{_escaped(text + safe_to_show(str(tests[0].longrepr))[:LONGEST_ANNOTATION])}"


def _kind(test: object) -> str | None:
    if getattr(test, "unrecorded", False):
        return "unrecorded"
    return "request failed" if getattr(test, "request_failed", False) else None


def _handed_out(fixtures: Mapping[str, Any]) -> Iterator[Answer]:
    for value in (fixtures.get("answer"), fixtures.get("answers")):
        if isinstance(value, Answer):
            yield value
        elif isinstance(value, Answers):
            yield from value


def _joined(values: Iterable[str]) -> str:
    return ",".join(sorted(Counter(values)))


def _sent(run: RunFigures | None) -> str:
    from pytest_batcheval.text.format import counted, dollars

    if run is None or not run.requests:
        return "Nothing was sent."
    return f"{counted(run.requests, 'request')} sent, {run.failed:,} failed, cost {dollars(run.paid_usd)}."


def _in_workspace(path: Path) -> str:
    """The path as GitHub knows it: below the folder that the repository was checked out to."""
    return Path(os.path.relpath(path, os.environ.get("GITHUB_WORKSPACE") or os.getcwd())).as_posix()


def _markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", _one_line(text))


def _one_line(text: str) -> str:
    return " ".join(safe_to_show(text).split())


def _fenced(lines: list[str]) -> list[str]:
    """A block of code whose fence is longer than any in its text, which could close it."""
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence, *lines, fence]


def _escaped(text: str, more: str = "") -> str:
    """Text of a workflow command: percent signs, ends of lines, and in its properties `more`."""
    for character in f"%\r\n{more}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text
