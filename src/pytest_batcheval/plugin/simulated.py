"""Tests that ask a respondent of the simulator by the name of its model: skipped where a provider answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_batcheval.backends.base_url import is_loopback
from pytest_batcheval.wire.origin import MODEL_PREFIX, is_simulator

if TYPE_CHECKING:
    from pytest_batcheval.plugin.plan import ItemPlan
    from pytest_batcheval.wire.objects import Request


def respondents_asked(item: ItemPlan, origin_of: Callable[[Request], str], connected: bool) -> list[str]:
    """The models of a test's requests, of all waves, that are the simulator's respondents, asked of a provider.

    Before it is `connected`, a server on this machine may be a simulator.
    """
    asked = (request for request in (*item.requests, *item.later) if request.model.startswith(MODEL_PREFIX))
    names = {request.model for request in asked if _is_provider(origin_of(request), connected)}
    if not names:
        return []
    from pytest_batcheval.simulator.respondents.registry import names_respondent

    return sorted(filter(names_respondent, names))


def _is_provider(origin: str, connected: bool) -> bool:
    return not is_simulator(origin) and (connected or not is_loopback(origin))
