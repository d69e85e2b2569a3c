"""Colours for lines of a terminal, by the words that they already have: without colours nothing is missing."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TextIO

_CODES = {"red": 31, "green": 32, "yellow": 33, "cyan": 36}

_RULES = re.compile(
    r"(?P<red>\b[1-9][\d,]* failed\b|\b(?:failed|expired|lost|refused|void|given up)(?=[,;:]|  ))"
    r"|(?P<green>\b(?:completed|settled)(?=[,;:]|  ))"
    r"|(?P<yellow>no answer(?: from the provider)?:.*|longer than usual|\blate\b|\bcancell(?:ed|ing)\b|\breconciling\b"
    r"|^(?:wave \d+ )?waiting .*)"
    r"|(?P<cyan>\b(?:in_progress|finalizing|validating)\b)"
)


def wanted(stream: TextIO) -> bool:
    """Whether a stream takes colours, by the rules of pytest's own writer."""
    for name, value, answer in (("PY_COLORS", "1", True), ("PY_COLORS", "0", False)):
        if os.environ.get(name) == value:
            return answer
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (stream.isatty() and os.environ.get("TERM") != "dumb")


def painted(line: str) -> str:
    """A line, safe to show, with its words of status and trouble in colour; its width stays."""
    return _RULES.sub(lambda found: f"\x1b[{_CODES[found.lastgroup or '']}m{found[0]}\x1b[0m", line)


def painter(stream: TextIO) -> Callable[[str], str]:
    """`painted` for a stream that takes colours, else `plain`."""
    return painted if wanted(stream) else plain


def plain(line: str) -> str:
    """A line as it is: the alternative to `painted`."""
    return line
