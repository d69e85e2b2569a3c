"""Live logs (`log_cli`) made harmless: they reach the terminal before any report could be."""

from __future__ import annotations

import copy
import logging

import pytest

from pytest_batcheval.wire.safe import safe


class SafeFormatter(logging.Formatter):
    """Another formatter, given records whose message and traceback are harmless; its own colours stay."""

    def __init__(self, usual: logging.Formatter) -> None:
        super().__init__()
        self._usual = usual

    def format(self, record: logging.LogRecord) -> str:
        """The record as the other formatter shows it."""
        shown = copy.copy(record)
        shown.msg, shown.args = safe(record.getMessage()), None
        if record.exc_info:
            shown.exc_text = safe(self._usual.formatException(record.exc_info))
        return self._usual.format(shown)


def escape_live_logs(config: pytest.Config) -> None:
    """Let pytest's live log escape what it shows from now on."""
    handler = getattr(config.pluginmanager.get_plugin("logging-plugin"), "log_cli_handler", None)
    formatter = getattr(handler, "formatter", None)
    if handler is not None and formatter is not None and not isinstance(formatter, SafeFormatter):
        handler.setFormatter(SafeFormatter(formatter))
