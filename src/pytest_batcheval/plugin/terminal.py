"""The plugin's lines in pytest's header and its section `batch` in pytest's summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from pytest_batcheval.errors import BatchEvalError
from pytest_batcheval.plugin._pytest_compat import terminal_writer
from pytest_batcheval.plugin.plan import Plan
from pytest_batcheval.plugin.run_stats import UnusedRecordings, UsedAnswer
from pytest_batcheval.plugin.session import BatchSession
from pytest_batcheval.plugin.stored_answers import StoredAnswers
from pytest_batcheval.plugin.unrecorded import unrecorded_lines
from pytest_batcheval.report.answer_text import labelled
from pytest_batcheval.text.colour import painted, plain
from pytest_batcheval.text.format import counted, dollars
from pytest_batcheval.text.sanitize import safe_to_print
from pytest_batcheval.wire import real_time
from pytest_batcheval.wire.origin import describe

if TYPE_CHECKING:
    from pytest_batcheval.report.figures import RunFigures


FITS = 80
"""Columns of a terminal that the lines on failing tests fit."""

MOST_DAYS = 3
"""Days of older answers that the summary names, the newest."""

_SOURCES = {"recording": "recorded from", "journal": "journaled from", "sent": "sent to", "failed": "failed at"}


def replay_headline(plan: Plan, stored: StoredAnswers) -> tuple[str, list[str]]:
    """The answers by source, such as `275 answers recorded from the simulator (faithful@0)`, and the header's lines."""
    try:
        found = stored.sources(plan.requests.values())
    except BatchEvalError:
        return "", []  # reported where it stops the run
    headline = count_text(Counter(found.values()))
    lines = [f"batch: {headline}"] if headline else []
    missing, all_of_them = len(plan.requests) - len(found), len(plan.requests)
    if missing:
        have = "has" if missing == 1 else "have"
        lines.append(f"batch: {missing:,} of {counted(all_of_them, 'request')} {have} no recorded answer")
    return headline, lines


def count_text(counts: Counter[tuple[str, str]]) -> str:
    """`275 answers recorded from the simulator (faithful@0), 3 failed at …`."""
    parts = []
    for (source, origin), number in sorted(counts.items(), key=lambda item: (list(_SOURCES).index(item[0][0]), item)):
        parts.append(
            f"{counted(number, 'request' if source == 'failed' else 'answer')} {_SOURCES[source]} {describe(origin)}"
        )
    return ", ".join(parts)


def summary(reporter: pytest.TerminalReporter, session: BatchSession) -> None:
    """Write the unrecorded tests, the section on what was sent, and one line on the sources of the answers."""
    stats, run = session.stats, session.figures
    paint = painted if terminal_writer(reporter).hasmarkup else plain
    if stats.missing or stats.conversations:
        reporter.section("unrecorded", sep="=", red=True)
        for line in unrecorded_lines(stats, session.settings, reporter.config):
            reporter.write_line(safe_to_print(line))
    if lines := section_lines(session, run, reporter.verbosity):
        reporter.ensure_newline()
        reporter.section("batch", sep="=")
        for line in lines:
            reporter.write_line(paint(safe_to_print(line)))
    for note in _notes(session):
        reporter.write_line(safe_to_print(f"batch: {note}"))
    counts = stats.by_source(session.brought)
    if counts and count_text(counts) != session.headline:
        cost = f", cost: {dollars(run.paid_usd)}" if run is not None and run.requests and reporter.verbosity < 0 else ""
        reporter.write_line(safe_to_print(f"batch: {count_text(counts)}{cost}"))


class FailingSummary:
    """A pytest plugin that ends a run with its failing tests by axis and message: nobody has to read them all first."""

    def __init__(self, session: BatchSession) -> None:
        self._session = session

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None]:
        """Write them after pytest's own summary, which names them one by one; with `-q` the shares of the axes only."""
        yield
        from pytest_batcheval.report.failing import failing_summary

        shares, rest = failing_summary(self._session.outcomes.found, FITS)
        if rest and terminalreporter.verbosity >= 0:
            terminalreporter.section("failing tests", sep="=", red=True)
            for line in rest:
                terminalreporter.write_line(safe_to_print(line))
        for line in shares:
            terminalreporter.write_line(safe_to_print(line))


def _notes(session: BatchSession) -> Iterator[str]:
    yield from _asked_before(session)
    if number := len(session.stored.differing):
        differ = "differs" if number == 1 else "differ"
        yield f"{counted(number, 'recorded answer')} {differ} from the journal's; the journal's were used"
    refreshing = (session.sent - session.brought) & session.stats.used.keys()
    if kept := sum(session.stats.used[key].source != "failed" for key in refreshing):
        yield f"{counted(kept, 'request')} could not be refreshed; the older answers were used"
    yield from (remark for remark in (session.regression_remark, session.report_remark) if remark)


def _asked_before(session: BatchSession) -> Iterator[str]:
    """The days, and rounds, of the answers that were not asked today."""
    today = real_time.local("%Y-%m-%d")
    older = (used for used in session.stats.stored(session.brought) if used.day not in ("", today))
    before = Counter((used.day, used.round) for used in older)
    for (day, round_name), number in sorted(before.items())[-MOST_DAYS:]:
        of_round = f" (round {round_name})" if round_name else ""
        yield f"{counted(number, 'answer')} of {day}{of_round}, not asked today"
    if len(before) > MOST_DAYS:
        earlier = sum(number for _, number in sorted(before.items())[:-MOST_DAYS])
        yield f"{counted(earlier, 'answer')} of earlier days, not asked today"


def section_lines(session: BatchSession, run: RunFigures | None, verbosity: int) -> list[str]:
    """The section of a run that sent something or found unused recordings; with `-v` of every run, with `-q` none."""
    if verbosity < 0:
        return []
    sent = run is not None and bool(run.requests)
    pairs: list[tuple[str, str]] = []
    if run is not None and sent:
        from pytest_batcheval.report.run_text import run_lines

        pairs += run_lines(run)
        if session.collected:
            number = counted(len(session.collected), "batch", "batches")
            pairs.insert(1, ("", f"including {number} of an earlier run"))
    if sent or verbosity > 0:
        pairs += _saved(session)
    if session.stats.unused is not None:
        pairs += (("unused", text) for text in _unused(session.stats.unused))
    lines = [labelled(label, text) for label, text in pairs]
    if run is not None and run.failures:
        from pytest_batcheval.report.run_text import error_lines

        lines += ["failing", *(f"  {line}" for line in error_lines(run.failures))]
    return lines


def _saved(session: BatchSession) -> Iterator[tuple[str, str]]:
    """Answers that cost nothing: those known before, and those that several tests share."""
    if stored := [(used, 1) for used in session.stats.stored(session.brought)]:
        yield "stored", f"{counted(len(stored), 'answer')} known before: {_worth(stored)}"
    uses = (used for used in session.stats.used.values() if used.source != "failed")
    if shared := [(used, used.times - 1) for used in uses if used.times > 1]:
        more = counted(sum(times for _, times in shared), "more use", "more uses")
        yield "duplicate", f"{more} of the same answers: {_worth(shared)}"


def _worth(uses: Iterable[tuple[UsedAnswer, int]]) -> str:
    """Tokens of these answers, and their cost in batches."""
    from pytest_batcheval.engine.pricing import price

    input_tokens: Counter[str] = Counter()
    output_tokens: Counter[str] = Counter()
    for used, times in uses:
        input_tokens[used.model] += used.input_tokens * times
        output_tokens[used.model] += used.output_tokens * times
    prices = [price(model, input_tokens[model], output_tokens[model]) for model in input_tokens]
    known = sum((found.usd for found in prices if found is not None), Decimal(0))
    rest = " (models of unknown price left out)" if None in prices else ""
    worth = f"{dollars(known)} at batch rates{rest}" if known else "of unknown price"
    return f"{sum(input_tokens.values()):,} tokens in, {sum(output_tokens.values()):,} out, {worth}"


def _unused(unused: UnusedRecordings) -> Iterator[str]:
    if unused.number:
        stale = f", {unused.stale:,} of them by cells that ask something else now" if unused.stale else ""
        files = unused.files[0] if len(unused.files) == 1 else counted(len(unused.files), "file")
        answers = counted(unused.number, "recorded answer")
        yield f"{answers} that no test asks for{stale}, in {files}: batcheval prune --recordings"
    for model, number in unused.other_models.items():
        yield f"{counted(number, 'recorded answer')} of {model}, in cells that ask another model in this run"
