"""Lines of a terminal that are drawn again in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pytest_batcheval.text.colour import plain
from pytest_batcheval.text.table import columns


def rows(line: str, width: int) -> int:
    """The rows of a terminal of that width that a line takes."""
    return max(-(-columns(line) // max(width, 1)), 1)


def redrawn(
    old: Sequence[str],
    new: Sequence[str],
    above: Sequence[str],
    width: int,
    height: int,
    paint: Callable[[str], str] = plain,
) -> str:
    """Return what to write to replace the lines drawn last by new ones, below lines that stay, each as painted.

    Before, the cursor is on the line below them, perhaps behind a typed `^C`; after, at the beginning of that line. A
    terminal that became narrower is assumed to have wrapped its lines, as nearly all do.
    """
    taken = min(sum(rows(line, width) for line in old), max(height - 1, 0))
    up = f"\r\x1b[J\x1b[{taken}A" if taken else "\r\x1b[J"
    if above or not taken == len(old) == len(new):
        return "".join((up, "\x1b[J", *(f"{paint(line)}\n" for line in (*above, *new))))
    return "".join((up, *(f"{paint(line)}\x1b[K\n" for line in new)))
