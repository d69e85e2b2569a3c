"""`--batch-deadline`: batches, flex or individual calls, whichever is cheapest of those that can be there in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from pytest_batcheval.plugin.destinations import planned_backends, planned_files
from pytest_batcheval.plugin.options import Settings
from pytest_batcheval.plugin.outlook import Outlook
from pytest_batcheval.text.format import dollars, duration
from pytest_batcheval.wire.objects import Request
from pytest_batcheval.wire.origin import provider_origin

if TYPE_CHECKING:
    from pytest_batcheval.journal.reader import JournalReader

SURE = 0.9
"""Least share of similar batches that would have been there in time, a convention."""

FEWEST = 5
"""Least number of similar batches that say anything about the next one, a convention."""

FLEX = 900.0
"""Seconds that a call of the tier flex may take: the timeout that OpenAI advises for it."""


@dataclass(frozen=True)
class WayToSend:
    """One way to send: its value of `--batch-calls`, whether it can be there in time and why, and its price."""

    calls: str
    in_time: bool
    why: str
    usd: Decimal | None

    @property
    def name(self) -> str:
        """In words."""
        return {"batch": "batches", "flex": "flex calls"}.get(self.calls, "individual calls")


def by_deadline(settings: Settings, ahead: Outlook, reader: JournalReader) -> tuple[Settings, list[str]]:
    """The settings with the way to send that is chosen, and lines with the price of each; unchanged without a deadline.

    Raises:
        UsageError: there is no such backend, or the same request is asked of two.
        JournalError: the journal cannot be read.
    """
    if settings.deadline is None:
        return settings, []
    asked = [*(request for _, request in ahead.fresh.values()), *(request for _, request in ahead.later)]
    ways = _ways(settings.deadline / ahead.waves, planned_backends(settings, asked), reader)
    chosen = next((way for way in ways if way.in_time), ways[0])
    late = "" if chosen.in_time else ", though they may be late"
    wait = settings.deadline if settings.wait is None else settings.wait
    lines = [
        f"answers are wanted within {duration(settings.deadline)}{_in_waves(ahead.waves)}; "
        "the ways to send, the cheapest first:",
        *(f"  {way.name}: {dollars(way.usd)}, {way.why}" for way in ways),
        f"chosen: {chosen.name}{late}",
    ]
    return replace(settings, calls=chosen.calls, wait=wait), lines


def _in_waves(waves: int) -> str:
    return "" if waves == 1 else f", in {waves} waves"


def _ways(deadline: float, groups: Mapping[str, Sequence[Request]], reader: JournalReader) -> list[WayToSend]:
    """The ways that all of these backends have, the cheapest first."""
    from pytest_batcheval.backends.connect import capabilities_of

    providers = [capabilities_of(backend) for backend in groups]
    in_time, why = _batches(deadline, groups, reader)
    ways = [WayToSend("batch", in_time, why, _usd(groups, batched=True))]
    if all(provider.flex for provider in providers) and providers:
        slow = f"up to {duration(FLEX)} each, the rest at the standard price where there is no capacity"
        ways.append(WayToSend("flex", deadline >= FLEX, slow, _usd(groups, batched=False, tier="flex")))
    if all(provider.calls for provider in providers):
        ways.append(WayToSend("individual", True, "seconds each", _usd(groups, batched=False)))
    return ways


def _batches(deadline: float, groups: Mapping[str, Sequence[Request]], reader: JournalReader) -> tuple[bool, str]:
    """Whether batches would be there in time, by the journal's history or the provider's window; and the reason."""
    from pytest_batcheval.backends.connect import expected_origin
    from pytest_batcheval.report.eta import WINDOW, Eta

    if deadline >= WINDOW:
        return True, f"at most {duration(WINDOW)}"
    fewest, worst = FEWEST, (2.0, "")
    etas = {backend: Eta(reader.batches(_known(reader, expected_origin(backend)))) for backend in groups}
    for backend, file in planned_files(groups, batched=True):
        past = etas[backend].predictions(file.endpoint, file.model, file.requests)
        early = sum(seconds <= deadline for seconds in past)
        fewest = min(fewest, len(past))
        worst = min(worst, (early / max(len(past), 1), f"{early} of {len(past)} similar ones ended by then"))
    if fewest < FEWEST:
        return False, f"at most {duration(WINDOW)}; the journal has fewer than {FEWEST} similar ones"
    return worst[0] >= SURE, worst[1]


def _known(reader: JournalReader, expected: str) -> str:
    """The origin that an earlier run found at this base URL: a server on this machine may be a simulator."""
    rows = reversed(reader.runs())
    return next((row.origin for row in rows if row.base_url and provider_origin(row.base_url) == expected), expected)


def _usd(groups: Mapping[str, Sequence[Request]], batched: bool, tier: str = "") -> Decimal | None:
    from pytest_batcheval.engine.estimate import total

    return total(file for _, file in planned_files(groups, batched, tier))
