"""Output made safe: reports, captured output, warnings, logs and reasons, of which a model may have written any."""

from __future__ import annotations

import copy
import logging
import re
import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pytest

from pytest_batcheval.plugin._pytest_compat import is_report_part, live_log_handler
from pytest_batcheval.report.answer_text import cut
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.sanitize import safe_to_print, without_secrets

MAX_DEPTH = 20
"""Levels of a failure report that are looked through: chained exceptions nest in it."""

MOST_LINES, MOST_CHARACTERS = 1_000, 8_000
"""Of one comparison, and of one of its texts: pytest itself cuts neither where the variable CI is set."""


def escape_report(report: pytest.TestReport, coloured: bool, whole: bool) -> None:
    """Make every text of a report safe to show: a model may have written it, and a local variable may be the key.

    Where the terminal is coloured, pytest has coloured its diffs already; those colours are dropped. Unless `whole`
    is set, answers of a megabyte are cut to some pages.
    """
    report.longrepr = _SafeTexts(_COLOUR if coloured else _NOTHING, whole).value(report.longrepr, MAX_DEPTH)
    if hasattr(report, "wasxfail"):
        report.wasxfail = safe_to_print(report.wasxfail)


_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NOTHING = re.compile(r"(?!)")


class _SafeTexts:
    """Makes the texts of one report safe to show; pytest's report objects are changed in place, each once."""

    def __init__(self, dropped: re.Pattern[str], whole: bool) -> None:
        self._dropped = dropped
        self._whole = whole
        self._seen: set[int] = set()

    def value(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            text = self._dropped.sub("", value)
            return safe_to_print(text if self._whole else cut(text, MOST_CHARACTERS, MOST_LINES))
        if depth and isinstance(value, (list, tuple)):
            return type(value)(self.value(item, depth - 1) for item in self._few(value))
        if depth and isinstance(value, Mapping):
            return {name: self.value(item, depth - 1) for name, item in value.items()}
        if depth and is_report_part(value) and id(value) not in self._seen:
            self._seen.add(id(value))
            for name, inner in vars(value).items():
                # The texts in its sections have been cut already, one by one.
                of = _SafeTexts(self._dropped, whole=True) if name == "sections" else self
                object.__setattr__(value, name, of.value(inner, depth - 1))
        return value

    def _few(self, values: Sequence[Any]) -> Sequence[Any]:
        if self._whole or len(values) <= MOST_LINES or not all(isinstance(value, str) for value in values):
            return values
        return [*values[:MOST_LINES], f"({counted(len(values) - MOST_LINES, 'more line')}: -vv shows them)"]


class SafeOutput:
    """A pytest plugin for a run with tests of ours: every text of the run that a model may have written is made safe.

    A fixture of a module prints in the teardown of whichever test is the last, so the captured output of all tests is
    looked through; that of other tests loses its colours, that of ours shows them as text.
    """

    def __init__(self, ours: Collection[str]) -> None:
        """`ours` are the ids of our tests."""
        self._ours = frozenset(ours)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Make the captured output safe, the values of a subtest, and what a test recorded for JUnit."""
        dropped = _NOTHING if report.nodeid in self._ours else _COLOUR
        report.sections = [(name, safe_to_print(dropped.sub("", text))) for name, text in report.sections]
        context = getattr(report, "context", None)
        for name in ("msg", "kwargs"):
            if hasattr(context, name):
                object.__setattr__(
                    context, name, _SafeTexts(_NOTHING, whole=False).value(getattr(context, name), MAX_DEPTH)
                )
        report.user_properties = [
            (name, without_secrets(value) if isinstance(value, str) else value)
            for name, value in report.user_properties
        ]

    @pytest.hookimpl(tryfirst=True)
    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage) -> None:
        """Make the text of a warning safe."""
        text = str(warning_message.message)
        if (safe := safe_to_print(text)) != text:
            warning_message.message = Warning(safe)

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Make the reason of `pytest.exit` safe."""
        if isinstance(excinfo.value, pytest.exit.Exception):
            excinfo.value.msg = safe_to_print(str(excinfo.value.msg))
            excinfo.value.args = (excinfo.value.msg,)

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self, excrepr: Any) -> None:
        """Make the traceback of an error in pytest or a plugin safe."""
        _SafeTexts(_NOTHING, whole=True).value(excrepr, MAX_DEPTH)


class SafeFormatter(logging.Formatter):
    """A wrapper of another formatter that escapes messages and tracebacks; the formatter's own colours stay."""

    def __init__(self, usual: logging.Formatter) -> None:
        super().__init__()
        self._usual = usual

    def format(self, record: logging.LogRecord) -> str:
        """The record as the other formatter shows it."""
        shown = copy.copy(record)
        shown.msg, shown.args = safe_to_print(record.getMessage()), None
        if record.exc_info:
            shown.exc_text = safe_to_print(self._usual.formatException(record.exc_info))
        return self._usual.format(shown)


def make_output_safe(config: pytest.Config, ours: Collection[str]) -> None:
    """Let what is shown from now on be safe; `ours` are the ids of our tests."""
    config.pluginmanager.register(SafeOutput(ours))
    _escape_live_logs(config)


def _escape_live_logs(config: pytest.Config) -> None:
    handler = live_log_handler(config)
    formatter = getattr(handler, "formatter", None)
    if handler is not None and formatter is not None and not isinstance(formatter, SafeFormatter):
        handler.setFormatter(SafeFormatter(formatter))
