"""Faults of a batch's life and of single executions: each returns what the simulator does instead of the usual."""

from __future__ import annotations

from typing import Any

from pytest_batcheval.simulator.errors import ApiError, LineProblem, problem


def fail_lines(
    match: str = "",
    status_code: int = 500,
    code: str = "server_error",
    message: str = "The server had an error while processing your request.",
) -> tuple[int, dict[str, Any]]:
    """The first `times` executions of each line whose body matches fail."""
    return status_code, ApiError(status_code, message, code=code, kind=code).body


def expire_next_batch(after: int) -> int:
    """The batch ends `expired` after 24 hours with `after` lines done."""
    return after


def fail_next_batch(code: str, message: str, line: int | None = None, param: str | None = None) -> LineProblem:
    """The batch ends `failed` at validation, unpaid."""
    return problem(code, message, line, param)


def hold_batches() -> None:
    """Batches that run stay `in_progress` until `release`; time jumps no more, an hour passes in a second."""
