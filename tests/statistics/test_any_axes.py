"""Comparisons on tables of one, two, three and nested axes: false alarms at their level, intervals that cover."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from rates import FIRST, RUNS, about, at_most
from scipy import stats

from pytest_batcheval.quality import CellValues, compare

Layout = dict[str, Sequence[int]]
"""By axis, the number of each cell's value."""


def crossed(**axes: int) -> Layout:
    grid = np.indices(tuple(axes.values())).reshape(len(axes), -1)
    return {axis: numbers.tolist() for axis, numbers in zip(axes, grid, strict=True)}


def nested(documents: int, each: int) -> Layout:
    return {"document": np.repeat(np.arange(documents), each).tolist(), "item": list(range(documents * each))}


LAYOUTS: dict[str, Layout] = {
    "items": crossed(item=20),
    "items x variants": crossed(item=20, variant=2),
    "items x tones x tongues": crossed(item=12, tone=8, tongue=6),
    "questions on documents": nested(15, 6),
}
FIXED = {"variant"}


def drawn(layout: Layout, rng: np.random.Generator, mean: float) -> np.ndarray:
    """A difference by cell: every axis has effects of its own; those of a fixed one are the same in every run."""
    cells = len(next(iter(layout.values())))
    found = mean + rng.normal(0, 1, cells)
    for axis, numbers in layout.items():
        size = max(numbers) + 1
        effects = np.linspace(-1, 1, size) if axis in FIXED else rng.normal(0, 0.5, size)
        found += effects[np.array(numbers)]
    return found


def values(layout: Layout, cells: np.ndarray) -> CellValues:
    ids = {axis: tuple(f"{axis}{n}" for n in numbers) for axis, numbers in layout.items()}
    names = tuple(", ".join(cell) for cell in zip(*ids.values(), strict=True))
    return CellValues("points/1", names, ("",), (tuple(map(float, cells)),), ((1,) * len(cells),), None, ids, {})


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", LAYOUTS)
def test_the_level_and_the_interval_hold(proof: str, name: str) -> None:
    layout, runs = LAYOUTS[name], RUNS[proof]
    zero = values(layout, np.zeros(len(next(iter(layout.values())))))
    found = [compare(values(layout, drawn(layout, np.random.default_rng(FIRST + n), 0.0)), zero) for n in range(runs)]
    assert at_most(sum(one.p_value <= 0.05 for one in found), runs, 0.06), name
    assert at_most(sum(one.p_value <= 0.01 for one in found), runs, 0.015), name
    missed = sum(not one.interval[0] <= 0.0 <= one.interval[1] for one in found)
    assert at_most(missed, runs, 0.06), missed / runs


@pytest.mark.parametrize(("name", "naive"), [("questions on documents", 0.25), ("items x tones x tongues", 0.75)])
def test_cells_as_if_independent_alarm_far_too_often(proof: str, name: str, naive: float) -> None:
    runs = RUNS[proof]
    cells = [drawn(LAYOUTS[name], np.random.default_rng(FIRST + n), 0.0) for n in range(runs)]
    alarms = sum(stats.ttest_1samp(one, 0).pvalue <= 0.05 for one in cells)
    assert about(alarms, runs, naive, 0.1), alarms / runs
