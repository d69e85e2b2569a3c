"""Recorded answers that no test asks for, parted by whether another run of the same suite may ask for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pytest_batcheval.recordings.answers import RecordingPlace, Recordings
from pytest_batcheval.wire.objects import Request


@dataclass(frozen=True)
class AskedRequest:
    """A request that a test asks for.

    Attributes:
        key: its key.
        module: the test module's path below rootdir, with `/`.
        cell: the cell as ids.
        any_model: the key that it would have if its model had no name.
    """

    key: str
    module: str
    cell: Mapping[str, str]
    model: str
    any_model: str

    @classmethod
    def of(cls, request: Request, module: str, cell: Mapping[str, str]) -> AskedRequest:
        """The request of a cell of a test in `module`."""
        return cls(request.custom_id, module, cell, request.model, _any_model(request))


@dataclass(frozen=True)
class UnusedAnswers:
    """Unused recorded answers.

    Attributes:
        replaced: those that no run of these tests asks for: the cell is gone, or asks the same model something else.
        other_models: those of cells that ask another model now, as in a suite that chooses its model by an option.
        other_modules: those of test modules that were not collected.
    """

    replaced: list[RecordingPlace] = field(default_factory=list)
    other_models: list[RecordingPlace] = field(default_factory=list)
    other_modules: list[RecordingPlace] = field(default_factory=list)


def part_unused(recordings: Recordings, asked: Collection[AskedRequest], modules: Collection[str]) -> UnusedAnswers:
    """Part the recorded answers that are not `asked` for; `modules` are the test modules that were collected.

    Raises:
        RecordingError: a recording is broken.
    """
    unused = recordings.unused({request.key for request in asked})
    models = _ModelsAsked(recordings, asked)
    other = {id(place) for place in unused if models.differ(place)}
    # In a cell that is still asked, a judge of the same model has read the answer of another.
    cells = {_cell(place.line.cell) for place in unused if id(place) in other} & models.cells
    collected = {recordings.path_of(module) for module in modules}
    found = UnusedAnswers()
    for place in unused:
        if place.path not in collected:
            found.other_modules.append(place)
        elif id(place) in other or _cell(place.line.cell) in cells:
            found.other_models.append(place)
        else:
            found.replaced.append(place)
    return found


_Cell = frozenset[tuple[str, str]]


class _ModelsAsked:
    """The models that tests ask, by recording and cell."""

    def __init__(self, recordings: Recordings, asked: Collection[AskedRequest]) -> None:
        self.cells = {_cell(request.cell) for request in asked}
        self._all = {request.model for request in asked}
        self._bodies = {request.any_model for request in asked}
        self._here: dict[tuple[Path, _Cell], set[str]] = defaultdict(set)
        for request in asked:
            self._here[recordings.path_of(request.module), _cell(request.cell)].add(request.model)

    def differ(self, place: RecordingPlace) -> bool:
        """Whether an answer's model is asked nothing, nothing in its cell, or another model the same."""
        recorded = place.line.asked()
        here = self._here.get((place.path, _cell(place.line.cell)), self._all)
        return recorded.model not in here or _any_model(recorded) in self._bodies


def _any_model(request: Request) -> str:
    return Request({**request.body, "model": ""}, request.url, request.method, request.sample).custom_id


def _cell(ids: Mapping[str, str]) -> _Cell:
    return frozenset(ids.items())
