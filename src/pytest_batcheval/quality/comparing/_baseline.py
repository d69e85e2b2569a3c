"""A baseline: the values of a run's cells, test by test, and what they depend on, in a readable file."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.measures._cell_values import FORMER, CellValues
from pytest_batcheval.quality.passing.rate import Tally
from pytest_batcheval.text.document import read_text

FORM = 2
"""Version of the file format; 1 had the values of a single test, with no name."""

PASSED = "passed/1"
"""The share of an item's samples that passed: the number of tests that have no scores."""


@dataclass(frozen=True)
class BaselineValues:
    """The values of one test function and what they depend on.

    Attributes:
        bound: what must be equal for a comparison to be valid: metric, scores, rubric, personas, questions.
        about: what may differ, because its effect is the question: model, origin, samples.
        values: the cells.
    """

    bound: Mapping[str, str]
    about: Mapping[str, str]
    values: CellValues

    def unlike(self, other: BaselineValues) -> list[str]:
        """Return the reasons that two runs cannot be compared: `rubric: 0123 and 4567`; empty if they can."""
        names = dict.fromkeys((*self.bound, *other.bound))
        found = [
            f"{name}: {self.bound.get(name, 'none')} and {other.bound.get(name, 'none')}"
            for name in names
            if self.bound.get(name) != other.bound.get(name)
        ]
        return found + [reason for metric, reason in FORMER.items() if self.bound.get("metric") == metric]


@dataclass(frozen=True)
class Baseline:
    """The values that a run measured.

    Attributes:
        name: also the file's name.
        tests: by test function, `tests/test_a.py::test_short`; one without a name if it is not known which tests asked.
    """

    name: str
    tests: Mapping[str, BaselineValues]

    def only(self, tests: Collection[str]) -> Baseline:
        """Return these tests of it; a single one whatever its name."""
        if len(self.tests) == 1:
            return self
        return Baseline(self.name, {name: found for name, found in self.tests.items() if name in tests})

    def pairs(self, other: Baseline) -> list[tuple[str, BaselineValues, BaselineValues]]:
        """Return the tests that both have, by name; of two single tests the name does not matter.

        Raises:
            TableError: one of them has a test that the other lacks.
        """
        if len(self.tests) == len(other.tests) == 1:
            return [(name, self.tests[old], found) for old in self.tests for name, found in other.tests.items()]
        if lacking := sorted(self.tests.keys() ^ other.tests.keys()):
            raise TableError(f"only one of them has {', '.join(name or 'answers without a test' for name in lacking)}")
        return [(name, self.tests[name], other.tests[name]) for name in self.tests]

    def save(self, path: Path) -> None:
        """Write the file, a row of cells or an item per line, so that a changed cell is a changed line."""
        data: list[dict[str, Any]] = []
        lines: list[str] = []
        for name, found in self.tests.items():
            cells = found.values.to_dict()
            for part in ("values", "samples") if len(found.values.values) > 1 else ():
                cells[part] = [json.dumps(row) for row in cells[part]]
                lines += cells[part]
            data.append({"test": name, "bound": dict(found.bound), "about": dict(found.about), "cells": cells})
        text = json.dumps({"form": FORM, "name": self.name, "tests": data}, ensure_ascii=False, indent=1)
        for line in lines:
            text = text.replace(json.dumps(line), line, 1)
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
            if data["form"] not in (1, FORM):
                raise TableError(f"{path} has format {data['form']}, but this version reads {FORM}; save it again")
            tests = data["tests"] if data["form"] == FORM else [{**data, "test": ""}]
            return cls(str(data["name"]), {str(one["test"]): _measured(one) for one in tests})
        except TableError as error:
            raise TableError(f"{path}: {error}") from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise TableError(f"{path} is not a baseline: {error!r}") from None


def values_of_tallies(tallies: Sequence[Tally]) -> CellValues:
    """Return the pass rates of items as the values of a table of one axis."""
    items = tuple(tally.item for tally in tallies)
    return CellValues(
        metric=PASSED,
        personas=items,
        questions=("",),
        values=(tuple(tally.share for tally in tallies),),
        samples=(tuple(tally.n for tally in tallies),),
        noise=None,
        rows={"item": items},
        columns={},
    )


def tallies_of(values: CellValues) -> list[Tally]:
    """Return what `values_of_tallies` was given."""
    rates = zip(values.personas, values.values[0], values.samples[0], strict=True)
    return [Tally(item, passed := round((share or 0.0) * n), n - passed) for item, share, n in rates]


def _measured(data: Any) -> BaselineValues:
    bound, about = ({str(k): str(v) for k, v in data[part].items()} for part in ("bound", "about"))
    return BaselineValues(bound, about, CellValues.from_dict(data["cells"]))
