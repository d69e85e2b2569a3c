"""The two outcomes no `xfail` mark may hide: a missing recording and a failed request."""

from __future__ import annotations

import pytest

from pytest_batcheval.wire.objects import Answer, Request


class Unrecorded(Exception):
    """Requests of this test have no stored answer."""

    def __init__(self, requests: list[Request]) -> None:
        first = requests[0].custom_id
        count = f"{len(requests)} of its requests have" if len(requests) > 1 else "its request has"
        super().__init__(f"unrecorded: {count} no recorded answer ({first[:12]}…); record with --batch=record")


class RequestFailed(Exception):
    """The request of this test failed at the provider."""

    def __init__(self, answer: Answer) -> None:
        error = answer.error
        assert error is not None
        super().__init__(
            f"the request of this test failed: {error}\n"
            f"custom_id {answer.custom_id}, sent to {answer.origin}\n"
            f"{_next_step(error.status_code, error.code)}"
        )


def shape_report(report: pytest.TestReport, error: BaseException) -> None:
    """Make a report of one of our outcomes short, and a failure even where the test is marked xfail."""
    if not isinstance(error, (Unrecorded, RequestFailed)):
        return
    report.outcome = "failed"
    report.longrepr = str(error)
    if hasattr(report, "wasxfail"):
        del report.wasxfail
    if isinstance(error, Unrecorded):
        report.unrecorded = True  # type: ignore[attr-defined]


def _next_step(status: int | None, code: str) -> str:
    if code in ("batch_expired", "batch_cancelled") or status in (None, 0, 408, 429) or (status or 0) >= 500:
        return "This is a passing failure: run the same command again and only what failed is sent."
    if status in (401, 403, 404):
        return (
            "Check that the key may use this model and endpoint; a stored failure is sent again with --batch-refresh."
        )
    return "The request itself was refused: change the prompt; a changed body is a new request and is sent."
