"""Coverage of figures that are corrected by labels, with judges of known errors."""

from __future__ import annotations

import numpy as np
import pytest
from rates import FIRST, at_most

from pytest_batcheval import Answers
from pytest_batcheval.quality.label_sheet import label_sheet
from pytest_batcheval.quality.labels import Label, Labels

PERSONAS, QUESTIONS = 24, 11
RUNS = {"quick": 10, "ci": 30, "full": 600}

TABLE = Answers.from_records(
    {"persona": f"p{i}", "question": f"q{j}", "text": f"answer {i} {j}"}
    for i in range(PERSONAS)
    for j in range(QUESTIONS)
)
AT = {row.answer.custom_id: n for n, row in enumerate(TABLE.rows)}

TRUE = np.array([0.40, 0.10, 0.15, 0.05, 0.20, 0.10])
"""Chances of no score and of 1 to 5 by people, of other answers of this kind."""

MEAN = float(TRUE @ [0, -2, -1, 0, 1, 2])
HIGH = float(TRUE[4:].sum())


def answers_of(rng, bias=0.6, missed=0.3, invented=0.15):
    """What people and a judge say: the judge misses, invents, and is too high, mostly with the high ones."""
    people = rng.choice(6, len(TABLE), p=TRUE).astype(float)
    people[people == 0] = np.nan
    judge = np.clip(people + (rng.random(len(people)) < bias), 1, 5)
    judge[rng.random(len(people)) < missed] = np.nan
    invents = np.isnan(people) & (rng.random(len(people)) < invented)
    judge[invents] = 4
    return people, judge


def estimated(rng, seed, count, second=False):
    people, judge = answers_of(rng)
    scores = {"NS": judge}
    other = {"NS": answers_of(np.random.default_rng([seed, 1]))[1]}
    if second:  # a second judge that knows people's scores, but for some noise
        other = {"NS": np.where(rng.random(len(people)) < 0.8, people, judge)}
    sheet = label_sheet(TABLE, ["NS"], count=count, rater="kim", scores=scores, second=other, seed=seed)
    labels = Labels(
        tuple(
            Label(
                place=(row["custom_id"],),
                rater="kim",
                dimension="NS",
                score=None if np.isnan(score := people[AT[row["custom_id"]]]) else int(score),
                where=str(n),
                chance=float(row["chance"]),
            )
            for n, row in enumerate(sheet.rows)
        )
    )
    return labels.estimate(TABLE, scores, "kim")["NS"]


@pytest.mark.sampled
@pytest.mark.parametrize(("count", "second"), [(60, False), (100, False), (100, True)])
def test_corrected_intervals_hold(proof, count, second):
    runs = RUNS[proof]
    found = [estimated(np.random.default_rng(s), s, count, second) for s in range(FIRST, FIRST + runs)]
    missed = sum(not one.corrected.interval[0] <= MEAN <= one.corrected.interval[1] for one in found)
    missed_high = sum(not one.high.interval[0] <= HIGH <= one.high.interval[1] for one in found)
    assert at_most(missed, runs, 0.07), missed / runs
    assert at_most(missed_high, runs, 0.05), missed_high / runs


@pytest.mark.sampled
def test_the_judge_alone_is_wrong_and_labels_alone_are_less_sure(proof):
    runs = RUNS[proof]
    found = [estimated(np.random.default_rng(s), s, 100) for s in range(FIRST, FIRST + runs)]
    apart = np.array([one.judged - MEAN for one in found])
    assert apart.mean() > 0.2
    assert np.median([one.gain for one in found]) > 1.1


if __name__ == "__main__":
    for count, second in ((60, False), (100, False), (100, True), (200, False)):
        found = [estimated(np.random.default_rng(s), s, count, second) for s in range(FIRST, FIRST + 600)]
        hits = [one.corrected.interval[0] <= MEAN <= one.corrected.interval[1] for one in found]
        high = [one.high.interval[0] <= HIGH <= one.high.interval[1] for one in found]
        print(
            count,
            second,
            np.mean(hits),
            np.mean(high),
            np.mean([one.judged - MEAN for one in found]),
            np.median([one.gain for one in found]),
            np.mean([one.corrected.error for one in found]),
            np.mean([one.high.judged - HIGH for one in found]),
        )
