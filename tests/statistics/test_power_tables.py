"""The power that a matrix of 25 x 11 is said to have, by the tests themselves and by `power`."""

from __future__ import annotations

import numpy as np
import pytest
from rates import RUNS, about, alarms, p_values
from simulated import blocked_p, vectors

from pytest_batcheval.quality.comparing._power_models import differentiation_power, trait_power

B = 199

DIFFERENTIATION = {
    0.01: ((0.38, 0.03), (0.98, 0.15), (1.00, 0.29)),
    0.02: ((0.91, 0.14), (1.00, 0.59), (1.00, 0.78)),
    0.05: ((1.00, 0.65), (1.00, 0.99), (1.00, 0.99)),
    0.10: ((1.00, 0.99), (1.00, 1.00), (1.00, 1.00)),
}
"""By persona variance (noise 1, cell variance 0.2), at 0.01: with 1, 3, 5 samples, in 50 and in 5 directions."""

TRAITS = {
    0.3: ((0.00, 0.02, 0.22), (0.22, 0.63, 0.94), (0.55, 0.91, 1.00)),
    0.5: ((0.51, 0.90, 0.99), (0.99, 1.00, 1.00), (1.00, 1.00, 1.00)),
    0.7: ((0.97, 1.00, 1.00), (1.00, 1.00, 1.00), (1.00, 1.00, 1.00)),
}
"""By effect in points, with 1, 3, 5 samples: all seven show, six do, the deltas are large."""

SAMPLES = (1, 3, 5)
EACH_CELL = [(a2, n, d) for a2 in DIFFERENTIATION for n in range(3) for d in range(2)]


@pytest.fixture
def runs(proof: str) -> int:
    return RUNS[proof]


@pytest.mark.sampled
@pytest.mark.parametrize(("variance", "n", "column"), EACH_CELL)
def test_personas_are_told_apart_as_often_as_stated(runs: int, variance: float, n: int, column: int) -> None:
    stated, directions = DIFFERENTIATION[variance][n][column], (50, 5)[column]
    runs = max(60, runs // 4)
    found = p_values(lambda rng: blocked_p(vectors(rng, SAMPLES[n], directions, variance), rng, B), runs)
    assert about(alarms(found, 0.01), runs, stated), alarms(found, 0.01) / runs


@pytest.mark.sampled
@pytest.mark.parametrize("n", range(3))
def test_power_says_the_same_without_permuting(runs: int, n: int) -> None:
    runs = max(60, runs // 4)
    for column, directions in enumerate((50, 5)):
        rng = np.random.default_rng([20_000, n, column])
        found = differentiation_power((25, 11, SAMPLES[n]), list(DIFFERENTIATION), runs, rng, directions)
        for share, row in zip(found, DIFFERENTIATION.values(), strict=True):
            # the limit of 5 directions comes from 2,000 runs: its own error is added to the slack
            assert about(round(share * runs), runs, row[n][column], 0.06), (share, row[n][column])


@pytest.mark.sampled(3)
@pytest.mark.parametrize("effect", TRAITS)
@pytest.mark.parametrize("n", range(3))
def test_traits_show_as_often_as_stated(runs: int, effect: float, n: int) -> None:
    rng = np.random.default_rng([20_000, n])
    found = trait_power([(12, 12, 4)] * 7, SAMPLES[n], effect, runs, rng)
    for share, stated in zip(found, TRAITS[effect][n], strict=True):
        assert about(round(share * runs), runs, stated, 0.06), (found, TRAITS[effect][n])


def test_without_an_effect_no_trait_rule_passes(runs: int) -> None:
    assert trait_power([(12, 12, 4)] * 7, 1, 0.0, runs, np.random.default_rng(20_000)) == (0.0, 0.0, 0.0)
