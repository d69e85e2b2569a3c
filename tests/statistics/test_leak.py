"""Noise in the scores is no leak, a judge that scores by liking is not honest, and the interval of the leak holds."""

from __future__ import annotations

import pytest
from free_text import Speaker, honest, liking, spoken
from rates import FIRST, about, at_most
from weak_scores import one_table, weak_scores

from pytest_batcheval.quality import discriminant

RUNS = {"quick": 10, "ci": 20, "full": 600}


@pytest.fixture
def runs(proof: str) -> int:
    return RUNS[proof]


def leaks(effect: float, leak: float, runs: int) -> list[object]:
    return [
        discriminant(one_table(), scores=weak_scores(FIRST + n, effect, leak), permutations=99) for n in range(runs)
    ]


@pytest.mark.parametrize(("effect", "mixed"), [(0.3, 0.03), (0.6, 0.03), (1.0, 0.01)])
def test_weak_honest_scores_leak_nothing(runs: int, effect: float, mixed: float) -> None:
    found = leaks(effect, 0.0, runs)
    assert at_most(sum(one.leak > 0.5 for one in found), runs, 0.01)
    assert at_most(sum(one.interval[0] > 0 for one in found), runs, 0.05)
    assert at_most(sum(len(one.mixed) > 1 for one in found), runs, mixed)


@pytest.mark.sampled
@pytest.mark.parametrize("leak", [0.2, 0.5, 1.0])
def test_the_interval_of_a_leak_holds_it(runs: int, leak: float) -> None:
    found = leaks(0.6, leak, runs)
    held = sum(one.interval[0] <= leak <= one.interval[1] for one in found)
    assert about(held, runs, 0.96, 0.04), held / runs


@pytest.mark.sampled(2)
@pytest.mark.parametrize("language", ["ko", "en"])
def test_a_judge_that_scores_by_liking_mixes_traits(runs: int, language: str) -> None:
    runs = max(5, runs // 5)
    tables = [spoken(Speaker(language), FIRST + n) for n in range(runs)]
    liked = [discriminant(s.answers, scores=liking(s, n), permutations=99) for n, s in enumerate(tables)]
    fair = [discriminant(s.answers, scores=honest(s, n), permutations=99) for n, s in enumerate(tables)]
    assert at_most(sum(one.discriminates for one in liked), runs, 0.1)
    assert at_most(sum(not one.discriminates for one in fair), runs, 0.01)
