"""Progress of a send on pytest's terminal: lines that are redrawn, else a line at each change."""

from __future__ import annotations

import os
from typing import Any

import pytest

from pytest_batcheval.plugin._pytest_compat import is_terminal, terminal_file, terminal_writer
from pytest_batcheval.report.display import Display, LivePanel, LogPanel
from pytest_batcheval.text.colour import painted


class ProgressDisplay(Display):
    """The display of one send; a context manager, whose end leaves pytest at the beginning of a line."""

    def __init__(self, config: pytest.Config) -> None:
        """Begin it; nothing is written yet."""
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        panel = LivePanel if reporter is not None and can_redraw(config, reporter) else LogPanel
        super().__init__(None if reporter is None else panel(_Terminal(reporter)))


class _Terminal:
    """Pytest's terminal as an `Output`."""

    def __init__(self, reporter: pytest.TerminalReporter) -> None:
        self._reporter = reporter
        self._writer = terminal_writer(reporter)

    @property
    def file(self) -> Any:
        return terminal_file(self._reporter)

    def write(self, text: str) -> None:
        self._reporter.ensure_newline()
        if self._writer.width_of_current_line:
            self._writer.line()
        # Past pytest's writer, which would not see, in codes that move the cursor, that a line begins after it.
        self.file.write(text)
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
