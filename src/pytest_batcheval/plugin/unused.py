"""Recorded answers that no test asks for, counted after a run of the whole suite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from pytest_batcheval.errors import BatchEvalError
from pytest_batcheval.plugin.cells import PlannedCell
from pytest_batcheval.plugin.marker import asks_for_answers
from pytest_batcheval.plugin.options import root_of
from pytest_batcheval.plugin.plan import Plan
from pytest_batcheval.plugin.run_stats import UnusedRecordings
from pytest_batcheval.plugin.stash import LEFT_OUT
from pytest_batcheval.plugin.stored_answers import AnswerLookup, StoredAnswers
from pytest_batcheval.prompts.prompt_call import Known
from pytest_batcheval.recordings.answers import RecordingPlace, Recordings
from pytest_batcheval.recordings.unused import AskedRequest, part_unused


def find_unused(
    session: pytest.Session, plan: Plan, stored: StoredAnswers, used: Collection[str]
) -> UnusedRecordings | None:
    """The recorded answers that this run's tests do not ask for; `None` unless it is the whole suite.

    A key may be recorded in one module's file and asked for by another's tests, so the whole suite is needed.
    Skipped tests have requests too, which are not built. `used` are the keys that tests used.
    """
    try:
        if not _is_whole(session, plan, stored.recordings):
            return None
        if not stored.recordings.unused({*plan.requests, *used}):
            return None
        cells = ((item.module, planned) for item in plan.items for planned in item.cells)
        modules = {stored.recordings.module_of(place.path).as_posix() for place in stored.recordings.places()}
        found = part_unused(stored.recordings, list(asked_requests(cells, stored)), modules)
    except BatchEvalError:
        return None  # it has stopped the run, or fails the tests that need it
    if not found.replaced and not found.other_models:
        return None
    changed = _changed(plan, stored.recordings)
    stale = sum((place.path, _cell(place.line.cell)) in changed for place in found.replaced)
    models = Counter(place.line.asked().model for place in found.other_models)
    files = _files(found.replaced, root_of(session.config))
    return UnusedRecordings(len(found.replaced), stale, files, dict(sorted(models.items())))


def asked_requests(cells: Iterable[tuple[str, PlannedCell]], stored: StoredAnswers) -> Iterator[AskedRequest]:
    """The requests of every turn of these cells, with their test modules, as far as stored answers determine them.

    Later turns are followed for the answers of each origin.

    Raises:
        BatchEvalError: a prompt is broken, or stored answers cannot be read.
    """
    origins = {line.origin for line in stored.recordings.lines()}
    lookups: list[Known] = [AnswerLookup(stored), *(_answers_of(stored.recordings, origin) for origin in origins)]
    for module, planned in cells:
        for lookup in lookups if planned.call.is_generator else lookups[:1]:
            for request in planned.call.drive(lookup).requests:
                yield AskedRequest.of(request, module, planned.ids)


def _answers_of(recordings: Recordings, origin: str) -> Known:
    return lambda request: recordings.find((request,), origin).get(request.custom_id)


def _is_whole(session: pytest.Session, plan: Plan, recordings: Recordings) -> bool:
    """Whether every test that could ask for a recorded answer has been planned."""
    option, config = session.config.option, session.config
    if config.stash.get(LEFT_OUT, False) or option.ignore or option.ignore_glob or getattr(option, "lf", False):
        return False
    if config.args_source is pytest.Config.ArgsSource.ARGS:
        return False
    ours = sum(map(asks_for_answers, session.items))
    if ours != len(plan.items) or any(item.error is not None for item in plan.items):
        return False
    planned = {recordings.path_of(item.module) for item in plan.items}
    recorded = {place.path for place in recordings.places()}
    module_of, root = recordings.module_of, root_of(session.config)
    return not any(path not in planned and (root / module_of(path)).exists() for path in recorded)


def _changed(plan: Plan, recordings: Recordings) -> set[tuple[Path, frozenset[tuple[str, str]]]]:
    """Cells, by the file they are recorded in, whose request is not recorded: they had another one then."""
    recorded = recordings.find(plan.requests.values())
    return {
        (recordings.path_of(item.module), _cell(planned.ids))
        for item in plan.items
        for planned, request in zip(item.cells, item.requests, strict=False)
        if request.custom_id not in recorded
    }


def _cell(ids: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset(ids.items())


def _files(places: list[RecordingPlace], root: Path) -> list[str]:
    paths = sorted({place.path for place in places})
    return [str(path.relative_to(root)) if path.is_relative_to(root) else str(path) for path in paths]
