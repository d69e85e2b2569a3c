"""What the plugin prints beside its plan and its progress: header and summary."""

from __future__ import annotations

from collections import Counter

import pytest

from pytest_batcheval.harmless import harmless
from pytest_batcheval.report.commands import pytest_command
from pytest_batcheval.report.quantities import counted, dollars
from pytest_batcheval.session import BatchSession
from pytest_batcheval.summary import journaled_run, section_lines
from pytest_batcheval.tally import Tally
from pytest_batcheval.wire.origin import describe

_SOURCES = {"recording": "recorded from", "journal": "journaled from", "sent": "sent to", "failed": "failed at"}


def replay_header(session: BatchSession) -> list[str]:
    """`batch: 275 answers recorded from the simulator (faithful@0)`, and what is missing."""
    plan = session.plan
    from pytest_batcheval.wire.errors import BatchEvalError

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
            reporter.write_line(harmless(line))
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
            reporter.write_line(harmless(line))
    for note in session.notes:
        reporter.write_line(harmless(f"batch: {note}"))
    counts = tally.by_source(session.brought)
    if counts and count_text(counts) != session.headline:
        cost = f", cost: {dollars(run.paid_usd)}" if run is not None and run.requests and reporter.verbosity < 0 else ""
        reporter.write_line(harmless(f"batch: {count_text(counts)}{cost}"))


def unrecorded_lines(tally: Tally, session: BatchSession) -> list[str]:
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


def _unanswered(tally: Tally) -> str:
    requests = {key for keys in tally.missing.values() for key in keys}
    tests = counted(len(tally.missing), "test")
    return f"{tests} could not run: {counted(len(requests), 'request')} without a recorded answer"
