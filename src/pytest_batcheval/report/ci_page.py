"""A run as Markdown: GitHub's step summary, and the comment on a pull request, which the next run replaces."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pytest_batcheval.errors import UsageError
from pytest_batcheval.journal.outcomes import Outcome
from pytest_batcheval.report.changes import Changes, in_a_sentence
from pytest_batcheval.report.failing import failing_lines, failing_tests
from pytest_batcheval.report.figures import RunFigures
from pytest_batcheval.report.own_file import check_own, write_own
from pytest_batcheval.report.waiting import WaitingBatch, come_back
from pytest_batcheval.text.format import counted, dollars
from pytest_batcheval.text.markdown import fenced, inline, one_line
from pytest_batcheval.text.sanitize import safe_to_show
from pytest_batcheval.wire import real_time
from pytest_batcheval.wire.key import KEY_SHOWN
from pytest_batcheval.wire.origin import describe, is_simulator

MARK = "<!-- pytest-batcheval comment"
"""The comment's first line begins so: nobody sees it, and it tells the comment of this suite from others."""

KIND = "comment"

MOST_BYTES, SECTIONS = 60_000, 4_000
"""Of a comment, since GitHub takes 65,536 characters; and of these what is left for sections added later."""

SUMMARY = "GITHUB_STEP_SUMMARY"
"""Variable of GitHub Actions: a file whose Markdown is shown on the page of the run; at most one MiB per step."""

LISTED = (20, 5, 1)
"""Tests, causes and batches that are listed of each kind; fewer where the comment would be too long."""

LONGEST_MESSAGE = 300
LONGEST_ID = 60
WIDTH = 120
"""Columns of the lines on what failing tests have in common."""


@dataclass(frozen=True)
class CiRun:
    """A run as the pages tell it.

    Attributes:
        place: the suite's folder below the repository; empty at its root.
        sources: numbers of answers by (source, origin).
        unrecorded: requests without a recorded answer.
        figures: of what it sent; `None` where nothing may be sent.
        waiting: batches that have not ended.
        stopped: the reason for which it ended before any test.
    """

    place: str = ""
    outcomes: Collection[Outcome] = ()
    changes: Changes | None = None
    sources: Mapping[tuple[str, str], int] = field(default_factory=dict)
    unrecorded: int = 0
    figures: RunFigures | None = None
    waiting: Sequence[WaitingBatch] = ()
    stopped: str = ""


def write_comment(run: CiRun, path: Path) -> None:
    """Write the comment to a file, over an older one.

    Raises:
        UsageError: something else is there, or it cannot be written.
    """
    write_own(path, comment(run), MARK, KIND)


def add_section(title: str, lines: Sequence[str], path: Path | None) -> None:
    """Add a heading with a block of text to a comment that a run has written, if one is given.

    Raises:
        UsageError: there is no comment, it has no room, or it cannot be written.
    """
    if path is None:
        return
    check_own(path, MARK, KIND)
    if not path.exists():
        raise UsageError(f"there is no comment {path}; write it first: pytest -m batch --batch-comment={path}")
    text = path.read_text(encoding="utf-8", errors="replace") + "\n".join(section(title, lines)) + "\n"
    if len(text.encode()) > MOST_BYTES:
        raise UsageError(f"{path} has no room for more")
    write_own(path, text, MARK, KIND)


def add_to_summary(lines: Sequence[str]) -> None:
    """Add lines of Markdown to the step summary, where GitHub Actions has one.

    Raises:
        UsageError: it cannot be written.
    """
    if name := os.environ.get(SUMMARY):
        try:
            with Path(name).open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write("\n".join(lines) + "\n")
        except OSError as error:
            raise UsageError(f"the summary for GitHub cannot be written: {error}") from None


def section(title: str, lines: Sequence[str]) -> list[str]:
    """The lines of a section: a heading, and a block of text."""
    return [f"### {inline(title)}", "", *fenced([safe_to_show(line) for line in lines])]


def comment(run: CiRun) -> str:
    """The comment in UTF-8 with room for sections."""
    place = re.sub(r"[^\w./]|-", "_", run.place) or "."
    for most in LISTED:
        text = "\n".join([f"{MARK}: {place} -->", *page(run, most)]) + "\n"
        if len(text.encode("utf-8", "backslashreplace")) <= MOST_BYTES - SECTIONS:
            return text
    return f"{MARK}: {place} -->\n### Batch tests\n\n{_outcome(run)} The rest is too long for a comment.\n"


def page(run: CiRun, most: int = LISTED[0]) -> list[str]:
    """The lines of the page, which lists at most so many tests, causes and batches."""
    return [
        f"### Batch tests{f' in {inline(run.place)}' if run.place else ''}",
        "",
        *_verdict(run),
        *_notes(run),
        *_failing(run, most),
        *_changes(run, most),
        *_waiting(run, most),
        *_answers(run),
        _sent(run.figures),
        "",
        *_causes(run, most),
    ]


def _verdict(run: CiRun) -> list[str]:
    """The outcome in a sentence, and in a second one where most of it is, or when to come back."""
    sentences = [_outcome(run)]
    shares = failing_tests(run.outcomes).shares
    worst = [f"{inline(axis)} {inline(top.name[:LONGEST_ID])} ({top.failing} of {top.tests})"
             for axis, (top, *_) in list(shares.items())[:5]]  # fmt: skip
    if worst:
        sentences.append(f"Most of it: {', '.join(worst)}.")
    if run.waiting:
        at, expected = come_back(run.waiting)
        when = f"at about {_time(at)}, as similar batches did" if expected else f"by {_time(at)} at the latest"
        sentences.append(f"All end {when}: the same command, or job, then collects the answers and runs the tests.")
    return [" ".join(sentences), ""]


def _outcome(run: CiRun) -> str:
    if run.waiting:
        requests = counted(sum(batch.requests for batch in run.waiting), "request")
        none = "" if run.outcomes else "No test has run yet: "
        return f"**{none}{counted(len(run.waiting), 'batch', 'batches')} with {requests} not ended.**"
    if not run.outcomes:
        return "**No test has run.**"
    failing = sum(one.failing for one in run.outcomes)
    missing = sum(one.outcome == "unrecorded" for one in run.outcomes)
    rest = f", and {missing:,} could not run without a recorded answer" if missing else ""
    return f"**{f'{failing:,}' if failing else 'None'} of {counted(len(run.outcomes), 'test')} failed{rest}.**"


def _notes(run: CiRun) -> Iterator[str]:
    for origin in sorted({origin for _, origin in run.sources if is_simulator(origin)}):
        yield from (f"Answers of {inline(describe(origin))}: they say nothing about any model.", "")
    if run.stopped:
        yield from fenced([*map(safe_to_show, run.stopped.split("\n"))])


def _failing(run: CiRun, most: int) -> list[str]:
    """Failing tests by axis and message, and the first of them."""
    failing = [one for one in run.outcomes if one.failing]
    return fenced([*map(safe_to_show, failing_lines(run.outcomes, WIDTH)), *_listed(failing, most)])


def _changes(run: CiRun, most: int) -> list[str]:
    found = run.changes
    if found is None:
        return []
    broken = fenced(_listed(found.broken, most, messages=False)) if found.broken or found.mended else []
    return [in_a_sentence(found, "**"), "", *broken]


def _listed(tests: Sequence[Outcome], most: int, messages: bool = True) -> list[str]:
    lines = [one_line(f"{one.test}: {one.message}" if messages else one.test)[:LONGEST_MESSAGE] for one in tests[:most]]
    return [*lines, *([f"… and {counted(len(tests) - most, 'more test')}"] if len(tests) > most else [])]


def _waiting(run: CiRun, most: int) -> list[str]:
    lines = [f"{batch.batch_id or '(not created yet)'} {batch.status}, {batch.done:,} of {batch.requests:,} done"
             for batch in run.waiting[:most]]  # fmt: skip
    more = [f"… and {len(run.waiting) - most:,} more"] if len(run.waiting) > most else []
    return fenced([one_line(line)[:LONGEST_MESSAGE] for line in lines] + more)


def _answers(run: CiRun) -> Iterator[str]:
    if not run.sources and not run.unrecorded:
        return
    yield from ("| requests | | origin |", "|--:|---|---|")
    for (source, origin), number in sorted(run.sources.items()):
        yield f"| {number:,} | {source} | {inline(describe(origin))} |"
    if run.unrecorded:
        yield f"| {run.unrecorded:,} | **unrecorded** | |"
    yield ""


def _sent(figures: RunFigures | None) -> str:
    if figures is None or not figures.requests:
        return "Nothing was sent."
    return f"{counted(figures.requests, 'request')} sent, {figures.failed:,} failed, cost {dollars(figures.paid_usd)}."


def _causes(run: CiRun, most: int) -> list[str]:
    causes = (
        f"{error.count:,} x {error.code} (HTTP {error.status_code or '-'}), {error.key[:KEY_SHOWN]}: {error.message}"
        for error in (run.figures.failures[:most] if run.figures is not None else ())
    )
    return fenced([one_line(text)[:LONGEST_MESSAGE] for text in causes])


def _time(seconds: float) -> str:
    return real_time.local("%Y-%m-%d %H:%M %Z", seconds)
