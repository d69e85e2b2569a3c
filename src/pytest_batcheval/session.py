"""What one pytest process knows about its batch tests: settings, axes, plan, answers, counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pytest

from pytest_batcheval.planning import ItemPlan, Plan
from pytest_batcheval.selection import Axes
from pytest_batcheval.settings import RUN, read_settings
from pytest_batcheval.sources import Sources
from pytest_batcheval.wire.errors import BatchEvalError
from pytest_batcheval.wire.objects import Answer, Request


@dataclass
class Tally:
    """What the summary counts; a worker's tally travels to the controller as plain data.

    Attributes:
        used: where each used answer came from: key -> (source, origin).
        missing: unrecorded keys by test id.
        conversations: ids of tests whose conversation is not recorded.
        difference: how the nearest recorded request differs from the first unrecorded one.
    """

    used: dict[str, tuple[str, str]] = field(default_factory=dict)
    missing: dict[str, list[str]] = field(default_factory=dict)
    conversations: list[str] = field(default_factory=list)
    first_missing: Request | None = None
    difference: str = ""

    def use(self, answer: Answer) -> None:
        """Count an answer handed to a test."""
        state = "failed" if answer.error is not None else answer.source
        self.used[answer.custom_id] = (state, answer.origin)

    def unrecorded(self, nodeid: str, requests: list[Request]) -> None:
        """Count a test whose answers are not recorded."""
        self.missing[nodeid] = [request.custom_id for request in requests]
        self.first_missing = self.first_missing or requests[0]

    def by_source(self, sent: Collection[str]) -> Counter[tuple[str, str]]:
        """Number of distinct answers by (source, origin); the source of those that this run sent is `sent`."""
        return Counter(
            ("sent" if source == "journal" and key in sent else source, origin)
            for key, (source, origin) in self.used.items()
        )

    def to_data(self) -> dict[str, Any]:
        """Plain data for xdist's channel."""
        used = {key: list(where) for key, where in self.used.items()}
        return {
            "used": used,
            "missing": self.missing,
            "conversations": self.conversations,
            "difference": self.difference,
        }

    def add_data(self, data: dict[str, Any]) -> None:
        """Join a worker's tally."""
        self.used.update({key: (where[0], where[1]) for key, where in data["used"].items()})
        self.missing.update(data["missing"])
        self.conversations += data["conversations"]
        self.difference = self.difference or data["difference"]


class BatchSession:
    """One per pytest process: the controller, each worker, or the only one.

    Attributes:
        headline: what the header said of the answers, so that the summary need not say it again.
        sent_keys: keys that this run has sent.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.settings = read_settings(config)
        self.axes = Axes(config, self.settings)
        self.sources = Sources(self.settings)
        if self.settings.sends and hasattr(config, "workerinput"):
            self.sources.follow(config.workerinput[RUN])
        self.plan = Plan()
        self.tally = Tally()
        self.notes: list[str] = []
        self.headline = ""
        self.sent_keys: frozenset[str] = frozenset()

    @cached_property
    def run_id(self) -> str:
        """The id under which this run stands in the journal."""
        import uuid

        return uuid.uuid4().hex

    def resolve(self, plan: ItemPlan) -> tuple[list[Answer], list[Request]]:
        """The answers of a test's cells, and the requests that have none.

        Raises:
            PromptError: a later turn of a prompt cannot be built.
            RecordingError, JournalError: stored answers cannot be read.
        """
        known = Lookup(self, plan.requests)
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
        from pytest_batcheval.prompts.purity import difference

        try:
            nearest = self.sources.nearest(tally.first_missing)
        except BatchEvalError:
            return
        if nearest is not None:
            cell = ", ".join(f"{axis}={value}" for axis, value in nearest.cell.items())
            lines = difference(nearest.asked().body, tally.first_missing.body)
            tally.difference = f"the nearest recorded request ({cell}) differs from the first of them in:\n{lines}"


class Lookup:
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
