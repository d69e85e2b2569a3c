"""What one pytest process knows about its batch tests: settings, axes, plan, answers."""

from __future__ import annotations

from functools import cached_property

import pytest

from pytest_batcheval.errors import BatchEvalError
from pytest_batcheval.plugin.options import RUN, read_settings
from pytest_batcheval.plugin.parametrize import Axes
from pytest_batcheval.plugin.plan import ItemPlan, Plan
from pytest_batcheval.plugin.stats import RunStats
from pytest_batcheval.plugin.stored_answers import StoredAnswers
from pytest_batcheval.text.format import counted
from pytest_batcheval.wire.objects import Answer, Request


class BatchSession:
    """One per pytest process: the controller, each worker, or the only one.

    Attributes:
        headline: what the header said of the answers, so that the summary need not say it again.
        sent: keys that this run has sent.
        collected: numbers of the batches of earlier runs that it brought to their end.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.settings = read_settings(config)
        self.axes = Axes(config, self.settings)
        self.sources = StoredAnswers(self.settings)
        if self.settings.sends and hasattr(config, "workerinput"):
            self.sources.follow(config.workerinput[RUN])
        self._chosen_by_mark = bool(config.getoption("markexpr", ""))
        self.plan = Plan()
        self.tally = RunStats()
        self.notes: list[str] = []
        self.headline = ""
        self.sent: frozenset[str] = frozenset()
        self.collected: frozenset[int] = frozenset()

    @cached_property
    def run_id(self) -> str:
        """The id under which this run stands in the journal."""
        import uuid

        return uuid.uuid4().hex

    def others_line(self) -> str:
        """That tests which ask for nothing wait too, and how to leave them out unless marks choose already."""
        text = f"{counted(self.plan.others, 'other test')} must wait for the batches"
        return text if self._chosen_by_mark else f"{text}; -m batch leaves out what is not marked"

    @cached_property
    def brought(self) -> frozenset[str]:
        """Keys that this run got an answer for, also of the batches that it collected; asked for when it has sent."""
        if not self.sent and not self.collected:
            return frozenset()
        try:
            return frozenset(self.sources.journal.answered_by(self.run_id, self.collected))
        except BatchEvalError:
            return frozenset()

    def resolve(self, plan: ItemPlan) -> tuple[list[Answer], list[Request]]:
        """The answers of a test's cells, and the requests that have none.

        Raises:
            PromptError: a later turn of a prompt cannot be built.
            RecordingError, JournalError: stored answers cannot be read.
        """
        known = AnswerLookup(self, plan.requests)
        found: list[Answer] = []
        missing: list[Request] = []
        for planned in plan.cells:
            turns = planned.call.drive(known)
            if turns.pending is not None:
                missing.append(turns.pending)
                continue
            last = turns.answers[-1]
            found.append(Answer(last.request, last.origin, last.response, last.error, last.source, turns.answers))
            for answer in turns.answers:
                self.tally.use(answer)
        return found, missing

    def find_difference(self) -> None:
        """Find what the nearest recorded request differs in from the first unrecorded one."""
        tally = self.tally
        if tally.first_missing is None or tally.difference:
            return
        from pytest_batcheval.prompts.body_diff import body_diff

        try:
            nearest = self.sources.nearest(tally.first_missing)
        except BatchEvalError:
            return
        if nearest is not None:
            cell = ", ".join(f"{axis}={value}" for axis, value in nearest.cell.items())
            lines = body_diff(nearest.asked().body, tally.first_missing.body)
            tally.difference = f"the nearest recorded request ({cell}) differs from the first of them in:\n{lines}"


class AnswerLookup:
    """Stored answers (and failures, as failed answers) by request; later turns are looked up singly."""

    def __init__(self, session: BatchSession, requests: tuple[Request, ...] = ()) -> None:
        self._session = session
        self._found: dict[str, Answer | None] = {}
        self._fill(requests)

    def __call__(self, request: Request) -> Answer | None:
        """The stored answer of a request; a failed one has its error."""
        if request.custom_id not in self._found:
            self._fill((request,))
        return self._found[request.custom_id]

    def _fill(self, requests: tuple[Request, ...]) -> None:
        sources = self._session.sources
        answers = sources.find(requests)
        unanswered = [request for request in requests if request.custom_id not in answers]
        failures = sources.failures(unanswered) if unanswered else {}
        for request in requests:
            key = request.custom_id
            answer = answers.get(key)
            if answer is None and key in failures:
                answer = Answer(request, sources.origin or "", error=failures[key])
            self._found[key] = answer
