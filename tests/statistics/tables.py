"""The rates of docs/statistics.md, measured anew: `python tests/statistics/tables.py [runs]`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product

import numpy as np
from rates import FIRST, alarms, p_values
from simulated import (
    answers_p,
    blocked_p,
    differences,
    free_p,
    naive_equivalence_p,
    naive_p,
    persona_p,
    run_of,
    trait_cells,
    vectors,
)

from pytest_batcheval.quality import compare, regression
from pytest_batcheval.quality.comparing._power_models import trait_power

B = 999
Test = Callable[[np.random.Generator], float]


def level_of(test: Test, runs: int, first: int = FIRST) -> str:
    found = p_values(test, runs, first)
    return f"{alarms(found, 0.05) / runs:.3f} | {alarms(found, 0.01) / runs:.3f}"


def alarm_rates(runs: int) -> Iterator[str]:
    for directions in (5, 50):
        for samples in (1, 3, 5):
            test = partial(_blocked, samples=samples, directions=directions)
            yield f"| personas, within questions, {directions} directions, {samples} samples | {level_of(test, runs, FIRST + 10_000 * samples)} |"
    yield f"| personas, freely (wrong), 50 directions | {level_of(_free, max(20, runs // 20))} |"
    for persona in (0.0, 0.3, 0.6):
        right, wrong = partial(_trait, persona=persona), partial(_answers, persona=persona)
        yield f"| traits, whole personas, leaning {persona} | {level_of(right, runs)} |"
        yield f"| traits, answers (wrong), leaning {persona} | {level_of(wrong, runs)} |"


def _blocked(rng: np.random.Generator, samples: int, directions: int) -> float:
    return blocked_p(vectors(rng, samples, directions), rng, B)


def _free(rng: np.random.Generator) -> float:
    return free_p(vectors(rng, 1, 50, persona=0.1) + rng.normal(0, 2, (11, 1, 50)), rng, 199)


def _trait(rng: np.random.Generator, persona: float) -> float:
    return persona_p(trait_cells(rng, 1, persona), rng, B)


def _answers(rng: np.random.Generator, persona: float) -> float:
    return answers_p(trait_cells(rng, 3, persona), rng, 199)


def run_rates(runs: int) -> Iterator[str]:
    zero = run_of(np.zeros((11, 25)))
    for spread in (0.2, 0.4):
        equal = [differences(np.random.default_rng(FIRST + n), spread, 0.95) for n in range(runs)]
        right = np.mean([compare(run_of(d), zero).p_value <= 0.05 for d in equal])
        naive = np.mean([naive_p(d) <= 0.05 for d in equal])
        apart = [compare(run_of(d + 0.3), zero, margin=0.3).equivalent for d in equal]
        fooled = np.mean([naive_equivalence_p(d + 0.3, 0.3) <= 0.05 for d in equal])
        yield f"| spread {spread} | {right:.3f} | {naive:.3f} | {np.mean(apart):.3f} | {fooled:.3f} |"


def regression_rates(runs: int) -> Iterator[str]:
    for spread, drop in product((0.8, 1.1), (0.0, 0.1, 0.2, 0.3, 0.5)):
        pairs = [np.random.default_rng([FIRST + n, 3]).normal(0, spread, (2, 11, 25)) for n in range(runs)]
        found = [regression(run_of(old), run_of(new - drop)).verdict for old, new in pairs]
        naive = np.mean([(new - drop).mean() < old.mean() for old, new in pairs])
        shares = " | ".join(f"{found.count(verdict) / runs:.3f}" for verdict in ("PASS", "WARN", "FAIL"))
        yield f"| {spread} | {drop} | {shares} | {naive:.2f} |"


def power_rates(runs: int) -> Iterator[str]:
    for variance in (0.01, 0.02, 0.05, 0.10):
        cells = []
        for samples in (1, 3, 5):
            pair = []
            for directions in (50, 5):
                test = partial(_differs, samples=samples, directions=directions, variance=variance)
                pair.append(f"{alarms(p_values(test, runs), 0.01) / runs:.2f}")
            cells.append(" / ".join(pair))
        yield f"| {variance} | {' | '.join(cells)} |"


def _differs(rng: np.random.Generator, samples: int, directions: int, variance: float) -> float:
    return blocked_p(vectors(rng, samples, directions, variance), rng, 199)


def trait_rates(runs: int) -> Iterator[str]:
    for effect in (0.3, 0.5, 0.7):
        rows = [trait_power([(12, 12, 4)] * 7, k, effect, runs, np.random.default_rng([FIRST, k])) for k in (1, 3, 5)]
        yield f"| {effect} | {' | '.join(' / '.join(f'{share:.2f}' for share in row) for row in rows)} |"


def main() -> None:
    """Print every table."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    for table in (alarm_rates, run_rates, regression_rates, power_rates, trait_rates):
        print(f"\n{table.__name__}, {runs} runs")
        for line in table(runs):
            print(line, flush=True)


if __name__ == "__main__":
    main()
