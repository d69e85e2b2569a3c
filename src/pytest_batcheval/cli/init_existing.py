"""What a user has to add by hand to files that `batcheval init` finds and does not change."""

from __future__ import annotations

import os
import re
from configparser import RawConfigParser
from pathlib import Path

from pytest_batcheval.wire.errors import UsageError

_ALWAYS = ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini")
_WITH_SECTION = {
    "pyproject.toml": re.compile(r"^\s*\[tool\.pytest(?:\.ini_options)?\]", re.MULTILINE),
    "tox.ini": re.compile(r"^\[pytest\]", re.MULTILINE),
    "setup.cfg": re.compile(r"^\[tool:pytest\]", re.MULTILINE),
}
_NATIVE = re.compile(r"^\s*\[tool\.pytest\]", re.MULTILINE)
_IGNORED = {"/.batcheval", ".batcheval", "**/.batcheval", ".*"}


def pytest_note(folder: Path, wanted: str) -> str | None:
    """What to add to the file that configures pytest in `folder`; empty for nothing, `None` when there is no such file.

    `wanted` is the text of a `pytest.ini`.

    Raises:
        UsageError: a file cannot be read.
    """
    path = _configuration(folder)
    if path is None:
        return None
    parser = RawConfigParser()
    parser.read_string(wanted)
    options = {name: text.split() for name, text in parser["pytest"].items()}
    there = _text(path)
    if all(line in there for line in options["batch_axes"]):
        return ""
    lines = _toml_lines(path, there, options) if path.suffix == ".toml" else _ini_lines(path, options)
    return "\n    ".join([f"kept {path}; add to it:", *lines])


def ignore_note(path: Path, wanted: str) -> str | None:
    """What to add to a `.gitignore`; empty for nothing, `None` when there is no such file.

    Raises:
        UsageError: it cannot be read.
    """
    if not os.path.lexists(path):
        return None
    if {line.strip().rstrip("/") for line in _text(path).splitlines()} & _IGNORED:
        return ""
    return f"kept {path}; add to it:\n    {wanted}"


def _configuration(folder: Path) -> Path | None:
    """The file that pytest reads, or would read if it named pytest.

    The order is pytest's: https://docs.pytest.org/en/stable/reference/customize.html
    """
    for name in _ALWAYS:
        if os.path.lexists(folder / name):
            return folder / name
    for name, section in _WITH_SECTION.items():
        if os.path.lexists(folder / name) and section.search(_text(folder / name)):
            return folder / name
    pyproject = folder / "pyproject.toml"
    return pyproject if os.path.lexists(pyproject) else None


def _toml_lines(path: Path, there: str, options: dict[str, list[str]]) -> list[str]:
    native = "[tool.pytest]" if _NATIVE.search(there) else "[tool.pytest.ini_options]"
    lines = [native if path.name == "pyproject.toml" else "[pytest]"]
    for name, values in options.items():
        lines += [f"{name} = [", *(f'    "{value}",' for value in values), "]"]
    return lines


def _ini_lines(path: Path, options: dict[str, list[str]]) -> list[str]:
    lines = ["[tool:pytest]" if path.name == "setup.cfg" else "[pytest]"]
    for name, values in options.items():
        lines += [f"{name} =", *(f"    {value}" for value in values)]
    return lines


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}); nothing was written") from None
