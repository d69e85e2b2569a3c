"""Every test keeps its level where there is nothing to find; the wrong units of permutation do not, or find nothing."""

from __future__ import annotations

import numpy as np
import pytest
from rates import FIRST, RUNS, about, alarms, at_most, nominal, p_values
from respondent_tables import said_by
from scipy import stats
from simulated import (
    answers_p,
    blocked_p,
    differences,
    free_p,
    naive_equivalence_p,
    naive_p,
    persona_p,
    run_of,
    samples_alike_p,
    trait_cells,
    vectors,
)

from pytest_batcheval.quality import compare, differentiation, persona_echo, regression
from pytest_batcheval.recordings.answer_table import Answers

B = 199
"""Permutations; p <= 0.05 and p <= 0.01 are then exact."""

pytestmark = pytest.mark.timeout(0)  # 800 runs on real texts take longer than five minutes on a busy machine

TEXTS = {"quick": 20, "ci": 60, "full": 800}


@pytest.fixture
def runs(proof: str) -> int:
    return RUNS[proof]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("directions", [5, 50])
@pytest.mark.parametrize("samples", [1, 3, 5])
def test_personas_that_do_not_differ_are_not_told_apart(runs: int, samples: int, directions: int) -> None:
    found = p_values(lambda rng: blocked_p(vectors(rng, samples, directions), rng, B), runs, FIRST + 10_000 * samples)
    assert nominal(alarms(found, 0.05), runs, 0.05), alarms(found, 0.05) / runs
    assert nominal(alarms(found, 0.01), runs, 0.01), alarms(found, 0.01) / runs
    assert stats.kstest(found, "uniform").pvalue > 1e-4


def texts_of(name: str, seed: int) -> Answers:
    said = said_by.__wrapped__(name, seed)
    return Answers.from_records({"persona": p, "question": q, "sample": s, "text": r.text} for p, q, s, r in said)


@pytest.mark.sampled
def test_random_traits_in_real_texts_are_not_told_apart(proof: str) -> None:
    runs = TEXTS[proof]
    found = [differentiation(texts_of("blind", FIRST + n), permutations=B, seed=n) for n in range(runs)]
    p_of = np.array([result.p_value for result in found])
    assert nominal(alarms(p_of, 0.05), runs, 0.05), alarms(p_of, 0.05) / runs
    assert nominal(alarms(p_of, 0.01), runs, 0.01), alarms(p_of, 0.01) / runs
    # the verdict also asks for an effect, and for it without the most influential persona
    assert sum(result.verdict == "different" for result in found) <= max(1, 0.01 * runs)


@pytest.mark.sampled
def test_random_traits_have_no_echo(proof: str) -> None:
    runs = TEXTS[proof]
    found = np.array([persona_echo(texts_of("blind", FIRST + n), permutations=B).p_value for n in range(runs)])
    assert nominal(alarms(found, 0.05), runs, 0.05), alarms(found, 0.05) / runs


def test_free_permutation_finds_nothing_where_the_blocked_one_finds_all(runs: int) -> None:
    """Questions differ: a free permutation mixes that into its null."""

    def asked(rng: np.random.Generator) -> np.ndarray:
        return vectors(rng, 1, 50, persona=0.1) + rng.normal(0, 2, (11, 1, 50))

    blocked = p_values(lambda rng: blocked_p(asked(rng), rng, B), runs // 10)
    free = p_values(lambda rng: free_p(asked(rng), rng, B), runs // 10)
    assert alarms(blocked, 0.01) == runs // 10
    assert alarms(free, 0.05) == 0


@pytest.mark.sampled
def test_alike_samples_are_no_sign_of_a_persona(runs: int) -> None:
    """A respondent without personas that repeats itself: the test on samples fires always, ours does not."""

    def repeated(rng: np.random.Generator) -> np.ndarray:
        cells = rng.normal(0, 1, (11, 25, 1, 20))
        return np.repeat(cells, 3, axis=2) + rng.normal(0, 0.1, (11, 25, 3, 20))

    alike = p_values(lambda rng: samples_alike_p(repeated(rng), rng, 99), max(10, runs // 40))
    ours = p_values(lambda rng: blocked_p(repeated(rng).mean(axis=2), rng, B), runs)
    assert (alike == 0.01).all()
    assert nominal(alarms(ours, 0.05), runs, 0.05), alarms(ours, 0.05) / runs


@pytest.mark.parametrize("persona", [0.0, 0.3, 0.6])
def test_traits_that_are_not_there_are_not_reflected(runs: int, persona: float) -> None:
    found = p_values(lambda rng: persona_p(trait_cells(rng, 1, persona), rng, B), runs)
    assert nominal(alarms(found, 0.05), runs, 0.05), alarms(found, 0.05) / runs
    assert nominal(alarms(found, 0.01), runs, 0.01), alarms(found, 0.01) / runs


@pytest.mark.parametrize(("persona", "at_05", "at_01"), [(0.3, 0.115, 0.04), (0.6, 0.175, 0.085)])
def test_permuting_answers_finds_traits_that_are_not_there(
    runs: int, persona: float, at_05: float, at_01: float
) -> None:
    found = p_values(lambda rng: answers_p(trait_cells(rng, 3, persona), rng, B), runs)
    assert about(alarms(found, 0.05), runs, at_05), alarms(found, 0.05) / runs
    assert about(alarms(found, 0.01), runs, at_01), alarms(found, 0.01) / runs


@pytest.mark.sampled
@pytest.mark.parametrize(("spread", "naive"), [(0.2, 0.20), (0.4, 0.42)])
def test_two_equal_runs_are_seldom_called_different(runs: int, spread: float, naive: float) -> None:
    """As many cells as a matrix has are not as many independent observations."""
    drawn = [differences(np.random.default_rng(FIRST + n), spread, 0.95) for n in range(runs)]
    zero = run_of(np.zeros((11, 25)))
    clustered = np.array([compare(run_of(d), zero).p_value for d in drawn])
    assert at_most(alarms(clustered, 0.05), runs, 0.06), alarms(clustered, 0.05) / runs
    as_if_independent = np.array([naive_p(d) for d in drawn])
    assert about(alarms(as_if_independent, 0.05), runs, naive, 0.07), alarms(as_if_independent, 0.05) / runs


@pytest.mark.sampled
@pytest.mark.parametrize(("spread", "naive"), [(0.2, 0.13), (0.4, 0.23)])
def test_runs_that_differ_by_the_margin_are_seldom_called_equivalent(runs: int, spread: float, naive: float) -> None:
    drawn = [differences(np.random.default_rng(FIRST + n), spread, 0.95, 0.3) for n in range(runs)]
    zero = run_of(np.zeros((11, 25)))
    clustered = np.array([compare(run_of(d), zero, margin=0.3).p_equivalence for d in drawn])
    assert at_most(alarms(clustered, 0.05), runs, 0.06), alarms(clustered, 0.05) / runs
    as_if_independent = np.array([naive_equivalence_p(d, 0.3) for d in drawn])
    assert about(alarms(as_if_independent, 0.05), runs, naive, 0.07), alarms(as_if_independent, 0.05) / runs


def test_unchanged_runs_seldom_fail_a_regression_that_catches_real_drops(runs: int) -> None:
    """One sample, cells that vary by 0.8."""
    failed: dict[float, int] = {}
    for drop in (0.0, 0.3, 0.5):
        pairs = [np.random.default_rng([FIRST + n, 3]).normal(0, 0.8, (2, 11, 25)) for n in range(runs)]
        found = [regression(run_of(old), run_of(new - drop)).verdict for old, new in pairs]
        failed[drop] = found.count("FAIL")
        if drop == 0.0:
            assert about(sum(new.mean() < old.mean() for old, new in pairs), runs, 0.5)
            assert at_most(runs - found.count("PASS"), runs, 0.05)
    assert at_most(failed[0.0], runs, 0.01), failed
    assert about(failed[0.3], runs, 0.91), failed
    assert failed[0.5] >= 0.98 * runs, failed
