"""Single faults that a test switches on: the first ones to test a client's recovery with."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_batcheval.wire.key import canonical

Match = Callable[[Mapping[str, Any]], bool]


@dataclass
class _LineFault:
    match: Match
    status_code: int
    error: dict[str, Any]
    times: int
    seen: Counter[str] = field(default_factory=Counter)


class Faults:
    """The faults to inject, set by a test in process or through the control API."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Switch all faults off; held batches continue."""
        self._lines: list[_LineFault] = []
        self.expire_after: int | None = None
        self.fail_batch: dict[str, Any] | None = None
        self.held = False
        self.drop_create = False
        self._resume: list[Callable[[], None]] = []

    def fail_lines(
        self,
        match: Match | str,
        *,
        status_code: int = 500,
        code: str = "server_error",
        message: str = "The server had an error while processing your request.",
        times: int = 1,
    ) -> None:
        """Let the first `times` executions of each matching line fail.

        Args:
            match: a predicate on the body, or a regular expression to search for in its JSON text.
            status_code: HTTP status of the line.
            code: the error's code.
            message: the error's message.
            times: number of times that each line fails before it succeeds.
        """
        matches = match if callable(match) else _search(match)
        error = {"error": {"message": message, "type": code, "param": None, "code": code}}
        self._lines.append(_LineFault(matches, status_code, error, times))

    def line_fault(self, custom_id: str, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]] | None:
        """Status and body of the failure of this execution of a line; `None` if it succeeds."""
        for fault in self._lines:
            if fault.match(body) and fault.seen[custom_id] < fault.times:
                fault.seen[custom_id] += 1
                return fault.status_code, fault.error
        return None

    def expire_next_batch(self, after: int) -> None:
        """Let the next batch end as `expired` after 24 hours with `after` lines done."""
        self.expire_after = after

    def fail_next_batch(self, code: str, message: str, line: int | None = None, param: str | None = None) -> None:
        """Let the next batch end as `failed` at validation, unpaid."""
        self.fail_batch = {"code": code, "message": message, "line": line, "param": param}

    def hold_batches(self) -> None:
        """Keep running batches `in_progress` until `release`."""
        self.held = True

    def release(self) -> None:
        """Let held batches continue."""
        self.held = False
        waiting, self._resume = self._resume, []
        for resume in waiting:
            resume()

    def when_released(self, resume: Callable[[], None]) -> None:
        """Call `resume` at the next `release`, on the loop that is running now."""
        loop = asyncio.get_running_loop()
        self._resume.append(lambda: _run_on(loop, resume))

    def drop_create_reply(self) -> None:
        """Apply the next create, but close its connection without a reply."""
        self.drop_create = True


def _search(pattern: str) -> Match:
    expression = re.compile(pattern)
    return lambda body: expression.search(canonical(body)) is not None


def _run_on(loop: asyncio.AbstractEventLoop, action: Callable[[], None]) -> None:
    loop.call_soon_threadsafe(action)
