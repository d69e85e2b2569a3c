"""Axes and language that a project declares in pytest's configuration, found as pytest does, without running it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from configparser import Error, RawConfigParser
from pathlib import Path
from typing import Any, NamedTuple

from pytest_batcheval.errors import UsageError
from pytest_batcheval.text.document import read_text
from pytest_batcheval.text.phrase import LANGUAGES

Options = Mapping[str, Any]


class Declared(NamedTuple):
    """The lines of `batch_axes` and `batch_factors`, and the folder that the paths of axes are relative to."""

    axes: list[str]
    factors: list[str]
    folder: Path


def declared_axes(start: Path) -> Declared:
    """Return the axes and factors that a project declares, if any.

    Raises:
        UsageError: the file cannot be read.
    """
    options, folder = _configured(start)
    axes, factors = (_lines(options.get(key) or []) for key in ("batch_axes", "batch_factors"))
    return Declared(axes, factors, folder)


def declared_language(start: Path) -> str:
    """Return the language that a project declares as `batch_lang`, or English.

    Raises:
        UsageError: the file cannot be read, or there is no such language.
    """
    options, folder = _configured(start)
    code = str(options.get("batch_lang") or "en")
    if code not in LANGUAGES:
        raise UsageError(f"batch_lang = {code!r} in {folder}: must be one of {', '.join(LANGUAGES)}")
    return code


def _configured(start: Path) -> tuple[Options, Path]:
    """Return pytest's options and their folder.

    Searches `start` and the folders above it; in each, the first file that configures pytest counts, in pytest's
    order: https://docs.pytest.org/en/stable/reference/customize.html

    Raises:
        UsageError: the file cannot be read.
    """
    for folder in (start, *start.parents):
        for name, read in _FILES.items():
            path = folder / name
            options = _options(path, read) if path.is_file() else None
            if options is not None:
                return options, folder
    return {}, start


def _lines(value: Any) -> list[str]:
    return [str(line) for line in (value if isinstance(value, list) else str(value).splitlines())]


def _options(path: Path, read: Callable[[str], Options | None]) -> Options | None:
    try:
        return read(read_text(path, "configuration"))
    except (ValueError, Error) as error:
        raise UsageError(f"{path}: {error}") from None


def _pytest_toml(text: str) -> Options:
    options: Options = tomllib.loads(text).get("pytest", {})
    return options


def _pyproject(text: str) -> Options | None:
    options: Options = tomllib.loads(text).get("tool", {}).get("pytest", {})
    native = {name: value for name, value in options.items() if name != "ini_options"}
    return native or options.get("ini_options")


def _ini(section: str, always: bool = False) -> Callable[[str], Options | None]:
    def read(text: str) -> Options | None:
        parser = RawConfigParser(strict=False, allow_no_value=True)
        parser.read_string(text)
        return dict(parser[section]) if parser.has_section(section) else {} if always else None

    return read


_FILES: Mapping[str, Callable[[str], Options | None]] = {
    "pytest.toml": _pytest_toml,
    ".pytest.toml": _pytest_toml,
    "pytest.ini": _ini("pytest", always=True),
    ".pytest.ini": _ini("pytest", always=True),
    "pyproject.toml": _pyproject,
    "tox.ini": _ini("pytest"),
    "setup.cfg": _ini("tool:pytest"),
}
"""Readers by file name; each returns pytest's options, `None` if the file has none."""
