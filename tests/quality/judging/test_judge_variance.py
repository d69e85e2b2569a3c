"""Judges as a facet: components beside an analysis of variance, and what makes a score undependable."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from test_words import english_left

from pytest_batcheval import Answers
from pytest_batcheval.quality import TableError, judge_variance
from pytest_batcheval.quality.stats.crossed_components import FACETS, crossed_components

PERSONAS, QUESTIONS = 12, 5
TABLE = Answers.from_records(
    {"persona": f"p{i:02}", "question": f"q{j}", "text": f"answer {i} {j}"}
    for i in range(PERSONAS)
    for j in range(QUESTIONS)
)

AXES = dict(zip(FACETS, [facets for size in (1, 2, 3) for facets in combinations(range(3), size)], strict=True))
"""The axes of the table (persona, question, judge) that each component varies over."""


def drawn(deviations, judges=2, seed=0, shape=(PERSONAS, QUESTIONS)):
    """Scores of components with these standard deviations, shape (P, J, R)."""
    rng = np.random.default_rng(seed)
    sizes = (*shape, judges)
    values = np.full(sizes, 3.0)
    for name, axes in AXES.items():
        values += deviations.get(name, 0.0) * rng.normal(
            size=[n if axis in axes else 1 for axis, n in enumerate(sizes)]
        )
    return values


def by_judge(values):
    return {f"judge {n}": {"NS": values[..., n].ravel()} for n in range(values.shape[2])}


def anova(values):
    """Components from the mean squares of a three-way analysis of variance (Brennan 2001, table 3.2)."""
    effects, squares = {(): values.mean(keepdims=True)}, {}
    for axes in AXES.values():
        others = tuple(axis for axis in range(3) if axis not in axes)
        within = [effect for smaller, effect in effects.items() if set(smaller) < set(axes)]
        effects[axes] = values.mean(axis=others, keepdims=True) - sum(within)
        freedom = np.prod([values.shape[axis] - 1 for axis in axes])
        squares[axes] = (effects[axes] ** 2).sum() * np.prod([values.shape[axis] for axis in others]) / freedom
    found = {}
    for name, axes in AXES.items():
        others = [axis for axis in range(3) if axis not in axes]
        above = [set(axes) | set(some) for size in range(len(others) + 1) for some in combinations(others, size)]
        expected = sum((-1) ** (len(more) - len(axes)) * squares[tuple(sorted(more))] for more in above)
        found[name] = expected / np.prod([values.shape[axis] for axis in others])
    return found


SOME = {"persona": 0.7, "question": 0.3, "judge": 0.4, "persona x question": 0.3, "persona x judge": 0.2, "rest": 0.6}


@pytest.mark.parametrize("judges", [2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_components_are_those_of_an_analysis_of_variance(judges, seed):
    values = drawn(SOME, judges, seed)
    assert list(vars(crossed_components(values)).values()) == pytest.approx(list(anova(values).values()), abs=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_mean_squares_are_those_of_statsmodels(seed):
    formula = pytest.importorskip("statsmodels.formula.api", reason="the extra `oracle`")
    pandas, stats = pytest.importorskip("pandas"), pytest.importorskip("statsmodels.api").stats
    values = drawn(SOME, 2, seed)
    rows = [(*place, value) for place, value in np.ndenumerate(values)]
    frame = pandas.DataFrame(rows, columns=["p", "q", "j", "y"])
    table = stats.anova_lm(formula.ols("y ~ C(p)*C(q)*C(j) - C(p):C(q):C(j)", frame).fit())
    squares = dict(zip(table.index, table["mean_sq"], strict=True))
    found = crossed_components(values)
    rest = squares["Residual"]
    assert found.rest == pytest.approx(rest)
    assert found.persona_question == pytest.approx((squares["C(p):C(q)"] - rest) / 2)
    assert found.persona_judge == pytest.approx((squares["C(p):C(j)"] - rest) / QUESTIONS)
    own = squares["C(p)"] - squares["C(p):C(q)"] - squares["C(p):C(j)"] + rest
    assert found.persona == pytest.approx(own / QUESTIONS / 2)


def test_missing_scores_leave_the_components_unbiased():
    whole, some = [], []
    for seed in range(60):
        values = drawn(SOME, 2, seed)
        whole.append(list(vars(crossed_components(values)).values()))
        values[np.random.default_rng(seed).random(values.shape) < 0.3] = np.nan
        some.append(list(vars(crossed_components(values)).values()))
    error = np.std(np.subtract(some, whole), axis=0) / np.sqrt(60)
    assert (np.abs(np.mean(np.subtract(some, whole), axis=0)) < 4 * error).all()


@pytest.mark.parametrize("facet", FACETS)
def test_what_varies_is_named_with_its_share(facet):
    result = judge_variance(TABLE, by_judge(drawn({facet: 0.5}, 4)))
    shares = result["NS"].components.shares
    assert max(shares, key=shares.get) == facet
    assert f"{facet} {shares[facet]:.0%}" in result.explain()
    assert result.undependable == (() if facet == "persona" else ("NS",))


def test_dependability_is_brennans_of_the_components():
    found = judge_variance(TABLE, by_judge(drawn(SOME, 2, 1)))["NS"]
    c, j, r = found.components, QUESTIONS, 2
    relative = c.persona_question / j + c.persona_judge / r + c.rest / (j * r)
    absolute = relative + c.question / j + c.judge / r + c.question_judge / (j * r)
    assert found.generalizability == pytest.approx(c.persona / (c.persona + relative))
    assert found.dependability == pytest.approx(c.persona / (c.persona + absolute))
    assert found.one_judge == pytest.approx(found.expected(questions=j, judges=1))
    assert found.one_judge < found.dependability < found.one_more_judge
    assert found.interval[0] < found.dependability < found.interval[1]


def test_a_strict_judge_costs_dependability_and_leaves_the_order():
    values = drawn({"persona": 0.8, "rest": 0.4}, 2, 3)
    fair, strict = (judge_variance(TABLE, by_judge(one))["NS"] for one in (values, values + np.array([0.0, -1.2])))
    assert strict.generalizability == pytest.approx(fair.generalizability)
    assert strict.dependability < fair.dependability - 0.2
    assert strict.leanings["judge 0"] - strict.leanings["judge 1"] == pytest.approx(
        fair.leanings["judge 0"] - fair.leanings["judge 1"] + 1.2
    )


def test_nulls_do_not_count_and_are_reported():
    values = drawn(SOME, 2, 2)
    values[::2, 0, 1] = np.nan
    found = judge_variance(TABLE, by_judge(values))["NS"]
    assert found.same_nulls == pytest.approx(1 - 6 / 60)
    assert found.questions == pytest.approx(12 / (6 / 4.5 + 6 / 5) / 1, rel=1e-9)


def test_only_questions_that_aim_at_a_dimension_count():
    values = drawn({"persona": 0.8, "rest": 0.3}, 2, 4)
    values[:, 3:] += np.random.default_rng(0).normal(size=(PERSONAS, 2, 2)) * 2
    targets = {f"q{j}": ["NS"] if j < 3 else ["HA"] for j in range(QUESTIONS)}
    assert judge_variance(TABLE, by_judge(values), targets=targets)["NS"].questions == pytest.approx(3)
    assert judge_variance(TABLE, by_judge(values), targets=targets).effect > 0.8
    with pytest.raises(TableError, match="no question aims at NS; they aim at HA"):
        judge_variance(TABLE, by_judge(values), targets={question: ["HA"] for question in targets})


@pytest.mark.parametrize("values", [np.full((PERSONAS, QUESTIONS, 2), 3.0), np.full((PERSONAS, QUESTIONS, 2), np.nan)])
def test_without_variance_or_scores_nothing_is_dependable(values):
    result = judge_variance(TABLE, by_judge(values))
    assert (result.effect, result.interval, result.undependable) == (None, None, ("NS",))
    assert "unde" in result.explain() or "unknown" in result.explain()
    assert english_left(result, {"judge 0", "judge 1"}) == set()


def test_judges_of_other_answers_are_unknown():
    values = drawn(SOME, 2)
    values[:, :3, 0] = values[:, 3:, 1] = np.nan
    assert judge_variance(TABLE, by_judge(values))["NS"].components is None


@pytest.mark.parametrize(
    ("judges", "message"),
    [
        ({"luna": {"NS": [3] * 60}}, "at least two judges are needed"),
        ({"luna": {"NS": [3] * 60}, "terra": {}}, "same dimensions; there are none by terra of NS"),
        ({"luna": {}, "terra": {}}, "no judge has scores of any dimension"),
        ({"luna": {"NS": [3] * 60}, "terra": {"NS": [3] * 59}}, "scores of NS by terra: 59 for 60 answers"),
        ({"luna": {"NS": [3] * 60}, "terra": {"NS": [30] * 60}}, "scores of NS must be from 1"),
    ],
)
def test_what_cannot_be_compared_is_an_error(judges, message):
    with pytest.raises(TableError, match=message):
        judge_variance(TABLE, judges)


def test_it_is_said_in_korean():
    result = judge_variance(TABLE, by_judge(drawn(SOME, 3)))
    assert "페르소나 × 판정자" in result.explain("ko")
    assert english_left(result, {f"judge {n}" for n in range(3)}) == set()
