"""The results of an ended batch: result files, counts, usage and model."""

from __future__ import annotations

from pathlib import Path

from pytest_batcheval.simulator.batch.execution import LineRunner
from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.state import FILE_LIFE, Project, State, StoredBatch


def result_files(state: State, project: Project, batch: StoredBatch, lines: LineRunner) -> None:
    """Turn the written lines into files, and set their ids in the batch."""
    batch.fields["output_file_id"] = _result_file(state, project, batch, "output", lines.output)
    found = _result_file(state, project, batch, "error", lines.error)
    if found is None and state.behaviour.no_error_file == "blank":
        found = ""
    elif found is None and state.behaviour.no_error_file == "empty_file":
        lines.error.touch()
        found = _result_file(state, project, batch, "error", lines.error, empty=True)
    batch.fields["error_file_id"] = found


def finish_fields(batch: StoredBatch, behaviour: Behaviour, *, inline: bool = False) -> None:
    """Set the counts, the usage and the served model; requests that came inline count even if none was run."""
    progress = batch.progress
    total = progress.total if inline or batch.fields["in_progress_at"] is not None else 0
    batch.fields["request_counts"] = {"total": total, "completed": progress.completed, "failed": progress.failed}
    batch.fields["model"] = progress.snapshot
    if behaviour.usage:
        usage = progress.usage
        batch.fields["usage"] = {
            "input_tokens": usage.get("input_tokens", 0),
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": usage.get("output_tokens", 0),
            "output_tokens_details": {"reasoning_tokens": usage.get("reasoning", 0)},
            "total_tokens": usage.get("total_tokens", 0),
        }


def _result_file(
    state: State, project: Project, batch: StoredBatch, kind: str, lines: Path, *, empty: bool = False
) -> str | None:
    (state.rewrite or state.faults.rewrite)(kind, lines)
    size = lines.stat().st_size if lines.exists() else 0
    if size == 0 and not empty:
        return None
    life = batch.progress.output_life or FILE_LIFE
    file = state.new_file(project, f"{batch.id}_{kind}.jsonl", "batch_output", life)
    lines.replace(state.path(file.id))
    file.bytes = size
    state.add_file(project, file)
    return file.id
