"""The section `batch` at the end of a run: what was sent, what came of it, what it cost, what need not be paid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from pytest_batcheval.report.exchange import labelled
from pytest_batcheval.report.quantities import counted, dollars
from pytest_batcheval.session import BatchSession
from pytest_batcheval.tally import Unused, Used
from pytest_batcheval.wire.errors import JournalError

if TYPE_CHECKING:
    from pytest_batcheval.report.figures import RunFigures


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


def _worth(uses: Iterable[tuple[Used, int]]) -> str:
    """What so many of these answers would cost in batches."""
    from pytest_batcheval.engine.cost import price

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


def _unused(unused: Unused) -> str:
    stale = f", {unused.stale:,} of them by cells that ask something else now" if unused.stale else ""
    files = unused.files[0] if len(unused.files) == 1 else f"{len(unused.files)} files"
    return f"{unused.number:,} recorded answers that no test asks for{stale}, in {files}: batcheval prune --recordings"
