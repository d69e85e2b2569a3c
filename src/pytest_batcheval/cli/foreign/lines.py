"""JSON lines of other tools' data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_batcheval.errors import UsageError
from pytest_batcheval.text.bounds import shown
from pytest_batcheval.text.document import parse_json, read_text


def json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSONL file, each with its place.

    Raises:
        UsageError: it cannot be read, or a line is no JSON object.
    """
    for number, line in enumerate(read_text(path, "data").split("\n"), 1):
        if not line.strip():
            continue
        entry = parse_json(path, line, first_line=number)
        if not isinstance(entry, dict):
            raise UsageError(f"{path}, line {number}: must be an object; found {shown(entry)}")
        yield f"{path}, line {number}", entry
