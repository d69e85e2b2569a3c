"""How the outcomes of batch tests are reported: two that no `xfail` may hide, and all with harmless text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_batcheval.harmless import harmless
from pytest_batcheval.report.advice import next_step
from pytest_batcheval.report.exchange import cut
from pytest_batcheval.wire.key import KEY_SHOWN
from pytest_batcheval.wire.objects import Answer, Request

MAX_DEPTH = 20
"""Levels of a failure report that are looked through: chained exceptions nest in it."""

MOST_LINES, MOST_CHARACTERS = 1_000, 8_000
"""Of one comparison, and of one of its lines: pytest itself cuts neither where the variable CI is set."""


class Unrecorded(Exception):
    """Requests of this test have no stored answer."""

    def __init__(self, requests: list[Request]) -> None:
        first = requests[0].custom_id
        count = f"{len(requests)} of its requests have" if len(requests) > 1 else "its request has"
        super().__init__(f"unrecorded: {count} no recorded answer ({first[:KEY_SHOWN]}…); record with --batch=record")


class UnrecordedConversation(Unrecorded):
    """The HTTP of this test is not recorded."""

    def __init__(self, path: Path) -> None:
        Exception.__init__(self, f"unrecorded: no conversation at {path}; record it with --batch=record")


class RequestFailed(Exception):
    """The request of this test failed at the provider."""

    def __init__(self, answer: Answer, show: str) -> None:
        """`show` is the command that tells more."""
        error = answer.error
        assert error is not None
        super().__init__(
            f"the request of this test failed: {error}\n"
            f"custom_id {answer.custom_id}, sent to {answer.origin}\n"
            f"{next_step(error.code, error.status_code)}\n"
            f"all of it: {show}"
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
    else:
        report.request_failed = True  # type: ignore[attr-defined]


def escape_report(report: pytest.TestReport, coloured: bool, whole: bool) -> None:
    """Make every text of a report harmless: a model may have written what it shows, and a local may be the key.

    Where the terminal is coloured, pytest has coloured its diffs already; those colours are dropped. Unless the
    `whole` of it is asked for, answers of a megabyte are cut to some pages.
    """
    report.longrepr = _Harmless(_COLOUR if coloured else _NOTHING, whole).value(report.longrepr, MAX_DEPTH)
    report.sections = [(name, harmless(text)) for name, text in report.sections]


_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NOTHING = re.compile(r"(?!)")


class _Harmless:
    """Makes the texts of one report harmless; pytest's report objects are changed in place, each once."""

    def __init__(self, dropped: re.Pattern[str], whole: bool) -> None:
        self._dropped = dropped
        self._whole = whole
        self._seen: set[int] = set()

    def value(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            text = self._dropped.sub("", value)
            return harmless(text if self._whole else cut(text, MOST_CHARACTERS, MOST_LINES))
        if depth and isinstance(value, (list, tuple)):
            return type(value)(self.value(item, depth - 1) for item in self._few(value))
        if depth and type(value).__module__.startswith("_pytest.") and id(value) not in self._seen:
            self._seen.add(id(value))
            for name, inner in vars(value).items():
                # What stands in its sections has been cut already, each text for itself.
                of = _Harmless(self._dropped, whole=True) if name == "sections" else self
                object.__setattr__(value, name, of.value(inner, depth - 1))
        return value

    def _few(self, values: Sequence[Any]) -> Sequence[Any]:
        if self._whole or len(values) <= MOST_LINES or not all(isinstance(value, str) for value in values):
            return values
        return [*values[:MOST_LINES], f"({len(values) - MOST_LINES:,} more lines: -vv shows them)"]
