"""The plugin's lines in pytest's header and its section `batch` in pytest's summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from pytest_batcheval.errors import JournalError
from pytest_batcheval.plugin.session import BatchSession
from pytest_batcheval.plugin.stats import RunStats, UnusedRecordings, UsedAnswer
from pytest_batcheval.report.answer_text import labelled
from pytest_batcheval.report.commands import pytest_command
from pytest_batcheval.text.format import counted, dollars
from pytest_batcheval.text.sanitize import safe_to_print
from pytest_batcheval.wire.origin import describe

if TYPE_CHECKING:
    from pytest_batcheval.report.figures import RunFigures


_SOURCES = {"recording": "recorded from", "journal": "journaled from", "sent": "sent to", "failed": "failed at"}


def replay_header(session: BatchSession) -> list[str]:
    """`batch: 275 answers recorded from the simulator (faithful@0)`, and what is missing."""
    plan = session.plan
    from pytest_batcheval.errors import BatchEvalError

    try:
        found = session.sources.find(plan.requests.values())
    except BatchEvalError:
        return []  # reported where it stops the run
    counts = Counter((answer.source, answer.origin) for answer in found.values())
    session.headline = count_text(counts)
    lines = [f"batch: {session.headline}"] if counts else []
    missing = len(plan.requests) - len(found)
    if missing:
        lines.append(f"batch: {missing} of {len(plan.requests)} requests have no recorded answer")
    return lines


def count_text(counts: Counter[tuple[str, str]]) -> str:
    """`275 answers recorded from the simulator (faithful@0), 3 failed at …`."""
    parts = []
    for (source, origin), number in sorted(counts.items(), key=lambda item: (list(_SOURCES).index(item[0][0]), item)):
        parts.append(
            f"{counted(number, 'request' if source == 'failed' else 'answer')} {_SOURCES[source]} {describe(origin)}"
        )
    return ", ".join(parts)


def summary(reporter: pytest.TerminalReporter, session: BatchSession) -> None:
    """What was unrecorded, what was sent and came of it, and one line on where the answers came from."""
    tally = session.tally
    if tally.missing or tally.conversations:
        reporter.section("unrecorded", sep="=", red=True)
        for line in unrecorded_lines(tally, session):
            reporter.write_line(safe_to_print(line))
    if session.sources.differing:
        number = len(session.sources.differing)
        session.notes.append(f"{number} recorded answers differ from the journal's; the journal's were used")
    if kept := sum(
        session.tally.used[key].source != "failed" for key in (session.sent - session.brought) & tally.used.keys()
    ):
        session.notes.append(f"{counted(kept, 'request')} could not be refreshed; the older answers were used")
    run = journaled_run(session)
    if lines := section_lines(session, run, reporter.verbosity):
        reporter.ensure_newline()
        reporter.section("batch", sep="=")
        for line in lines:
            reporter.write_line(safe_to_print(line))
    for note in session.notes:
        reporter.write_line(safe_to_print(f"batch: {note}"))
    counts = tally.by_source(session.brought)
    if counts and count_text(counts) != session.headline:
        cost = f", cost: {dollars(run.paid_usd)}" if run is not None and run.requests and reporter.verbosity < 0 else ""
        reporter.write_line(safe_to_print(f"batch: {count_text(counts)}{cost}"))


def unrecorded_lines(tally: RunStats, session: BatchSession) -> list[str]:
    """Counts by file, the nearest recorded request, and the command that records."""
    modules = Counter(nodeid.partition("::")[0] for nodeid in (*tally.missing, *tally.conversations))
    width = max(map(len, modules))
    lines = [_unanswered(tally)] if tally.missing else []
    if tally.conversations:
        lines.append(f"{counted(len(tally.conversations), 'test')} could not run: no recorded conversation")
    lines += [f"  {module:{width}}  {number}" for module, number in sorted(modules.items())]
    if tally.difference:
        lines += tally.difference.split("\n")
    elif tally.missing:
        lines.append(f"no recording at all in {session.settings.cassettes}")
    where = sorted(modules) if len(modules) <= 3 else []
    for what, *options in (
        ("see what recording would cost:", "--batch=plan"),
        ("record from the provider:", "--batch=record"),
        ("record from the simulator:", "--batch=record", "--batch-backend=simulator"),
    ):
        lines.append(f"{what:<31} {pytest_command(where, session.settings.root, *options)}")
    return lines


def _unanswered(tally: RunStats) -> str:
    requests = {key for keys in tally.missing.values() for key in keys}
    tests = counted(len(tally.missing), "test")
    return f"{tests} could not run: {counted(len(requests), 'request')} without a recorded answer"


def journaled_run(session: BatchSession) -> RunFigures | None:
    """The figures of this run; `None` where nothing may be sent, or the journal cannot be read."""
    if not session.settings.sends:
        return None
    from pytest_batcheval.report.figures import Figures

    try:
        return Figures(session.sources.journal).run(session.run_id, session.collected)
    except JournalError:
        return None


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
            pairs.insert(1, ("", f"{number} of it begun by an earlier run"))
    if sent or verbosity > 0:
        pairs += _saved(session)
    if session.tally.unused is not None:
        pairs.append(("unused", _unused(session.tally.unused)))
    lines = [labelled(label, text) for label, text in pairs]
    if run is not None and run.failures:
        from pytest_batcheval.report.run_text import error_lines

        lines += ["failing", *(f"  {line}" for line in error_lines(run.failures))]
    return lines


def _saved(session: BatchSession) -> Iterator[tuple[str, str]]:
    """What need not be paid again: answers from before, and those that several tests share."""
    if stored := [(used, 1) for used in session.tally.stored(session.brought)]:
        yield "stored", f"{counted(len(stored), 'answer')} known before: {_worth(stored)}"
    uses = (used for used in session.tally.used.values() if used.source != "failed")
    if shared := [(used, used.times - 1) for used in uses if used.times > 1]:
        more = counted(sum(times for _, times in shared), "more use", "more uses")
        yield "duplicate", f"{more} of the same answers: {_worth(shared)}"


def _worth(uses: Iterable[tuple[UsedAnswer, int]]) -> str:
    """What so many of these answers would cost in batches."""
    from pytest_batcheval.engine.pricing import price

    asked: Counter[str] = Counter()
    told: Counter[str] = Counter()
    for used, times in uses:
        asked[used.model] += used.input_tokens * times
        told[used.model] += used.output_tokens * times
    prices = [price(model, asked[model], told[model]) for model in asked]
    known = sum((found.usd for found in prices if found is not None), Decimal(0))
    rest = " (models of unknown price left out)" if None in prices else ""
    worth = f"{dollars(known)} at batch rates{rest}" if known else "of unknown price"
    return f"{sum(asked.values()):,} tokens in, {sum(told.values()):,} out, {worth}"


def _unused(unused: UnusedRecordings) -> str:
    stale = f", {unused.stale:,} of them by cells that ask something else now" if unused.stale else ""
    files = unused.files[0] if len(unused.files) == 1 else f"{len(unused.files)} files"
    return f"{unused.number:,} recorded answers that no test asks for{stale}, in {files}: batcheval prune --recordings"
