"""Drift: roles that fade, roles that stay, and questions that elicit less at the end."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pytest_batcheval import Answers
from pytest_batcheval.quality import TableError, drift
from pytest_batcheval.quality.measures._scored_answers import TooFewScores

PEOPLE, ASKED = [f"p{i:02d}" for i in range(12)], [f"q{j}" for j in (3, 1, 4, 0, 5, 2, 7, 6)]
DECLARED = {
    "levels": {p: {"NS": 1 if n % 2 else -1} for n, p in enumerate(PEOPLE)},
    "targets": dict.fromkeys(ASKED, ("NS",)),
}


def table(people=PEOPLE, asked=ASKED):
    return Answers.from_records({"persona": p, "question": q, "text": f"{p} {q}"} for p in people for q in asked)


def scores(shown, answers=None):
    """By `shown(persona, question)`, the points that a score leans to the prompted pole."""
    rows = (answers or table()).rows
    cells = [(row.id("persona"), row.id("question")) for row in rows]
    return {"NS": [3 + DECLARED["levels"][p]["NS"] * shown(p, q) for p, q in cells]}


def noise(seed):
    rng = np.random.default_rng(seed)
    found = {(p, q): rng.normal(0, 0.3) for p in PEOPLE for q in ASKED}
    return lambda p, q: found[p, q]


def test_the_slope_and_its_interval_are_scipys():
    other = noise(1)
    found = drift(table(), scores=scores(lambda p, q: 1 - ASKED.index(q) / 10 + other(p, q)), **DECLARED)
    places, aligned = np.arange(8) / 7, [[(1 - n / 10 + other(p, q)) / 2 for n, q in enumerate(ASKED)] for p in PEOPLE]
    slopes = [stats.linregress(places, row).slope for row in aligned]
    interval = stats.ttest_1samp(slopes, 0).confidence_interval()
    assert found.effect == pytest.approx(np.mean(slopes))
    assert found.interval == pytest.approx((interval.low, interval.high))
    assert list(found.personas.values()) == pytest.approx(sorted(slopes))
    assert found.places == pytest.approx(tuple(np.mean(aligned, axis=0)))


def test_a_role_that_fades_is_found_and_one_that_grows_is_not():
    fading = drift(table(), scores=scores(lambda p, q: 1.5 - ASKED.index(q) / 5), **DECLARED)
    growing = drift(table(), scores=scores(lambda p, q: 0.1 + ASKED.index(q) / 5), **DECLARED)
    assert (fading.verdict, growing.verdict) == ("fades", "not shown")
    assert fading.effect == pytest.approx(-0.7)
    assert growing.p_value > 0.99


def test_the_order_is_that_of_the_table_unless_one_is_given():
    falling = scores(lambda p, q: 1.5 - ASKED.index(q) / 5)
    assert drift(table(), scores=falling, order=ASKED, **DECLARED) == drift(table(), scores=falling, **DECLARED)
    assert drift(table(), scores=falling, order=ASKED[::-1], **DECLARED).effect == pytest.approx(0.7)


def test_hard_questions_at_the_end_are_told_from_fading_by_several_orders():
    """Half of the questions elicit little: in one order they look like fading, in several they do not."""
    elicits = scores(lambda p, q: 1.5 if ASKED.index(q) < 4 else 0.2)
    one = drift(table(), scores=elicits, **DECLARED)
    assert (one.effect < -0.5, one.orders, "in one order" in one.explain()) == (True, 1, True)
    rng = np.random.default_rng(2)
    orders = {p: list(rng.permutation(ASKED)) for p in PEOPLE}
    several = drift(table(), scores=elicits, order=orders, **DECLARED)
    assert several.effect == pytest.approx(0, abs=1e-9)
    assert (several.verdict, several.orders, "in one order" in several.explain()) == ("not shown", 12, False)
    fading = scores(lambda p, q: (1.5 if ASKED.index(q) < 4 else 0.5) - orders[p].index(q) / 20 + noise(3)(p, q) / 3)
    assert drift(table(), scores=fading, order=orders, **DECLARED).verdict == "fades"


def test_a_persona_without_levels_has_no_slope():
    known = scores(lambda p, q: 1.5 - ASKED.index(q) / 5)
    levels = {**DECLARED["levels"], "p00": {"NS": 0}}
    assert "p00" not in drift(table(), scores=known, levels=levels, targets=DECLARED["targets"]).personas


def test_nothing_cannot_fade():
    with pytest.raises(TooFewScores, match="scores in 0 of 48 answers"):
        drift(table(), scores={"NS": [None] * 96}, **DECLARED)


@pytest.mark.parametrize(
    ("order", "why"),
    [
        (ASKED[:-1], "order must have each question once"),
        ([*ASKED, "q0"], "order must have each question once"),
        ("q0", "order must have each question once"),
        (dict.fromkeys(PEOPLE[1:], ASKED), "order lacks p00; give one for each persona"),
    ],
)
def test_an_order_that_is_not_one_is_refused(order, why):
    with pytest.raises(TableError, match=why):
        drift(table(), scores=scores(lambda p, q: 1), order=order, **DECLARED)


def test_four_questions_in_one_order_can_show_nothing_and_say_so():
    few = table(asked=ASKED[:4])
    declared = {**DECLARED, "targets": dict.fromkeys(ASKED[:4], ("NS",))}
    falling = scores(lambda p, q: 1.5 - ASKED.index(q) / 5, few)
    found = drift(few, scores=falling, **declared)
    assert (found.verdict, found.p_value > 1 / 25) == ("not shown", True)
    assert "fewer than 5 questions in one order have no p of 0.01" in found.explain()
    orders = {p: ASKED[n % 4 : 4] + ASKED[: n % 4] for n, p in enumerate(PEOPLE)}
    several = drift(few, scores=falling, order=orders, **declared)
    assert "no p of 0.01" not in several.explain()


def test_in_korean():
    found = drift(table(), scores=scores(lambda p, q: 1.5 - ASKED.index(q) / 5), **DECLARED)
    assert found.explain("ko").startswith("역할이 옅어짐(fades): 첫 질문에서")
