"""The quality gate on respondents in free words, and on judges: `python tests/statistics/between_tests.py 30 6`.

None of them is part of the simulator, and the built-in word list finds no sign in what they say (`free_text`).
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.path.insert(0, str(Path(__file__).parents[1] / "simulator" / "respondents"))

from free_text import Judge, Speaker, hiding, honest, liking, one_sided, spoken

from pytest_batcheval.quality import quality_gate

REPORTED = range(20_000, 30_000)
"""Seeds of what is reported; thresholds were chosen on seeds from 10,000."""

CASES: dict[str, tuple[Speaker, Judge]] = {
    "75 % of the signs": (Speaker(), honest),
    "75 %, English": (Speaker("en"), honest),
    "60 %": (Speaker(share=0.6), honest),
    "40 %": (Speaker(share=0.4), honest),
    "one text for all questions": (Speaker(monologue=True), honest),
    "every second answer is the one before": (Speaker(neighbours=True), honest),
    "2 of 24 mute": (Speaker(mute=2), honest),
    "10 of 24 mute": (Speaker(mute=10), honest),
    "in character in 5 of 11 questions": (Speaker(late=5), honest),
    "in 9 of 11 questions": (Speaker(late=9), honest),
    "a counsellor in 10 % of answers, labelled": (Speaker(counsellor=0.1), honest),
    "polite refusals in 10 %, labelled": (Speaker(refusing=0.1), honest),
    "a tic of 2 of 24, else nothing": (Speaker(odd=2), honest),
    "inverted": (Speaker(inverted=True), honest),
    "75 %, a judge that scores by liking": (Speaker(), liking),
    "75 %, a judge that sees half of the low poles": (Speaker(), one_sided),
    "random traits, a judge that hides what does not fit": (Speaker(blind=True), hiding),
}


def outcome(name: str, samples: int, seed: int, permutations: int = 999) -> tuple[tuple[str, ...], bool]:
    """The parts of the gate that failed, and whether it warned of scores that are missing by level."""
    speaker, judge = CASES[name]
    said = spoken(replace(speaker, samples=samples), seed)
    gate = quality_gate(
        said.answers,
        scores=judge(said, seed),
        roles=said.roles,
        language=speaker.language,
        permutations=permutations,
        seed=seed,
    )
    return gate.failed, "missing by the prompted level" in gate["traits"].reason


def row(name: str, samples: int, found: Sequence[tuple[tuple[str, ...], bool]]) -> str:
    """A line of the table."""
    runs = len(found)
    failed = Counter(part for parts, _ in found for part in parts)
    parts = ", ".join(f"{part} {count / runs:.2f}" for part, count in failed.most_common()) or "none"
    warned = sum(warning for _, warning in found) / runs
    passes = sum(not parts for parts, _ in found)
    return f"| {name} | {samples} | {passes} of {runs} | {parts} | {warned:.2f} |"


def main() -> None:
    """Print the table for so many runs with one sample and so many with three."""
    runs = {1: int(sys.argv[1]), 3: int(sys.argv[2])}
    print("| respondent, judge | k | passes | fails (share of runs) | warns of missing scores |")
    print("|---|---|---|---|---|")
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for name in CASES:
            for samples, count in runs.items():
                if count:
                    print(
                        row(name, samples, list(pool.map(partial(outcome, name, samples), REPORTED[:count]))),
                        flush=True,
                    )


if __name__ == "__main__":
    main()
