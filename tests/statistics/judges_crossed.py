"""Scores of personas, questions and judges with known components: `python tests/statistics/judges_crossed.py 600`."""

from __future__ import annotations

import sys

import numpy as np

from pytest_batcheval import Answers
from pytest_batcheval.quality import judge_variance

PERSONAS, QUESTIONS, JUDGES = 24, 4, 2
MISSING = 0.2

TABLE = Answers.from_records(
    {"persona": f"p{i:02}", "question": f"q{j}", "text": f"answer {i} {j}"}
    for i in range(PERSONAS)
    for j in range(QUESTIONS)
)

USUAL = {"p": 0.6, "q": 0.2, "j": 0.2, "pq": 0.35, "pj": 0.15, "qj": 0.1, "rest": 0.7}
"""Standard deviations in points, of scores as judges give them where traits show."""

KINDS = {
    "usual": USUAL,
    "traits hardly show": {**USUAL, "p": 0.2},
    "a strict judge": {**USUAL, "j": 0.6},
    "judges favour other personas": {**USUAL, "p": 0.5, "pj": 0.6},
}


def drawn(rng, deviations, sizes=(PERSONAS, QUESTIONS, JUDGES)):
    """Scores, shape (P, J, R), a fifth of them missing, and their dependability with these questions and judges."""
    axes = {"p": (0,), "q": (1,), "j": (2,), "pq": (0, 1), "pj": (0, 2), "qj": (1, 2), "rest": (0, 1, 2)}
    parts = {
        name: deviations[name] * rng.normal(size=[n if axis in axes[name] else 1 for axis, n in enumerate(sizes)])
        for name in axes
    }
    values = 3 + sum(parts.values())
    values[rng.random(sizes) < MISSING] = np.nan
    # intervals are for other personas with these questions and judges, whose own effects are what they are
    fixed = (parts["q"] + parts["j"] + parts["qj"])[0]
    of_questions, of_judges = fixed.mean(axis=1), fixed.mean(axis=0)
    both = fixed - of_questions[:, None] - of_judges + fixed.mean()
    _, questions, judges = sizes
    qj = float((both**2).sum()) / (questions - 1) / (judges - 1)
    q, j = of_questions.var(ddof=1) - qj / judges, of_judges.var(ddof=1) - qj / questions
    counted = questions * (1 - MISSING)
    d = {name: value**2 for name, value in deviations.items()}
    error = (d["pq"] + q) / counted + (d["pj"] + j) / judges + (d["rest"] + qj) / (counted * judges)
    return values, d["p"] / (d["p"] + error)


def held(seed, deviations):
    """Whether the interval holds the true dependability, and the figures of the dimension."""
    values, true = drawn(np.random.default_rng(seed), deviations)
    judges = {f"judge {n}": {"NS": values[..., n].ravel()} for n in range(values.shape[2])}
    found = judge_variance(TABLE, judges)["NS"]
    low, high = found.interval
    return low <= true <= high, found


if __name__ == "__main__":
    for kind, deviations in KINDS.items():
        runs = [held(seed, deviations) for seed in range(20_000, 20_000 + int(sys.argv[1]))]
        shares = [one.components.shares for _, one in runs]
        print(
            f"| {kind} | {np.mean([hit for hit, _ in runs]):.3f} | "
            f"{np.median([one.dependability for _, one in runs]):.2f} | "
            f"{np.median([one.one_judge for _, one in runs]):.2f} | "
            f"{np.median([one.generalizability for _, one in runs]):.2f} | "
            f"{np.mean([own['judge'] for own in shares]):.2f} | {np.mean([own['persona x judge'] for own in shares]):.2f} |",
            flush=True,
        )
