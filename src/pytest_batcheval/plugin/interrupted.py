"""The report of an interrupted run: batches left at the provider, and the commands that collect or cancel them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_batcheval.errors import JournalError
from pytest_batcheval.plugin.options import Settings
from pytest_batcheval.plugin.stored_answers import StoredAnswers
from pytest_batcheval.report.commands import cancel_command, resume_command
from pytest_batcheval.text.format import counted

if TYPE_CHECKING:
    from pytest_batcheval.engine.snapshot import BatchSnapshot
    from pytest_batcheval.journal.rows import BatchRow


def left_behind(settings: Settings, stored: StoredAnswers, seen: Mapping[str, BatchSnapshot]) -> list[str]:
    """Lines for the user; `seen` has the last snapshot of each batch by its id, of individual calls by an empty one."""
    if settings.calls == "individual":
        note = seen[""].note if "" in seen else ""
        calls = note or "every call that was sent was answered"
        return [f"interrupted; {calls}; answers are in the journal: run the same command again to continue"]
    rows = _open_batches(stored)
    if not rows:
        return ["interrupted; no batch was running, nothing is lost"]
    if settings.backend.startswith("simulator"):
        return ["interrupted; the simulator and its batches end with this run"]
    lines = [_left(row, seen.get(row.batch_id)) for row in rows]
    if not any(row.batch_id for row in rows):
        return [*lines, "nothing is lost: run the same command again to continue"]
    lines.append("nothing is lost: run the same command again to collect the answers, or")
    lines.append(f"    {resume_command(settings.journal, settings.backend)}")
    running = [row.batch_id for row in rows if row.state == "created"]
    if running:
        lines.append("to stop a batch (finished requests are still paid, the rest costs nothing):")
        lines.append(f"    {cancel_command(running[0], settings.backend)}")
    return lines


def _open_batches(stored: StoredAnswers) -> list[BatchRow]:
    """The batches that the journal has not settled."""
    try:
        rows = [] if stored.origin is None else stored.journal.open_batches(stored.origin)
    except JournalError:
        return []  # the next run ends with this error, and reports it
    return [row for row in rows if row.calls == "batch"]


def _left(row: BatchRow, seen: BatchSnapshot | None) -> str:
    requests = counted(row.requests, "request")
    if row.state == "ended":
        return f"{row.batch_id} has ended at the provider ({row.status}), its answers are not stored yet"
    if row.state == "created":
        status = seen.status if seen is not None else row.status or row.state
        done = f", {seen.done} of {seen.total} done" if seen is not None else ""
        return f"{row.batch_id} continues at the provider ({status}){done}"
    if row.state == "creating":
        return f"a batch of {requests} may have been created: the next run looks for it before it sends any"
    return f"{requests} not sent yet"
