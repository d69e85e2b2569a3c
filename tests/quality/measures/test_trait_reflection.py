from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pytest_batcheval.matrix.axes import Persona, Question
from pytest_batcheval.quality import quality_gate
from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.design import persona_scores
from pytest_batcheval.quality.measures._trait_reflection import rank_sums, trait_reflection
from pytest_batcheval.quality.stats.multiple import holm
from pytest_batcheval.quality.table import table_of
from pytest_batcheval.quality.word_scores import DIMENSIONS, word_scores
from pytest_batcheval.recordings.answer_table import Answers

Build = Callable[..., Answers]


def small(personas: int = 8, questions: int = 4, **changes: Any) -> Answers:
    """Personas prompted HA low and high in turn; question q0 aims at nothing, the others at HA."""
    people = [
        Persona(f"p{i}", {"description": "x", "profile": {"HA": ("low", "high")[i % 2]}}) for i in range(personas)
    ]
    asked = [Question(f"q{j}", {"text": "?", "targets": ["HA"] if j else []}) for j in range(questions)]
    return Answers.from_records({"persona": p, "question": q, "text": "x", **changes} for p in people for q in asked)


def test_faithful_answers_reflect_every_dimension(respondent: Build) -> None:
    result = trait_reflection(respondent("faithful"))
    assert result.reflected == DIMENSIONS
    assert result.median_delta > 0.9
    assert {(t.high, t.low) for t in result.traits} == {(12, 12)}
    assert [t.questions for t in result.traits] == [4, 4, 4, 4, 6, 5, 3]


def test_inverted_answers_reflect_nothing(respondent: Build) -> None:
    result = trait_reflection(respondent("inverted"))
    assert result.reflected == ()
    assert result.median_delta < -0.9


@pytest.mark.parametrize("seed", range(3))
def test_random_traits_are_not_reflected(respondent: Build, seed: int) -> None:
    result = trait_reflection(respondent("blind", seed=seed), permutations=999)
    assert result.reflected == ()
    assert abs(result.median_delta) < 0.35


def test_p_is_uniform_without_a_trait() -> None:
    answers = small(24)
    p_values = []
    for seed in range(40):
        scores = {"HA": np.random.default_rng(seed).uniform(1, 5, len(answers))}
        p_values.append(trait_reflection(answers, permutations=99, scores=scores)["HA"].p_value)
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_the_null_is_every_assignment_equally_often() -> None:
    ranks = np.array([1.0, 2.5, 2.5, 4.0, 5.0])
    every = [sum(ranks[list(group)]) for group in combinations(range(5), 2)]
    drawn = rank_sums(ranks, 2, np.random.default_rng(0), 20_000)
    expected, often = np.unique(every, return_counts=True)
    found, count = np.unique(drawn, return_counts=True)
    np.testing.assert_allclose(found, expected)
    assert stats.chisquare(count, often / often.sum() * len(drawn)).pvalue > 0.001


def test_only_questions_that_aim_at_it_count() -> None:
    answers = small()
    level = np.array([r.cell["persona"].levels["HA"] for r in answers.rows], float)
    beside = np.array([r.id("question") == "q0" for r in answers.rows])
    right = trait_reflection(answers, scores={"HA": np.where(beside, 3 - 2 * level, 3 + level / 2)})
    assert right["HA"].delta == 1.0
    assert right["HA"].questions == 3


def test_a_question_that_draws_high_scores_from_all_changes_nothing() -> None:
    answers = small()
    scores = np.random.default_rng(0).uniform(1, 2, len(answers))
    harder = scores + np.array([float(r.id("question")[1:]) for r in answers.rows])
    a, b = (trait_reflection(answers, permutations=99, scores={"HA": s}) for s in (scores, harder))
    assert a == b


def test_persona_scores_by_hand() -> None:
    answers = small(8, 4)
    scores = np.zeros(len(answers))
    scores[1], scores[2] = 8.0, np.nan  # p0 at q1 and q2
    means = persona_scores(table_of(answers), scores, [1, 2, 3])
    # q1: mean 1, so p0 has 7 and the others -1; q2: all 0, p0 left out; q3: all 0
    assert means == pytest.approx([3.5] + [-1 / 3] * 7)


def test_equal_answers_give_no_effect_and_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = trait_reflection(small(), scores=None)
    trait = result["HA"]
    assert (trait.delta, trait.p_value, result.reflected) == (0.0, 1.0, ())
    assert all(math.isfinite(bound) for bound in trait.interval)


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(32)))
def test_the_order_of_answers_changes_nothing(order: list[int]) -> None:
    answers = small()
    scores = np.random.default_rng(1).uniform(1, 5, len(answers))
    shuffled = Answers(answers.rows[n] for n in order)
    a = trait_reflection(answers, permutations=99, scores={"HA": scores})
    assert trait_reflection(shuffled, permutations=99, scores={"HA": scores[order]}) == a


def test_a_judges_scores_may_have_gaps(respondent: Build) -> None:
    answers = respondent("faithful")
    scores = {code: [None if np.isnan(s) else s for s in column] for code, column in word_scores(answers).items()}
    result = trait_reflection(answers, scores=scores, permutations=999)
    assert result.median_delta > 0.8


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_delta_and_p_agree_with_scipy(respondent: Build) -> None:
    answers = respondent("blind", seed=4)
    table = table_of(answers)
    aimed = [j for j, q in enumerate(table.columns) if "SD" in q.targets]
    means = persona_scores(table, word_scores(answers)["SD"], aimed)
    level = np.array([p.levels["SD"] for p in table.rows])
    expected = stats.mannwhitneyu(means[level > 0], means[level < 0], alternative="greater")
    trait = trait_reflection(answers, dimensions=["SD"])["SD"]
    assert trait.delta == pytest.approx(2 * expected.statistic / 144 - 1)
    assert trait.p_value == pytest.approx(expected.pvalue, abs=0.03)


def test_an_unprompted_trait_is_a_control_on_both_sides(respondent: Build) -> None:
    faithful, turned = respondent("faithful"), respondent("inverted")
    leaking = trait_reflection(faithful, unprompted=["P"], permutations=999)
    assert leaking.leaking == ("P",)
    assert len(leaking.prompted) == len(leaking.reflected) == 6
    assert "shown though not prompted: P" in leaking.explain()
    assert trait_reflection(turned, unprompted=["P"], permutations=999).leaking == ("P",)
    assert trait_reflection(respondent("blind", seed=2), unprompted=["P"], permutations=999).leaking == ()
    with pytest.raises(TableError, match="every dimension to test is unprompted: P"):
        trait_reflection(faithful, dimensions=["P"], unprompted=["P"])


def test_slopes_by_least_squares(respondent: Build) -> None:
    """Against numpy's own solution, and the t interval with 25 - 8 degrees of freedom."""
    answers = respondent("faithful")
    result = trait_reflection(answers, permutations=99)
    table = table_of(answers)
    levels = np.array([[p.levels[code] for code in DIMENSIONS] for p in table.rows], float)
    aimed = [j for j, q in enumerate(table.columns) if "HA" in q.targets]
    means = persona_scores(table, word_scores(answers)["HA"], aimed)
    design = np.column_stack([np.ones(25), levels])
    solved, rest, *_ = np.linalg.lstsq(design, means, rcond=None)
    error = np.sqrt(rest[0] / 17 / 24)  # the design is orthogonal, with 24 personas at -1 or 1
    expected = stats.t.interval(0.95, 17, solved[2], error)
    assert result["HA"].slope == pytest.approx(solved[2])
    assert result["HA"].slope_interval == pytest.approx(expected)


def test_traits_that_always_go_together_have_no_slope() -> None:
    profiles = [{"NS": a, "HA": b} for a in ("low", "high") for b in ("low", "high")] * 2
    people = [Persona(f"p{i}", {"description": "x", "profile": profile}) for i, profile in enumerate(profiles)]
    asked = [Question(f"q{j}", {"text": "?", "targets": ["NS", "HA"]}) for j in range(4)]
    answers = Answers.from_records({"persona": p, "question": q, "text": "x"} for p in people for q in asked)
    scores = dict.fromkeys(["NS", "HA"], np.linspace(1, 5, 32))
    assert trait_reflection(answers, scores=scores, permutations=99)["NS"].slope_interval is not None
    together = [
        Persona(p.id, {"description": "x", "profile": {"NS": v, "HA": v}})
        for p, v in zip(people, ["low", "high"] * 4, strict=True)
    ]
    tied = Answers.from_records({"persona": p, "question": q, "text": "x"} for p in together for q in asked)
    trait = trait_reflection(tied, scores=scores, permutations=99)["NS"]
    assert (trait.slope, trait.slope_interval) == (None, None)


def test_what_cannot_be_tested_is_named(respondent: Build) -> None:
    with pytest.raises(TableError, match=r"cannot test NS, XX: .*; possible: HA"):
        trait_reflection(small(), dimensions=["NS", "HA", "XX"])
    with pytest.raises(TableError, match=r"personas without levels .*: p0, p1"):
        trait_reflection(Answers.from_records({**r.cell, "persona": r.id("persona"), "text": ""} for r in small().rows))
    with pytest.raises(TableError, match=r"questions without `targets`.*: q0, q1, q2, q3"):
        trait_reflection(
            Answers.from_records({**r.cell, "question": r.id("question"), "text": ""} for r in small().rows)
        )
    with pytest.raises(TableError, match="scores of HA: 3 for 32 answers"):
        trait_reflection(small(), scores={"HA": [1, 2, 3]})


def test_a_result_is_neither_true_nor_false() -> None:
    with pytest.raises(TypeError, match=r"assert len\(result\.reflected\)"):
        assert trait_reflection(small(), permutations=99)


def test_explain_and_figures(respondent: Build) -> None:
    result = trait_reflection(respondent("blind"), permutations=99)
    text = result.explain()
    assert text.startswith("0 of 7 dimensions reflected; not shown: NS, HA, RD, P, SD, CO, ST")
    weakest = min(result.traits, key=lambda t: t.delta)
    assert text.splitlines()[1].startswith(f"{weakest.dimension}: delta = {weakest.delta:+.2f}")
    assert json.loads(json.dumps(result.to_dict())) == result.to_dict()
    with pytest.raises(KeyError, match="'XX' was not tested"):
        result["XX"]


def test_whoever_does_not_show_its_prompt_is_named(respondent: Build) -> None:
    """One persona answers as its opposite does; the result holds all the same, and says who it was."""
    answers = respondent("faithful")
    culprit = "methodical-downcast"
    other = {r.id("question"): r.answer for r in respondent("inverted").rows if r.id("persona") == culprit}
    rows = [replace(r, answer=other[r.id("question")]) if r.id("persona") == culprit else r for r in answers.rows]
    result = trait_reflection(Answers(rows), permutations=199)
    assert result.shows
    assert next(iter(result.leanings)) == culprit
    assert result.leanings[culprit] < -0.5
    assert "average" not in result.leanings
    assert result.opposed
    assert all(text.startswith(f"{culprit} x ") and ", prompted " in text for text in result.opposed)
    assert f"weakest personas: {culprit} -" in result.explain()
    assert f"weakest personas: {culprit} -" in quality_gate(Answers(rows), permutations=199).explain()


def test_groups_too_small_to_show_anything_say_so() -> None:
    """4 high and 4 low can be chosen in 70 ways: a perfect separation has p = 1 / 70."""
    scores = [3 + r.cell["persona"].levels["HA"] for r in small().rows]
    trait = trait_reflection(small(), scores={"HA": scores}, permutations=9999)["HA"]
    assert (trait.delta, trait.least_p) == (1.0, 1 / 70)
    assert trait.p_value == pytest.approx(1 / 70, abs=0.005)
    assert "cannot be shown: so few personas give no p below 0.014; use at least 5 high and 5 low" in str(trait)
    more = [3 + r.cell["persona"].levels["HA"] for r in small(10).rows]
    assert "cannot be shown" not in str(trait_reflection(small(10), scores={"HA": more}, permutations=999)["HA"])
