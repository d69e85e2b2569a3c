"""A verdict on a pass rate that holds at every look: an e-process, so that sampling may stop when it is decided."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_batcheval.quality.passing.rule import FAILED, PASSED, UNDECIDED, PassVerdict, RateRule
from pytest_batcheval.quality.stats.student_t import incomplete_beta

ALPHA = 0.05
"""The chance, over all looks together, of a wrong `passed`, and of a wrong `failed`."""


def log_e_values(passed: int, failed: int, rate: float) -> tuple[float, float]:
    """The logarithms of the evidence against `rate or less` and against `rate or more`.

    The mean likelihood ratio over all rates above (below) `rate`, evenly: a test martingale at `rate` and smaller in
    expectation under every lower (higher) one, so that it ever exceeds 1 / alpha with a chance of alpha at most (Ville;
    Robbins 1970; Ramdas et al. 2023, arXiv:2210.01948). The order of the samples does not matter.
    """
    likelihood = passed * math.log(rate) + failed * math.log1p(-rate)
    below = incomplete_beta(passed + 1, failed + 1, rate)
    above = incomplete_beta(failed + 1, passed + 1, 1 - rate)
    whole = math.lgamma(passed + 1) + math.lgamma(failed + 1) - math.lgamma(passed + failed + 2)

    def evidence(share: float, width: float) -> float:
        return -math.inf if share <= 0 else whole + math.log(share) - math.log(width) - likelihood

    return evidence(above, 1 - rate), evidence(below, rate)


def sequential_outcome(passed: int, failed: int, rate: float) -> str:
    """`passed`, `failed` or `undecided`, however often it is looked."""
    for_it, against_it = log_e_values(passed, failed, rate)
    if for_it >= -math.log(ALPHA):
        return PASSED
    return FAILED if against_it >= -math.log(ALPHA) else UNDECIDED


def sequential_interval(passed: int, failed: int) -> tuple[float, float]:
    """The rates that neither evidence refutes at 0.025: a 95 % interval that holds at every look."""
    refuted = -math.log(ALPHA / 2)
    share = passed / (passed + failed) if passed + failed else 0.5

    def bound(side: int, edge: float) -> float:
        inner, outer = share, edge
        if (side == 0 and not passed) or (side == 1 and not failed):
            return edge
        for _ in range(_HALVINGS):
            middle = (inner + outer) / 2
            inner, outer = (inner, middle) if log_e_values(passed, failed, middle)[side] >= refuted else (middle, outer)
        return outer

    return bound(0, 0.0), bound(1, 1.0)


_HALVINGS = 40


@dataclass(frozen=True)
class SequentialRule:
    """The rule of `min_pass` for samples that are sent until it is decided."""

    rule: RateRule

    def verdict(self, passed: int, failed: int) -> PassVerdict:
        """Hold at every look; how many more samples would decide it is not foretold."""
        outcome = sequential_outcome(passed, failed, self.rule.rate)
        interval = sequential_interval(passed, failed)
        return PassVerdict(outcome, passed, failed, interval, f"{self.rule}, at every look", None)
