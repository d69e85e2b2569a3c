"""Method variance: a judge that scores by liking, beside another method."""

from __future__ import annotations

import numpy as np
import pytest
from test_words import english_left

from pytest_batcheval import Answers
from pytest_batcheval.quality import TableError
from pytest_batcheval.quality.method_variance import _correlations, method_variance

CODES = ("NS", "HA", "RD", "CO")
TABLE = Answers.from_records(
    {"persona": f"p{i:02}", "question": f"q{j}", "text": f"answer {i} {j}"} for i in range(24) for j in range(4)
)


def scored(liking, seed=0, noise=0.5):
    """Two methods; the first adds its liking of a persona to each trait, with the sign that is good there."""
    rng = np.random.default_rng(seed)
    traits, liked = rng.normal(size=(4, 24)), rng.normal(size=24)
    good = np.array([1, -1, 1, -1])[:, None]

    def method(own):
        points = np.repeat(traits + own * good * liked, 4, axis=1)
        return dict(zip(CODES, points + noise * rng.normal(size=points.shape), strict=True))

    return {"judge": method(liking), "words": method(0.0)}


def test_correlations_are_those_of_numpy():
    values = np.random.default_rng(1).normal(size=(2, 3, 24))
    convergent, apart = _correlations(values)
    every = np.corrcoef(values.reshape(6, 24))
    assert convergent == pytest.approx([every[t, 3 + t] for t in range(3)])
    across = (every[0, 4] + every[1, 3]) / 2
    assert apart[:, 0] == pytest.approx([every[0, 1] - across, every[3, 4] - across])


@pytest.mark.parametrize("seed", range(3))
def test_a_judge_that_scores_by_liking_has_method_variance(seed):
    honest = method_variance(TABLE, scored(0.0, seed), permutations=999)
    halo = method_variance(TABLE, scored(1.5, seed), permutations=999)
    assert max(honest.methods.values()) < 0.2
    assert halo.methods["judge"] > 0.4 > halo.methods["words"]
    assert halo.interval[0] < halo.effect < halo.interval[1]
    assert honest.p_value <= 0.002
    assert min(honest.convergent.values()) > 0.8


def test_methods_that_have_nothing_in_common_do_not_agree():
    judge, other = scored(0.0, 1)["judge"], scored(0.0, 2)["words"]
    assert method_variance(TABLE, {"judge": judge, "other": other}, permutations=999).p_value > 0.01


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ({"judge": {"NS": range(96)}}, "at least two methods are needed"),
        ({"judge": {"NS": range(96)}, "words": {"NS": range(96)}}, "needs at least two dimensions; there is only NS"),
        (
            {"judge": {"NS": range(96), "HA": range(96)}, "words": {"NS": range(96), "HA": [3] * 96}},
            "words scores all personas alike in HA",
        ),
    ],
)
def test_what_cannot_be_compared_is_an_error(methods, message):
    with pytest.raises(TableError, match=message):
        method_variance(TABLE, methods)


def test_it_is_said_in_both_languages():
    result = method_variance(TABLE, scored(1.0), permutations=99)
    assert "judge 0." in result.explain()
    assert english_left(result, {"judge", "words"}) <= {"RD"}
