"""Progress of a send on pytest's terminal: lines that are redrawn, else a line at each change."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest

from pytest_batcheval.plugin._pytest_compat import is_terminal, terminal_file, terminal_writer
from pytest_batcheval.report.display import Display, LivePanel, LogPanel, size_of
from pytest_batcheval.text.colour import painted


class ProgressDisplay(Display):
    """The display of one send; a context manager, whose end leaves pytest at the beginning of a line.

    Attributes:
        open: the number of displays in this process.
    """

    open = 0

    def __init__(self, config: pytest.Config, during_test: bool = False) -> None:
        """Begin it; nothing is written yet. Output is captured during a test."""
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        panel = LivePanel if reporter is not None and can_redraw(config, reporter) else LogPanel
        capture = config.pluginmanager.get_plugin("capturemanager") if during_test else None
        uncaptured = nullcontext if capture is None else capture.global_and_fixture_disabled
        super().__init__(None if reporter is None else panel(_Terminal(reporter, uncaptured)))
        ProgressDisplay.open += 1

    def finish(self) -> None:
        """Write the lines still to be written, and end."""
        ProgressDisplay.open -= 1
        super().finish()


def client_display(config: pytest.Config) -> Display:
    """The display of a `BatchClient` inside pytest: only where lines can be redrawn, and beside no other one."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not can_redraw(config, reporter) or ProgressDisplay.open:
        return Display(None)
    return ProgressDisplay(config, during_test=True)


class _Terminal:
    """Pytest's terminal as an `Output`."""

    def __init__(
        self, reporter: pytest.TerminalReporter, uncaptured: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._reporter = reporter
        self._writer = terminal_writer(reporter)
        self._uncaptured = uncaptured

    @property
    def encoding(self) -> str | None:
        return getattr(terminal_file(self._reporter), "encoding", None)

    def size(self) -> os.terminal_size:
        with self._uncaptured():
            return size_of(terminal_file(self._reporter))

    def write(self, text: str) -> None:
        with self._uncaptured():
            self._reporter.ensure_newline()
            if self._writer.width_of_current_line:
                self._writer.line()
            # Past pytest's writer, which would not see, in codes that move the cursor, that a line begins after it.
            terminal_file(self._reporter).write(text)
            self._writer.flush()

    def paint(self, line: str) -> str:
        return painted(line) if self._writer.hasmarkup else line


def can_redraw(config: pytest.Config, reporter: pytest.TerminalReporter) -> bool:
    """Whether lines can be redrawn: on a terminal that moves its cursor, and to which no live log writes."""
    if not is_terminal(reporter):
        return False
    logs = config.pluginmanager.has_plugin("logging-plugin") and (
        config.getoption("log_cli_level") is not None or config.getini("log_cli")
    )
    return os.environ.get("TERM", "dumb") != "dumb" and not logs
