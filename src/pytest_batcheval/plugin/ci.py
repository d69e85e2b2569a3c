"""Output for continuous integration: JUnit's file, GitHub's step summary and annotations, the comment."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_batcheval.errors import JournalError, UsageError
from pytest_batcheval.plugin._pytest_compat import skip_in_junit
from pytest_batcheval.plugin.plan import item_plan
from pytest_batcheval.plugin.session import BatchSession
from pytest_batcheval.recordings.answer_table import Answers
from pytest_batcheval.text.sanitize import safe_to_print, safe_to_show
from pytest_batcheval.wire.objects import Answer

if TYPE_CHECKING:
    from pytest_batcheval.report.ci_page import CiRun

ACTIONS = "GITHUB_ACTIONS"
"""Variable of GitHub Actions: `true` where lines of the output that begin with `::` are commands."""

LONGEST_ANNOTATION = 1000
LONGEST_REASON = 300


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


def report(reporter: pytest.TerminalReporter, batch: BatchSession) -> None:
    """Write the step summary, the comment and the annotations, where they are wanted."""
    _write_pages(batch, reporter.write_line)
    if os.environ.get(ACTIONS) == "true":
        reporter.ensure_newline()
        for line in error_commands(reporter):
            reporter.write_line(line)


def report_stop(session: pytest.Session, batch: BatchSession) -> None:
    """Write the step summary and the comment of a run that ended before any test: of batches that run, for example."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    _write_pages(batch, reporter.write_line if reporter is not None else lambda line: None)


def skip_all_in_junit(session: pytest.Session, batch: BatchSession) -> None:
    """Put each test of a run that ended before any of them into the JUnit file, as skipped, with the reason."""
    keys = {item.nodeid: item.requests[0].custom_id for item in batch.plan.items if item.requests}
    reason = batch.stopped.partition("\n")[0][:LONGEST_REASON]
    for item in session.items or batch.plan.items:  # xdist's controller has no items
        skip_in_junit(session.config, item.nodeid, f"not run: {reason}", keys.get(item.nodeid, ""))


def _write_pages(batch: BatchSession, say: Callable[[str], None]) -> None:
    """Write both pages, or say why one cannot be written: no run fails because of that."""
    from pytest_batcheval.report.ci_page import SUMMARY, add_to_summary, page, write_comment

    path = batch.settings.comment
    if not os.environ.get(SUMMARY) and path is None:
        return
    run = _ci_run(batch)
    with _telling(say):
        add_to_summary(page(run))
    with _telling(say):
        if path is not None:
            write_comment(run, path)


@contextmanager
def _telling(say: Callable[[str], None]) -> Iterator[None]:
    try:
        yield
    except UsageError as error:
        say(f"batch: {safe_to_print(str(error))}")


def _ci_run(batch: BatchSession) -> CiRun:
    """This run as the pages tell it; a journal that cannot be read leaves its part out."""
    from pytest_batcheval.journal.outcomes import Outcomes
    from pytest_batcheval.report.changes import changes_since
    from pytest_batcheval.report.ci_page import CiRun
    from pytest_batcheval.report.waiting import waiting_batches

    outcomes, stats = batch.outcomes.found, batch.stats
    place = _in_workspace(batch.settings.root)
    run = CiRun(
        place="" if place.startswith((".", "/")) else place,
        outcomes=outcomes,
        sources=stats.by_source(batch.brought),
        unrecorded=len({key for keys in stats.missing.values() for key in keys}),
        figures=batch.figures,
        stopped=batch.stopped,
    )
    with suppress(JournalError):
        if outcomes:
            run = replace(run, changes=changes_since(outcomes, Outcomes.beside(batch.settings.journal), batch.run_id))
    with suppress(JournalError):
        if batch.settings.sends:
            origins, journal = set(batch.stored.origins.values()), batch.stored.journal
            found = [row for origin in sorted(origins) for row in waiting_batches(journal, origin, batch.seen)]
            run = replace(run, waiting=found)
    return run


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


def _in_workspace(path: Path) -> str:
    """The path as GitHub and GitLab know it: below the folder that the repository was checked out to."""
    root = os.environ.get("GITHUB_WORKSPACE") or os.environ.get("CI_PROJECT_DIR") or os.getcwd()
    return Path(os.path.relpath(path, root)).as_posix()


def _escaped(text: str, more: str = "") -> str:
    """Text of a workflow command: percent signs, ends of lines, and in its properties `more`."""
    for character in f"%\r\n{more}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text
