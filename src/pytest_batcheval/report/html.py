"""A report as one HTML file that asks no other host for anything, and reads without JavaScript.

Its own script only sorts, filters and opens what a link leads to; the policy in its head lets no other run.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING

from pytest_batcheval.errors import UsageError
from pytest_batcheval.report.own_file import check_own, write_own
from pytest_batcheval.report.page import ReportPage
from pytest_batcheval.text.sanitize import safely

if TYPE_CHECKING:
    from jinja2 import Environment

GENERATOR = "pytest-batcheval report"
"""What the head of each report says made it: such a file may be written over."""

KIND = "report"


BLOCK = 100
"""Answers that fold away together, where there are many."""

MOST_SHARES = 1000
"""Ids of an axis whose tests fail that have a row."""


def html_of(page: ReportPage) -> str:
    """The page as HTML, in which no text is markup.

    Raises:
        UsageError: Jinja is not installed.
    """
    try:
        from jinja2 import Template
        from markupsafe import Markup
    except ImportError:
        raise UsageError("a report needs Jinja: pip install 'pytest-batcheval[report]'") from None
    script, environment = _text("report.js"), _environment()
    template = Template.from_code(environment, _code(), environment.make_globals({"_": page.words}))
    digest = b64encode(sha256(script.encode()).digest()).decode()
    values = {"page": page, "generator": GENERATOR, "script": Markup(script), "digest": digest, "block_size": BLOCK,
              "most_shares": MOST_SHARES}  # fmt: skip
    return template.render(values)


@cache
def _code() -> CodeType:
    """The template compiled, which takes as long as a small report; the dashboard writes several."""
    return _environment().compile(_text("report.html.jinja"))


def _environment() -> Environment:
    from jinja2 import Environment
    from markupsafe import Markup

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_safe())
    environment.filters["picture"] = lambda chart: Markup(chart.picture)
    return environment


def _text(name: str) -> str:
    return (files("pytest_batcheval.report") / "templates" / name).read_text(encoding="utf-8")


def _safe() -> Callable[[object], object]:
    """`safe_to_show` of a text; a `SafeText`, markup of ours and numbers as they are."""
    safe = safely()
    return lambda value: safe(value) if type(value) is str else value


def check_place(path: Path) -> None:
    """Refuse to write a report over a file that is none, or into a folder that is not there.

    Raises:
        UsageError: names the path.
    """
    check_own(path, GENERATOR, KIND)


def write_report(page: ReportPage, path: Path) -> None:
    """Write the page to a file, whole or not at all; an older report is replaced.

    Raises:
        UsageError: something else is there, or it cannot be written.
    """
    check_place(path)
    write_own(path, html_of(page), GENERATOR, KIND)
