"""Unrecorded tests: the decision, the outcome, and the section with the commands that record them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NoReturn

import pytest

from pytest_batcheval.errors import BatchEvalError
from pytest_batcheval.plugin._pytest_compat import Failed, skip_test
from pytest_batcheval.plugin.options import Settings
from pytest_batcheval.plugin.pytest_command import command_again
from pytest_batcheval.plugin.run_stats import RunStats
from pytest_batcheval.plugin.stored_answers import StoredAnswers
from pytest_batcheval.text.format import counted
from pytest_batcheval.wire.key import KEY_SHOWN
from pytest_batcheval.wire.objects import Request


class FailedByUs(Failed):
    """A failure without a traceback, whoever asks for it: it would show our code alone, and be made slowly."""

    def __init__(self, message: str) -> None:
        super().__init__(message, pytrace=False)

    @property
    def __traceback__(self) -> TracebackType | None:
        return None

    @__traceback__.setter
    def __traceback__(self, trace: TracebackType | None) -> None:
        """Python itself keeps the traceback elsewhere."""


class Unrecorded(FailedByUs):
    """Requests of this test have no stored answer."""

    def __init__(self, requests: Sequence[Request]) -> None:
        first = requests[0].custom_id
        count = f"{len(requests):,} of its requests have" if len(requests) > 1 else "its request has"
        text = f"unrecorded: {count} no recorded answer ({first[:KEY_SHOWN]}…); record with --batch=record"
        super().__init__(text)


class UnrecordedConversation(Unrecorded):
    """The HTTP of this test is not recorded."""

    def __init__(self, path: Path) -> None:
        text = f"unrecorded: no conversation at {path}; record it with --batch=record"
        FailedByUs.__init__(self, text)


OTHER_BODY = (
    "the prompt builds another body in this process than in the one that sent (the order of a set changes from process "
    "to process; sort it)"
)
OTHER_FILES = "the test files of this worker are not those of its controller, or the prompt is not pure"


def end_unrecorded(missing: Sequence[Request], settings: Settings, elsewhere: bool = False) -> NoReturn:
    """End a test whose `missing` requests have no stored answer; `elsewhere` in a worker with files of its own.

    Raises:
        Unrecorded: the run replays, and the ini key `batch_missing` says `fail`.
        pytest.skip.Exception: it says `skip`.
        pytest.fail.Exception: the run sends, so that an answer ought to be there.
    """
    if settings.sends:
        reason = OTHER_FILES if elsewhere else OTHER_BODY
        pytest.fail(f"no request was sent for {missing[0].custom_id}: {reason}", pytrace=False)
    if settings.missing == "skip":
        skip_test(f"unrecorded: no answer for {counted(len(missing), 'request')}; record with --batch=record")
    raise Unrecorded(missing)


def find_difference(stats: RunStats, stored: StoredAnswers) -> None:
    """Store in `stats` the difference between the nearest recorded request and the first unrecorded one."""
    if stats.first_missing is None or stats.difference:
        return
    from pytest_batcheval.prompts.body_diff import body_diff

    try:
        nearest = stored.nearest(stats.first_missing, stats.first_cell)
    except BatchEvalError:
        return
    if nearest is not None:
        cell = ", ".join(f"{axis}={value}" for axis, value in nearest.cell.items())
        lines = body_diff(nearest.asked().body, stats.first_missing.body)
        stats.difference = f"the nearest recorded request ({cell}) differs from the first of them in:\n{lines}"


def unrecorded_lines(stats: RunStats, settings: Settings, config: pytest.Config) -> list[str]:
    """Counts by file, the nearest recorded request, and the command that records."""
    modules = Counter(stats.modules[nodeid] for nodeid in (*stats.missing, *stats.conversations))
    width = max(map(len, modules))
    lines = [_unanswered(stats)] if stats.missing else []
    if stats.conversations:
        lines.append(f"{counted(len(stats.conversations), 'test')} could not run: no recorded conversation")
    lines += [f"  {module:{width}}  {number}" for module, number in sorted(modules.items())]
    if stats.difference:
        lines += stats.difference.split("\n")
    elif stats.missing:
        lines.append(f"no recording at all in {settings.cassettes}")
    where = sorted(modules) if len(modules) <= 3 else []
    for what, *options in (
        ("see what recording would cost:", "--batch=plan"),
        ("record from the provider:", "--batch=record"),
        ("record from the simulator:", "--batch=record", "--batch-backend=simulator"),
    ):
        lines.append(f"{what:<31} {command_again(config, where, *options)}")
    return lines


def _unanswered(stats: RunStats) -> str:
    requests = {key for keys in stats.missing.values() for key in keys}
    tests = counted(len(stats.missing), "test")
    return f"{tests} could not run: {counted(len(requests), 'request')} without a recorded answer"
