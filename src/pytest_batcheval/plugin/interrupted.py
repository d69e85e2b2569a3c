"""The report of an interrupted run: batches left at the provider, and the commands that collect or cancel them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_batcheval.backends.connect import respondent_of
from pytest_batcheval.errors import JournalError
from pytest_batcheval.plugin.destinations import backend_of
from pytest_batcheval.plugin.options import Settings
from pytest_batcheval.plugin.stored_answers import StoredAnswers
from pytest_batcheval.report.commands import cancel_command, resume_command
from pytest_batcheval.text.format import counted

if TYPE_CHECKING:
    from pytest_batcheval.engine.snapshot import BatchSnapshot
    from pytest_batcheval.journal.rows import BatchRow


def left_behind(settings: Settings, stored: StoredAnswers, seen: Mapping[str, BatchSnapshot]) -> list[str]:
    """Lines for the user; `seen` has the last snapshot of each batch by its id, of individual calls by an empty one."""
    if not settings.batched:
        note = seen[""].note if "" in seen else ""
        calls = note or "every call that was sent was answered"
        return [f"interrupted; {calls}; answers are in the journal: run the same command again to continue"]
    groups = _open_batches(settings, stored)
    if not groups:
        return ["interrupted; no batch was running, nothing is lost"]
    left = {backend: rows for backend, rows in groups.items() if respondent_of(backend) is None}
    if not left:
        return ["interrupted; the simulator and its batches end with this run"]
    lines = [_left(row, seen.get(row.batch_id)) for rows in left.values() for row in rows]
    if not any(row.batch_id for rows in left.values() for row in rows):
        return [*lines, "nothing is lost: run the same command again to continue"]
    lines.append("nothing is lost: run the same command again to collect the answers, or")
    lines += [f"    {resume_command(settings.journal, backend)}" for backend in left]
    running = [(row.batch_id, backend) for backend, rows in left.items() for row in rows if row.state == "created"]
    if running:
        lines.append("to stop a batch (finished requests are still paid, the rest costs nothing):")
        lines.append(f"    {cancel_command(*running[0])}")
    return lines


def _open_batches(settings: Settings, stored: StoredAnswers) -> dict[str, list[BatchRow]]:
    """The batches that the journal has not settled, by backend."""
    found: dict[str, list[BatchRow]] = {}
    with suppress(JournalError):  # the next run ends with this error, and reports it
        for name, origin in stored.origins.items():
            rows = [row for row in stored.journal.open_batches(origin) if row.calls == "batch"]
            if rows:
                found[backend_of(settings, name)] = rows
    return found


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
