"""Tests that ask a respondent of the simulator by the name of its model: skipped where a provider answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_batcheval.backends.base_url import is_loopback
from pytest_batcheval.wire.origin import MODEL_PREFIX, is_simulator

if TYPE_CHECKING:
    from pytest_batcheval.plugin.plan import ItemPlan


def respondents_asked(item: ItemPlan, origin: str, connected: bool) -> list[str]:
    """The models of a test's requests, of all waves, that are the simulator's respondents, if `origin` is a provider's.

    Before it is `connected`, a server on this machine may be a simulator.
    """
    if is_simulator(origin) or (not connected and is_loopback(origin)):
        return []
    names = {request.model for request in (*item.requests, *item.later) if request.model.startswith(MODEL_PREFIX)}
    if not names:
        return []
    from pytest_batcheval.simulator.respondents.registry import names_respondent

    return sorted(filter(names_respondent, names))
