"""Stored answers, from recordings and journal, in the order of the run's mode."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_batcheval.journal.address import may_exist
from pytest_batcheval.plugin.options import Settings
from pytest_batcheval.prompts.prompt_call import Turns
from pytest_batcheval.wire.objects import Answer, Request, RequestError

if TYPE_CHECKING:
    from pytest_batcheval.journal.store import JournalReader
    from pytest_batcheval.plugin.cells import PlannedCell
    from pytest_batcheval.plugin.plan import ItemPlan
    from pytest_batcheval.plugin.worker_answers import ControllerAnswers
    from pytest_batcheval.recordings.answer_line import RecordedLine
    from pytest_batcheval.recordings.answers import Recordings


MOST_COMPARED = 200
"""Recorded requests that are compared with an unrecorded one."""


class StoredAnswers:
    """Stored answers by key; never touches the network.

    Replay reads recordings, then the journal, of any origin. Send and record read the journal,
    then recordings, both of the backend's origin only, so that a simulator's answer can never
    replace a model's; and of the run's round only, if it has one. A worker that does not see its
    controller's folder asks the controller for all of them.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._origins: dict[str, str] = {}
        self._run_id: str | None = None
        self._controller: ControllerAnswers | None = None
        self._same_folder = True
        self.differing: set[str] = set()

    @cached_property
    def recordings(self) -> Recordings:
        """The recorded answers; read on first use."""
        from pytest_batcheval.recordings.answers import Recordings

        return Recordings(self._settings.cassettes)

    @cached_property
    def journal(self) -> JournalReader:
        """The journal, read-only; an absent one is empty and is not created."""
        from pytest_batcheval.journal.store import Journal

        return Journal.read(self._settings.journal)

    def close(self) -> None:
        """Close the journal."""
        if "journal" in vars(self):
            self.journal.close()

    @property
    def origins(self) -> Mapping[str, str]:
        """The origins by the name of the backend, once known; a worker reads what its controller has in the journal."""
        if not self._origins and self._run_id is not None:
            self._origins = self.journal.run_origins(self._run_id)
        return self._origins

    def origin_of(self, request: Request) -> str:
        """The origin that a request's answer must have; empty for one not known yet, which matches none."""
        return self.origins.get(request.backend, "")

    def comes_from(self, backend: str, origin: str) -> None:
        """Note the origin of a backend, by the name that tests choose, empty for the run's own."""
        self._origins[backend] = origin

    def follow(self, run_id: str | None, controller: ControllerAnswers, same_folder: bool) -> None:
        """Take the origin that the controller of this run writes into the journal, or all answers from it.

        `run_id` is `None` in a run that sends nothing.
        """
        self._run_id, self._controller, self._same_folder = run_id, controller, same_folder

    @property
    def elsewhere(self) -> bool:
        """Whether this is a worker that does not see its controller's journal; read it once tests run."""
        if self._controller is None:
            return False
        return not self._same_folder or (self._run_id is not None and not self.origins)

    def find(self, requests: Iterable[Request]) -> dict[str, Answer]:
        """The stored answers of these requests, by key.

        Raises:
            RecordingError: a recording is broken.
            JournalError: the journal cannot be read.
        """
        wanted = {request.custom_id: request for request in requests}
        if self._controller is not None and self.elsewhere:
            return self._controller.find(wanted)
        if not self._settings.sends and self._settings.mode != "plan":
            replayed = self.recordings.find(wanted.values())
            missing = [request for key, request in wanted.items() if key not in replayed]
            return replayed | self._journaled(missing, None)
        found: dict[str, Answer] = {}
        for origin, some in self._by_origin(wanted.values()):
            journaled = self._journaled(some, origin)
            recorded = self.recordings.find(some, origin, self._settings.round)
            both = journaled.keys() & recorded.keys()
            self.differing |= {key for key in both if journaled[key].response != recorded[key].response}
            found |= recorded | journaled
        return found

    def sources(self, requests: Iterable[Request]) -> dict[str, tuple[str, str]]:
        """(source, origin) of the answers that a replay finds, by key; recorded ones are not decoded for it.

        Raises:
            RecordingError, JournalError: as `find`.
        """
        wanted = {request.custom_id: request for request in requests}
        recorded = self.recordings.origins(wanted.values())
        missing = [request for key, request in wanted.items() if key not in recorded]
        journaled = self._journaled(missing, None)
        found = {key: ("recording", origin) for key, origin in recorded.items()}
        return found | {key: (answer.source, answer.origin) for key, answer in journaled.items()}

    def failures(self, requests: Iterable[Request]) -> dict[str, RequestError]:
        """The errors of requests without an answer, by key; empty in replay, which sends nothing."""
        if not self._settings.sends or self.elsewhere:  # the controller's failures came with its answers
            return {}
        found: dict[str, RequestError] = {}
        for origin, some in self._by_origin(requests):
            found |= self.journal.failures(some, origin, self._settings.round)
        return found

    def final_failures(self, requests: Iterable[Request]) -> set[str]:
        """Keys of those of these requests that have a final failure, so that they are not sent again."""
        found: set[str] = set()
        for origin, some in self._by_origin(requests):
            found |= self.journal.final([request.custom_id for request in some], origin, self._settings.round).keys()
        return found

    def _by_origin(self, requests: Iterable[Request]) -> list[tuple[str, list[Request]]]:
        groups: dict[str, list[Request]] = {}
        for request in requests:
            groups.setdefault(self.origin_of(request), []).append(request)
        return list(groups.items())

    def resolve(self, plan: ItemPlan) -> tuple[list[Answer], list[tuple[PlannedCell, Request]]]:
        """The answers of a test's cells, and the requests that have none, each with its cell.

        Raises:
            PromptError: a later turn of a prompt cannot be built.
            RecordingError, JournalError: stored answers cannot be read.
        """
        lookup = AnswerLookup(self, plan.requests)
        found: list[Answer] = []
        missing: list[tuple[PlannedCell, Request]] = []
        # The request of a plain prompt was built when it was planned; a generator may ask for several at once.
        plain = not any(planned.call.is_generator for planned in plan.cells)
        for number, planned in enumerate(plan.cells):
            turns = _one_turn(plan.requests[number], lookup) if plain else planned.call.drive(lookup)
            if turns.pending and not any(answer.error is not None for answer in turns.answers):
                missing += ((planned, request) for request in turns.pending.values())
                continue
            last = turns.answers[-1]
            found.append(replace(last, turns=turns.answers, cell=planned.ids))
        return found, missing

    def nearest(self, request: Request, cell: Mapping[str, str]) -> RecordedLine | None:
        """The recorded line whose request is most similar to this one; `None` without recordings.

        It is one of those with the same cell, if there are any; of many, one of those with a similar length.
        """
        from pytest_batcheval.prompts.body_diff import likeness

        lines = list(self.recordings.lines())
        lines = [line for line in lines if line.cell == cell] or lines
        size = len(request.line())
        near = sorted(lines, key=lambda line: abs(len(line.request) - size))[:MOST_COMPARED]
        asked = [(line, line.asked()) for line in near]
        alike = [(likeness(past.body, request.body), line) for line, past in asked if past.url == request.url]
        return max(alike, key=lambda found: found[0])[1] if alike else None

    def _journaled(self, requests: Sequence[Request], origin: str | None) -> dict[str, Answer]:
        if not requests or not may_exist(self._settings.journal):
            return {}
        return self.journal.answers(requests, origin, "" if origin is None else self._settings.round)


class AnswerLookup:
    """Stored answers (and failures, as failed answers) by request; later turns are looked up one by one."""

    def __init__(self, stored: StoredAnswers, requests: Sequence[Request] = ()) -> None:
        self._stored = stored
        self._found: dict[str, Answer | None] = {}
        self._fill(requests)

    def __call__(self, request: Request) -> Answer | None:
        """The stored answer of a request; a failed one has its error."""
        if request.custom_id not in self._found:
            self._fill((request,))
        return self._found[request.custom_id]

    def _fill(self, requests: Sequence[Request]) -> None:
        answers = self._stored.find(requests)
        unanswered = [request for request in requests if request.custom_id not in answers]
        failures = self._stored.failures(unanswered) if unanswered else {}
        for request in requests:
            key = request.custom_id
            answer = answers.get(key)
            if answer is None and key in failures:
                answer = Answer(request, self._stored.origin_of(request), error=failures[key])
            self._found[key] = answer


def _one_turn(request: Request, known: AnswerLookup) -> Turns:
    answer = known(request)
    return Turns((), {0: request}) if answer is None else Turns((answer,), {})
