"""JSON lines of other tools' data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_batcheval.errors import UsageError
from pytest_batcheval.text.bounds import shown
from pytest_batcheval.text.document import read_json_lines


def json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSONL file, each with its place.

    Raises:
        UsageError: it cannot be read, or a line is no JSON object.
    """
    for place, entry in read_json_lines(path, "data"):
        if not isinstance(entry, dict):
            raise UsageError(f"{place}: must be an object; found {shown(entry)}")
        yield place, entry
