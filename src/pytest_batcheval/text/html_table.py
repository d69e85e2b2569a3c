"""A table as HTML for a notebook; whatever a model wrote stays text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from pytest_batcheval.text.sanitize import safe_to_show

STYLE = "text-align: left; white-space: pre-wrap; vertical-align: top"


def html_table(head: Sequence[object], rows: Iterable[Iterable[object]], more: str = "") -> str:
    """The rows below a head; `more` says what is left out."""
    body = "".join(f"<tr>{_cells('td', row)}</tr>" for row in rows)
    rest = f"<p>{escape(more)}</p>" if more else ""
    return f"<table><thead><tr>{_cells('th', head)}</tr></thead><tbody>{body}</tbody></table>{rest}"


def _cells(tag: str, values: Iterable[object]) -> str:
    texts = ("" if value is None else escape(safe_to_show(str(value))) for value in values)
    return "".join(f'<{tag} style="{STYLE}">{text}</{tag}>' for text in texts)
