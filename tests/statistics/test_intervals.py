"""Intervals hold what they should as often as they say; the percentile bootstrap of Cliff's delta does not."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from rates import FIRST, RUNS, about, at_most
from simulated import LEVEL, judged_scores, trait_cells, two_raters

from pytest_batcheval.matrix.axes import Persona, Question
from pytest_batcheval.quality import consistency, judge_agreement
from pytest_batcheval.quality.design import Design
from pytest_batcheval.quality.judging._judge_agreement import SCALE
from pytest_batcheval.quality.stats.cliffs_delta import cliffs_delta, delta_interval
from pytest_batcheval.quality.stats.kappa import pair_table, quadratic, weighted_kappa
from pytest_batcheval.quality.stats.persona_effect import centred, left_out_iccs, persona_icc
from pytest_batcheval.quality.stats.resampling import jackknife_interval
from pytest_batcheval.quality.stats.student_t import t_quantile, wilson_interval
from pytest_batcheval.recordings.answer_table import Answers

Interval = tuple[float, float]


@pytest.fixture
def runs(proof: str) -> int:
    return RUNS[proof]


def coverage(interval: Callable[[np.random.Generator], Interval], truth: float, runs: int) -> int:
    found = [interval(np.random.default_rng(FIRST + n)) for n in range(runs)]
    return sum(low <= truth <= high for low, high in found)


def true_delta(shift: float) -> float:
    """P(high > low) - P(high < low) of two normal groups that lie `shift` standard deviations apart."""
    return math.erf(shift / 2)


def groups(rng: np.random.Generator, shift: float) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(shift, 1, 12), rng.normal(0, 1, 12)


def bootstrap_interval(high: np.ndarray, low: np.ndarray, rng: np.random.Generator) -> Interval:
    drawn = [cliffs_delta(rng.choice(high, len(high)), rng.choice(low, len(low))) for _ in range(200)]
    return float(np.quantile(drawn, 0.025)), float(np.quantile(drawn, 0.975))


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.0])
def test_newcombes_interval_of_cliffs_delta_holds(runs: int, shift: float) -> None:
    hits = coverage(lambda rng: delta_interval(cliffs_delta(*groups(rng, shift)), 12, 12), true_delta(shift), runs)
    assert at_most(runs - hits, runs, 0.06), hits / runs


@pytest.mark.sampled
def test_the_percentile_bootstrap_of_a_large_delta_is_too_narrow(runs: int) -> None:
    hits = coverage(lambda rng: bootstrap_interval(*groups(rng, 2.0), rng), true_delta(2.0), runs // 2)
    assert about(hits, runs // 2, 0.86, 0.06), hits / (runs // 2)


def test_the_slopes_interval_holds(runs: int) -> None:
    others = np.random.default_rng(1).permuted(np.tile(LEVEL[:, None], (1, 6)), axis=0)
    levels = np.column_stack([LEVEL, others])
    design = Design(tuple("abcdefg"), np.vstack([levels, np.zeros((1, 7), int)]), {})

    def interval(rng: np.random.Generator) -> Interval:
        means = np.append(trait_cells(rng, 1, 0.2, effect=0.5).mean(axis=0), rng.normal(0, 0.45))
        slopes, errors = design.effects(means[:, None])
        assert errors is not None
        half = t_quantile(0.975, design.freedom) * float(errors[0, 0])
        return float(slopes[0, 0]) - half, float(slopes[0, 0]) + half

    assert design.freedom == 17
    hits = coverage(interval, 0.5, runs)
    assert about(hits, runs, 0.95, 0.02), hits / runs


def test_the_jackknife_of_the_icc_holds_nearly(runs: int) -> None:
    """24 personas, 11 questions, 50 directions; persona variance 0.05 of 1.25."""
    truth = 0.05 / 1.25

    def interval(rng: np.random.Generator) -> Interval:
        found = rng.normal(0, math.sqrt(0.05), (24, 50)) + rng.normal(0, math.sqrt(1.2), (11, 24, 50))
        flat = found.reshape(-1, 50)
        blocks = (flat @ flat.T).reshape(11, 24, 11, 24)
        return jackknife_interval(persona_icc(centred(blocks)), left_out_iccs(blocks))

    hits = coverage(interval, truth, runs // 4)
    assert about(hits, runs // 4, 0.94, 0.03), hits / (runs // 4)


def test_wilsons_interval_holds(runs: int) -> None:
    for rate in (0.01, 0.1, 0.5):
        hits = coverage(lambda rng, r=rate: wilson_interval(int(rng.binomial(275, r)), 275), rate, runs)
        assert about(hits, runs, 0.95, 0.03), (rate, hits / runs)


def rated(count: int) -> Answers:
    return Answers.from_records({"persona": f"p{n % 25}", "question": f"q{n // 25}", "text": "x"} for n in range(count))


@pytest.mark.sampled
@pytest.mark.parametrize(("count", "spread"), [(100, 0.053), (200, 0.037)])
def test_weighted_kappa_spreads_as_stated_and_its_interval_holds(runs: int, count: int, spread: float) -> None:
    answers, runs = rated(count), max(60, runs // 4)
    found = []
    for n in range(runs):
        first, second = two_raters(np.random.default_rng(FIRST + n), count)
        found.append(judge_agreement(answers, {"NS": first}, {"NS": second}, bootstraps=400)["NS"])
    kappas = np.array([agreement.kappa for agreement in found])
    assert kappas.mean() == pytest.approx(0.69, abs=0.03)
    assert kappas.std() == pytest.approx(spread, rel=0.25)
    hits = sum(a.kappa_interval[0] <= 0.69 <= a.kappa_interval[1] for a in found if a.kappa_interval)
    assert about(hits, runs, 0.94, 0.04), hits / runs


def shared_errors(rng: np.random.Generator, personas: int, samples: int, by: str) -> tuple[np.ndarray, np.ndarray]:
    """Two judges of (personas x 11 x samples) answers who err alike within a cell or within a persona."""
    shape = (personas, 11, samples)
    truth = np.broadcast_to(rng.normal(3, 1.1, (personas, 11, 1)), shape)
    wide = {"cell": (personas, 11, 1), "persona": (personas, 1, 1)}[by]
    return tuple(
        np.clip(np.rint(truth + rng.normal(0, 0.5, wide) + rng.normal(0, 0.4, shape)), 1, 5).ravel() for _ in range(2)
    )


@pytest.mark.sampled
@pytest.mark.parametrize(("by", "draw", "samples"), [("cell", "cells", 3), ("persona", "personas", 1)])
def test_intervals_of_agreement_hold_where_errors_are_shared(runs: int, by: str, draw: str, samples: int) -> None:
    runs = max(60, runs // 4)
    large = shared_errors(np.random.default_rng(1), 20_000, samples, by)
    truth = float(weighted_kappa(pair_table(*large, SCALE), quadratic(SCALE)))
    answers = Answers.from_records(
        {"persona": f"p{i:02}", "question": f"q{j:02}", "sample": k, "text": "x"}
        for i in range(25)
        for j in range(11)
        for k in range(samples)
    )
    hits = 0
    for n in range(runs):
        first, second = shared_errors(np.random.default_rng(FIRST + n), 25, samples, by)
        found = judge_agreement(answers, {"NS": first}, {"NS": second}, bootstraps=400, draw=draw)["NS"]
        assert found.kappa_interval is not None
        hits += found.kappa_interval[0] <= truth <= found.kappa_interval[1]
    assert about(hits, runs, 0.94, 0.03), hits / runs


def scored_runs(effect: float, runs: int) -> list[tuple[float, float]]:
    """Contradiction and generalizability of simulated scores: 24 personas, 4 questions, 3 samples."""
    people = [Persona(f"p{i:02}", {"description": "x"}) for i in range(24)]
    asked = [Question(f"q{j}", {"text": "?", "targets": ["HA"]}) for j in range(4)]
    answers = Answers.from_records(
        {"persona": p, "question": q, "sample": s, "text": f"{p.id} {q.id} {s}"}
        for q in asked
        for p in people
        for s in range(3)
    )
    found = []
    for n in range(runs):
        scores = judged_scores(np.random.default_rng(FIRST + n), 24, 4, 3, effect)
        result = consistency(answers, scores={"HA": scores.ravel()})
        found.append((result.contradiction, result.components["HA"].generalizability))
    return found


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("effect", "contradiction", "trust"), [(0.0, 0.125, 0.30), (0.5, 0.10, 0.77), (0.7, 0.08, 0.86), (1.0, 0.05, 0.93)]
)
def test_contradictions_and_trust_follow_the_effect(
    runs: int, effect: float, contradiction: float, trust: float
) -> None:
    found = np.array(scored_runs(effect, max(30, runs // 10)))
    assert found[:, 0].mean() == pytest.approx(contradiction, abs=0.03)
    assert found[:, 1].mean() == pytest.approx(trust, abs=0.06)
