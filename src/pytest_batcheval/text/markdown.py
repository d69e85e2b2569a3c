"""Foreign text in Markdown as GitHub and GitLab show it: words that are no markup, link nothing and call nobody."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_batcheval.text.sanitize import safe_to_show

_SIGNS = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~$&@:])")

_CALLS = re.compile(r"(?<!\w)(\\[@#])(?=\w)")
"""`@name` and `#12` call a person or an issue although they are escaped: both are looked for in the finished page."""


def inline(text: str) -> str:
    """The text on one line, for a paragraph or a cell of a table."""
    return _CALLS.sub(r"\1&#8203;", _SIGNS.sub(r"\\\1", one_line(text)))


def one_line(text: str) -> str:
    """The text on one line, safe to show, with its Markdown; for a block of code."""
    return " ".join(safe_to_show(text).split())


def fenced(lines: Sequence[str]) -> list[str]:
    """A block of code whose fence is longer than any in its text, which could close it; none of no lines."""
    if not lines:
        return []
    longest = max(len(run) for line in lines for run in re.findall("`+", line) or [""])
    fence = "`" * max(3, longest + 1)
    return [fence, *lines, fence, ""]
