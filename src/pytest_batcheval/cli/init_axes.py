"""The files of `batcheval init --axis`: an evaluation of items, models and samples, without personas."""

from __future__ import annotations

import keyword
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_batcheval.errors import MatrixError, UsageError
from pytest_batcheval.matrix.fields import ID_FIELDS
from pytest_batcheval.text.format import counted

if TYPE_CHECKING:
    from pytest_batcheval.matrix.axes import AxisValue

TEXTS = ("text", "prompt", "question", "input", "description", "질문", "문항", "내용", "설명", "프롬프트")
"""Fields whose value is what is asked, the first that a table has; otherwise it is its first field, or the id."""

MOST_SAMPLES = 100


@dataclass(frozen=True)
class OwnAxes:
    """The user's axes.

    Attributes:
        files: their tables by name.
        counts: the number of values of each.
        texts: by name, the expression that reads what is asked.
        models: asked of each cell.
        samples: of each.
    """

    files: Mapping[str, Path]
    counts: Mapping[str, int]
    texts: Mapping[str, str]
    models: Sequence[str]
    samples: int

    suite = ("tests/evaluation/ask.py", "tests/evaluation/test_answers.py")

    @property
    def has_workbook(self) -> bool:
        """Whether a table is in a workbook, which takes an extra to read."""
        return any(".xlsx" in path.name.lower() for path in self.files.values())

    def is_replaced(self, name: str) -> bool:
        """Whether a file of the example is not needed; all of these are."""
        return False

    def configuration(self, folder: Path) -> str:
        """The text of `pytest.ini`."""
        axes = (f"    {axis}={os.path.relpath(path, folder)}" for axis, path in self.files.items())
        return "\n".join(["[pytest]", "pythonpath =", "    tests/evaluation", "batch_axes =", *axes, ""])

    def filled(self, template: str) -> str:
        """A template of a Python file with what depends on the axes."""
        content = ' + "\\n\\n" + '.join(self.texts.values())
        for place, text in {
            "parameters": ", ".join(self.files),
            "axes": " and ".join(self.files),
            "content": content,
            "models": ", ".join(f'"{model}"' for model in self.models),
            "rule": "" if self.samples == 1 else f', passes="{self.samples // 2 + 1} of {self.samples}"',
        }.items():
            template = template.replace(f"@{place}@", text)
        return template

    def notes(self, folder: Path) -> list[str]:
        """Sentences on the tables: that they are read in place, and what is asked."""
        return [f"reads {path} in place: {counted(self.counts[axis], axis)}" for axis, path in self.files.items()]


def own_axes(given: Sequence[str], models: Sequence[str], samples: int) -> OwnAxes:
    """The user's axes, read and checked.

    Args:
        given: `NAME=FILE`, one an axis.
        models: names of models.
        samples: of each cell.

    Raises:
        UsageError: one of them cannot be used.
    """
    from pytest_batcheval.matrix.load import load_axis, parse_axes_option

    if not 1 <= samples <= MOST_SAMPLES:
        raise UsageError(f"--samples must be from 1 to {MOST_SAMPLES}, not {samples}")
    try:
        files = parse_axes_option(given, Path())
        for name in files:
            if not name.isidentifier() or keyword.iskeyword(name) or name in ("model", "answer", "answers", "sample"):
                raise UsageError(
                    f"--axis {name}: it becomes an argument of the prompt; choose another name, such as item"
                )
        tables = {name: load_axis(name, path, {}) for name, path in files.items()}
    except MatrixError as error:
        raise UsageError(str(error)) from None
    counts = {name: len(values) for name, values in tables.items()}
    texts = {name: _text(name, values[0]) for name, values in tables.items()}
    return OwnAxes(files, counts, texts, models, samples)


def _text(axis: str, value: AxisValue) -> str:
    """The expression that reads what a value asks."""
    others = [name for name in value.fields if name not in ID_FIELDS]
    names = [name for name in TEXTS if name in value.fields] or others or list(value.fields)
    if not names:
        return f"{axis}.id"
    usual = names[0].isascii() and names[0].isidentifier() and not keyword.iskeyword(names[0])
    return f"{axis}.{names[0]}" if usual else f"{axis}[{names[0]!r}]"
