"""What a person does next about a request that failed."""

from __future__ import annotations


def next_step(code: str, status: int | None, retryable: bool | None = None) -> str:
    """One sentence, by the failure's code, HTTP status, and whether the next run sends it again (`None`: unknown)."""
    if code in ("lost", "unaccounted", "broken_line"):
        return "It may have been paid, and its answer is gone: --batch-pay-again sends it again."
    if retryable is None:
        passing = status in (None, 0, 408, 429) or (status or 0) >= 500
        retryable = passing or code in ("batch_expired", "batch_cancelled")
    if retryable:
        return "This is a passing failure: run the same command again and only what failed is sent."
    if status in (401, 403, 404):
        return "Check that the key may use this model; a stored failure is sent again with --batch-refresh."
    return "The request itself was refused: change the prompt; a changed body is a new request and is sent."
