"""The display needs of pytest's terminal only what all allowed versions have: 8.4 has a plain `isatty`, no `write_raw`."""

import io
from types import SimpleNamespace

import pytest

from pytest_batcheval.plugin.progress import ProgressDisplay


class Reporter:
    """What pytest 8 and pytest 9 have in common, as a boundary of theirs."""

    def __init__(self, isatty):
        self.isatty = isatty
        self.written = io.StringIO()
        self._tw = SimpleNamespace(_file=self.written, width_of_current_line=0, hasmarkup=False, flush=lambda: None)

    def ensure_newline(self):
        pass


@pytest.mark.parametrize("isatty", [False, True, lambda: False, lambda: True], ids=["8", "8 tty", "9", "9 tty"])
def test_what_is_said_is_written_whichever_pytest_runs(pytestconfig, monkeypatch, isatty):
    reporter = Reporter(isatty)
    plugins = SimpleNamespace(get_plugin=lambda name: reporter, has_plugin=lambda name: False)
    monkeypatch.setenv("TERM", "xterm")
    with ProgressDisplay(SimpleNamespace(pluginmanager=plugins)) as progress:
        progress.say("hello")
    assert "batch: hello\n" in reporter.written.getvalue()
