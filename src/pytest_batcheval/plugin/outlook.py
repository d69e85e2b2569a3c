"""The requests of a plan by what becomes of them: answered, failed, skipped, to be sent now or in later waves."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pytest_batcheval.plugin.foreseen import foreseen, requests_of
from pytest_batcheval.plugin.options import Settings
from pytest_batcheval.plugin.plan import ItemPlan, Plan
from pytest_batcheval.plugin.stored_answers import AnswerLookup, StoredAnswers
from pytest_batcheval.prompts.prompt_call import Known
from pytest_batcheval.wire.objects import Answer, Request, RequestError


@dataclass(frozen=True)
class Outlook:
    """The effect of a run, foretold.

    Attributes:
        asked: the requests of each test, by its id, that can be built by now: of its next wave, and of those before.
        answered: those with a stored answer, by key.
        final: keys of those with a final failure; they are not sent again.
        skipped: the tests that only the simulator could answer, with the respondents that they ask.
        later: distinct requests of later waves, built from made-up answers, each with the first test that asks for it.
        waves: the number of waves, as far as foreseen.
        complete: whether `later` are all that follow such answers, and not only those that could be foreseen.
    """

    asked: Mapping[str, Sequence[Request]]
    answered: Mapping[str, Answer]
    final: Collection[str]
    skipped: Mapping[str, Collection[str]]
    later: Sequence[tuple[str, Request]]
    complete: bool
    waves: int = 1

    @property
    def fresh(self) -> dict[str, tuple[str, Request]]:
        """The requests that would be sent now, by key, each with the first test that asks for it."""
        found: dict[str, tuple[str, Request]] = {}
        for test, requests in self.asked.items():
            for request in () if test in self.skipped else requests:
                if request.custom_id not in self.answered and request.custom_id not in self.final:
                    found.setdefault(request.custom_id, (test, request))
        return found


def outlook(plan: Plan, stored: StoredAnswers, settings: Settings) -> Outlook:
    """Foretell the effect of a run of this plan; nothing is sent, and a server on this machine may be a simulator.

    Raises:
        RecordingError, JournalError: stored answers cannot be read.
    """
    skipped = plan.simulated(stored.origin_of, connected=False)
    known = _nothing if settings.refresh else _Known(plan, stored)
    asked = {item.nodeid: _asked(item, known) for item in plan.items}
    each = {request.custom_id: request for requests in asked.values() for request in requests}
    answered = {} if settings.refresh else stored.find(each.values())
    final = set[str]() if settings.refresh else stored.final_failures(each.values())
    seen = [
        (item.nodeid, foreseen(planned.call, known))
        for item in plan.items
        if item.error is None and item.nodeid not in skipped
        for planned in item.cells
    ]
    later: dict[str, tuple[str, Request]] = {}
    for test, one in seen:
        for request in one.later:
            if request.custom_id not in each:
                later.setdefault(request.custom_id, (test, request))
    complete = all(one.complete for _, one in seen)
    waves = 1 + max((one.waves for _, one in seen), default=0)
    return Outlook(asked, answered, final, skipped, list(later.values()), complete, waves)


def _asked(item: ItemPlan, known: Known) -> list[Request]:
    """The requests of a test, those of equal bodies once for each cell, as its cells ask for them."""
    if not any(planned.call.is_generator for planned in item.cells):
        return list(item.requests)
    return [request for planned in item.cells for request in requests_of(planned.call, known)]


def _nothing(request: Request) -> None:
    return None


class _Known:
    """Stored answers, and failures that end a prompt."""

    def __init__(self, plan: Plan, stored: StoredAnswers) -> None:
        self._stored = stored
        self._answer = AnswerLookup(stored, tuple(plan.requests.values()))

    def __call__(self, request: Request) -> Answer | None:
        answer = self._answer(request)
        if answer is None and self._stored.final_failures([request]):
            return Answer(
                request, self._stored.origin_of(request), error=RequestError("failed", "it is not sent again")
            )
        return answer
