"""Tests whose outcome is another one than in an earlier run."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pytest_batcheval.journal.outcomes import Outcome, Outcomes

LOOKED_AT = 20
"""Earlier runs that are looked at: the newest that ran one of the tests counts."""


@dataclass(frozen=True)
class Changes:
    """The tests of a run that also ran earlier.

    Attributes:
        since: the start of the earlier run, Unix seconds.
        tests: their number.
        worse: those that passed and do not any more; `better` the other way round.
    """

    since: float
    tests: int
    worse: Sequence[Outcome]
    better: Sequence[Outcome]


def changes(outcomes: Collection[Outcome], stored: Outcomes, run: str) -> Changes | None:
    """What differs from the newest run, other than `run`, that ran any of these tests; `None` if none did.

    Raises:
        JournalError: the stored outcomes cannot be read.
    """
    tests = {one.test: one for one in outcomes}
    others = ((other, started) for other, started in stored.runs()[: LOOKED_AT + 1] if other != run)
    for other, started in others:
        before = [one for one in stored.of_run(other) if one.test in tests]
        if before:
            worse = [tests[one.test] for one in before if one.passed and not tests[one.test].passed]
            better = [tests[one.test] for one in before if not one.passed and tests[one.test].passed]
            return Changes(started, len(before), worse, better)
    return None
