"""Data of tools whose checks are Python: deepeval's goldens and Inspect's samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pytest_batcheval.cli.foreign.evaluation import Evaluation, objects
from pytest_batcheval.cli.foreign.lines import json_lines
from pytest_batcheval.errors import UsageError
from pytest_batcheval.text.bounds import shown
from pytest_batcheval.text.document import parse_json, read_text


def read_deepeval(paths: Sequence[Path]) -> Evaluation:
    """Read the goldens that `EvaluationDataset.save_as` writes (https://deepeval.com/docs/evaluation-datasets).

    Raises:
        UsageError: they cannot be read, or one has no text as its input.
    """
    return _read(paths, None, "metric", ("expected_output", "expected_tools"))


def read_inspect(paths: Sequence[Path]) -> Evaluation:
    """Read samples of a dataset (https://inspect.aisi.org.uk/datasets.html).

    Raises:
        UsageError: they cannot be read, or one has no text as its input.
    """
    return _read(paths, "id", "scorer", ("target", "choices", "sandbox", "files", "setup"))


def _read(paths: Sequence[Path], naming: str | None, judge: str, left: Sequence[str]) -> Evaluation:
    """Entries as cases, their `input` as the prompt; members in `left` mean something to checks, which are not here."""
    found = Evaluation()
    found.templates.append({"id": "input", "messages": [{"role": "user", "content": "{{input}}"}]})
    for path in paths:
        for place, entry in _entries(path):
            if not isinstance(entry.get("input"), str):
                raise UsageError(
                    f"{place}: `input` must be a text, one turn of the user; found {shown(entry.get('input'))}"
                )
            values = {name: value for name, value in entry.items() if value is not None}
            for member in left:
                if values.get(member):
                    found.todo[f"{judge} of {member}, which each case has in its `vars`"] += 1
            identifier = values.get(naming or "", f"case-{len(found.cases) + 1}")
            identifier = str(identifier) if isinstance(identifier, int) else identifier
            found.cases.append({"id": identifier, "vars": values, "checks": [], "todo": []})
    return found


def _entries(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    if path.suffix.lower() == ".jsonl":
        return json_lines(path)
    return objects(f"{path}: entry", parse_json(path, read_text(path, "data")))
