"""A baseline: the values of a run's cells and what they depend on, in a readable file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.measures._cell_values import CellValues
from pytest_batcheval.text.document import read_text

FORM = 1
"""Version of the file format."""


@dataclass(frozen=True)
class Baseline:
    """The values of a run and what they depend on.

    Attributes:
        name: also the file's name.
        bound: what must be equal for a comparison to be valid: metric, scores, rubric, personas, questions.
        about: what may differ, because its effect is the question: model, origin, samples.
        values: the cells.
    """

    name: str
    bound: Mapping[str, str]
    about: Mapping[str, str]
    values: CellValues

    def unlike(self, other: Baseline) -> list[str]:
        """Return the reasons that two runs cannot be compared: `rubric: 0123 and 4567`; empty if they can."""
        names = dict.fromkeys((*self.bound, *other.bound))
        return [
            f"{name}: {self.bound.get(name, 'none')} and {other.bound.get(name, 'none')}"
            for name in names
            if self.bound.get(name) != other.bound.get(name)
        ]

    def save(self, path: Path) -> None:
        """Write the file, one row of cells per line, so that a changed cell is a changed line."""
        cells = self.values.to_dict()
        rows = {name: [json.dumps(row) for row in cells[name]] for name in ("values", "samples")}
        fields = {"form": FORM, "name": self.name, "bound": dict(self.bound), "about": dict(self.about)}
        text = json.dumps({**fields, "cells": {**cells, **rows}}, ensure_ascii=False, indent=1)
        for row in (*rows["values"], *rows["samples"]):
            text = text.replace(json.dumps(row), row, 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Baseline:
        """Read a file that `save` wrote.

        Raises:
            TableError: there is no such file, or it is not a baseline; the text names it.
        """
        text = read_text(path, "baseline", TableError)
        try:
            data: Any = json.loads(text)
            if data["form"] != FORM:
                raise TableError(f"{path} has format {data['form']}, but this version reads {FORM}; save it again")
            bound, about = ({str(k): str(v) for k, v in data[part].items()} for part in ("bound", "about"))
            return cls(str(data["name"]), bound, about, CellValues.from_dict(data["cells"]))
        except TableError as error:
            raise TableError(f"{path}: {error}") from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise TableError(f"{path} is not a baseline: {error!r}") from None
