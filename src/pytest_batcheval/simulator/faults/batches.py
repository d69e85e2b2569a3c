"""Faults of a batch's life and of single executions: each returns what the simulator does instead of the usual."""

from __future__ import annotations

from typing import Any


def fail_lines(
    match: str = "",
    status_code: int = 500,
    code: str = "server_error",
    message: str = "The server had an error while processing your request.",
) -> tuple[int, dict[str, Any]]:
    """The first `times` executions of each line whose body matches fail."""
    return status_code, {"error": {"message": message, "type": code, "param": None, "code": code}}


def expire_next_batch(after: int) -> int:
    """The batch ends `expired` after 24 hours with `after` lines done."""
    return after


def fail_next_batch(code: str, message: str, line: int | None = None, param: str | None = None) -> dict[str, Any]:
    """The batch ends `failed` at validation, unpaid."""
    return {"code": code, "message": message, "line": line, "param": param}


def hold_batches() -> None:
    """Batches that run stay `in_progress` until `release`."""
