"""Results that were not fetched, batches that were forgotten or cancelled too late, files that stay behind."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_batcheval.simulator.batch.lifecycle import OPEN
from pytest_batcheval.simulator.conduct.finding import Finding
from pytest_batcheval.simulator.state import Project, State, StoredBatch
from pytest_batcheval.text.format import counted

_KINDS = {"output_file_id": "output", "error_file_id": "error"}


def unread_results(state: State) -> Iterator[Finding]:
    """Result files of ended batches that were not downloaded, or not to their end."""
    for member, kind in _KINDS.items():
        never: list[tuple[str, int]] = []
        cut: list[tuple[str, int]] = []
        for project, batch in _own(state):
            file_id = batch.fields[member]
            if not file_id or batch.status in OPEN or _is_read(state, batch.id):
                continue
            read = state.visits.reads.get(file_id)
            file = project.files.get(file_id)
            size = read.size if read is not None else file.bytes if file is not None else 1
            if read is None and size:
                never.append((file_id, _lines(batch, kind)))
            elif read is not None and read.reach < size:
                cut.append((file_id, _lines(batch, kind)))
        yield from _unread(kind, "never read", never)
        yield from _unread(kind, "not read to the end", cut)


def forgotten_batches(state: State) -> Iterator[Finding]:
    """Batches that are still open."""
    names = tuple(batch.id for _, batch in _own(state) if batch.status in OPEN)
    if names:
        text = f"{counted(len(names), 'batch', 'batches')} still open: neither awaited nor cancelled"
        yield Finding("forgotten batches", True, len(names), text, names)


def late_cancels(state: State) -> Iterator[Finding]:
    """Cancels of batches that had ended."""
    late = [v for v in state.visits.latest if v.call == "batches.cancel" and v.status == 409 and not v.struck]
    if late:
        text = f"{counted(len(late), 'cancel')} came when the batch had no line left to run"
        yield Finding("late cancels", True, len(late), text, tuple(dict.fromkeys(visit.name for visit in late)))


def files_left(state: State) -> Iterator[Finding]:
    """Files that were never deleted."""
    files = [file for project in state.projects for file in project.files.values()]
    results = sum(file.purpose == "batch_output" for file in files)
    if files:
        text = f"{counted(len(files) - results, 'uploaded file')} and {counted(results, 'result file')} not deleted"
        yield Finding("files left", False, len(files), text, tuple(file.id for file in files))


def _own(state: State) -> Iterator[tuple[Project, StoredBatch]]:
    """Batches that were made since this server started."""
    for project in state.projects:
        yield from ((project, b) for b in project.batches.values() if b.id not in state.visits.earlier)


def _is_read(state: State, name: str) -> bool:
    """Whether a content was sent whole; Anthropic's results have the id of their batch."""
    read = state.visits.reads.get(name)
    return read is not None and read.reach >= read.size


def _lines(batch: StoredBatch, kind: str) -> int:
    counts, progress = batch.fields["request_counts"], batch.progress
    return int(progress.completed if kind == "output" else max(counts["total"] - progress.completed, 0))


def _unread(kind: str, how: str, files: list[tuple[str, int]]) -> Iterator[Finding]:
    if files:
        lines = sum(count for _, count in files)
        text = f"{counted(lines, 'line')} of {counted(len(files), f'{kind} file')} {how}"
        yield Finding("unread results", True, lines, text, tuple(name for name, _ in files))
