"""A few odd personas among nobodies are named, and weak personas are not called one odd one."""

from __future__ import annotations

import pytest
from free_text import Speaker, spoken
from rates import FIRST, at_most

from pytest_batcheval.quality import Differentiation, differentiation

RUNS = {"quick": 3, "ci": 8, "full": 600}


@pytest.fixture
def runs(proof: str) -> int:
    return RUNS[proof]


def found(runs: int, permutations: int = 999, **speaker: object) -> list[Differentiation]:
    tables = (spoken(Speaker("ko", **speaker), FIRST + n).answers for n in range(runs))
    return [differentiation(table, permutations=permutations) for table in tables]


@pytest.mark.sampled
@pytest.mark.parametrize("odd", [1, 2, 3, 6])
def test_odd_ones_are_counted_and_named(runs: int, odd: int) -> None:
    results = found(runs, odd=odd)
    assert at_most(sum(one.verdict == "different" for one in results), runs, 0.03)
    named = [one for one in results if len(one.distinct) == odd]
    assert len(named) >= 0.8 * runs
    verdict = "one persona" if odd == 1 else "few personas"
    assert at_most(sum(one.verdict != verdict for one in named), len(named), 0.03)
    assert all(f"stand out by themselves: {one.distinct[0]}" in one.explain() for one in named)


@pytest.mark.sampled
@pytest.mark.parametrize("share", [0.75, 0.4])
def test_nobody_is_odd_where_all_are_weak(runs: int, share: float) -> None:
    results = found(runs, share=share)
    assert at_most(sum(one.verdict in ("one persona", "few personas") for one in results), runs, 0.03)
    assert {one.verdict for one in results} <= {
        "different",
        "too few samples",
        "not shown",
        "one persona",
        "few personas",
    }
    if share > 0.5:
        assert at_most(sum(one.verdict != "different" for one in results), runs, 0.05)
        assert min(one.above_chance for one in results) >= 5
