"""A report as one HTML file that asks no other host for anything, and reads without JavaScript.

Its own script only sorts, filters and opens what a link leads to; the policy in its head lets no other run.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from pytest_batcheval.errors import UsageError
from pytest_batcheval.report.page import ReportPage
from pytest_batcheval.text.sanitize import safe_to_show
from pytest_batcheval.wire.replace_file import replacing

GENERATOR = "pytest-batcheval report"
"""What the head of each report says made it: such a file may be written over."""

HEAD = 4_096
"""Bytes in which that stands."""


BLOCK = 100
"""Answers that fold away together, where there are many."""


def html_of(page: ReportPage) -> str:
    """The page as HTML, in which no text is markup.

    Raises:
        UsageError: Jinja is not installed.
    """
    try:
        from jinja2 import Environment
        from markupsafe import Markup
    except ImportError:
        raise UsageError("a report needs Jinja: pip install 'pytest-batcheval[report]'") from None
    folder = files("pytest_batcheval.report") / "templates"
    template, script = ((folder / name).read_text(encoding="utf-8") for name in ("report.html.jinja", "report.js"))
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_safe)
    environment.filters["picture"] = lambda chart: Markup(chart.picture)
    digest = b64encode(sha256(script.encode()).digest()).decode()
    values = {"page": page, "generator": GENERATOR, "script": Markup(script), "digest": digest, "block_size": BLOCK}
    return environment.from_string(template).render(values)


def _safe(value: object) -> object:
    """A text whose control characters are shown and not sent; markup of ours, and numbers, as they are."""
    return safe_to_show(value) if type(value) is str else value


def check_place(path: Path) -> None:
    """Refuse to write a report over a file that is none, or into a folder that is not there.

    Raises:
        UsageError: names the path.
    """
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent} for the report {path.name}; create it first")
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a file for the report, such as report.html")
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is not a regular file; name another")
    if path.exists():
        with path.open("rb") as file:
            if GENERATOR.encode() not in file.read(HEAD):
                raise UsageError(f"{path} exists and is not a report; name another file")


def write_report(page: ReportPage, path: Path) -> None:
    """Write the page to a file, whole or not at all; an older report is replaced.

    Raises:
        UsageError: something else is there, or it cannot be written.
    """
    check_place(path)
    text = html_of(page)
    try:
        with replacing(path, lambda _: check_place(path)) as file:
            file.write(text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise UsageError(f"cannot write {path} ({error.strerror})") from None
