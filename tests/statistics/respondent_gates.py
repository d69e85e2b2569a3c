"""The quality gate on the simulator's respondents: `python tests/statistics/respondent_gates.py 600 200`.

Answers come straight from the respondents, scores from a simulated judge that sees which signs were
planted: 3 + level * (1 or 2) + noise of 0.7 points, rounded and cut to 1 to 5; where nothing was planted, no
score in 85 %, else 3 + noise.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.path.insert(0, str(Path(__file__).parents[1] / "simulator" / "respondents"))

import numpy as np
from respondent_tables import CODES, Said, said_by

from pytest_batcheval.quality import quality_gate
from pytest_batcheval.recordings.answer_table import Answers

SCORED_FOR_NOTHING = 0.15
JUDGE_NOISE = 0.7

REPORTED = range(20_000, 30_000)
"""Seeds of what is reported; thresholds were chosen on seeds 10,000 to 10,059."""

RESPONDENTS = (
    "faithful",
    "faithful-0.4",
    "collapsed",
    "collapsed-everywhere",
    "blind",
    "flat",
    "prompt_sensitive",
    "inverted",
    "noisy",
    "echo",
    "halo",
    "partial",
    "refuser",
    "salad",
    "placebo",
)


@dataclass(frozen=True)
class Outcome:
    """What one run of the gate said."""

    failed: tuple[str, ...]
    p_value: float
    accuracy: float
    top3: float
    icc: float
    shown: int
    leak: float | None


def outcome(name: str, samples: int, seed: int, permutations: int = 999) -> Outcome:
    said = said_by.__wrapped__(name, seed, samples)
    answers = Answers.from_records(
        {"persona": p, "question": q, "sample": s, "text": "" if r.refused else r.text} for p, q, s, r in said
    )
    gate = quality_gate(answers, scores=judged(said, seed), permutations=permutations, seed=seed)
    different, traits, leak = (gate[part].result for part in ("different", "traits", "discriminant"))
    return Outcome(
        failed=gate.failed,
        p_value=different.p_value,
        accuracy=different.accuracy,
        top3=different.top3,
        icc=different.icc,
        shown=sum(t.p_value <= 0.01 and t.delta > 0 for t in traits.traits),
        leak=leak.leak,
    )


def judged(said: Said, seed: int) -> dict[str, np.ndarray]:
    """Scores of a judge that sees what was planted, with its noise."""
    rng = np.random.default_rng([seed, 7])
    levels = np.array([[reply.planted.get(code, 0) for code in CODES] for *_, reply in said], dtype=float)
    noise = rng.normal(0, JUDGE_NOISE, levels.shape)
    scores = np.clip(np.rint(3 + levels * rng.integers(1, 3, levels.shape) + noise), 1, 5)
    scores[(levels == 0) & (rng.random(levels.shape) >= SCORED_FOR_NOTHING)] = np.nan
    return {code: scores[:, column] for column, code in enumerate(CODES)}


def row(name: str, samples: int, outcomes: Sequence[Outcome]) -> str:
    """A line of the table: how often it passes, which parts fail how often, and the usual figures."""
    runs = len(outcomes)
    passed = sum(not o.failed for o in outcomes)
    failed = Counter(part for o in outcomes for part in o.failed)
    parts = ", ".join(f"{part} {count / runs:.3f}".replace("1.000", "1") for part, count in failed.most_common())
    medians = [float(np.median([getattr(o, figure) for o in outcomes])) for figure in ("icc", "accuracy", "top3")]
    leaks = [o.leak for o in outcomes if o.leak is not None]
    leak = f"{np.median(leaks):.2f}" if len(leaks) > runs / 2 else "-"
    shown = np.median([o.shown for o in outcomes])
    return (
        f"| `{name}` | {samples} | {passed} of {runs} | {parts or 'none'} | "
        f"{medians[0]:.3f} | {medians[1]:.2f} | {medians[2]:.2f} | {shown:.0f} | {leak} |"
    )


def main() -> None:
    """Print the table for so many runs with one sample and so many with three."""
    runs = {1: int(sys.argv[1]), 3: int(sys.argv[2])}
    names = sys.argv[3:] or RESPONDENTS
    print("| respondent | k | passes | fails (share of runs) | icc | accuracy | top 3 | traits shown | leak |")
    print("|---|---|---|---|---|---|---|---|---|")
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for name in names:
            for samples, count in runs.items():
                if count:
                    found = list(pool.map(partial(outcome, name, samples), REPORTED[:count], chunksize=4))
                    print(row(name, samples, found), flush=True)


if __name__ == "__main__":
    main()
