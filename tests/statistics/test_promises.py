"""Promises of power hold for the verdicts that they are made of, and proposed samples decide as often as is said."""

from __future__ import annotations

import numpy as np
import pytest
from rates import FIRST, about, at_most
from simulated import run_of

from pytest_batcheval.quality import compare
from pytest_batcheval.quality.comparing._power_models import (
    detected_difference,
    equivalence_power,
    simulated_differences,
)

RUNS = {"quick": 60, "ci": 100, "full": 1000}


@pytest.fixture
def runs(proof: str) -> int:
    return RUNS[proof]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("size", [(25, 11, 1), (25, 11, 3), (12, 6, 1), (40, 6, 1)])
def test_a_difference_is_found_as_often_as_promised(runs: int, size: tuple[int, int, int]) -> None:
    personas, questions, samples = size
    freedom = min(personas, questions) - 1
    means, errors = simulated_differences(size, 0.0, 2000, np.random.default_rng(10_000))
    promised = detected_difference(means, errors, freedom, 0.8)
    equal = equivalence_power(means, errors, freedom, 0.3)
    found, alike = 0, 0
    for seed in range(FIRST, FIRST + runs):
        rng = np.random.default_rng(seed)
        one, other = (rng.normal(0, samples**-0.5, (questions, personas)) for _ in range(2))
        found += compare(run_of(one + promised), run_of(other)).p_value <= 0.01
        alike += compare(run_of(one), run_of(other), margin=0.3).verdict == "equivalent"
    assert about(found, runs, 0.8, 0.03), found / runs
    assert about(alike, runs, equal, 0.03), (alike / runs, equal)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("drop", "deviation", "spread"), [(0.2, 0.8, 0.05), (0.12, 0.8, 0.0), (0.2, 1.1, 0.0)])
def test_proposed_samples_decide_as_often_as_is_said(runs: int, drop: float, deviation: float, spread: float) -> None:
    decided = proposed = 0
    for seed in range(FIRST, FIRST + runs):
        rng = np.random.default_rng(seed)
        apart = rng.normal(0, spread, (1, 25)) + rng.normal(0, spread, (11, 1)) - drop
        one, other = (rng.normal(0, deviation, (11, 25, 21)) for _ in range(2))

        def at(samples: int, apart: np.ndarray = apart, one: np.ndarray = one, other: np.ndarray = other) -> object:
            means = (draws[:, :, :samples].mean(axis=2) for draws in (one, other))
            a, b = (run_of(values) for values in means)
            return compare(run_of(a.array() + apart), b)

        first = at(1)
        if first.verdict == "not decided" and first.more_samples:
            proposed += 1
            decided += at(1 + first.more_samples).verdict != "not decided"
    assert proposed >= 0.05 * runs
    assert at_most(proposed - decided, proposed, 0.22), (decided, proposed)


@pytest.mark.sampled
def test_blocks_mend_questions_that_build_on_each_other(runs: int) -> None:
    """Effects of neighbouring questions correlated by 0.6, as large as those of personas, a third of the cells'."""
    blocks = {f"q{j}": f"b{j // 3}" for j in range(12)}
    none = run_of(np.zeros((12, 25)))
    alarms = {"plain": 0, "blocks": 0}
    for seed in range(FIRST, FIRST + runs):
        rng = np.random.default_rng(seed)
        question = [rng.normal(0, 0.3)]
        for _ in range(11):
            question.append(0.6 * question[-1] + rng.normal(0, 0.24))
        values = np.array(question)[:, None] + rng.normal(0, 0.3, (1, 25)) + rng.normal(0, 0.9, (12, 25))
        run = run_of(values)
        alarms["plain"] += compare(run, none).p_value <= 0.05
        alarms["blocks"] += compare(run, none, blocks=blocks).p_value <= 0.05
    assert about(alarms["plain"], runs, 0.2, 0.05), alarms
    assert at_most(alarms["blocks"], runs, 0.08), alarms
