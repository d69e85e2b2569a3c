"""Notes on what to add by hand to existing files, which `batcheval init` does not change."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from configparser import RawConfigParser
from pathlib import Path

from pytest_batcheval.errors import UsageError

_ALWAYS = ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini")
_WITH_SECTION = {
    "pyproject.toml": re.compile(r"^\s*\[tool\.pytest(?:\.ini_options)?\]", re.MULTILINE),
    "tox.ini": re.compile(r"^\[pytest\]", re.MULTILINE),
    "setup.cfg": re.compile(r"^\[tool:pytest\]", re.MULTILINE),
}
_NATIVE = re.compile(r"^\s*\[tool\.pytest\]", re.MULTILINE)
_BYTES_KEPT = {"* -text", "* text=auto eol=lf", "* text eol=lf"}
_IGNORED = {"/.batcheval", ".batcheval", "**/.batcheval", ".*"}


def pytest_note(folder: Path, wanted: str) -> str | None:
    """Return what to add to pytest's configuration file in `folder`; empty for nothing, `None` without such a file.

    `wanted` is the text of a `pytest.ini`.

    Raises:
        UsageError: a file cannot be read.
    """
    path = _configuration(folder)
    if path is None:
        return None
    parser = RawConfigParser()
    parser.read_string(wanted)
    options = {name: text.strip().splitlines() for name, text in parser["pytest"].items()}
    there = _text(path)
    wanted_lines = (*options["batch_axes"], *options.get("batch_factors", ()))
    if all(line in there or _quoted(line) in there for line in wanted_lines):
        return ""
    section = _section(path, there)
    lines = _toml_lines(options) if path.suffix == ".toml" else _ini_lines(options)
    if any(line.strip() == section for line in there.splitlines()):
        return "\n    ".join([f"kept {path}; add to its section {section}:", *lines])
    return "\n    ".join([f"kept {path}; add to it:", section, *lines])


def ignore_note(path: Path, wanted: str) -> str | None:
    """Return what to add to a `.gitignore`; empty for nothing, `None` without such a file.

    Raises:
        UsageError: it cannot be read.
    """
    if not os.path.lexists(path):
        return None
    if {line.strip().rstrip("/") for line in _text(path).splitlines()} & _IGNORED:
        return ""
    return f"kept {path}; add to it:\n    {wanted}"


def attributes_note(path: Path, wanted: str) -> str | None:
    """Return what to add to a `.gitattributes`; empty for nothing, `None` without such a file.

    Raises:
        UsageError: it cannot be read.
    """
    if not os.path.lexists(path):
        return None
    there = {" ".join(line.split()) for line in _text(path).splitlines()}
    missing = [line for line in wanted.splitlines() if not line.startswith("#") and line not in there]
    if not missing or there & _BYTES_KEPT:
        return ""
    return "\n    ".join([f"kept {path}; add to it:", *missing])


def has_axes(folder: Path, wanted: str) -> bool:
    """Whether pytest's configuration file in `folder` has axes of the user's own, and not those `wanted`.

    Raises:
        UsageError: a file cannot be read.
    """
    path = _configuration(folder)
    return path is not None and "batch_axes" in _text(path) and pytest_note(folder, wanted) != ""


def pipeline_note(folder: Path, name: str, wanted: str) -> str | None:
    """Return what to add at the root of the repository around `folder`, where pipelines are read; or nothing.

    `None` if `folder` is the root of a repository, or in none. `wanted` is the text of a pipeline there.

    Raises:
        UsageError: a file cannot be read.
    """
    here = folder.absolute()
    around = next((parent for parent in (here, *here.parents) if (parent / ".git").exists()), here)
    if around == here:
        return None
    path, below = around / name, here.relative_to(around).as_posix()
    text = wanted.replace("FOLDER: .\n", f"FOLDER: {json.dumps(below, ensure_ascii=False)}\n", 1)
    if os.path.lexists(path) and text in _text(path):
        return ""
    return f"not written: {path}, because {folder} is inside a repository; add it yourself:\n{_indented(text)}"


def added_note(path: Path, wanted: str) -> str | None:
    """Return a text that an existing file lacks; empty if it has it, `None` without such a file.

    Raises:
        UsageError: the file cannot be read.
    """
    if not os.path.lexists(path):
        return None
    return "" if wanted in _text(path) else f"kept {path}; add to it:\n{_indented(wanted)}"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())


def _configuration(folder: Path) -> Path | None:
    """Return the file that pytest reads, or would read if it had a section for pytest.

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


def _section(path: Path, there: str) -> str:
    """Return the section header of pytest's options in this file."""
    if path.name == "pyproject.toml":
        return "[tool.pytest]" if _NATIVE.search(there) else "[tool.pytest.ini_options]"
    return "[tool:pytest]" if path.name == "setup.cfg" else "[pytest]"


def _toml_lines(options: dict[str, list[str]]) -> Iterator[str]:
    for name, values in options.items():
        yield from (f"{name} = [", *(f"    {_quoted(value)}," for value in values), "]")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _ini_lines(options: dict[str, list[str]]) -> Iterator[str]:
    for name, values in options.items():
        yield from (f"{name} =", *(f"    {value}" for value in values))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"cannot read {path} ({error.strerror}); nothing was written") from None
