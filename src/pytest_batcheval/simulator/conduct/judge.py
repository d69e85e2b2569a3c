"""All checks of a client's conduct."""

from __future__ import annotations

from pytest_batcheval.simulator.conduct import billing, leftovers, manners
from pytest_batcheval.simulator.conduct.finding import ConductReport
from pytest_batcheval.simulator.state import State

CHECKS = (
    billing.billed_twice,
    billing.repeated_creates,
    leftovers.unread_results,
    leftovers.forgotten_batches,
    leftovers.late_cancels,
    manners.often_polled,
    manners.broken_limits,
    manners.refused_calls,
    manners.deaf_retries,
    billing.same_bodies,
    leftovers.files_left,
)


def conduct_of(state: State) -> ConductReport:
    """The findings on what the clients did since the last reset."""
    found = [finding for check in CHECKS for finding in check(state)]
    return ConductReport(sorted(found, key=lambda finding: not finding.wrong))
