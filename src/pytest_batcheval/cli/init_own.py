"""The files of `batcheval init` around tables of one's own, which are read in place and never copied."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_batcheval.errors import MatrixError, UsageError
from pytest_batcheval.text.format import counted

SAMPLES = 50
"""Entries of each table that say its language."""

_INSTRUCTIONS = {
    "ko": "아래에 설명하는 사람이 되어, 질문에 그 사람으로서 한국어로 세 문장에서 다섯 문장으로 대답하세요.\n"
    "설명하는 말을 되풀이하지 말고, 경험과 감정과 행동으로 보여 주세요.\n설명: {persona}",
    "en": "Be the person described below, and answer the question as that person, in 3 to 5 sentences.\n"
    "Do not repeat the words of the description; let experiences, feelings and actions show them.\n"
    "Description: {persona}",
}
_EXAMPLES = {
    "persona": ("fixtures/personas.yaml", 'persona.describe("{language}", "short")', "persona.description"),
    "question": ("fixtures/questions.yaml", 'question.in_language("{language}")', "question.text"),
}
"""By axis the table that init writes, how to read its values, and how to read those of a user's own."""


@dataclass(frozen=True)
class OwnData:
    """The user's tables.

    Attributes:
        files: their paths by axis, `persona` or `question` or both; a sheet of a workbook as `book.xlsx#Sheet2`.
        counts: the number of values of each.
        language: `ko` or `en`: what they are written in.
        factors: lines of `batch_factors`.
    """

    files: Mapping[str, Path]
    counts: Mapping[str, int]
    language: str
    factors: Sequence[str]

    @property
    def has_workbook(self) -> bool:
        """Whether a table is in a workbook, which takes an extra to read."""
        return any(".xlsx" in path.name.lower() for path in self.files.values())

    def is_replaced(self, name: str) -> bool:
        """Whether a file of the example is not needed: its table, or the answers to it."""
        return name.startswith("cassettes/") or any(_EXAMPLES[axis][0] == name for axis in self.files)

    def configuration(self, folder: Path) -> str:
        """The text of `pytest.ini`."""
        axes = {axis: example for axis, (example, _, _) in _EXAMPLES.items()}
        axes |= {axis: os.path.relpath(path, folder) for axis, path in self.files.items()}
        lines = ["[pytest]", "pythonpath =", "    tests/evaluation", "batch_axes ="]
        lines += [f"    {axis}={path}" for axis, path in axes.items()]
        lines += ["batch_factors =", *(f"    {line}" for line in self.factors)] if self.factors else []
        return "\n".join([*lines, ""])

    def filled(self, template: str) -> str:
        """A template of a Python file with what depends on the tables."""
        for axis, (_, example, own) in _EXAMPLES.items():
            expression = own if axis in self.files else example.format(language=self.language)
            template = template.replace(f"@{axis}@", expression)
        return template.replace("@instructions@", _INSTRUCTIONS[self.language])

    def notes(self, folder: Path) -> list[str]:
        """Sentences on the tables: that they are read in place, and which of them a checkout of `folder` lacks."""
        found = [f"reads {path} in place: {counted(self.counts[axis], axis)}" for axis, path in self.files.items()]
        outside = [str(path) for path in self.files.values() if not path.resolve().is_relative_to(folder.resolve())]
        if outside:
            found.append(f"outside of {folder}, so that a checkout of it does not have it: {', '.join(outside)}")
        return found


def own_data(folder: Path, personas: Path | None, questions: Path | None, factors: Sequence[str]) -> OwnData | None:
    """The user's tables, read and checked; `None` if no file is named.

    Raises:
        UsageError: one of them cannot be used.
    """
    given = {"persona": personas, "question": questions}
    files = {axis: path for axis, path in given.items() if path is not None}
    if not files:
        if factors:
            raise UsageError("--factors says what is in a table: name it with --personas")
        return None
    from pytest_batcheval.catalogue.recognise import recognise
    from pytest_batcheval.cli.pytest_ini import declared_axes
    from pytest_batcheval.matrix.load import load_axis
    from pytest_batcheval.matrix.profile import parse_factors_option

    lines = list(factors) or declared_axes(folder.absolute()).factors
    try:
        known = parse_factors_option(lines)
        tables = {axis: load_axis(axis, path, known) for axis, path in files.items()}
    except MatrixError as error:
        hint = "; for init, give that line as --factors 'NS = 45 55'" if "batch_factors" in str(error) else ""
        raise UsageError(f"{error}{hint}") from None
    words = " ".join(_READ[axis](value) for axis, values in tables.items() for value in values[:SAMPLES])
    counts = {axis: len(values) for axis, values in tables.items()}
    return OwnData(files, counts, recognise(words).language, factors)


_READ: Mapping[str, Callable[[Any], str]] = {
    "persona": lambda persona: persona.description,
    "question": lambda question: question.text,
}
