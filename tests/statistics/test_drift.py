"""Error rates of `drift`: respondents that keep their role, that leave it, and questions that differ anyway."""

from __future__ import annotations

import numpy as np
import pytest
from rates import FIRST, about, at_most
from respondent_tables import scores, table, verdicts

from pytest_batcheval.quality import drift
from pytest_batcheval.quality.measures._drift import Drift
from pytest_batcheval.recordings.answer_table import Answers

RUNS = {"quick": 5, "ci": 3, "full": 200}
NUMBERS = {"quick": 30, "ci": 60, "full": 1000}
PEOPLE, ASKED = [f"p{i:02d}" for i in range(24)], [f"q{j:02d}" for j in range(11)]
LEVELS = {p: {"NS": 1 if n % 2 else -1} for n, p in enumerate(PEOPLE)}
ANSWERS = Answers.from_records({"persona": p, "question": q, "text": "x"} for p in PEOPLE for q in ASKED)


def played(name: str, seed: int) -> Drift:
    given = scores(verdicts.__wrapped__("judge", name, seed))
    return drift(table(name, seed), scores=given, permutations=199, seed=seed)


def drawn(seed: int, change: float, several: bool) -> Drift:
    """Points at the prompted pole by question (0.4), persona's own change (0.2), cell (0.8) and place."""
    rng = np.random.default_rng(seed)
    orders = {p: list(rng.permutation(ASKED)) if several else ASKED for p in PEOPLE}
    places = np.array([[orders[p].index(q) / 10 for q in ASKED] for p in PEOPLE])
    points = 1 + rng.normal(0, 0.4, 11) + rng.normal(2 * change, 0.2, (24, 1)) * places + rng.normal(0, 0.8, (24, 11))
    signed = 3 + points * np.array([[LEVELS[p]["NS"]] for p in PEOPLE])
    targets = dict.fromkeys(ASKED, ("NS",))
    return drift(ANSWERS, order=orders, scores={"NS": signed.ravel()}, levels=LEVELS, targets=targets,
                 permutations=199, seed=seed)  # fmt: skip


@pytest.mark.sampled
@pytest.mark.parametrize(("name", "fades"), [("faithful", 0.01), ("faithful-0.4", 0.01), ("drifting", 1), ("late", 1)])
def test_respondents_that_leave_their_role_are_found(proof: str, name: str, fades: float) -> None:
    runs = RUNS[proof]
    found = sum(played(name, seed).verdict == "fades" for seed in range(FIRST, FIRST + runs))
    assert at_most(found, runs, fades) if fades < 1 else at_most(runs - found, runs, 0.1), found / runs


@pytest.mark.sampled
@pytest.mark.parametrize("several", [False, True])
def test_the_level_holds_whatever_questions_elicit(proof: str, several: bool) -> None:
    runs = NUMBERS[proof]
    found = [drawn(FIRST + n, 0.0, several) for n in range(runs)]
    assert at_most(sum(one.p_value <= 0.05 for one in found), runs, 0.05)
    assert at_most(sum(one.verdict == "fades" for one in found), runs, 0.01)


@pytest.mark.sampled
@pytest.mark.parametrize(("several", "power", "held"), [(False, 0.35, 0.56), (True, 1, 0.95)])
def test_a_change_of_a_half_is_found_and_held(proof: str, several: bool, power: float, held: float) -> None:
    """Where questions differ, one order finds it less often, and its interval is of these questions only."""
    runs = NUMBERS[proof]
    found = [drawn(FIRST + n, -0.5, several) for n in range(runs)]
    assert about(sum(one.verdict == "fades" for one in found), runs, power)
    assert about(sum(one.interval[0] <= -0.5 <= one.interval[1] for one in found), runs, held, 0.03)
