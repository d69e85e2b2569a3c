"""Tables of text that fit a width, safe for text from any source."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence

from pytest_batcheval.text.sanitize import escape_controls

GAP = "  "
LEAST = 8
"""Least columns of the terminal left to a column that is cut short."""


def table(rows: Sequence[Sequence[str]], width: int, *, left: Collection[int], give_way: Sequence[int]) -> list[str]:
    """The lines of a table, at most `width` wide; the first row is the head.

    Args:
        rows: of equal length.
        width: columns of the terminal; a wide character takes two.
        left: numbers of the columns that are aligned left.
        give_way: numbers of the columns that are cut short, with `…`, one after the other until the table fits;
            if that is not enough, the lines are cut.
    """
    cells = [[one_line(text) for text in row] for row in rows]
    widths = [max(map(columns, column)) for column in zip(*cells, strict=True)]
    for number in give_way:
        over = sum(widths) + len(GAP) * (len(widths) - 1) - width
        widths[number] = max(widths[number] - max(over, 0), min(LEAST, widths[number]))
    lines = (
        GAP.join(_padded(cut(text, widths[i]), widths[i], i in left) for i, text in enumerate(row)).rstrip()
        for row in cells
    )
    return [cut(line, width) for line in lines]


def one_line(text: str) -> str:
    """The text on one line, safe to show."""
    return escape_controls(" ".join(text.split()))


def columns(text: str) -> int:
    """The number of terminal columns of a text."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def cut(text: str, width: int) -> str:
    """The text, or as much of its beginning as fits followed by `…`."""
    if columns(text) <= width:
        return text
    kept, room = "", width - 1
    for character in text:
        room -= _columns(character)
        if room < 0:
            break
        kept += character
    return f"{kept}…"


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _padded(text: str, width: int, left: bool) -> str:
    room = " " * (width - columns(text))
    return text + room if left else room + text
