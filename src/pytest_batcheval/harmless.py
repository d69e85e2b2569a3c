"""Text of strangers as pytest may print it: harmless on a terminal and to GitHub, and without keys."""

from __future__ import annotations

import os
import re

from pytest_batcheval.wire.safe import safe
from pytest_batcheval.wire.texts import redacted

_WORKFLOW_COMMAND = re.compile(r"(^[ \t]*):(?=:)|#(?=#\[)", re.MULTILINE)
"""Output that GitHub Actions obeys (`::add-mask::…` at the beginning of a line, `##[…]` anywhere)."""


def escaped(text: str) -> str:
    """The text without keys and passwords, its control characters escaped."""
    return safe(redacted(text, os.environ.get("OPENAI_API_KEY", "")))


def harmless(text: str) -> str:
    """The same, and where GitHub Actions reads it nothing that it takes for a command."""
    shown = escaped(text)
    return _WORKFLOW_COMMAND.sub(_disarmed, shown) if os.environ.get("GITHUB_ACTIONS") == "true" else shown


def _disarmed(match: re.Match[str]) -> str:
    return r"\x23" if match[1] is None else rf"{match[1]}\x3a"
