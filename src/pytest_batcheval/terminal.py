"""Everything the plugin prints: header, progress, plan, summary."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from pytest_batcheval.session import BatchSession, Tally
from pytest_batcheval.wire.origin import describe
from pytest_batcheval.wire.safe import safe

if TYPE_CHECKING:
    from pytest_batcheval.engine.progress import Progress as BatchProgress

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
            f"{_count(number, 'request' if source == 'failed' else 'answer')} {_SOURCES[source]} {describe(origin)}"
        )
    return ", ".join(parts)


def summary(reporter: pytest.TerminalReporter, session: BatchSession) -> None:
    """The unrecorded section, and one line on where the answers came from."""
    tally = session.tally
    if tally.missing or tally.conversations:
        reporter.section("unrecorded", sep="=", red=True)
        for line in unrecorded_lines(tally, session):
            reporter.write_line(line)
    counts = tally.by_source(session.sent_keys)
    if session.sources.differing:
        number = len(session.sources.differing)
        session.notes.append(f"{number} recorded answers differ from the journal's; the journal's were used")
    for note in session.notes:
        reporter.write_line(f"batch: {note}")
    if counts and count_text(counts) != session.headline:
        reporter.write_line(f"batch: {count_text(counts)}")


def unrecorded_lines(tally: Tally, session: BatchSession) -> list[str]:
    """Counts by file, the nearest recorded request, and the command that records."""
    modules = Counter(nodeid.partition("::")[0] for nodeid in (*tally.missing, *tally.conversations))
    width = max(map(len, modules))
    lines = [_unanswered(tally)] if tally.missing else []
    if tally.conversations:
        lines.append(f"{_count(len(tally.conversations), 'test')} could not run: no recorded conversation")
    lines += [f"  {module:{width}}  {number}" for module, number in sorted(modules.items())]
    if tally.difference:
        lines += tally.difference.split("\n")
    elif tally.missing:
        lines.append(f"no recording at all in {session.settings.cassettes}")
    where = " ".join(sorted(modules)) if len(modules) <= 3 else ""
    record = " ".join(filter(None, ["pytest", where, "--batch=record"]))
    lines.append(f"see what recording would cost:  {record.replace('record', 'plan')}")
    lines.append(f"record from the provider:       {record}")
    lines.append(f"record from the simulator:      {record} --batch-backend=simulator")
    return lines


def _unanswered(tally: Tally) -> str:
    requests = {key for keys in tally.missing.values() for key in keys}
    tests = _count(len(tally.missing), "test")
    return f"{tests} could not run: {_count(len(requests), 'request')} without a recorded answer"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class Progress:
    """Progress of a send: on a terminal one line that is rewritten, else a line at each change of state."""

    def __init__(self, config: pytest.Config) -> None:
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        self._reporter: pytest.TerminalReporter | None = reporter
        self._drawn = False
        self._last: tuple[int, str, bool] | None = None

    def say(self, text: str) -> None:
        """Write a line of its own."""
        if self._reporter is not None:
            self.finish()
            self._reporter.ensure_newline()
            self._reporter.write_line(f"batch: {safe(text)}")

    def show(self, seen: BatchProgress) -> None:
        """Show how a batch stands; without a terminal only when its status has changed."""
        if self._reporter is None:
            return
        text, state = f"batch: {safe(str(seen))}", (seen.ordinal, seen.status, bool(seen.trouble))
        if self._reporter.isatty:
            self._reporter.rewrite(text[: self._reporter._tw.fullwidth - 1], erase=True)
            self._drawn = True
        elif state != self._last:
            self._reporter.ensure_newline()
            self._reporter.write_line(text)
        self._last = state

    def finish(self) -> None:
        """End the rewritten line."""
        if self._drawn and self._reporter is not None:
            self._reporter.write_line("")
            self._drawn = False
